/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What units on one bdev share, and the lives of units and channels. A unit lives as long as its
 * device, or as one of its channels, or as somebody who visits it.
 */
#include <stdlib.h>

#include "scsi/scsi_internal.h"

static pthread_mutex_t disks_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scsi_disk *disks;

static struct scsi_disk *make_disk(const struct bdev *bdev)
{
	struct scsi_disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		return NULL;
	disk->bdev = bdev;
	disk->queue_tail = &disk->queue;
	pthread_mutex_init(&disk->lock, NULL);
	disk->next = disks;
	disks = disk;
	return disk;
}

struct scsi_disk *scsi_disk_get(const struct bdev *bdev)
{
	struct scsi_disk *disk;

	pthread_mutex_lock(&disks_lock);
	for (disk = disks; disk && disk->bdev != bdev; disk = disk->next)
		;
	if (!disk)
		disk = make_disk(bdev);
	if (disk)
		disk->refs++;
	pthread_mutex_unlock(&disks_lock);
	return disk;
}

void scsi_disk_put(struct scsi_disk *disk)
{
	struct scsi_disk **at;
	unsigned int left;

	pthread_mutex_lock(&disks_lock);
	left = --disk->refs;
	if (!left) {
		for (at = &disks; *at != disk; at = &(*at)->next)
			;
		*at = disk->next;
	}
	pthread_mutex_unlock(&disks_lock);
	if (left)
		return;
	pthread_mutex_destroy(&disk->lock);
	free(disk->pr.regs);
	free(disk);
}

/* The lowest number from 1 on that no other unit has. The lock is held. */
static uint16_t free_rel_port(const struct scsi_disk *disk)
{
	const struct scsi_lu *lu;
	uint16_t port = 1;

	for (lu = disk->lus; lu;) {
		if (lu->rel_port != port) {
			lu = lu->next;
			continue;
		}
		port++;
		lu = disk->lus;
	}
	return port;
}

void scsi_disk_attach(struct scsi_disk *disk, struct scsi_lu *lu)
{
	pthread_mutex_lock(&disk->lock);
	lu->disk = disk;
	lu->rel_port = free_rel_port(disk);
	lu->number = ++disk->last_number;
	lu->next = disk->lus;
	disk->lus = lu;
	scsi_lu_set_special(lu, SCSI_LU_TURN, disk->turn);
	scsi_pr_apply(disk);
	pthread_mutex_unlock(&disk->lock);
}

/* --- units --- */

void scsi_lu_hold_locked(struct scsi_lu *lu)
{
	lu->refs++;
}

void scsi_lu_hold(struct scsi_lu *lu)
{
	pthread_mutex_lock(&lu->disk->lock);
	scsi_lu_hold_locked(lu);
	pthread_mutex_unlock(&lu->disk->lock);
}

static void unlink_lu(struct scsi_disk *disk, struct scsi_lu *lu)
{
	struct scsi_lu **at;

	for (at = &disk->lus; *at != lu; at = &(*at)->next)
		;
	*at = lu->next;
}

void scsi_lu_put(struct scsi_lu *lu)
{
	struct scsi_disk *disk = lu->disk;
	unsigned int left;

	pthread_mutex_lock(&disk->lock);
	left = --lu->refs;
	if (!left)
		unlink_lu(disk, lu);
	pthread_mutex_unlock(&disk->lock);
	if (left)
		return;
	/* Before the bdev may go: the next one at its address is another disk. */
	scsi_disk_put(disk);
	bdev_close(lu->desc);
	free(lu);
}

/* --- channels --- */

static struct scsi_channel *make_channel(struct scsi_lu *lu, struct reactor *r)
{
	struct scsi_channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return NULL;
	ch->lu = lu;
	ch->reactor = r;
	ch->refs = 1;
	ch->tasks_tail = &ch->tasks;
	ch->bdev_ch = bdev_channel_get(lu->desc);
	if (!ch->bdev_ch) {
		free(ch);
		return NULL;
	}
	return ch;
}

/* Only its own reactor makes and ends a channel: between the two critical sections nobody does. */
struct scsi_channel *scsi_channel_get(struct scsi_lu *lu, struct reactor *r)
{
	struct scsi_channel **slot = &lu->channels[reactor_id(r)];
	pthread_mutex_t *lock = &lu->disk->lock;
	struct scsi_channel *ch;

	pthread_mutex_lock(lock);
	ch = *slot;
	if (ch)
		ch->refs++;
	pthread_mutex_unlock(lock);
	if (ch)
		return ch;
	ch = make_channel(lu, r);
	if (!ch)
		return NULL;
	pthread_mutex_lock(lock);
	*slot = ch;
	lu->refs++;
	pthread_mutex_unlock(lock);
	return ch;
}

void scsi_channel_put(struct scsi_channel *ch)
{
	struct scsi_lu *lu = ch->lu;
	unsigned int left;

	pthread_mutex_lock(&lu->disk->lock);
	left = --ch->refs;
	if (!left)
		lu->channels[reactor_id(ch->reactor)] = NULL;
	pthread_mutex_unlock(&lu->disk->lock);
	if (left)
		return;
	bdev_channel_put(ch->bdev_ch);
	free(ch);
	scsi_lu_put(lu);
}
