/* SPDX-License-Identifier: BSD-3-Clause */
/* UNMAP (SBC-4, 5.35). All or nothing is checked: nothing is unmapped for a list that is refused.
 */
#include <stdlib.h>

#include "scsi/scsi_internal.h"

#define HEADER_LEN 8
#define DESC_LEN   16
#define LIST_MAX   (HEADER_LEN + DESC_LEN * SCSI_MAX_UNMAP_DESCS)

/* --- doing it: task->buf has the list, task->op.index is the next descriptor --- */

static bool next_range(struct scsi_task *task)
{
	const uint8_t *desc;

	while (!task->op.left) {
		if (task->op.index == task->op.count)
			return false;
		desc = (const uint8_t *)task->buf + (size_t)DESC_LEN * task->op.index++;
		task->op.lba = scsi_get64(desc);
		task->op.left = scsi_get32(desc + 8);
	}
	return true;
}

static int unmap_step(struct scsi_task *task)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint64_t lba;
	uint32_t n;

	if (!next_range(task))
		return SCSI_DONE;
	n = (uint32_t)min_t(uint64_t, task->op.left, SCSI_STEP_FAR_BYTES >> bdev->block_shift);
	lba = task->op.lba;
	task->op.lba += n;
	task->op.left -= n;
	return scsi_submit_buf(task, BDEV_OP_DISCARD, 0, NULL, lba, n);
}

/* --- checks --- */

static bool descs_ok(struct scsi_task *task, const uint8_t *descs, unsigned int n)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const uint8_t *desc = descs + (size_t)DESC_LEN * i;

		if (!scsi_range_ok(task, scsi_get64(desc), scsi_get32(desc + 8)))
			return false;
		total += scsi_get32(desc + 8);
		if (total > SCSI_MAX_UNMAP_BLOCKS) {
			scsi_fail_param(task, HEADER_LEN + DESC_LEN * i + 8, 7);
			return false;
		}
	}
	return true;
}

/* How many descriptors the list has; -1: it is refused, and the task says so. */
static int count_descs(struct scsi_task *task, const uint8_t *list, size_t len)
{
	size_t descs_len = scsi_get16(list + 2);

	if (descs_len > len - HEADER_LEN) {
		scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
		return -1;
	}
	if (descs_len / DESC_LEN > SCSI_MAX_UNMAP_DESCS) {
		scsi_fail_param(task, 2, 7);
		return -1;
	}
	return (int)(descs_len / DESC_LEN); /* an incomplete one is ignored */
}

/* Leaves the descriptors in task->buf. */
static bool read_list(struct scsi_task *task, size_t len)
{
	/* More than the most that can be in use is not needed to see that it is too much. */
	size_t want = min_t(size_t, len, LIST_MAX);
	uint8_t *list;
	int n;

	if (len > task->out_len) {
		scsi_overrun(task);
		return false;
	}
	if (!scsi_task_alloc(task, want) || !scsi_data_out(task, task->buf, want))
		return false;
	list = task->buf;
	task->xferred = len;
	n = count_descs(task, list, len);
	if (n < 0 || !descs_ok(task, list + HEADER_LEN, (unsigned int)n))
		return false;
	memmove(list, list + HEADER_LEN, (size_t)DESC_LEN * (unsigned int)n);
	task->op.index = 0;
	task->op.count = (uint32_t)n;
	task->op.left = 0;
	return true;
}

enum scsi_result scsi_do_unmap(struct scsi_task *task)
{
	size_t len = scsi_get16(task->cdb + 7);

	if (!len)
		return SCSI_DONE;
	if (len < HEADER_LEN)
		return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	if (!scsi_medium_enter(task, 0, UINT64_MAX))
		return SCSI_PENDING;
	if (!read_list(task, len))
		return SCSI_DONE;
	return scsi_steps_start(task, unmap_step);
}
