/* SPDX-License-Identifier: BSD-3-Clause */
/* REQUEST SENSE (SPC-4, 6.39). */
#include "scsi/scsi_internal.h"

enum scsi_result scsi_do_request_sense(struct scsi_task *task)
{
	bool descriptor = task->cdb[1] & 0x01;
	enum scsi_key key = SCSI_KEY_NO_SENSE;
	enum scsi_asc asc = SCSI_ASC_NONE;
	uint8_t sense[SCSI_SENSE_MAX];
	unsigned int special;
	uint8_t len;

	special = task->ch ? scsi_lu_special(scsi_task_lu(task)) : SCSI_LU_GONE;
	if (special & SCSI_LU_GONE) {
		key = SCSI_KEY_ILLEGAL_REQUEST;
		asc = SCSI_ASC_LU_NOT_SUPPORTED;
	} else if (special & SCSI_LU_UA && scsi_ua_take(scsi_task_lu(task), &asc)) {
		key = SCSI_KEY_UNIT_ATTENTION;
	} else if (special & SCSI_LU_STOPPED) {
		key = SCSI_KEY_NOT_READY;
		asc = SCSI_ASC_NOT_READY_START_NEEDED;
	}
	len = scsi_sense_build(sense, descriptor, key, asc);
	return scsi_data_in(task, sense, len, task->cdb[4]);
}
