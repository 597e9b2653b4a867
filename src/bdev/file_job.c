/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs: steps that live on without their I/O. A job is done by the ring if the kernel promises not
 * to wait (RWF_NOWAIT), else by a worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bdev/file_job.h"
#include "bdev/file_lost.h"
#include "util/counter.h"

static struct file_job *job_of_op(struct uring_op *op)
{
	return container_of(op, struct file_job, op);
}

static struct file_job *job_of_work(struct work *work)
{
	return container_of(work, struct file_job, work);
}

static struct file_bdev *bdev_of(const struct file_job *job)
{
	return file_of(job->fc->ch->bdev);
}

/* --- by a worker --- */

static int result(ssize_t n)
{
	return n < 0 ? -errno : (int)n;
}

static int transfer(const struct file_job *job)
{
	struct file_bdev *f = bdev_of(job);
	struct iovec one = {.iov_base = job->buf, .iov_len = job->len};
	const struct iovec *iov = job->iov ? job->iov : &one;
	int n = job->iov ? (int)job->iovcnt : 1, res;

	if (job->writes) {
		file_lost_look(f);
		return result(
			pwritev2(f->fd, iov, n, (off_t)job->offset, job->sync ? RWF_DSYNC : 0));
	}
	res = result(preadv2(f->fd, iov, n, (off_t)job->offset, 0));
	if (!res)
		file_lost_look(f);
	return res;
}

static int allocate(const struct file_job *job, int mode)
{
	return result(fallocate(bdev_of(job)->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)job->offset,
				(off_t)job->len));
}

static int discard(const struct file_job *job)
{
	uint64_t range[2] = {job->offset, job->len};

	return result(ioctl(bdev_of(job)->fd, BLKDISCARD, range));
}

static int do_step(const struct file_job *job)
{
	switch ((enum file_step)job->step) {
	case FILE_STEP_TRANSFER:
		return transfer(job);
	case FILE_STEP_SYNC:
		return result(fdatasync(bdev_of(job)->fd));
	case FILE_STEP_ZERO_RANGE:
		return allocate(job, FALLOC_FL_ZERO_RANGE);
	case FILE_STEP_PUNCH:
		return allocate(job, FALLOC_FL_PUNCH_HOLE);
	case FILE_STEP_DISCARD:
		return discard(job);
	}
	return -EINVAL;
}

static void run(struct work *work)
{
	struct file_job *job = job_of_work(work);

	do
		job->res = do_step(job);
	while (job->res == -EINTR);
}

/* --- ends --- */

static void lower_fence(struct file_job *job)
{
	if (job->fence.nblocks)
		bdev_fence_lower(job->fc->ch->priv->gate, &job->fence);
	job->fence.nblocks = 0;
}

static void end_late(struct file_job *job, int res)
{
	struct file_channel *fc = job->fc;

	*job->prevp = job->next;
	if (job->next)
		job->next->prevp = job->prevp;
	lower_fence(job);
	COUNTER_ADD(fc->ch->stats.late_ended, 1);
	file_job_put(job);
}

static void work_done(struct work *work)
{
	struct file_job *job = job_of_work(work);

	job->done(job, job->res);
}

/* --- by the ring --- */

static void prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
	const struct file_job *job = job_of_op(op);
	int fd = job->fc->fixed < 0 ? bdev_of(job)->fd : job->fc->fixed;

	if (job->writes)
		io_uring_prep_write(sqe, fd, job->buf, (unsigned int)job->len, job->offset);
	else
		io_uring_prep_read(sqe, fd, job->buf, (unsigned int)job->len, job->offset);
	sqe->rw_flags = RWF_NOWAIT | (job->sync ? RWF_DSYNC : 0);
	if (job->fc->fixed >= 0)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static void op_done(struct uring_op *op, int res)
{
	job_of_op(op)->done(job_of_op(op), res);
}

static const struct uring_op_type op_type = {.prep = prep, .done = op_done};

/* --- */

struct file_job *file_job_get(struct bdev_channel *ch, struct bdev_io *io, void *buf,
			      void (*done)(struct file_job *job, int res))
{
	struct file_channel *fc = ch->ctx;
	struct file_job *job = fc->free_jobs;

	if (job)
		fc->free_jobs = job->next;
	else
		job = malloc(sizeof(*job));
	if (!job)
		return NULL;
	*job = (struct file_job){.op.type = &op_type,
				 .work = {.run = run, .done = work_done},
				 .io = io,
				 .done = done,
				 .fc = fc,
				 .buf = buf,
				 .tick = io ? file_io_of(io)->tick : fc->tick};
	bdev_channel_hold(ch);
	return job;
}

void file_job_put(struct file_job *job)
{
	struct file_channel *fc = job->fc;

	if (job->buf)
		uring_buf_put(&fc->user, job->buf);
	job->next = fc->free_jobs;
	fc->free_jobs = job;
	bdev_channel_put(fc->ch);
}

void file_job_start(struct file_job *job, bool by_worker)
{
	job->by_worker = by_worker;
	if (by_worker)
		work_start(&job->fc->workers, &job->work);
	else
		uring_start(&job->fc->user, &job->op);
}

/* What it may yet write. */
static void raise_fence(struct file_job *job)
{
	const struct bdev *bdev = job->fc->ch->bdev;

	if (job->step == FILE_STEP_TRANSFER && !job->writes)
		return;
	job->fence.lba = job->offset >> bdev->block_shift;
	job->fence.nblocks =
		((job->offset + job->len - 1) >> bdev->block_shift) - job->fence.lba + 1;
	bdev_fence_raise(job->fc->ch->priv->gate, &job->fence);
}

bool file_job_may_write(const struct file_job *job)
{
	bool runs = job->by_worker ? work_runs(&job->work) : uring_runs(&job->op);

	return runs && (job->step != FILE_STEP_TRANSFER || job->writes);
}

bool file_job_leave(struct file_job *job)
{
	struct file_channel *fc = job->fc;

	if (job->by_worker ? work_stop(&job->work) : uring_forget(&job->op)) {
		file_job_put(job);
		return true;
	}
	if (job->iov)
		return false;
	job->io = NULL;
	job->done = end_late;
	raise_fence(job);
	job->next = fc->late;
	job->prevp = &fc->late;
	if (job->next)
		job->next->prevp = &job->next;
	fc->late = job;
	COUNTER_ADD(fc->ch->stats.late, 1);
	if (!job->by_worker)
		uring_cancel(&job->op);
	return true;
}

/* --- workers --- */

static struct file_channel *channel_of(struct workers *workers)
{
	return container_of(workers, struct file_channel, workers);
}

static void no_worker(struct workers *workers)
{
	struct work *work;

	while ((work = workers_first_waiting(workers))) {
		work_stop(work);
		job_of_work(work)->res = -EAGAIN;
		work->done(work);
	}
}

static void hold(struct workers *workers)
{
	bdev_channel_hold(channel_of(workers)->ch);
}

static void put(struct workers *workers)
{
	bdev_channel_put(channel_of(workers)->ch);
}

const struct workers_owner file_job_workers = {.none = no_worker, .hold = hold, .put = put};

void file_job_free_all(struct file_channel *fc)
{
	struct file_job *job;

	while ((job = fc->free_jobs)) {
		fc->free_jobs = job->next;
		free(job);
	}
}
