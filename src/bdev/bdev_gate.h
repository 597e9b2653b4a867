/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_BDEV_GATE_H
#define BDEV_BDEV_GATE_H

#include <pthread.h>
#include <shadowbell/bdev.h>
#include <stdatomic.h>

struct bdev_fence;

/* Of struct bdev_gate's flags. */
#define BDEV_GATE_REMOVED (1u << 0)
#define BDEV_GATE_FENCED  (1u << 1)

/* Of a bdev: what all of its channels look at before an I/O. */
struct bdev_gate {
	atomic_uint flags;
	pthread_mutex_t
		lock; /* of the list; taken only while there are fences, or to change that */
	struct bdev_fence *fences;
};

static inline void bdev_gate_init(struct bdev_gate *gate)
{
	atomic_init(&gate->flags, 0);
	pthread_mutex_init(&gate->lock, NULL);
	gate->fences = NULL;
}

static inline void bdev_gate_fini(struct bdev_gate *gate)
{
	pthread_mutex_destroy(&gate->lock);
}

#endif
