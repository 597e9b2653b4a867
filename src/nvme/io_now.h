/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_IO_NOW_H
#define NVME_IO_NOW_H

/*
 * The short way of most commands to bdevs in memory: a Read or Write whose data is all in the pages
 * of PRP1 and PRP2, or in one piece, is done here, and nothing but its completion queue entry is
 * left of it. All others, and all that is wrong with a command, take the long way: io.c.
 */

#include "bdev/bdev_now.h"
#include "guest_mem/guest_mem.h"
#include "nvme/cq.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/sq.h"

#define DTYPE_MASK (0xfu << 20) /* of CDW12 of a Write (NVMe 1.4, 6.15) */

#define VNVME_FLAGS_SGL (1u << 6) /* PSDT 01b, no fused command */

/* io_now.c: the data of a Read or Write that has more than is left in its first page. */
bool vnvme_io_now_pages(struct vnvme_group *g, struct bdev_channel *ch, enum bdev_op op,
			uint64_t lba, uint32_t nblocks, uint64_t prp1, uint64_t prp2);

/* The data of a Read or Write. False: nothing has happened. */
static inline bool vnvme_io_now_data(struct vnvme_group *g, struct bdev_channel *ch,
				     enum bdev_op op, uint64_t lba, uint32_t nblocks,
				     const struct nvme_sqe *sqe)
{
	uint64_t prp1 = le64toh(sqe->prp1), len = (uint64_t)nblocks << ch->bdev->block_shift;
	void *page;

	if (unlikely(prp1 & 3))
		return false;
	if (len > vnvme_page_left(prp1))
		return vnvme_io_now_pages(g, ch, op, lba, nblocks, prp1, le64toh(sqe->prp2));
	page = guest_mem_ptr_near(g->mem, prp1, len, &g->last_region);
	return likely(page) && bdev_now(ch, op, lba, nblocks, page);
}

/* Whether it is a Read, or a Write without a directive. */
static inline bool vnvme_io_now_op(const struct nvme_sqe *sqe, enum bdev_op *op)
{
	*op = sqe->opcode == nvme_cmd_read ? BDEV_OP_READ : BDEV_OP_WRITE;
	return (*op == BDEV_OP_READ || sqe->opcode == nvme_cmd_write) &&
	       !(le32toh(sqe->cdw12) & DTYPE_MASK);
}

/*
 * io_now.c: a command that vnvme_io_now() has left alone. False: nothing has happened. After true
 * the round's share may be used up.
 */
bool vnvme_io_now_piece(struct vnvme_sq *sq, const struct nvme_sqe *sqe);

/* The command was copied into our memory. False: nothing has happened. */
static inline bool vnvme_io_now(struct vnvme_sq *sq, const struct nvme_sqe *sqe)
{
	uint32_t nsid = le32toh(sqe->nsid), cdw12 = le32toh(sqe->cdw12);
	uint64_t slba = (uint64_t)le32toh(sqe->cdw11) << 32 | le32toh(sqe->cdw10);
	uint32_t nlb = NVME_RW_NLB(cdw12);
	enum bdev_op op = sqe->opcode == nvme_cmd_read ? BDEV_OP_READ : BDEV_OP_WRITE;
	struct vnvme_group *g = sq->group;
	struct bdev_channel *ch;

	if (unlikely((op == BDEV_OP_WRITE && sqe->opcode != nvme_cmd_write) || sqe->flags ||
		     cdw12 & DTYPE_MASK || nsid > VNVME_MAX_NAMESPACES))
		return false;
	ch = g->now[nsid];
	if (unlikely(!ch || !vnvme_cq_has_ready(sq->cq)))
		return false;
	/* Whether it must be on stable media makes no difference in memory. */
	if (!vnvme_io_now_data(g, ch, op, slba, nlb, sqe))
		return false;
	vnvme_count_io(sq, op, (uint64_t)nlb << ch->bdev->block_shift);
	vnvme_cq_add_ready(sq, le16toh(sqe->cid));
	return true;
}

#endif
