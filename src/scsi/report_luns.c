/* SPDX-License-Identifier: BSD-3-Clause */
/* REPORT LUNS (SPC-4, 6.33). */
#include "scsi/scsi_internal.h"

enum { SELECT_ADDRESSABLE = 0, SELECT_WELL_KNOWN = 1, SELECT_ALL = 2 };

enum scsi_result scsi_do_report_luns(struct scsi_task *task)
{
	uint8_t buf[8 + 8 * SCSI_MAX_LUNS] = {0};
	uint32_t alloc = scsi_get32(task->cdb + 6);
	uint8_t select = task->cdb[2];
	size_t len = 8;
	struct scsi_lu *lu;
	unsigned int lun;

	if (select > SELECT_ALL)
		return scsi_fail_cdb(task, 2, 7);
	if (alloc < 16)
		return scsi_fail_cdb(task, 6, 7);
	/* There are no well-known units. The others are addressed as peripheral devices. */
	for (lun = 0; lun < SCSI_MAX_LUNS && select != SELECT_WELL_KNOWN; lun++) {
		lu = task->target->lus[lun];
		if (!lu || scsi_lu_special(lu) & SCSI_LU_GONE)
			continue;
		buf[len + 1] = (uint8_t)lun;
		len += 8;
	}
	/* Who asks knows what the units' attention would say. */
	for (lun = 0; lun < SCSI_MAX_LUNS; lun++)
		if (task->target->lus[lun])
			scsi_ua_drop(task->target->lus[lun], SCSI_ASC_LUNS_CHANGED);
	scsi_put32(buf, (uint32_t)len - 8);
	return scsi_data_in(task, buf, len, alloc);
}
