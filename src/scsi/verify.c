/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VERIFY and WRITE AND VERIFY (SBC-4, 5.35 to 5.37 and 5.46 to 5.48). BYTCHK 00b: the blocks can be
 * read; 01b: they are the same as the data; 11b: each is the same as the one block of data.
 */
#include "scsi/scsi_internal.h"

#define FUA_WRITE 0 /* the verification reads what is stored: no cache of ours is in between */

enum { PHASE_WRITE, PHASE_VERIFY };

static unsigned int bytchk(const struct scsi_task *task)
{
	return (task->cdb[1] >> 1) & 3;
}

/* --- reading in pieces, for 00b and 11b --- */

/* task->buf: one block to compare with (11b only), then the piece that is read. */
static char *piece(const struct scsi_task *task)
{
	return (char *)task->buf + (bytchk(task) == 3 ? scsi_task_lu(task)->bdev->block_size : 0);
}

static bool piece_same(const struct scsi_task *task)
{
	size_t bs = scsi_task_lu(task)->bdev->block_size;
	uint32_t i;

	for (i = 0; i < task->op.blocks; i++)
		if (memcmp(task->buf, piece(task) + i * bs, bs))
			return false;
	return true;
}

static int read_step(struct scsi_task *task)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint32_t max = min_t(uint32_t, scsi_max_transfer_blocks(bdev),
			     SCSI_STEP_BYTES >> bdev->block_shift);
	uint64_t lba = task->op.lba;

	if (task->op.blocks && bytchk(task) == 3 && !piece_same(task))
		return scsi_fail(task, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	if (!task->op.left)
		return SCSI_DONE;
	task->op.blocks = (uint32_t)min_t(uint64_t, task->op.left, max);
	task->op.left -= task->op.blocks;
	task->op.lba += task->op.blocks;
	return scsi_submit_buf(task, BDEV_OP_READ, 0, piece(task), lba, task->op.blocks);
}

static bool prepare_reading(struct scsi_task *task, const struct scsi_range *range)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint64_t bytes =
		min_t(uint64_t, (uint64_t)range->nblocks << bdev->block_shift, SCSI_STEP_BYTES);

	task->op.lba = range->lba;
	task->op.left = range->nblocks;
	task->op.blocks = 0;
	return scsi_task_alloc(task, (size_t)bytes + bdev->block_size);
}

/* --- VERIFY --- */

static enum scsi_result verify_data(struct scsi_task *task, const struct scsi_range *range)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;

	if (!scsi_transfer_ok(task, range->nblocks) ||
	    !scsi_use_out(task, (uint64_t)range->nblocks << bdev->block_shift))
		return SCSI_DONE;
	if (!range->nblocks)
		return SCSI_DONE;
	task->io.lba = range->lba;
	task->io.nblocks = range->nblocks;
	return scsi_submit(task, BDEV_OP_COMPARE, 0);
}

enum scsi_result scsi_do_verify(struct scsi_task *task)
{
	const struct scsi_range range = scsi_cdb_range(task->cdb);
	const struct bdev *bdev = scsi_task_lu(task)->bdev;

	if (bytchk(task) == 2) /* reserved */
		return scsi_fail_cdb(task, 1, 2);
	if (!scsi_range_ok(task, range.lba, range.nblocks))
		return SCSI_DONE;
	if (bytchk(task) == 1)
		return verify_data(task, &range);
	if (!range.nblocks)
		return SCSI_DONE;
	if (bytchk(task) == 3 && task->out_len < bdev->block_size)
		return scsi_overrun(task);
	if (!prepare_reading(task, &range))
		return SCSI_DONE;
	if (bytchk(task) == 3)
		scsi_data_out(task, task->buf, bdev->block_size);
	return scsi_steps_start(task, read_step);
}

/* --- WRITE AND VERIFY --- */

static int write_verify_step(struct scsi_task *task)
{
	switch (task->op.phase++) {
	case PHASE_WRITE:
		return scsi_submit_step(task, BDEV_OP_WRITE, scsi_fua(task, FUA_WRITE));
	case PHASE_VERIFY:
		if (bytchk(task) == 1)
			return scsi_submit_step(task, BDEV_OP_COMPARE, 0);
		/* fall through */
	default:
		return bytchk(task) == 1 ? SCSI_DONE : read_step(task);
	}
}

enum scsi_result scsi_do_write_verify(struct scsi_task *task)
{
	const struct scsi_range range = scsi_cdb_range(task->cdb);
	const struct bdev *bdev = scsi_task_lu(task)->bdev;

	if (bytchk(task) > 1) /* reserved */
		return scsi_fail_cdb(task, 1, 2);
	if (!scsi_range_ok(task, range.lba, range.nblocks) ||
	    !scsi_transfer_ok(task, range.nblocks) ||
	    !scsi_use_out(task, (uint64_t)range.nblocks << bdev->block_shift))
		return SCSI_DONE;
	if (!range.nblocks)
		return SCSI_DONE;
	if (!scsi_medium_enter(task, range.lba, range.nblocks))
		return SCSI_PENDING;
	if (!bytchk(task) && !prepare_reading(task, &range))
		return SCSI_DONE;
	task->io.lba = range.lba;
	task->io.nblocks = range.nblocks;
	task->op.phase = PHASE_WRITE;
	return scsi_steps_start(task, write_verify_step);
}
