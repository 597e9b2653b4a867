/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O of tasks: one, or one after the other. A step that completes inline must not start the next
 * one from its completion, as the stack would grow with the number of steps; and a command of many
 * such steps must let the others on its reactor have their turn.
 */
#include "bdev/bdev_now.h"
#include "scsi/scsi_internal.h"

#define INLINE_STEPS 8 /* after so many it goes on by a job */

uint8_t scsi_fua(const struct scsi_task *task, bool fua)
{
	return fua || !scsi_lu_mode(scsi_task_lu(task), SCSI_MODE_WCE) ? BDEV_IO_FUA : 0;
}

static void submit(struct scsi_task *task, enum bdev_op op, uint8_t flags)
{
	task->io.op = (uint8_t)op;
	task->io.flags = flags;
	task->state = SCSI_TASK_IO;
	bdev_submit(task->ch->bdev_ch, &task->io);
}

/* --- one --- */

static void io_done(struct bdev_io *io)
{
	struct scsi_task *task = container_of(io, struct scsi_task, io);

	if (unlikely(io->status != BDEV_STATUS_OK))
		scsi_fail_io(task, io->status);
	scsi_task_finish(task);
}

enum scsi_result scsi_submit(struct scsi_task *task, enum bdev_op op, uint8_t flags)
{
	const struct bdev_io *io = &task->io;
	struct bdev_channel *ch = task->ch->bdev_ch;

	/* In memory it makes no difference whether it must be on stable media. */
	if (ch->now && op <= BDEV_OP_WRITE && io->iovcnt == 1 &&
	    io->iov->iov_len == (uint64_t)io->nblocks << ch->bdev->block_shift &&
	    bdev_now(ch, op, io->lba, io->nblocks, io->iov->iov_base))
		return SCSI_DONE;
	task->io.done = io_done;
	submit(task, op, flags);
	return SCSI_PENDING;
}

/* --- several --- */

static void continue_job(void *arg)
{
	scsi_steps_continue(arg);
}

static void yield(struct scsi_task *task)
{
	task->state = SCSI_TASK_MSG;
	task->job.fn = continue_job;
	task->job.arg = task;
	reactor_job_start(task->ch->reactor, &task->job);
}

/* Steps that complete inline, one after the other. */
static bool may_go_on(struct scsi_task *task, unsigned int steps)
{
	return !steps || (steps < INLINE_STEPS && reactor_share_left(task->job.share) > 0);
}

/* True: the I/O has completed inside of the step. */
static bool run_step(struct scsi_task *task, bool *ended)
{
	/* All set in advance: the task may be gone when the step returns. */
	task->state = SCSI_TASK_RUNNING;
	task->step_done = false;
	task->stepping = true;
	*ended = task->step(task) == SCSI_DONE;
	task->stepping = false;
	return task->step_done;
}

static bool step_failed(struct scsi_task *task)
{
	if (likely(task->io.status == BDEV_STATUS_OK))
		return false;
	scsi_fail_io(task, task->io.status);
	return true;
}

void scsi_steps_continue(struct scsi_task *task)
{
	bool ended = false;
	unsigned int i;

	for (i = 0; !ended; i++) {
		if (task->abort) {
			scsi_fail_io(task, BDEV_STATUS_ABORTED);
			break;
		}
		if (!may_go_on(task, i)) {
			yield(task);
			return;
		}
		if (!run_step(task, &ended)) {
			if (!ended)
				return; /* step_done() goes on */
		} else if (!ended) {
			ended = step_failed(task);
		}
	}
	scsi_task_finish(task);
}

static void step_done(struct bdev_io *io)
{
	struct scsi_task *task = container_of(io, struct scsi_task, io);

	task->state = SCSI_TASK_RUNNING;
	reactor_set_payer(task->job.share);
	if (task->stepping)
		task->step_done = true;
	else if (step_failed(task))
		scsi_task_finish(task);
	else
		scsi_steps_continue(task);
}

enum scsi_result scsi_submit_step(struct scsi_task *task, enum bdev_op op, uint8_t flags)
{
	const uint64_t bytes = task->io.iovcnt ? (uint64_t)task->io.nblocks
							 << scsi_task_lu(task)->bdev->block_shift
					       : 0;

	reactor_pay(REACTOR_REQUEST_UNITS + min_t(uint64_t, bytes, REACTOR_STEP_BYTES));
	task->io.done = step_done;
	submit(task, op, flags);
	return SCSI_PENDING;
}

enum scsi_result scsi_submit_buf(struct scsi_task *task, enum bdev_op op, uint8_t flags, void *buf,
				 uint64_t lba, uint32_t nblocks)
{
	task->iov.iov_base = buf;
	task->iov.iov_len = (size_t)nblocks << scsi_task_lu(task)->bdev->block_shift;
	task->io.iov = &task->iov;
	task->io.iovcnt = buf ? 1 : 0;
	task->io.lba = lba;
	task->io.nblocks = nblocks;
	return scsi_submit_step(task, op, flags);
}

enum scsi_result scsi_steps_start(struct scsi_task *task, int (*step)(struct scsi_task *task))
{
	task->step = step;
	scsi_steps_continue(task);
	return SCSI_PENDING;
}
