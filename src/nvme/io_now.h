/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_IO_NOW_H
#define NVME_IO_NOW_H

/*
 * The short way of most commands to bdevs in memory: a Read or Write whose data is all in the page
 * of PRP1 is done here, and nothing but its completion queue entry is left of it. All others, and
 * all that is wrong with a command, take the long way: io.c.
 */

#include "bdev/bdev_now.h"
#include "nvme/vnvme_internal.h"

#define DTYPE_MASK (0xfu << 20) /* of CDW12 of a Write (NVMe 1.4, 6.15) */

/* The page's host address if the data is all in it; or NULL. */
static inline void *vnvme_page_of(struct vnvme_group *g, uint64_t prp1, uint64_t len)
{
	if (unlikely(len > VNVME_PAGE - (prp1 & (VNVME_PAGE - 1)) || prp1 & 3))
		return NULL;
	return guest_mem_ptr_near(g->mem, prp1, len, &g->last_region);
}

/* The command was copied into our memory. False: nothing has happened. */
static inline bool vnvme_io_now(struct vnvme_sq *sq, const struct nvme_sqe *sqe)
{
	uint32_t nsid = le32toh(sqe->nsid), cdw12 = le32toh(sqe->cdw12);
	uint64_t slba = (uint64_t)le32toh(sqe->cdw11) << 32 | le32toh(sqe->cdw10);
	uint32_t nlb = NVME_RW_NLB(cdw12);
	enum bdev_op op = sqe->opcode == nvme_cmd_read ? BDEV_OP_READ : BDEV_OP_WRITE;
	struct vnvme_group *g = sq->group;
	struct bdev_channel *ch;
	uint64_t len;
	void *page;

	if (unlikely((op == BDEV_OP_WRITE && sqe->opcode != nvme_cmd_write) || sqe->flags ||
		     cdw12 & DTYPE_MASK || nsid > VNVME_MAX_NAMESPACES))
		return false;
	ch = g->now[nsid];
	if (unlikely(!ch || !vnvme_cq_has_ready(sq->cq)))
		return false;
	len = (uint64_t)nlb << ch->bdev->block_shift;
	page = vnvme_page_of(g, le64toh(sqe->prp1), len);
	/* Whether it must be on stable media makes no difference in memory. */
	if (unlikely(!page || !bdev_now(ch, op, slba, nlb, page)))
		return false;
	vnvme_count_io(sq, op, len);
	vnvme_cq_add_ready(sq, le16toh(sqe->cid));
	return true;
}

#endif
