/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_INTERNAL_H
#define BDEV_INTERNAL_H

/* Between the files of the bdev layer; backends and users need only shadowbell/bdev.h. */

#include <shadowbell/bdev_backend.h>
#include <stdatomic.h>

#include "bdev/bdev_fence.h"

/* bdev_io.state */
enum bdev_io_state {
	BDEV_IO_IDLE,
	BDEV_IO_SUBMITTED, /* by a user: done() is owed */
	BDEV_IO_EMULATED,  /* likewise, and a struct bdev_emu works on it or will */
	BDEV_IO_CHILD,	   /* of a struct bdev_emu */
	BDEV_IO_FENCED,	   /* of either kind: waits for a late write to the same blocks */
};

struct bdev_emu;

/* The emulations of a channel; bdev_emu_pool.c. */
struct bdev_emu_pool {
	struct bdev_emu *free, *used;
	unsigned int nused;
	struct bdev_io *waiting; /* of each user that has to wait the first one; by turns */
	bool starting;		 /* guards against recursion */
};

struct bdev_channel_private {
	struct bdev_emu_pool emu;
	/* The bdev's, and its flags, so that the I/O path takes one step less. */
	struct bdev_gate *gate;
	const atomic_uint *gate_flags;
	struct bdev_fenced fenced;
	/* Of a part: the base's channel, and where in the base it begins. */
	struct bdev_channel *base;
	uint64_t first_lba;
	/* To take over the bdev's new size. The flags are the registry's lock's. */
	struct reactor_msg refit;
	bool refit_sent, put;
	bool behind; /* there is I/O behind the end, or it is not known yet */
};

enum bdev_emu_kind {
	BDEV_EMU_COMPARE, /* READ and memcmp() */
	BDEV_EMU_ZERO,	  /* WRITE of zeroes */
	BDEV_EMU_SPLIT,	  /* DISCARD or WRITE_ZEROES in pieces of at most the limit */
	BDEV_EMU_STEPS,	  /* READ, WRITE or COMPARE in pieces of at most the step */
};

/* What a piece of a DISCARD or WRITE_ZEROES costs, for backends that do it at once. */
static inline uint64_t bdev_far_units(const struct bdev *bdev, uint32_t nblocks)
{
	return bdev->limits.far_step_bytes ? ((uint64_t)nblocks << bdev->block_shift) / 8 : 0;
}

/* All: the channel's reactor. */
void bdev_emu_pool_init(struct bdev_emu_pool *pool);
void bdev_emu_pool_fini(struct bdev_emu_pool *pool);
void bdev_emu_start(struct bdev_io *io, enum bdev_emu_kind kind);
void bdev_emu_child_done(struct bdev_io *child, enum bdev_status status);
void bdev_emu_cancel(struct bdev_io *io);
/*
 * The parent ends; its child may go on, as all that it works on is the emulation's. False: it works
 * on the user's memory.
 */
bool bdev_emu_abandon(struct bdev_io *io, enum bdev_status status);

/* bdev_io.c: an I/O that waited before it got to the backend goes on. */
void bdev_io_resume(struct bdev_io *io);

/*
 * For a bdev that is a part of another: an I/O that its submit() got becomes one of the base, by
 * the same struct, until bdev_io_complete() undoes that. The limits of both are the same. The base
 * may be a part itself and pass it on again. The backend at the end sees nothing of all that, and
 * it can be cancelled as an I/O of that backend.
 */
void bdev_io_pass_on(struct bdev_io *io);

#endif
