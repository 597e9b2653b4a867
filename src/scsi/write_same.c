/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WRITE SAME (SBC-4, 5.50 and 5.51). Zeroes, given as a block or by NDOB, become WRITE ZEROES,
 * which also unmaps where that is asked for and possible; another block is written again and again
 * from a buffer full of it.
 */
#include "scsi/scsi_internal.h"

#define UNMAP 0x08
#define NDOB  0x01

static bool all_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/* task->op: what is left; count: blocks of a step; flags in index; buf: NULL: zeroes. */
static int write_same_step(struct scsi_task *task)
{
	uint64_t lba = task->op.lba;
	uint32_t n = (uint32_t)min_t(uint64_t, task->op.left, task->op.count);
	uint8_t flags = (uint8_t)task->op.index;

	if (!n)
		return SCSI_DONE;
	task->op.lba += n;
	task->op.left -= n;
	return scsi_submit_buf(task, task->op.ptr ? BDEV_OP_WRITE : BDEV_OP_WRITE_ZEROES, flags,
			       task->op.ptr, lba, n);
}

/* As many copies of the first block as a step writes. */
static void fill_buffer(char *buf, size_t bs, uint32_t blocks)
{
	uint32_t i;

	for (i = 1; i < blocks; i++)
		memcpy(buf + i * bs, buf, bs);
}

static bool prepare(struct scsi_task *task, bool ndob)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint32_t far = SCSI_STEP_FAR_BYTES >> bdev->block_shift;
	uint32_t near = min_t(uint32_t, scsi_max_transfer_blocks(bdev),
			      SCSI_STEP_BYTES >> bdev->block_shift);

	near = (uint32_t)min_t(uint64_t, near, task->op.left);
	task->op.ptr = NULL;
	task->op.count = far;
	if (ndob)
		return true;
	if (!scsi_task_alloc(task, (size_t)near << bdev->block_shift) ||
	    !scsi_data_out(task, task->buf, bdev->block_size))
		return false;
	if (!all_zero(task->buf, bdev->block_size)) {
		fill_buffer(task->buf, bdev->block_size, near);
		task->op.ptr = task->buf;
		task->op.count = near;
	}
	return true;
}

/* Whoever sends more or less than the one block doesn't mean this command. */
static bool fields_ok(struct scsi_task *task, const struct scsi_range *range, bool ndob)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;

	if (!ndob && task->out_len != bdev->block_size)
		scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_CDB);
	else if (task->cdb[1] & UNMAP && !bdev->limits.discard_granularity_bytes)
		scsi_fail_cdb(task, 1, 3);
	else if (!range->nblocks || range->nblocks > SCSI_MAX_WRITE_SAME_BYTES >> bdev->block_shift)
		scsi_fail_cdb(task, scsi_cdb_length_byte(task->cdb), 7); /* WSNZ, and VPD B0h */
	else
		return scsi_range_ok(task, range->lba, range->nblocks);
	return false;
}

enum scsi_result scsi_do_write_same(struct scsi_task *task)
{
	const struct scsi_range range = scsi_cdb_range(task->cdb);
	bool ndob = task->cdb[0] == SCSI_OP_WRITE_SAME_16 && task->cdb[1] & NDOB;

	if (!fields_ok(task, &range, ndob))
		return SCSI_DONE;
	if (!scsi_medium_enter(task, range.lba, range.nblocks))
		return SCSI_PENDING;
	task->op.lba = range.lba;
	task->op.left = range.nblocks;
	if (!prepare(task, ndob))
		return SCSI_DONE;
	task->op.index = scsi_fua(task, false);
	if (task->cdb[1] & UNMAP && !task->op.ptr)
		task->op.index |= BDEV_IO_UNMAP;
	return scsi_steps_start(task, write_same_step);
}
