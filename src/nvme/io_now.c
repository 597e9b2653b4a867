/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way of commands whose data is in two pages: those of PRP1 and PRP2. */
#include "nvme/io_now.h"

/* More pages, an offset in PRP2 (NVMe 1.4, 4.3) and a block over both pages are for the long way.
 */
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
