/* SPDX-License-Identifier: BSD-3-Clause */
/* READ and WRITE of all sizes (SBC-4, 5.15 to 5.18 and 5.42 to 5.45), and ranges of blocks. */
#include "scsi/scsi_internal.h"

#define FUA 0x08 /* of byte 1; READ(6) and WRITE(6) have none */

/* By the operation code's group (SPC-4, 4.2.5.1). */
struct scsi_range scsi_cdb_range(const uint8_t *cdb)
{
	switch (cdb[0] >> 5) {
	case 0:
		return (struct scsi_range){scsi_get24(cdb + 1) & 0x1fffff, cdb[4] ? cdb[4] : 256};
	case 4:
		return (struct scsi_range){scsi_get64(cdb + 2), scsi_get32(cdb + 10)};
	case 5:
		return (struct scsi_range){scsi_get32(cdb + 2), scsi_get32(cdb + 6)};
	default:
		return (struct scsi_range){scsi_get32(cdb + 2), scsi_get16(cdb + 7)};
	}
}

unsigned int scsi_cdb_length_byte(const uint8_t *cdb)
{
	static const uint8_t bytes[8] = {4, 7, 7, 7, 10, 6, 7, 7};

	return bytes[cdb[0] >> 5];
}

bool scsi_range_ok(struct scsi_task *task, uint64_t lba, uint64_t nblocks)
{
	uint64_t total = scsi_task_lu(task)->bdev->nblocks;

	if (likely(nblocks <= total && lba <= total - nblocks))
		return true;
	scsi_fail_lba(task, lba >= total ? lba : total); /* the first that there isn't */
	return false;
}

uint32_t scsi_max_transfer_blocks(const struct bdev *bdev)
{
	uint32_t bytes = SCSI_MAX_TRANSFER_BYTES;

	if (bdev->limits.max_transfer_bytes)
		bytes = min_t(uint32_t, bytes, bdev->limits.max_transfer_bytes);
	return bytes >> bdev->block_shift;
}

bool scsi_transfer_ok(struct scsi_task *task, uint32_t nblocks)
{
	if (likely(nblocks <= scsi_max_transfer_blocks(scsi_task_lu(task)->bdev)))
		return true;
	scsi_fail_cdb(task, scsi_cdb_length_byte(task->cdb), 7);
	return false;
}

static bool fua_set(const struct scsi_task *task)
{
	return task->cmd->cdb_len > 6 && task->cdb[1] & FUA;
}

enum scsi_result scsi_do_read(struct scsi_task *task)
{
	const struct scsi_range range = scsi_cdb_range(task->cdb);
	const struct bdev *bdev = scsi_task_lu(task)->bdev;

	if (unlikely(!scsi_range_ok(task, range.lba, range.nblocks) ||
		     !scsi_transfer_ok(task, range.nblocks) ||
		     !scsi_use_in(task, (uint64_t)range.nblocks << bdev->block_shift)))
		return SCSI_DONE;
	if (unlikely(!range.nblocks))
		return SCSI_DONE;
	task->io.lba = range.lba;
	task->io.nblocks = range.nblocks;
	/* FUA and DPO are about caches: bdevs have none that a read could find old data in. */
	return scsi_submit(task, BDEV_OP_READ, 0);
}

enum scsi_result scsi_do_write(struct scsi_task *task)
{
	const struct scsi_range range = scsi_cdb_range(task->cdb);
	const struct bdev *bdev = scsi_task_lu(task)->bdev;

	if (unlikely(!scsi_range_ok(task, range.lba, range.nblocks) ||
		     !scsi_transfer_ok(task, range.nblocks) ||
		     !scsi_use_out(task, (uint64_t)range.nblocks << bdev->block_shift)))
		return SCSI_DONE;
	if (unlikely(!range.nblocks))
		return SCSI_DONE;
	if (unlikely(!scsi_medium_enter(task, range.lba, range.nblocks)))
		return SCSI_PENDING;
	task->io.lba = range.lba;
	task->io.nblocks = range.nblocks;
	return scsi_submit(task, BDEV_OP_WRITE, scsi_fua(task, fua_set(task)));
}
