/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_BDEV_NOW_H
#define BDEV_BDEV_NOW_H

/*
 * The short way for most I/O: READs and WRITEs of one segment that pass every check, on a
 * backend in memory, which does them at once and can't fail. They need no struct bdev_io.
 */

#include "bdev/bdev_internal.h"
#include "util/counter.h"
#include "util/util.h"

/* One I/O in so many of a kind is timed: a look at the clock costs more than an I/O in memory. */
#define BDEV_TIMED_IOS 64

static inline bool bdev_is_timed(const struct bdev_channel *ch, unsigned int op)
{
	return ch->stats.ios[op] % BDEV_TIMED_IOS == 0;
}

/* On the channel's reactor: ch->now(), and how long it took. */
void bdev_now_timed(struct bdev_channel *ch, enum bdev_op op, uint64_t lba, uint32_t nblocks,
		    void *buf);

/* Whether a read or write may have so many blocks (not 0), and all of them are on the bdev. */
static inline bool bdev_range_is_plain(const struct bdev_channel *ch, uint64_t lba,
				       uint32_t nblocks)
{
	/* plain_blocks is not more than plain_end. */
	return nblocks - 1 < ch->plain_blocks && lba <= ch->plain_end - nblocks;
}

/*
 * For a channel with ch->now: whether bdev_now_run() may do it. If not, bdev_submit() will say why.
 * On the channel's reactor.
 */
static inline bool bdev_now_may(const struct bdev_channel *ch, enum bdev_op op, uint64_t lba,
				uint32_t nblocks)
{
	return likely(op <= ch->plain_op && bdev_range_is_plain(ch, lba, nblocks) &&
		      !atomic_load_explicit(ch->priv->gate_flags, memory_order_relaxed));
}

/*
 * After bdev_now_may(), with no other I/O on the channel in between: does it, as if by an I/O that
 * ended with OK. `buf` has room for nblocks.
 */
static inline void bdev_now_run(struct bdev_channel *ch, enum bdev_op op, uint64_t lba,
				uint32_t nblocks, void *buf)
{
	if (unlikely(bdev_is_timed(ch, op)))
		bdev_now_timed(ch, op, lba, nblocks, buf);
	else
		ch->now(ch, op, lba, nblocks, buf);
	COUNTER_ADD(ch->stats.ios[op], 1);
	COUNTER_ADD(ch->stats.blocks[op], nblocks);
}

/* The same for data in two pieces, the first of which has `first` blocks. */
static inline void bdev_now_run_two(struct bdev_channel *ch, enum bdev_op op, uint64_t lba,
				    uint32_t nblocks, uint32_t first, void *buf, void *rest)
{
	ch->now(ch, op, lba, first, buf);
	ch->now(ch, op, lba + first, nblocks - first, rest);
	COUNTER_ADD(ch->stats.ios[op], 1);
	COUNTER_ADD(ch->stats.blocks[op], nblocks);
}

/* Both. False: nothing has happened. */
static inline bool bdev_now(struct bdev_channel *ch, enum bdev_op op, uint64_t lba,
			    uint32_t nblocks, void *buf)
{
	if (!bdev_now_may(ch, op, lba, nblocks))
		return false;
	bdev_now_run(ch, op, lba, nblocks, buf);
	return true;
}

#endif
