/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may write: what makes COMPARE AND WRITE one uninterrupted step for all units on the disk.
 *
 * One COMPARE AND WRITE at a time has the disk's turn. When it has got it, SCSI_LU_TURN is set in
 * all units, and what wants to write in its range waits in the disk's queue. Writes that were there
 * before are waited for by a visit of all channels: a reactor that the visit has been to sees the
 * flag, as the message that brought the visit was sent after it was set. So a write costs no lock
 * and no more than a look at the flag that it looks at anyway.
 *
 * The turn goes from one to the next in the queue together with a pass for those who wait before
 * it: none of them can be overtaken for ever.
 */
#include "scsi/scsi_internal.h"

bool scsi_medium_overlap(const struct scsi_task *task, uint64_t lba, uint64_t nblocks)
{
	if (!task->nblocks || !nblocks)
		return false;
	if (task->nblocks == UINT64_MAX || nblocks == UINT64_MAX)
		return true;
	return task->lba < lba + nblocks && lba < task->lba + task->nblocks;
}

/* The lock is held. */
static void park(struct scsi_disk *disk, struct scsi_task *task)
{
	task->state = SCSI_TASK_PARKED;
	task->queued = true;
	task->next_queued = NULL;
	*disk->queue_tail = task;
	disk->queue_tail = &task->next_queued;
}

static bool must_wait(struct scsi_disk *disk, struct scsi_task *task)
{
	bool waits;

	pthread_mutex_lock(&disk->lock);
	waits = !task->pass && disk->turn &&
		scsi_medium_overlap(disk->turn, task->lba, task->nblocks);
	if (waits)
		park(disk, task);
	pthread_mutex_unlock(&disk->lock);
	return waits;
}

bool scsi_medium_enter(struct scsi_task *task, uint64_t lba, uint64_t nblocks)
{
	struct scsi_lu *lu = scsi_task_lu(task);

	task->lba = lba;
	task->nblocks = nblocks;
	if (likely(!(scsi_lu_special(lu) & SCSI_LU_TURN)))
		return true;
	return !must_wait(lu->disk, task);
}

/* The lock is held. */
static void set_turn(struct scsi_disk *disk, struct scsi_task *task)
{
	bool was = disk->turn;
	struct scsi_lu *lu;

	disk->turn = task;
	if (task)
		task->has_turn = true;
	if (was == !!task)
		return;
	for (lu = disk->lus; lu; lu = lu->next)
		scsi_lu_set_special(lu, SCSI_LU_TURN, task);
}

bool scsi_medium_take_turn(struct scsi_task *task, uint64_t lba, uint64_t nblocks)
{
	struct scsi_disk *disk = scsi_task_lu(task)->disk;
	bool has_turn;

	pthread_mutex_lock(&disk->lock);
	task->lba = lba;
	task->nblocks = nblocks;
	task->wants_turn = true;
	if (!disk->turn)
		set_turn(disk, task);
	has_turn = task->has_turn;
	if (!has_turn)
		park(disk, task);
	pthread_mutex_unlock(&disk->lock);
	return has_turn;
}

/* --- waking --- */

static void woken(void *arg)
{
	struct scsi_task *task = arg;

	if (!task->abort) {
		reactor_set_payer(task->job.share);
		scsi_task_dispatch(task);
		return;
	}
	scsi_fail_io(task, BDEV_STATUS_ABORTED);
	scsi_task_finish(task);
}

/* The lock is held: so nobody can get to that reactor before this message does. */
static struct scsi_task *wake_first(struct scsi_disk *disk)
{
	struct scsi_task *task = disk->queue;

	if (!task)
		return NULL;
	disk->queue = task->next_queued;
	if (!disk->queue)
		disk->queue_tail = &disk->queue;
	task->queued = false;
	task->pass = true;
	task->msg.fn = woken;
	task->msg.arg = task;
	if (task->wants_turn)
		set_turn(disk, task);
	reactor_send(task->ch->reactor, &task->msg);
	return task;
}

void scsi_medium_leave(struct scsi_task *task)
{
	struct scsi_disk *disk = scsi_task_lu(task)->disk;
	struct scsi_task *next;

	pthread_mutex_lock(&disk->lock);
	task->has_turn = false;
	do
		next = wake_first(disk);
	while (next && !next->wants_turn);
	if (!next)
		set_turn(disk, NULL);
	pthread_mutex_unlock(&disk->lock);
}

bool scsi_medium_unpark(struct scsi_task *task)
{
	struct scsi_disk *disk = scsi_task_lu(task)->disk;
	struct scsi_task **at;

	pthread_mutex_lock(&disk->lock);
	if (!task->queued) {
		pthread_mutex_unlock(&disk->lock);
		return false;
	}
	for (at = &disk->queue; *at != task; at = &(*at)->next_queued)
		;
	*at = task->next_queued;
	if (!*at)
		disk->queue_tail = at;
	task->queued = false;
	pthread_mutex_unlock(&disk->lock);
	return true;
}
