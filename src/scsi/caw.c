/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * COMPARE AND WRITE (SBC-4, 5.3). medium.c keeps other writers out of the range; this one waits for
 * those that were in it before, reads, compares, and writes.
 */
#include <stdlib.h>

#include "scsi/scsi_internal.h"

/*
 * The tour that waits, for the task. If that is aborted, the tour goes on alone until what it waits
 * for has ended: that may be I/O to another unit, whose disk hangs.
 */
struct caw {
	struct scsi_tour tour;
	struct scsi_task *task; /* NULL: alone */
	struct scsi_disk *disk; /* there as long as the task, or the unit that is visited */
};

enum { PHASE_READ, PHASE_WRITE };

static size_t data_len(const struct scsi_task *task)
{
	return (size_t)task->nblocks << scsi_task_lu(task)->bdev->block_shift;
}

static uint8_t *data(const struct scsi_task *task, unsigned int which)
{
	return (uint8_t *)task->buf + data_len(task) * which;
}

#define VERIFY_DATA(task) data(task, 0)
#define WRITE_DATA(task)  data(task, 1)
#define READ_DATA(task)	  data(task, 2)

static enum scsi_result miscompare(struct scsi_task *task)
{
	size_t i = 0;

	while (VERIFY_DATA(task)[i] == READ_DATA(task)[i])
		i++;
	/* INFORMATION: the offset of the first byte that differs. */
	return scsi_fail_info(task, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE, i);
}

static int caw_step(struct scsi_task *task)
{
	uint32_t n = (uint32_t)task->nblocks;
	bool fua = task->cdb[1] & 0x08;

	switch (task->op.phase++) {
	case PHASE_READ:
		return scsi_submit_buf(task, BDEV_OP_READ, 0, READ_DATA(task), task->lba, n);
	case PHASE_WRITE:
		if (memcmp(VERIFY_DATA(task), READ_DATA(task), data_len(task)))
			return miscompare(task);
		return scsi_submit_buf(task, BDEV_OP_WRITE, scsi_fua(task, fua), WRITE_DATA(task),
				       task->lba, n);
	default:
		return SCSI_DONE;
	}
}

/* --- waiting for those before --- */

static struct scsi_lu *next_lu(struct scsi_tour *tour)
{
	struct caw *caw = container_of(tour, struct caw, tour);

	if (caw->task)
		return scsi_tour_next_on_disk(tour, caw->disk);
	pthread_mutex_lock(&caw->disk->lock);
	scsi_tour_left_ends(caw->disk);
	pthread_mutex_unlock(&caw->disk->lock);
	return NULL;
}

static void waited(struct scsi_tour *tour)
{
	struct caw *caw = container_of(tour, struct caw, tour);
	struct scsi_task *task = caw->task;

	free(caw);
	if (!task)
		return;
	task->op.phase = PHASE_READ;
	scsi_steps_start(task, caw_step);
}

static void cancelled(struct scsi_task *task)
{
	struct caw *caw = task->op.ptr;

	if (!scsi_tour_leave(caw->disk))
		return; /* it looks whether it was aborted when the tour is over */
	caw->task = NULL;
	scsi_fail_io(task, BDEV_STATUS_ABORTED);
	scsi_task_finish(task);
}

static enum scsi_result wait_for_writes(struct scsi_task *task)
{
	struct caw *caw = calloc(1, sizeof(*caw));

	if (!caw) {
		scsi_busy(task);
		return SCSI_DONE;
	}
	caw->task = task;
	caw->disk = scsi_task_lu(task)->disk;
	caw->tour.next = next_lu;
	caw->tour.done = waited;
	caw->tour.visit.what = SCSI_VISIT_WRITES;
	caw->tour.visit.lba = task->lba;
	caw->tour.visit.nblocks = task->nblocks;
	caw->tour.visit.except = task;
	caw->tour.visit.except_seq = task->seq;
	task->op.ptr = caw;
	task->cancelled = cancelled;
	task->state = SCSI_TASK_VISIT;
	scsi_tour_start(&caw->tour);
	return SCSI_PENDING;
}

enum scsi_result scsi_do_compare_and_write(struct scsi_task *task)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint64_t lba = scsi_get64(task->cdb + 2);
	uint32_t n = task->cdb[13];
	size_t len = (size_t)n << bdev->block_shift;

	if (n > SCSI_MAX_CAW_BLOCKS)
		return scsi_fail_cdb(task, 13, 7);
	if (!scsi_range_ok(task, lba, n))
		return SCSI_DONE;
	if (!n)
		return SCSI_DONE;
	if (2 * len > task->out_len)
		return scsi_overrun(task);
	if (!scsi_medium_take_turn(task, lba, n))
		return SCSI_PENDING;
	if (!scsi_task_alloc(task, 3 * len) || !scsi_data_out(task, VERIFY_DATA(task), 2 * len))
		return SCSI_DONE;
	return wait_for_writes(task);
}
