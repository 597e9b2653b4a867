/* SPDX-License-Identifier: BSD-3-Clause */
/* REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS (SPC-4, 6.35 and 6.36). */
#include "scsi/scsi_internal.h"

enum { REPORT_ALL = 0, REPORT_OPCODE = 1, REPORT_SA = 2, REPORT_EITHER = 3 };

#define TIMEOUTS_LEN 12
#define SUPPORT_NO   0x01
#define SUPPORT_YES  0x03 /* as a standard says */
#define CTDP	     0x80

static size_t put_timeouts(uint8_t *p, const struct scsi_command *cmd)
{
	memset(p, 0, TIMEOUTS_LEN);
	scsi_put16(p, TIMEOUTS_LEN - 2);
	/* Nominal: less than a second, 0 for "not told". */
	scsi_put32(p + 8, cmd->timeout);
	return TIMEOUTS_LEN;
}

static enum scsi_result report_all(struct scsi_task *task, bool rctd, uint32_t alloc)
{
	const struct scsi_command *cmd = scsi_commands;
	size_t i, len = 4;
	uint8_t *p;

	if (!scsi_task_alloc(task, 4 + scsi_ncommands * (8 + TIMEOUTS_LEN)))
		return SCSI_DONE;
	p = task->buf;
	for (i = 0; i < scsi_ncommands; i++, cmd++) {
		if (!scsi_command_supported(cmd, scsi_task_lu(task)))
			continue;
		memset(p + len, 0, 8);
		p[len] = cmd->opcode;
		if (cmd->sa != SCSI_NO_SA) {
			scsi_put16(p + len + 2, cmd->sa);
			p[len + 5] = 0x01; /* SERVACTV */
		}
		scsi_put16(p + len + 6, cmd->cdb_len);
		if (rctd)
			p[len + 5] |= 0x02; /* CTDP */
		len += 8;
		if (rctd)
			len += put_timeouts(p + len, cmd);
	}
	scsi_put32(p, (uint32_t)len - 4);
	return scsi_data_in(task, p, len, alloc);
}

static enum scsi_result report_one(struct scsi_task *task, const struct scsi_command *cmd,
				   bool rctd, uint32_t alloc)
{
	uint8_t buf[4 + 16 + TIMEOUTS_LEN] = {0};
	size_t len = 4;

	if (!cmd || !scsi_command_supported(cmd, scsi_task_lu(task))) {
		buf[1] = SUPPORT_NO;
		return scsi_data_in(task, buf, len, alloc);
	}
	buf[1] = SUPPORT_YES | (rctd ? CTDP : 0);
	scsi_put16(buf + 2, cmd->cdb_len);
	memcpy(buf + len, cmd->usage, cmd->cdb_len);
	if (cmd->sa != SCSI_NO_SA)
		buf[len + 1] = (uint8_t)((cmd->usage[1] & 0xe0) | cmd->sa);
	len += cmd->cdb_len;
	if (rctd)
		len += put_timeouts(buf + len, cmd);
	return scsi_data_in(task, buf, len, alloc);
}

enum scsi_result scsi_do_report_opcodes(struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;
	unsigned int options = cdb[2] & 7;
	uint32_t alloc = scsi_get32(cdb + 6);
	uint16_t sa = scsi_get16(cdb + 4);
	uint8_t wanted[2] = {cdb[3], (uint8_t)sa};
	const struct scsi_command *cmd;
	bool rctd = cdb[2] & 0x80, known = false, has_sa;

	if (options == REPORT_ALL)
		return report_all(task, rctd, alloc);
	if (options > REPORT_EITHER)
		return scsi_fail_cdb(task, 2, 2);
	cmd = scsi_command_find(wanted, &known);
	has_sa = known && (!cmd || cmd->sa != SCSI_NO_SA);
	if ((options == REPORT_OPCODE && has_sa) || (options == REPORT_SA && known && !has_sa))
		return scsi_fail_cdb(task, 2, 2);
	if (sa > 0x1f && has_sa)
		cmd = NULL;
	if (options == REPORT_EITHER && !has_sa && sa)
		cmd = NULL;
	return report_one(task, cmd, rctd, alloc);
}

enum scsi_result scsi_do_report_tmfs(struct scsi_task *task)
{
	bool repd = task->cdb[2] & 0x80;
	uint8_t buf[16] = {0};

	if (scsi_get32(task->cdb + 6) < 4)
		return scsi_fail_cdb(task, 6, 7);
	buf[0] = 0xdc; /* ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LU RESET, QUERY TASK */
	buf[1] = 0x03; /* QUERY TASK SET, I_T NEXUS RESET */
	buf[3] = repd ? 0x0c : 0;
	return scsi_data_in(task, buf, repd ? 16 : 4, scsi_get32(task->cdb + 6));
}
