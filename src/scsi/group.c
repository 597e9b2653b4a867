/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups, which make a device's units accessible on a reactor. On that reactor. */
#include <errno.h>
#include <stdlib.h>

#include "scsi/scsi_internal.h"

static void drop_channels(struct scsi_group *g)
{
	unsigned int t, lun;

	for (t = 0; t < SCSI_MAX_TARGETS; t++) {
		if (!g->channels[t])
			continue;
		for (lun = 0; lun < SCSI_MAX_LUNS; lun++)
			if (g->channels[t][lun])
				scsi_channel_put(g->channels[t][lun]);
		free(g->channels[t]);
	}
}

static int get_channels(struct scsi_group *g, const struct scsi_target *target)
{
	struct scsi_channel **channels = calloc(SCSI_MAX_LUNS, sizeof(struct scsi_channel *));
	unsigned int lun;

	if (!channels)
		return -ENOMEM;
	g->channels[target->id] = channels;
	for (lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		if (!target->lus[lun])
			continue;
		channels[lun] = scsi_channel_get(target->lus[lun], g->reactor);
		if (!channels[lun])
			return -EIO;
	}
	return 0;
}

static int fill_group(struct scsi_group *g)
{
	unsigned int t;
	int rc = 0;

	for (t = 0; !rc && t < SCSI_MAX_TARGETS; t++)
		if (g->dev->targets[t])
			rc = get_channels(g, g->dev->targets[t]);
	return rc;
}

int scsi_group_get(struct scsi_device *dev, struct scsi_group **out)
{
	struct reactor *r = reactor_self();
	struct scsi_group *g = dev->groups[reactor_id(r)];
	int rc;

	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->dev = dev;
		g->reactor = r;
		rc = fill_group(g);
		if (rc) {
			drop_channels(g);
			free(g);
			return rc;
		}
		dev->groups[reactor_id(r)] = g;
		scsi_spares_get();
	}
	g->refs++;
	*out = g;
	return 0;
}

void scsi_group_put(struct scsi_group *g)
{
	if (--g->refs)
		return;
	g->dev->groups[reactor_id(g->reactor)] = NULL;
	drop_channels(g);
	free(g);
	scsi_spares_put();
}
