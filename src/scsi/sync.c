/* SPDX-License-Identifier: BSD-3-Clause */
/* TEST UNIT READY, START STOP UNIT and SYNCHRONIZE CACHE (SPC-4, 6.47; SBC-4, 5.31 and 5.33). */
#include "scsi/scsi_internal.h"

enum scsi_result scsi_do_test_unit_ready(struct scsi_task *task)
{
	return SCSI_DONE; /* what could be said has been said by the checks before */
}

static enum scsi_result flush(struct scsi_task *task)
{
	task->io.iov = NULL;
	task->io.iovcnt = 0;
	task->io.lba = 0;
	task->io.nblocks = 0;
	return scsi_submit(task, BDEV_OP_FLUSH, 0);
}

/* The range is checked, and all is flushed; IMMED makes no difference: the status comes late. */
enum scsi_result scsi_do_sync_cache(struct scsi_task *task)
{
	const struct scsi_range range = scsi_cdb_range(task->cdb);

	if (!scsi_range_ok(task, range.lba, range.nblocks))
		return SCSI_DONE;
	return flush(task);
}

/* --- START STOP UNIT --- */

#define START	 0x01
#define LOEJ	 0x02
#define NO_FLUSH 0x04

static void set_stopped(struct scsi_lu *lu, bool stopped)
{
	pthread_mutex_lock(&lu->disk->lock);
	scsi_lu_set_special(lu, SCSI_LU_STOPPED, stopped);
	pthread_mutex_unlock(&lu->disk->lock);
}

static int stop_step(struct scsi_task *task)
{
	if (task->op.phase++ == 0)
		return scsi_submit_buf(task, BDEV_OP_FLUSH, 0, NULL, 0, 0);
	set_stopped(scsi_task_lu(task), true);
	return SCSI_DONE;
}

enum scsi_result scsi_do_start_stop(struct scsi_task *task)
{
	struct scsi_lu *lu = scsi_task_lu(task);
	uint8_t bits = task->cdb[4];

	if (bits & 0xf0) /* POWER CONDITION: there is one only */
		return scsi_fail_cdb(task, 4, 7);
	if (bits & LOEJ) /* not removable */
		return scsi_fail_cdb(task, 4, 1);
	if (bits & START) {
		set_stopped(lu, false);
		return SCSI_DONE;
	}
	/* SBC-4, table 15: to stop is to write, to start is always allowed. */
	if (scsi_lu_special(lu) & SCSI_LU_NO_WRITE)
		return scsi_reservation_conflict(task);
	task->op.phase = bits & NO_FLUSH ? 1 : 0;
	return scsi_steps_start(task, stop_step);
}
