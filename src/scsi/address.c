/* SPDX-License-Identifier: BSD-3-Clause */
/* What the LUN of a virtio-scsi request addresses. On the group's reactor. */
#include "scsi/scsi_internal.h"

int scsi_parse_lun(const uint8_t lun[8])
{
	unsigned int n;

	if ((lun[2] & 0xc0) == 0x40) /* flat space */
		n = (unsigned int)(lun[2] & 0x3f) << 8 | lun[3];
	else if (!lun[2]) /* peripheral device, bus 0 */
		n = lun[3];
	else
		return -1;
	if (n >= SCSI_MAX_LUNS || lun[4] || lun[5] || lun[6] || lun[7])
		return -1;
	return (int)n;
}

bool scsi_group_find(struct scsi_group *g, const uint8_t lun[8], struct scsi_target **target,
		     struct scsi_channel **ch)
{
	struct scsi_channel **channels = g->channels[lun[1]];
	int n;

	if (unlikely(lun[0] != 1 || !channels))
		return false;
	n = scsi_parse_lun(lun);
	*target = g->dev->targets[lun[1]];
	*ch = likely(n >= 0) ? channels[n] : NULL;
	return true;
}

slow_path struct scsi_channel *scsi_group_find_channel(struct scsi_group *g, const uint8_t lun[8])
{
	struct scsi_target *target;
	struct scsi_channel *ch;

	if (!scsi_group_find(g, lun, &target, &ch) || !ch)
		return NULL;
	memcpy(&g->last_lun, lun, sizeof(g->last_lun));
	g->last = ch;
	g->last_target = target;
	return ch;
}

bool scsi_group_address(struct scsi_group *g, const uint8_t lun[8], struct scsi_task *task)
{
	if (likely(scsi_group_is_last(g, lun))) {
		task->target = g->last_target;
		task->ch = g->last;
		return true;
	}
	return scsi_group_find(g, lun, &task->target, &task->ch);
}
