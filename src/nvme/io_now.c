/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way of commands that have more data than is left in their first page. */
#include <endian.h>

#include <shadowbell/bdev.h>

#include "guest_mem/guest_mem.h"
#include "nvme/cq.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/io_now.h"
#include "nvme/prp.h"
#include "nvme/sgl.h"
#include "nvme/sq.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

/* --- two pages: those of PRP1 and PRP2 --- */

/* More pages, an offset in PRP2 (NVMe 1.4, 4.3) and a block over both pages are for others. */
bool __attribute__((noinline))
vnvme_io_now_pages(struct vnvme_group *g, struct bdev_channel *ch, enum bdev_op op, uint64_t lba,
		   uint32_t nblocks, uint64_t prp1, uint64_t prp2)
{
	const unsigned int shift = ch->bdev->block_shift;
	uint64_t len = (uint64_t)nblocks << shift;
	uint32_t first = vnvme_page_left(prp1);
	uint8_t *page, *second;

	if (len - first > VNVME_PAGE || prp2 & (VNVME_PAGE - 1) ||
	    first & (ch->bdev->block_size - 1))
		return false;
	page = guest_mem_ptr_near(g->mem, prp1, first, &g->last_region);
	second = guest_mem_ptr_near(g->mem, prp2, len - first, &g->last_region);
	if (unlikely(!page || !second || !bdev_now_may(ch, op, lba, nblocks)))
		return false;
	if (second == page + first)
		bdev_now_run(ch, op, lba, nblocks, page);
	else if (unlikely(bdev_is_timed(ch, op)))
		return false; /* the long way is timed as a whole */
	else
		bdev_now_run_two(ch, op, lba, nblocks, first >> shift, page, second);
	if (len > VNVME_PAGE)
		vnvme_group_pay(g, len - VNVME_PAGE);
	return true;
}

/* --- a large piece of memory --- */

/* Where it is: pages that follow each other in a PRP list, or an SGL that is one Data Block. */
static void *find_piece(struct vnvme_group *g, const struct nvme_sqe *sqe, uint32_t len)
{
	uint64_t low = le64toh(sqe->prp1), high = le64toh(sqe->prp2);

	if (sqe->flags)
		return vnvme_sgl_run(g->mem, low, high, len, &g->last_region);
	return len > vnvme_page_left(low) + VNVME_PAGE
		       ? vnvme_prp_run(g->mem, low, high, len, &g->last_region)
		       : NULL;
}

/*
 * Commands that vnvme_io_now() does not take: those of large pieces of memory, unless the bdev does
 * them in steps. Without flags, or with an SGL (PSDT 01b).
 */
bool __attribute__((noinline)) vnvme_io_now_piece(struct vnvme_sq *sq, const struct nvme_sqe *sqe)
{
	uint64_t slba = (uint64_t)le32toh(sqe->cdw11) << 32 | le32toh(sqe->cdw10), len;
	uint32_t nsid = le32toh(sqe->nsid), nlb = NVME_RW_NLB(le32toh(sqe->cdw12));
	struct vnvme_group *g = sq->group;
	struct bdev_channel *ch;
	enum bdev_op op;
	void *data;

	if (sqe->flags & ~VNVME_FLAGS_SGL || nsid > VNVME_MAX_NAMESPACES)
		return false;
	ch = g->now[nsid];
	if (!ch || !vnvme_io_now_op(sqe, &op) || !vnvme_cq_has_ready(sq->cq))
		return false;
	len = (uint64_t)nlb << ch->bdev->block_shift;
	if (len > VNVME_MAX_TRANSFER || !bdev_now_may(ch, op, slba, nlb))
		return false;
	data = find_piece(g, sqe, (uint32_t)len);
	if (!data)
		return false;
	bdev_now_run(ch, op, slba, nlb, data);
	if (len > VNVME_PAGE)
		vnvme_group_pay(g, len - VNVME_PAGE);
	vnvme_count_io(sq, op, len);
	vnvme_cq_add_ready(sq, le16toh(sqe->cid));
	return true;
}
