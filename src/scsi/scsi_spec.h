/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCSI_SCSI_SPEC_H
#define SCSI_SCSI_SPEC_H

/* Codes of SAM-5, SPC-4 and SBC-4, and big-endian access, as all fields are. */

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* SAM-5, 5.3.1 */
enum scsi_status {
	SCSI_STATUS_GOOD = 0x00,
	SCSI_STATUS_CHECK_CONDITION = 0x02,
	SCSI_STATUS_RESERVATION_CONFLICT = 0x18,
	SCSI_STATUS_TASK_SET_FULL = 0x28,
};

/* SPC-4, 4.5.6 */
enum scsi_key {
	SCSI_KEY_NO_SENSE = 0x0,
	SCSI_KEY_NOT_READY = 0x2,
	SCSI_KEY_MEDIUM_ERROR = 0x3,
	SCSI_KEY_HARDWARE_ERROR = 0x4,
	SCSI_KEY_ILLEGAL_REQUEST = 0x5,
	SCSI_KEY_UNIT_ATTENTION = 0x6,
	SCSI_KEY_DATA_PROTECT = 0x7,
	SCSI_KEY_ABORTED_COMMAND = 0xb,
	SCSI_KEY_MISCOMPARE = 0xe,
};

/* SPC-4, F.2: additional sense code and qualifier in one. */
enum scsi_asc {
	SCSI_ASC_NONE = 0x0000,
	SCSI_ASC_NOT_READY_START_NEEDED = 0x0402, /* INITIALIZING COMMAND REQUIRED */
	SCSI_ASC_LU_TIMEOUT = 0x0801,		  /* LOGICAL UNIT COMMUNICATION TIME-OUT */
	SCSI_ASC_WRITE_ERROR = 0x0c00,
	SCSI_ASC_READ_ERROR = 0x1100,
	SCSI_ASC_PARAM_LENGTH = 0x1a00,
	SCSI_ASC_MISCOMPARE = 0x1d00,
	SCSI_ASC_INVALID_OPCODE = 0x2000,
	SCSI_ASC_LBA_RANGE = 0x2100,
	SCSI_ASC_INVALID_CDB = 0x2400,
	SCSI_ASC_LU_NOT_SUPPORTED = 0x2500,
	SCSI_ASC_INVALID_PARAM = 0x2600,
	SCSI_ASC_INVALID_RELEASE = 0x2604,
	SCSI_ASC_WRITE_PROTECTED = 0x2700,
	SCSI_ASC_SW_WRITE_PROTECTED = 0x2702,
	SCSI_ASC_SPACE_FAILED = 0x2707, /* SPACE ALLOCATION FAILED WRITE PROTECT */
	SCSI_ASC_POWER_ON = 0x2900,
	SCSI_ASC_BUS_RESET = 0x2902,
	SCSI_ASC_DEVICE_RESET = 0x2903,
	SCSI_ASC_NEXUS_LOSS = 0x2907,
	SCSI_ASC_RESERVATIONS_PREEMPTED = 0x2a03,
	SCSI_ASC_RESERVATIONS_RELEASED = 0x2a04,
	SCSI_ASC_REGISTRATIONS_PREEMPTED = 0x2a05,
	SCSI_ASC_CAPACITY_CHANGED = 0x2a09,
	SCSI_ASC_SAVING = 0x3900,	/* SAVING PARAMETERS NOT SUPPORTED */
	SCSI_ASC_LUNS_CHANGED = 0x3f0e, /* REPORTED LUNS DATA HAS CHANGED */
	SCSI_ASC_INTERNAL = 0x4400,
	SCSI_ASC_NO_REGISTRATION_ROOM = 0x5504,
};

enum scsi_opcode {
	SCSI_OP_TEST_UNIT_READY = 0x00,
	SCSI_OP_REQUEST_SENSE = 0x03,
	SCSI_OP_READ_6 = 0x08,
	SCSI_OP_WRITE_6 = 0x0a,
	SCSI_OP_INQUIRY = 0x12,
	SCSI_OP_MODE_SELECT_6 = 0x15,
	SCSI_OP_MODE_SENSE_6 = 0x1a,
	SCSI_OP_START_STOP_UNIT = 0x1b,
	SCSI_OP_READ_CAPACITY_10 = 0x25,
	SCSI_OP_READ_10 = 0x28,
	SCSI_OP_WRITE_10 = 0x2a,
	SCSI_OP_WRITE_VERIFY_10 = 0x2e,
	SCSI_OP_VERIFY_10 = 0x2f,
	SCSI_OP_SYNC_CACHE_10 = 0x35,
	SCSI_OP_WRITE_SAME_10 = 0x41,
	SCSI_OP_UNMAP = 0x42,
	SCSI_OP_MODE_SELECT_10 = 0x55,
	SCSI_OP_MODE_SENSE_10 = 0x5a,
	SCSI_OP_PR_IN = 0x5e,
	SCSI_OP_PR_OUT = 0x5f,
	SCSI_OP_READ_16 = 0x88,
	SCSI_OP_COMPARE_AND_WRITE = 0x89,
	SCSI_OP_WRITE_16 = 0x8a,
	SCSI_OP_WRITE_VERIFY_16 = 0x8e,
	SCSI_OP_VERIFY_16 = 0x8f,
	SCSI_OP_SYNC_CACHE_16 = 0x91,
	SCSI_OP_WRITE_SAME_16 = 0x93,
	SCSI_OP_SERVICE_ACTION_IN_16 = 0x9e,
	SCSI_OP_REPORT_LUNS = 0xa0,
	SCSI_OP_MAINTENANCE_IN = 0xa3,
	SCSI_OP_READ_12 = 0xa8,
	SCSI_OP_WRITE_12 = 0xaa,
	SCSI_OP_WRITE_VERIFY_12 = 0xae,
	SCSI_OP_VERIFY_12 = 0xaf,
};

enum scsi_service_action {
	SCSI_SA_READ_CAPACITY_16 = 0x10,
	SCSI_SA_GET_LBA_STATUS = 0x12,
	SCSI_SA_REPORT_OPCODES = 0x0c,
	SCSI_SA_REPORT_TMFS = 0x0d,
	SCSI_SA_PR_READ_KEYS = 0x00,
	SCSI_SA_PR_READ_RESERVATION = 0x01,
	SCSI_SA_PR_REPORT_CAPABILITIES = 0x02,
	SCSI_SA_PR_READ_FULL_STATUS = 0x03,
	SCSI_SA_PR_REGISTER = 0x00,
	SCSI_SA_PR_RESERVE = 0x01,
	SCSI_SA_PR_RELEASE = 0x02,
	SCSI_SA_PR_CLEAR = 0x03,
	SCSI_SA_PR_PREEMPT = 0x04,
	SCSI_SA_PR_PREEMPT_ABORT = 0x05,
	SCSI_SA_PR_REGISTER_IGNORE = 0x06,
};

/* Persistent reservation types, SPC-4, 6.15.3.4 */
enum scsi_pr_type {
	SCSI_PR_NONE = 0, /* ours: no reservation */
	SCSI_PR_WRITE_EXCL = 1,
	SCSI_PR_EXCL_ACCESS = 3,
	SCSI_PR_WRITE_EXCL_RO = 5, /* registrants only */
	SCSI_PR_EXCL_ACCESS_RO = 6,
	SCSI_PR_WRITE_EXCL_AR = 7, /* all registrants */
	SCSI_PR_EXCL_ACCESS_AR = 8,
};

static inline uint16_t scsi_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t scsi_get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t scsi_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t scsi_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void scsi_put16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void scsi_put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void scsi_put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

#endif
