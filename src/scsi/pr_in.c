/* SPDX-License-Identifier: BSD-3-Clause */
/* PERSISTENT RESERVE IN (SPC-4, 6.15). */
#include "scsi/scsi_internal.h"

#define HEADER_LEN 8
#define STATUS_LEN 48 /* of one registration, with its TransportID */
#define DATA_MAX   (HEADER_LEN + STATUS_LEN * SCSI_PR_MAX_REGS)

static size_t put_keys(const struct scsi_pr *pr, uint8_t *p)
{
	unsigned int i;

	for (i = 0; i < pr->nregs; i++)
		scsi_put64(p + (size_t)8 * i, pr->regs[i].key);
	return (size_t)8 * pr->nregs;
}

static size_t put_reservation(const struct scsi_pr *pr, uint8_t *p)
{
	if (!pr->type)
		return 0;
	memset(p, 0, 16);
	if (!scsi_pr_all_registrants(pr->type))
		scsi_put64(p, pr->regs[pr->holder].key);
	p[13] = pr->type; /* scope 0: the logical unit */
	return 16;
}

static size_t put_full_status(const struct scsi_pr *pr, uint8_t *p)
{
	unsigned int i;

	for (i = 0; i < pr->nregs; i++, p += STATUS_LEN) {
		memset(p, 0, STATUS_LEN);
		scsi_put64(p, pr->regs[i].key);
		if (scsi_pr_holds(pr, i)) {
			p[12] = 0x01; /* R_HOLDER */
			p[13] = pr->type;
		}
		scsi_put16(p + 18, pr->regs[i].rel_port);
		scsi_put32(p + 20, 24);
		scsi_pr_transport_id(&pr->regs[i], p + 24);
	}
	return (size_t)STATUS_LEN * pr->nregs;
}

/* No compatible reservation handling, no other ports' registrations, no power-loss persistence. */
static enum scsi_result report_capabilities(struct scsi_task *task, uint16_t alloc)
{
	static const uint8_t capabilities[8] = {0, 8, 0, 0x80 /* TMV */, 0xea, 0x01, 0, 0};

	return scsi_data_in(task, capabilities, sizeof(capabilities), alloc);
}

enum scsi_result scsi_do_pr_in(struct scsi_task *task)
{
	struct scsi_disk *disk = scsi_task_lu(task)->disk;
	uint16_t alloc = scsi_get16(task->cdb + 7);
	size_t len;
	uint8_t *p;

	if (task->cmd->sa == SCSI_SA_PR_REPORT_CAPABILITIES)
		return report_capabilities(task, alloc);
	if (!scsi_task_alloc(task, DATA_MAX))
		return SCSI_DONE;
	p = task->buf;
	pthread_mutex_lock(&disk->lock);
	scsi_put32(p, disk->pr.generation);
	if (task->cmd->sa == SCSI_SA_PR_READ_KEYS)
		len = put_keys(&disk->pr, p + HEADER_LEN);
	else if (task->cmd->sa == SCSI_SA_PR_READ_RESERVATION)
		len = put_reservation(&disk->pr, p + HEADER_LEN);
	else
		len = put_full_status(&disk->pr, p + HEADER_LEN);
	pthread_mutex_unlock(&disk->lock);
	scsi_put32(p + 4, (uint32_t)len);
	return scsi_data_in(task, p, HEADER_LEN + len, alloc);
}
