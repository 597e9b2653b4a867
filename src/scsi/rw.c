/* SPDX-License-Identifier: BSD-3-Clause */
/* READ and WRITE of all sizes (SBC-4, 5.15 to 5.18 and 5.42 to 5.45), and ranges of blocks. */
#include "bdev/bdev_now.h"
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
	uint64_t total = bdev_nblocks(scsi_task_lu(task)->bdev);

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
	return task->cdb[0] >> 5 && task->cdb[1] & FUA;
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

/* --- the short ways --- */

/* What of scsi_lu.special a READ has to do with. */
#define READ_SPECIAL (SCSI_LU_UA | SCSI_LU_NO_READ | SCSI_LU_STOPPED | SCSI_LU_GONE)

/*
 * Whether it is a READ or WRITE of all `bytes` of its data that passes every check, but that
 * its range may not be on the medium.
 */
static inline bool is_plain(const struct scsi_channel *ch, const uint8_t *cdb, bool data_out,
			    uint64_t bytes, struct scsi_range *range)
{
	const struct scsi_command *cmd;
	bool known = false;

	if (unlikely(scsi_lu_special(ch->lu) & (data_out ? ~0u : READ_SPECIAL)))
		return false;
	cmd = scsi_command_find(cdb, &known);
	if (!cmd || cmd->execute != (data_out ? scsi_do_write : scsi_do_read) ||
	    unlikely(scsi_reserved_bits(cmd, cdb)))
		return false;
	*range = scsi_cdb_range(cdb);
	/* The data's length limits the transfer's. */
	return likely(bytes - 1 < SCSI_MAX_TRANSFER_BYTES &&
		      bytes == (uint64_t)range->nblocks << ch->bdev_ch->bdev->block_shift);
}

bool scsi_rw_now(struct scsi_group *g, const uint8_t lun[8], const uint8_t cdb[16], bool data_out,
		 uint64_t bytes, struct scsi_rw *rw)
{
	const struct scsi_channel *ch = scsi_group_channel(g, lun);
	struct scsi_range range;

	/* FUA makes no difference in memory. */
	if (unlikely(!ch || !ch->bdev_ch->now || !is_plain(ch, cdb, data_out, bytes, &range)))
		return false;
	*rw = (struct scsi_rw){
		.ch = ch->bdev_ch,
		.op = data_out ? BDEV_OP_WRITE : BDEV_OP_READ,
		.lba = range.lba,
		.nblocks = range.nblocks,
	};
	return bdev_now_may(rw->ch, rw->op, rw->lba, rw->nblocks);
}

bool scsi_rw_start(struct scsi_task *task)
{
	const struct bdev_channel *ch = task->ch->bdev_ch;
	bool out = task->out_len;
	uint64_t bytes = task->out_len + task->in_len;
	uint32_t cnt = out ? task->out_cnt : task->in_cnt;
	struct scsi_range range;

	if ((out && task->in_len) || cnt > UINT16_MAX ||
	    !is_plain(task->ch, task->cdb, out, bytes, &range) ||
	    !bdev_range_is_plain(ch, range.lba, range.nblocks))
		return false;
	task->io.iov = out ? task->out_iov : task->in_iov;
	task->io.iovcnt = (uint16_t)cnt;
	task->io.lba = range.lba;
	task->io.nblocks = range.nblocks;
	task->xferred = bytes;
	if (out) { /* for COMPARE AND WRITE */
		task->lba = range.lba;
		task->nblocks = range.nblocks;
	}
	if (scsi_submit(task, out ? BDEV_OP_WRITE : BDEV_OP_READ,
			out ? scsi_fua(task, fua_set(task)) : 0) == SCSI_DONE)
		scsi_task_finish(task);
	return true;
}
