/* SPDX-License-Identifier: BSD-3-Clause */
#include "blk/blk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk/blk_internal.h"
#include "util/log.h"
#include "util/util.h"

/*
 * Main thread. The configuration space tells the capacity that there is when it is read: none, if
 * the bdev was removed.
 */
static void disk_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct blk *blk = arg;
	const struct bdev *bdev = bdev_desc_bdev(desc);

	if (event == BDEV_EVENT_REMOVED) {
		log_info("%s: bdev \"%s\" is removed: all I/O fails from now on", blk->name,
			 bdev->name);
		atomic_store(&blk->removed, true);
	} else {
		log_info("%s: bdev \"%s\" has %" PRIu64 " blocks now", blk->name, bdev->name,
			 bdev_nblocks(bdev));
	}
	virtio_dev_config_changed(blk->dev);
}

static int open_disk(struct blk *blk, const struct blk_params *p)
{
	enum bdev_access access = p->read_only ? BDEV_READ : BDEV_WRITE_IF_ABLE;
	int rc = bdev_open(p->bdev, access, disk_event, blk, &blk->desc);

	if (rc) {
		log_error("%s: bdev \"%s\" cannot be opened: %s", p->name, p->bdev, strerror(-rc));
		return rc;
	}
	blk->bdev = bdev_desc_bdev(blk->desc);
	blk->read_only = p->read_only || blk->bdev->read_only;
	return 0;
}

int blk_create(const struct blk_params *p, struct blk **out)
{
	struct virtio_params vp = {
		.name = p->name,
		.ops = &blk_virtio_ops,
		.queues = p->queues,
		.ndisks = 1,
		.reactors = p->reactors,
		.nreactors = p->nreactors,
		.idle_ns = p->idle_ns,
		.request_memory = p->request_memory,
		.weight = p->weight,
		.socket = p->socket,
	};
	struct blk *blk;
	int rc;

	if (!p->queues || p->queues > BLK_MAX_QUEUES || !p->nreactors)
		return -EINVAL;
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return -ENOMEM;
	snprintf(blk->name, sizeof(blk->name), "%s", p->name);
	memcpy(blk->serial, p->serial, strnlen(p->serial, sizeof(blk->serial)));
	pthread_mutex_init(&blk->lock, NULL);
	blk->queues = p->queues;
	blk->default_cache = p->write_cache;
	rc = open_disk(blk, p);
	if (rc)
		goto free_blk;
	vp.arg = blk;
	vp.features = blk_features(blk);
	vp.disks = &blk->desc;
	rc = virtio_dev_create(&vp, &blk->dev);
	if (rc)
		goto close_disk;
	*out = blk;
	return 0;

close_disk:
	bdev_close(blk->desc);
free_blk:
	pthread_mutex_destroy(&blk->lock);
	free(blk);
	return rc;
}

bool blk_drop_disk_begin(struct blk *blk, void (*ended)(void *arg), void *arg)
{
	if (!atomic_load(&blk->removed) || blk->dropped)
		return false;
	blk->dropped = true;
	virtio_dev_drop_disks_begin(blk->dev, ended, arg);
	return true;
}

void blk_drop_disk_end(struct blk *blk)
{
	pthread_mutex_lock(&blk->lock);
	blk->past = *blk->bdev;
	/* What is no more, and nobody asks for. */
	blk->past.priv = NULL;
	blk->past.ctx = NULL;
	blk->past.ops = NULL;
	blk->bdev = &blk->past;
	pthread_mutex_unlock(&blk->lock);
	bdev_close(blk->desc);
	blk->desc = NULL;
}

const char *blk_bdev(const struct blk *blk)
{
	return blk->desc ? blk->bdev->name : NULL;
}

void blk_look(struct blk *blk)
{
	virtio_dev_look(blk->dev);
}

int blk_move_queue(struct blk *blk, unsigned int queue, const struct reactor *to)
{
	return virtio_dev_move_queue(blk->dev, queue, to);
}

void blk_destroy(struct blk *blk)
{
	if (!blk)
		return;
	virtio_dev_destroy(blk->dev);
	bdev_close(blk->desc);
	pthread_mutex_destroy(&blk->lock);
	free(blk);
}
