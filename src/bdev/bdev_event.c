/* SPDX-License-Identifier: BSD-3-Clause */
/* What the openers of a bdev are told: another size, and its removal. */
#include <errno.h>

#include "bdev/bdev_registry.h"
#include "util/log.h"

/* The lock is held; it is released while the user is told. */
static void tell(struct bdev_private *priv, struct bdev_desc *desc, enum bdev_event event)
{
	bdev_event_fn fn = desc->event_fn;

	desc->told |= 1u << event;
	if (!fn)
		return;
	priv->telling = desc;
	priv->telling_thread = pthread_self();
	pthread_mutex_unlock(&bdev_lock);
	fn(desc, event, desc->arg);
	pthread_mutex_lock(&bdev_lock);
	priv->telling = NULL;
	pthread_cond_broadcast(&bdev_told_cond);
}

/* Likewise. Who is told may close descriptors, and open others. */
static void tell_all(struct bdev_private *priv, enum bdev_event event)
{
	struct bdev_desc *desc;
	bool told;

	for (desc = priv->descs; desc; desc = desc->next)
		desc->told &= ~(1u << event);
	for (desc = priv->descs; desc && (event == BDEV_EVENT_REMOVED || !bdev_is_removed(priv));
	     desc = told ? desc->next : priv->descs) {
		told = desc->told & 1u << event;
		if (!told)
			tell(priv, desc, event);
	}
}

int bdev_resize(struct bdev *bdev, uint64_t nblocks)
{
	struct bdev_private *priv = bdev->priv;
	bool there;

	if (!nblocks || nblocks > (uint64_t)INT64_MAX / bdev->block_size)
		return -EINVAL;
	pthread_mutex_lock(&bdev_lock);
	priv->refs++; /* who is told may remove it */
	there = !bdev_is_removed(priv);
	if (there && nblocks != bdev->nblocks) {
		__atomic_store_n(&bdev->nblocks, nblocks, __ATOMIC_RELAXED);
		bdev_channels_refit(priv, false);
		tell_all(priv, BDEV_EVENT_RESIZED);
	}
	pthread_mutex_unlock(&bdev_lock);
	bdev_put_ref(priv);
	return there ? 0 : -EBUSY;
}

bool bdev_resize_settled(struct bdev *bdev)
{
	bool settled;

	pthread_mutex_lock(&bdev_lock);
	settled = bdev_channels_refit(bdev->priv, true);
	pthread_mutex_unlock(&bdev_lock);
	return settled;
}

void bdev_remove(struct bdev *bdev, void (*done)(void *arg), void *arg)
{
	struct bdev_private *priv = bdev->priv;

	pthread_mutex_lock(&bdev_lock);
	if (bdev_is_removed(priv)) {
		pthread_mutex_unlock(&bdev_lock);
		log_error("bdev %s: removed twice", bdev->name);
		return;
	}
	atomic_fetch_or(&priv->gate.flags, BDEV_GATE_REMOVED);
	priv->done = done;
	priv->done_arg = arg;
	tell_all(priv, BDEV_EVENT_REMOVED);
	pthread_mutex_unlock(&bdev_lock);
	bdev_put_ref(priv);
}
