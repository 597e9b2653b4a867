/* SPDX-License-Identifier: BSD-3-Clause */
/* Sense data (SPC-4, 4.5) in both formats. */
#include "scsi/scsi_internal.h"

#define FIXED_LEN	18
#define DESC_HEADER_LEN 8

#define SKSV 0x80
#define C_D  0x40 /* the pointer points into the CDB, not into parameter data */
#define BPV  0x08

struct sense {
	enum scsi_key key;
	enum scsi_asc asc;
	bool info_valid, pointer_valid;
	uint64_t info;
	uint8_t pointer[3]; /* SENSE KEY SPECIFIC */
};

static uint8_t build_fixed(uint8_t *buf, const struct sense *s)
{
	memset(buf, 0, FIXED_LEN);
	buf[0] = 0x70;
	buf[2] = (uint8_t)s->key;
	if (s->info_valid && s->info <= UINT32_MAX) {
		buf[0] |= 0x80;
		scsi_put32(buf + 3, (uint32_t)s->info);
	}
	buf[7] = FIXED_LEN - 8;
	scsi_put16(buf + 12, (uint16_t)s->asc);
	if (s->pointer_valid)
		memcpy(buf + 15, s->pointer, 3);
	return FIXED_LEN;
}

static uint8_t build_descriptors(uint8_t *buf, const struct sense *s)
{
	uint8_t *at = buf + DESC_HEADER_LEN;

	memset(buf, 0, DESC_HEADER_LEN + 12 + 8);
	buf[0] = 0x72;
	buf[1] = (uint8_t)s->key;
	scsi_put16(buf + 2, (uint16_t)s->asc);
	if (s->info_valid) {
		at[0] = 0x00; /* Information */
		at[1] = 0x0a;
		at[2] = 0x80;
		scsi_put64(at + 4, s->info);
		at += 12;
	}
	if (s->pointer_valid) {
		at[0] = 0x02; /* Sense key specific */
		at[1] = 0x06;
		memcpy(at + 4, s->pointer, 3);
		at += 8;
	}
	buf[7] = (uint8_t)(at - buf - DESC_HEADER_LEN);
	return (uint8_t)(at - buf);
}

uint8_t scsi_sense_build(uint8_t sense[SCSI_SENSE_MAX], bool descriptor, enum scsi_key key,
			 enum scsi_asc asc)
{
	const struct sense s = {.key = key, .asc = asc};

	return descriptor ? build_descriptors(sense, &s) : build_fixed(sense, &s);
}

static enum scsi_result fail(struct scsi_task *task, const struct sense *s)
{
	bool descriptor = task->ch && scsi_lu_mode(scsi_task_lu(task), SCSI_MODE_D_SENSE);

	task->response = SCSI_RESPONSE_OK;
	task->status = SCSI_STATUS_CHECK_CONDITION;
	task->sense_len =
		descriptor ? build_descriptors(task->sense, s) : build_fixed(task->sense, s);
	task->xferred = 0;
	return SCSI_DONE;
}

enum scsi_result scsi_fail(struct scsi_task *task, enum scsi_key key, enum scsi_asc asc)
{
	const struct sense s = {.key = key, .asc = asc};

	return fail(task, &s);
}

enum scsi_result scsi_fail_info(struct scsi_task *task, enum scsi_key key, enum scsi_asc asc,
				uint64_t info)
{
	const struct sense s = {.key = key, .asc = asc, .info_valid = true, .info = info};

	return fail(task, &s);
}

static enum scsi_result fail_field(struct scsi_task *task, enum scsi_asc asc, uint8_t c_d,
				   unsigned int byte, unsigned int bit)
{
	struct sense s = {.key = SCSI_KEY_ILLEGAL_REQUEST, .asc = asc, .pointer_valid = true};

	s.pointer[0] = (uint8_t)(SKSV | c_d | BPV | bit);
	scsi_put16(s.pointer + 1, (uint16_t)byte);
	return fail(task, &s);
}

enum scsi_result scsi_fail_cdb(struct scsi_task *task, unsigned int byte, unsigned int bit)
{
	return fail_field(task, SCSI_ASC_INVALID_CDB, C_D, byte, bit);
}

enum scsi_result scsi_fail_param(struct scsi_task *task, unsigned int byte, unsigned int bit)
{
	return fail_field(task, SCSI_ASC_INVALID_PARAM, 0, byte, bit);
}

enum scsi_result scsi_fail_lba(struct scsi_task *task, uint64_t lba)
{
	return scsi_fail_info(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE, lba);
}

enum scsi_result scsi_reservation_conflict(struct scsi_task *task)
{
	task->status = SCSI_STATUS_RESERVATION_CONFLICT;
	task->xferred = 0;
	return SCSI_DONE;
}

/* --- errors of the block layer --- */

static enum scsi_result fail_response(struct scsi_task *task, enum scsi_response response)
{
	task->response = (uint8_t)response;
	task->xferred = 0;
	return SCSI_DONE;
}

static enum scsi_result fail_medium(struct scsi_task *task)
{
	bool reads = task->io.op == BDEV_OP_READ || task->io.op == BDEV_OP_COMPARE;

	return scsi_fail(task, SCSI_KEY_MEDIUM_ERROR,
			 reads ? SCSI_ASC_READ_ERROR : SCSI_ASC_WRITE_ERROR);
}

enum scsi_result scsi_fail_io(struct scsi_task *task, enum bdev_status status)
{
	switch (status) {
	case BDEV_STATUS_MEDIUM_ERROR:
		return fail_medium(task);
	case BDEV_STATUS_NO_SPACE:
		return scsi_fail(task, SCSI_KEY_DATA_PROTECT, SCSI_ASC_SPACE_FAILED);
	case BDEV_STATUS_OUT_OF_RANGE:
		return scsi_fail_lba(task, task->io.lba);
	case BDEV_STATUS_READ_ONLY:
		return scsi_fail(task, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);
	case BDEV_STATUS_UNSUPPORTED:
		return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_OPCODE);
	case BDEV_STATUS_MISCOMPARE:
		return scsi_fail(task, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	case BDEV_STATUS_CONFLICT:
		return scsi_reservation_conflict(task);
	case BDEV_STATUS_NO_MEMORY:
		return fail_response(task, SCSI_RESPONSE_BUSY);
	case BDEV_STATUS_BAD_BUFFER:
		return fail_response(task, SCSI_RESPONSE_TRANSPORT);
	case BDEV_STATUS_ABORTED:
		if (task->abort)
			return fail_response(task, task->abort);
		return scsi_fail(task, SCSI_KEY_ABORTED_COMMAND, SCSI_ASC_NONE);
	case BDEV_STATUS_GONE:
		return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	case BDEV_STATUS_TIMEOUT:
		return scsi_fail(task, SCSI_KEY_ABORTED_COMMAND, SCSI_ASC_LU_TIMEOUT);
	case BDEV_STATUS_OK:
	case BDEV_STATUS_COUNT:
		break;
	}
	return scsi_fail(task, SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_INTERNAL);
}
