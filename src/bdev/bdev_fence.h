/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FENCE_H
#define BDEV_FENCE_H

/*
 * Keeps newer I/O off blocks that an abandoned I/O may still write to: whoever got an answer for
 * that one may write the same blocks again, and the late write must not hit the newer data. I/O on
 * such blocks, reads as well, waits until the fence is lowered, or until it is itself cancelled,
 * abandoned or as old as the bdev's io_timeout.
 *
 * While nothing is fenced, which is nearly always, the I/O path pays nothing: the flag stands in
 * the word that it looks at anyway to see whether the bdev is being removed.
 */

#include "bdev/bdev_gate.h"
#include "reactor/reactor.h"

struct bdev_fence {
	uint64_t lba, nblocks;
	struct bdev_fence *next, **prevp;
};

/* Of a channel: what waits there. */
struct bdev_fenced {
	struct bdev_channel *ch;
	struct bdev_io *first, **last; /* by bdev_fence.c's part of io->backend */
	struct timer timer;
};

/* Any thread. Before the I/O is answered that is late. */
void bdev_fence_raise(struct bdev_gate *gate, struct bdev_fence *fence);
void bdev_fence_lower(struct bdev_gate *gate, struct bdev_fence *fence);

void bdev_fenced_init(struct bdev_fenced *fenced, struct bdev_channel *ch);
/* With BDEV_GATE_FENCED set: whether the I/O must wait; then it does. Its reactor, as below. */
bool bdev_fenced_wait(struct bdev_channel *ch, struct bdev_io *io);
/* Ends the wait and the I/O, with that. */
void bdev_fenced_end(struct bdev_io *io, enum bdev_status status);

#endif
