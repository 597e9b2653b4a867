/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way, timed. */
#include "bdev/bdev_now.h"
#include "util/time.h"

slow_path void bdev_now_timed(struct bdev_channel *ch, enum bdev_op op, uint64_t lba,
			      uint32_t nblocks, void *buf)
{
	uint64_t start = time_now_ns();

	ch->now(ch, op, lba, nblocks, buf);
	latency_add(ch->stats.latency_ns[op], &ch->stats.latency_sum_ns[op], time_now_ns() - start);
}
