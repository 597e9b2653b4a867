/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_BDEV_REGISTRY_H
#define BDEV_BDEV_REGISTRY_H

/*
 * Between the registry (bdev.c), the channels of its bdevs (bdev_channel.c), and what their openers
 * are told (bdev_event.c).
 */

#include <pthread.h>

#include "bdev/bdev_internal.h"

struct bdev_desc {
	struct bdev *bdev;
	bdev_event_fn event_fn;
	void *arg;
	struct bdev_desc *next;
	bool write;
	unsigned int told; /* 1 << enum bdev_event: of those that are being told */
};

struct bdev_private {
	struct bdev *bdev;
	char name[BDEV_NAME_MAX + 1]; /* the bdev's, which goes before its place here does */
	struct bdev_private *next;
	struct bdev_gate gate; /* whose flags are read without the lock on the I/O path */
	unsigned int refs;
	struct bdev_desc *descs;
	const struct bdev_desc *claim; /* nobody else may open it for writing */
	char claimed_by[BDEV_HOLDER_MAX];
	struct bdev_channel *channels;
	struct bdev_stats gone; /* of channels that are no more */
	uint64_t told_errors;	/* what bdev_errors_visit() told until now */
	/* The descriptor whose event_fn is running, and where. */
	struct bdev_desc *telling;
	pthread_t telling_thread;
	void (*done)(void *arg);
	void *done_arg;
};

/* Guards all of it. */
extern pthread_mutex_t bdev_lock;
extern struct bdev_private *bdev_registry;
/* With the lock: an opener has been told. */
extern pthread_cond_t bdev_told_cond;

static inline bool bdev_is_removed(const struct bdev_private *priv)
{
	return atomic_load(&priv->gate.flags) & BDEV_GATE_REMOVED;
}

/* Who drops the last reference destroys the bdev. Without the lock. */
void bdev_put_ref(struct bdev_private *priv);
/*
 * Another size has been stored: the channels' reactors take it over soon, all of them or the `rest`
 * that had I/O behind the end. True: there was none to be asked. The lock is held.
 */
bool bdev_channels_refit(struct bdev_private *priv, bool rest);

#endif
