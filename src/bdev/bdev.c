/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry: which bdevs there are, and who has them open. One lock guards it, and the channels
 * (bdev_channel.c); none of this is on the I/O path, where a user holds a struct bdev_channel.
 *
 * A bdev is referenced by its place in the registry (until it is removed), by each descriptor and
 * by each channel. Who drops the last reference destroys it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/bdev_registry.h"
#include "util/log.h"
#include "util/util.h"

pthread_mutex_t bdev_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t bdev_told_cond = PTHREAD_COND_INITIALIZER;
struct bdev_private *bdev_registry;

/* The lock is held. */
static struct bdev_private *find(const char *name)
{
	struct bdev_private *priv;

	for (priv = bdev_registry; priv; priv = priv->next)
		if (!strcmp(priv->name, name))
			return priv;
	return NULL;
}

bool bdev_find_gone(unsigned int skip, char name[BDEV_NAME_MAX + 1])
{
	struct bdev_private *priv;

	pthread_mutex_lock(&bdev_lock);
	for (priv = bdev_registry; priv; priv = priv->next)
		if (priv->refs && !bdev_is_removed(priv) && priv->bdev->ops->medium_gone &&
		    priv->bdev->ops->medium_gone(priv->bdev) && !skip--)
			break;
	if (priv)
		memcpy(name, priv->bdev->name, BDEV_NAME_MAX + 1);
	pthread_mutex_unlock(&bdev_lock);
	return priv;
}

struct bdev *bdev_find(const char *name)
{
	struct bdev_private *priv;
	struct bdev *bdev = NULL;

	pthread_mutex_lock(&bdev_lock);
	priv = find(name);
	if (priv && !bdev_is_removed(priv))
		bdev = priv->bdev;
	pthread_mutex_unlock(&bdev_lock);
	return bdev;
}

static bool valid(const struct bdev *bdev)
{
	size_t len = strnlen(bdev->name, sizeof(bdev->name));

	return len && len <= BDEV_NAME_MAX && bdev->ops && bdev->ops->type && bdev->ops->submit &&
	       bdev->ops->destroy && (bdev->block_size == 512 || bdev->block_size == 4096) &&
	       bdev->nblocks && bdev->nblocks <= (uint64_t)INT64_MAX / bdev->block_size;
}

int bdev_register(struct bdev *bdev)
{
	struct bdev_private *priv;

	if (!valid(bdev))
		return -EINVAL;
	if (bdev->levels > BDEV_LEVELS_MAX)
		return -ELOOP;
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return -ENOMEM;
	bdev->block_shift = (uint8_t)__builtin_ctz(bdev->block_size);
	memcpy(priv->name, bdev->name, sizeof(priv->name));
	bdev_gate_init(&priv->gate);
	priv->bdev = bdev;
	priv->refs = 1;
	pthread_mutex_lock(&bdev_lock);
	if (find(bdev->name)) {
		pthread_mutex_unlock(&bdev_lock);
		bdev_gate_fini(&priv->gate);
		free(priv);
		return -EEXIST;
	}
	bdev->priv = priv;
	priv->next = bdev_registry;
	bdev_registry = priv;
	pthread_mutex_unlock(&bdev_lock);
	return 0;
}

/* --- the end of a bdev --- */

static void forget(struct bdev_private *priv)
{
	struct bdev_private **at;

	pthread_mutex_lock(&bdev_lock);
	for (at = &bdev_registry; *at != priv; at = &(*at)->next)
		;
	*at = priv->next;
	pthread_mutex_unlock(&bdev_lock);
}

/* In this order: a bdev can be made with the same name as soon as that works with the same file. */
static void end(void *arg)
{
	struct bdev_private *priv = arg;
	void (*done)(void *arg) = priv->done;
	void *done_arg = priv->done_arg;

	priv->bdev->ops->destroy(priv->bdev);
	forget(priv);
	log_debug("bdev %s: removed", priv->name);
	bdev_gate_fini(&priv->gate);
	free(priv);
	if (done)
		done(done_arg);
}

