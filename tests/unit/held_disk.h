/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_HELD_DISK_H
#define TESTS_UNIT_HELD_DISK_H

/* A disk that answers when the test says, and whose I/O can be ended early, or not. One reactor. */

#include <shadowbell/bdev_backend.h>

#include "bdev/drain.h"
#include "reactor/reactor.h"
#include "tools.h"

#define HELD_MAX    64u
#define HELD_BLOCK  512u
#define HELD_BLOCKS 100000u

/* How an I/O can be ended early. */
enum held_manner { HELD_NEVER, HELD_CANCELLED, HELD_ABANDONED };

static struct held_disk {
	struct bdev bdev;
	struct bdev_io *held[HELD_MAX];
	atomic_uint nheld;
	enum held_manner manner;
	atomic_bool answers;   /* at once */
	uint64_t late_ns;      /* not 0: each, one after the other, after this time */
	atomic_uint submitted; /* all */
	atomic_uint cancels, abandons;
	struct timer timer;
} held;

static inline void held_forget(const struct bdev_io *io)
{
	unsigned int i;

	for (i = 0; held.held[i] != io; i++)
		;
	held.held[i] = held.held[--held.nheld];
}

static inline void held_timer(void *arg)
{
	bdev_io_complete(held.held[--held.nheld], BDEV_STATUS_OK);
}

static inline void held_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	atomic_fetch_add(&held.submitted, 1);
	if (atomic_load(&held.answers)) {
		bdev_io_complete(io, BDEV_STATUS_OK);
		return;
	}
	/* Counted when it is there: the test's thread looks at what is counted. */
	held.held[atomic_load(&held.nheld)] = io;
	atomic_fetch_add(&held.nheld, 1);
	if (!held.late_ns)
		return;
	held.timer.fn = held_timer;
	reactor_timer_start(ch->reactor, &held.timer, held.late_ns);
}

static inline void held_cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	atomic_fetch_add(&held.cancels, 1);
	if (held.manner != HELD_CANCELLED)
		return;
	held_forget(io);
	bdev_io_complete(io, BDEV_STATUS_ABORTED);
}

static inline bool held_abandon(struct bdev_channel *ch, struct bdev_io *io,
				enum bdev_status status)
{
	atomic_fetch_add(&held.abandons, 1);
	if (held.manner != HELD_ABANDONED)
		return false;
	held_forget(io);
	bdev_io_complete(io, status);
	return true;
}

static inline void held_destroy(struct bdev *bdev)
{
}

/* A bdev called "held". */
static inline void held_create(enum held_manner manner)
{
	static const struct bdev_ops ops = {
		.type = "held",
		.submit = held_submit,
		.cancel = held_cancel,
		.abandon = held_abandon,
		.destroy = held_destroy,
	};

	memset(&held, 0, sizeof(held));
	held.manner = manner;
	held.bdev = (struct bdev){
		.name = "held",
		.block_size = HELD_BLOCK,
		.nblocks = HELD_BLOCKS,
		.limits = {.buffer_align = 1,
			   .write_cache = true,
			   .discard_granularity_bytes = HELD_BLOCK},
		.ops = &ops,
	};
	CU_ASSERT_EQUAL_FATAL(bdev_register(&held.bdev), 0);
}

static inline void held_remove(void)
{
	bdev_remove(&held.bdev, NULL, NULL);
}

static inline bool held_is(void *arg)
{
	return atomic_load(&held.nheld) == *(unsigned int *)arg;
}

/* Waits until so many are held. */
static inline bool held_wait(unsigned int n)
{
	return test_until(held_is, &n, 20000);
}

/* On a reactor: all of its own. */
static inline void held_release_own(void *arg)
{
	unsigned int i;

	for (i = held.nheld; i-- > 0;) {
		struct bdev_io *io = held.held[i];

		if (io->channel->reactor != reactor_self())
			continue;
		held_forget(io);
		bdev_io_complete(io, BDEV_STATUS_OK);
	}
}

static inline void held_release_all(void *arg)
{
	while (held.nheld)
		bdev_io_complete(held.held[--held.nheld], BDEV_STATUS_OK);
}

static inline void held_release(struct reactor *r)
{
	reactor_call(r, held_release_all, NULL);
}

#endif
