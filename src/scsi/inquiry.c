/* SPDX-License-Identifier: BSD-3-Clause */
/* INQUIRY (SPC-4, 6.6). */
#include "scsi/scsi_internal.h"

#define STANDARD_LEN 96

#define TYPE_DISK    0x00
#define TYPE_NO_LU   0x7f /* qualifier 011b: the target has no such unit */
#define VERSION_SPC4 0x06

const char scsi_vendor[8] = "SHDWBELL";
const char scsi_product[16] = "shadowbell disk ";

/* SPC-4, E.9: which version of each, without telling a revision. */
static const uint16_t version_descriptors[] = {
	0x00a0, /* SAM-5 */
	0x0460, /* SPC-4 */
	0x04c0, /* SBC-3: some look for no later one */
	0x0600, /* SBC-4 */
};

/* No unit, or one whose bdev was removed. */
static bool no_lu(const struct scsi_task *task)
{
	return !task->ch || scsi_lu_special(scsi_task_lu(task)) & SCSI_LU_GONE;
}

static void standard(const struct scsi_task *task, uint8_t buf[STANDARD_LEN])
{
	unsigned int i;

	memset(buf, 0, STANDARD_LEN);
	buf[0] = no_lu(task) ? TYPE_NO_LU : TYPE_DISK;
	buf[2] = VERSION_SPC4;
	buf[3] = 0x02; /* response data format */
	buf[4] = STANDARD_LEN - 5;
	buf[7] = 0x02; /* CMDQUE */
	memcpy(buf + 8, scsi_vendor, sizeof(scsi_vendor));
	memcpy(buf + 16, scsi_product, sizeof(scsi_product));
	memset(buf + 32, ' ', 4);
	memcpy(buf + 32, SB_VERSION, strnlen(SB_VERSION, 3)); /* PRODUCT REVISION LEVEL: "0.1" */
	for (i = 0; i < ARRAY_SIZE(version_descriptors); i++)
		scsi_put16(buf + 58 + (size_t)2 * i, version_descriptors[i]);
}

enum scsi_result scsi_do_inquiry(struct scsi_task *task)
{
	bool evpd = task->cdb[1] & 0x01;
	uint16_t alloc = scsi_get16(task->cdb + 3);
	uint8_t buf[SCSI_VPD_MAX];
	size_t len;

	if (!evpd) {
		if (task->cdb[2])
			return scsi_fail_cdb(task, 2, 7);
		standard(task, buf);
		return scsi_data_in(task, buf, STANDARD_LEN, alloc);
	}
	if (no_lu(task))
		return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	len = scsi_vpd_page(scsi_task_lu(task), task->cdb[2], buf);
	if (!len)
		return scsi_fail_cdb(task, 2, 7);
	return scsi_data_in(task, buf, len, alloc);
}
