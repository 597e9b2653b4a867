/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flushes. One fdatasync() of a channel is under way at a time; who comes meanwhile waits, and all
 * of them get the next one, which begins after they came, and so does what each of them wants.
 */
#include <errno.h>

#include "bdev/file_io.h"
#include "bdev/file_job.h"
#include "bdev/file_sync.h"

/* The lists are linked by the I/Os' uring_op, which a flush has no other use for. */
static void append(struct file_sync_list *list, struct file_io *fio)
{
	fio->op.next = NULL;
	fio->op.prevp = list->last;
	*list->last = &fio->op;
	list->last = &fio->op.next;
}

static void list_init(struct file_sync_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static struct bdev_io *take_first(struct file_sync_list *list)
{
	struct uring_op *op = list->first;

	if (!op)
		return NULL;
	list->first = op->next;
	if (op->next)
		op->next->prevp = &list->first;
	else
		list->last = &list->first;
	return file_io_io(container_of(op, struct file_io, op));
}

void file_sync_init(struct file_sync *sync)
{
	list_init(&sync->served);
	list_init(&sync->waiting);
	sync->running = false;
}

static void fail_waiting(struct file_sync *sync)
{
	struct bdev_io *io;

	while ((io = take_first(&sync->waiting)))
		file_io_fail(io, -ENOMEM);
}

static void run(struct file_channel *fc)
{
	struct file_sync *sync = &fc->sync;
	struct file_job *job = file_job_get(fc->ch, NULL, NULL, file_sync_done);
	struct bdev_io *io;

	if (!job) {
		fail_waiting(sync);
		return;
	}
	while ((io = take_first(&sync->waiting))) {
		file_io_of(io)->sync_served = true;
		append(&sync->served, file_io_of(io));
	}
	job->step = FILE_STEP_SYNC;
	sync->running = true;
	file_job_start(job, true);
}

void file_sync_start(struct bdev_io *io)
{
	struct file_channel *fc = file_io_channel(io);

	file_io_of(io)->step = FILE_STEP_SYNC;
	file_io_of(io)->sync_served = false;
	append(&fc->sync.waiting, file_io_of(io));
	if (!fc->sync.running)
		run(fc);
}

void file_sync_leave(struct bdev_io *io)
{
	struct file_sync *sync = &file_io_channel(io)->sync;
	struct file_io *fio = file_io_of(io);
	struct file_sync_list *list = fio->sync_served ? &sync->served : &sync->waiting;

	*fio->op.prevp = fio->op.next;
	if (fio->op.next)
		fio->op.next->prevp = fio->op.prevp;
	else
		list->last = fio->op.prevp;
}

/* Who gets its answer may submit another flush, or abandon others. */
void file_sync_done(struct file_job *job, int res)
{
	struct file_channel *fc = job->fc;
	struct bdev_io *io;

	while ((io = take_first(&fc->sync.served))) {
		if (res < 0)
			file_io_fail(io, res);
		else
			file_io_finish(io, BDEV_STATUS_OK);
	}
	fc->sync.running = false;
	if (fc->sync.waiting.first)
		run(fc);
	file_job_put(job);
}
