/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_EMU_POOL_H
#define BDEV_EMU_POOL_H

/* Emulations, and who waits for one; between bdev_emu.c and bdev_emu_pool.c. The channel's reactor.
 */

#include "bdev/bdev_internal.h"
#include "bdev/bdev_iov.h"
#include "reactor/reactor.h"

#define BDEV_EMU_COMPARE_BYTES (128u << 10) /* of a COMPARE's buffer, and so of its reads */
#define BDEV_EMU_SEGMENTS      16

struct bdev_emu {
	struct bdev_io child;
	struct bdev_io *parent; /* NULL: it was abandoned, and the child is awaited */
	struct bdev_channel *ch;
	struct bdev_fence fence;	/* an abandoned parent's child may write */
	struct bdev_emu *next, **prevp; /* among those that are free, or that are not */
	void *buf; /* COMPARE: BDEV_EMU_COMPARE_BYTES, made at the first need */
	uint64_t lba;
	uint32_t left; /* blocks from lba on */
	uint32_t max_step;
	struct bdev_iov_pos pos; /* COMPARE and STEPS: where the parent's iov and lba meet */
	struct reactor_job job;	 /* the next piece */
	/* STEPS: entries of the parent's array that are cut for the child, and as they were. */
	struct iovec *first, *last, first_whole, last_whole;
	enum bdev_emu_kind kind;
	enum bdev_status status;
	bool submitting, child_done, cancelled;
	struct iovec iov[BDEV_EMU_SEGMENTS];
};

/* In the parent's io->backend. */
struct bdev_emu_parent {
	struct bdev_emu *emu;	    /* NULL while it waits for one */
	struct reactor_share *user; /* who pays, and with whom the others have turns */
	enum bdev_emu_kind kind;
	/* Of those that wait: the next one of the same user. */
	struct bdev_io *next;
	/* Of a user's first one: its last one, and the first one of the user whose turn is next. */
	struct bdev_io *last, *next_user;
};

_Static_assert(sizeof(struct bdev_emu_parent) <= sizeof(((struct bdev_io *)0)->backend), "fits");

static inline struct bdev_emu_parent *bdev_emu_parent(struct bdev_io *io)
{
	return (struct bdev_emu_parent *)&io->backend;
}

/* Whether a user's I/O may begin now, and does not have to wait behind others. */
bool bdev_emu_pool_has_room(const struct bdev_emu_pool *pool, const struct reactor_share *user);
/* In any case, beyond all limits. 0 or -ENOMEM. */
int bdev_emu_pool_take(struct bdev_emu_pool *pool, struct bdev_io *io, enum bdev_emu_kind kind,
		       struct bdev_emu **out);
void bdev_emu_pool_give(struct bdev_emu_pool *pool, struct bdev_emu *emu);

void bdev_emu_pool_wait(struct bdev_emu_pool *pool, struct bdev_io *io);
/* It waits no more. False: it did not. */
bool bdev_emu_pool_leave(struct bdev_emu_pool *pool, struct bdev_io *io);
/* Whose turn it is, and waits no more; NULL: nobody's. */
struct bdev_io *bdev_emu_pool_next(struct bdev_emu_pool *pool);

#endif