void bdev_put_ref(struct bdev_private *priv)
{
	const struct bdev_ops *ops = priv->bdev->ops;
	unsigned int left;

	pthread_mutex_lock(&bdev_lock);
	left = --priv->refs;
	pthread_mutex_unlock(&bdev_lock);
	if (left)
		return;
	if (ops->end_apart)
		ops->end_apart(priv->bdev, end, priv);
	else
		end(priv);
}

/* --- descriptors --- */

/* The lock is held. */
static int open_check(const struct bdev_private *priv, enum bdev_access access,
		      char holder[BDEV_HOLDER_MAX])
{
	if (!priv)
		return -ENOENT;
	if (bdev_is_removed(priv))
		return -EBUSY;
	if (access == BDEV_READ)
		return 0;
	if (priv->bdev->read_only)
		return access == BDEV_WRITE_IF_ABLE ? 0 : -EROFS;
	if (!priv->claim)
		return 0;
	memcpy(holder, priv->claimed_by, BDEV_HOLDER_MAX);
	return -EBUSY;
}

int bdev_open(const char *name, enum bdev_access access, bdev_event_fn event, void *arg,
	      struct bdev_desc **out)
{
	struct bdev_desc *desc = calloc(1, sizeof(*desc));
	char holder[BDEV_HOLDER_MAX] = "";
	struct bdev_private *priv;
	int rc;

	if (!desc)
		return -ENOMEM;
	pthread_mutex_lock(&bdev_lock);
	priv = find(name);
	rc = open_check(priv, access, holder);
	if (rc) {
		pthread_mutex_unlock(&bdev_lock);
		free(desc);
		if (holder[0])
			log_error("bdev %s: it can't be opened for writing: %s has it", name,
				  holder);
		return rc;
	}
	desc->bdev = priv->bdev;
	desc->write = access != BDEV_READ && !priv->bdev->read_only;
	desc->event_fn = event;
	desc->arg = arg;
	desc->next = priv->descs;
	priv->descs = desc;
	priv->refs++;
	pthread_mutex_unlock(&bdev_lock);
	*out = desc;
	return 0;
}

void bdev_close(struct bdev_desc *desc)
{
	struct bdev_private *priv;
	struct bdev_desc **at;

	if (!desc)
		return;
	priv = desc->bdev->priv;
	pthread_mutex_lock(&bdev_lock);
	/* The remover is calling out with it; unless that is us, it must come back first. */
	while (priv->telling == desc && !pthread_equal(priv->telling_thread, pthread_self()))
		pthread_cond_wait(&bdev_told_cond, &bdev_lock);
	for (at = &priv->descs; *at != desc; at = &(*at)->next)
		;
	*at = desc->next;
	if (priv->claim == desc)
		priv->claim = NULL;
	pthread_mutex_unlock(&bdev_lock);
	free(desc);
	bdev_put_ref(priv);
}

struct bdev *bdev_desc_bdev(const struct bdev_desc *desc)
{
	return desc->bdev;
}

/* The lock is held. */
static bool others_write(const struct bdev_private *priv, const struct bdev_desc *self)
{
	const struct bdev_desc *desc;

	for (desc = priv->descs; desc; desc = desc->next)
		if (desc != self && desc->write)
			return true;
	return false;
}

int bdev_claim(struct bdev_desc *desc, const char *holder)
{
	struct bdev_private *priv = desc->bdev->priv;
	int rc = 0;

	pthread_mutex_lock(&bdev_lock);
	if (priv->claim || others_write(priv, desc)) {
		rc = -EBUSY;
	} else {
		priv->claim = desc;
		snprintf(priv->claimed_by, sizeof(priv->claimed_by), "%s", holder);
	}
	pthread_mutex_unlock(&bdev_lock);
	return rc;
}

bool bdev_claimed(const char *name, char holder[BDEV_HOLDER_MAX])
{
	const struct bdev_private *priv;
	bool claimed;

	pthread_mutex_lock(&bdev_lock);
	priv = find(name);
	claimed = priv && priv->claim;
	if (claimed)
		memcpy(holder, priv->claimed_by, BDEV_HOLDER_MAX);
	pthread_mutex_unlock(&bdev_lock);
	return claimed;
}
