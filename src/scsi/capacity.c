/* SPDX-License-Identifier: BSD-3-Clause */
/* READ CAPACITY and GET LBA STATUS (SBC-4, 5.19, 5.20 and 5.7). */
#include "scsi/scsi_internal.h"

/* Larger ones than a page make some guests reject the disk. */
#define MAX_PHYSICAL 4096

unsigned int scsi_physical_exponent(const struct bdev *bdev)
{
	uint32_t bytes = min_t(uint32_t, bdev->limits.preferred_bytes, MAX_PHYSICAL);

	if (bytes <= bdev->block_size || bytes & (bytes - 1))
		return 0;
	return (unsigned int)__builtin_ctz(bytes) - bdev->block_shift;
}

enum scsi_result scsi_do_read_capacity10(struct scsi_task *task)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint64_t last = bdev_nblocks(bdev) - 1;
	bool pmi = task->cdb[8] & 0x01;
	uint8_t buf[8];

	if (!pmi && scsi_get32(task->cdb + 2)) /* SBC-2, 5.10.1 */
		return scsi_fail_cdb(task, 2, 7);
	scsi_put32(buf, (uint32_t)min_t(uint64_t, last, UINT32_MAX));
	scsi_put32(buf + 4, bdev->block_size);
	return scsi_data_in(task, buf, sizeof(buf), sizeof(buf));
}

enum scsi_result scsi_do_read_capacity16(struct scsi_task *task)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint8_t buf[32] = {0};

	scsi_put64(buf, bdev_nblocks(bdev) - 1);
	scsi_put32(buf + 8, bdev->block_size);
	buf[13] = (uint8_t)scsi_physical_exponent(bdev);
	if (bdev->limits.discard_granularity_bytes) {
		buf[14] = 0x80; /* LBPME */
		if (bdev->limits.discard_zeroes)
			buf[14] |= 0x40; /* LBPRZ */
	}
	return scsi_data_in(task, buf, sizeof(buf), scsi_get32(task->cdb + 10));
}

/*
 * Bdevs don't tell what they have allocated: all from the LBA on is "mapped or unknown", one
 * descriptor at a time.
 */
enum scsi_result scsi_do_get_lba_status(struct scsi_task *task)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	uint64_t lba = scsi_get64(task->cdb + 2);
	uint32_t alloc = scsi_get32(task->cdb + 10);
	uint64_t nblocks = bdev_nblocks(bdev); /* which may change */
	uint8_t buf[8 + 16] = {0};

	if (lba >= nblocks)
		return scsi_fail_lba(task, lba);
	scsi_put32(buf, sizeof(buf) - 4);
	scsi_put64(buf + 8, lba);
	scsi_put32(buf + 16, (uint32_t)min_t(uint64_t, nblocks - lba, UINT32_MAX));
	return scsi_data_in(task, buf, sizeof(buf), alloc);
}
