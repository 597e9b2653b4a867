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
	pthread_mutex_lock(&task->target->dev->lock);
	for (lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		lu = task->target->lus[lun];
		if (!lu)
			continue;
		/* Who asks knows what the units' attention would say. */
		scsi_ua_drop(lu, SCSI_ASC_LUNS_CHANGED);
		/* There are no well-known units. The others are addressed as peripheral devices. */
		if (scsi_lu_special(lu) & SCSI_LU_GONE || select == SELECT_WELL_KNOWN)
			continue;
		buf[len + 1] = (uint8_t)lun;
		len += 8;
	}
	pthread_mutex_unlock(&task->target->dev->lock);
	scsi_put32(buf, (uint32_t)len - 8);
	return scsi_data_in(task, buf, len, alloc);
}
