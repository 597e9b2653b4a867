/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest tells one unit from another by. */
#include <errno.h>
#include <stdio.h>

#include "scsi/scsi_internal.h"

void scsi_lu_identify(struct scsi_lu *lu, const struct scsi_lu_params *p)
{
	unsigned int i;

	memcpy(lu->uuid, p->uuid ? p->uuid : lu->bdev->uuid, sizeof(lu->uuid));
	if (p->serial && p->serial[0]) {
		memcpy(lu->serial, p->serial, strnlen(p->serial, SCSI_SERIAL_MAX));
		return;
	}
	for (i = 0; i < sizeof(lu->uuid); i++)
		snprintf(lu->serial + (size_t)2 * i, 3, "%02x", lu->uuid[i]);
}

static bool clashes(const struct scsi_lu *lu, const struct scsi_lu_params *p)
{
	return lu && lu->bdev && !strcmp(lu->serial, p->serial) && strcmp(lu->bdev->name, p->bdev);
}

/* The device's lock is held. NULL: none. */
static const struct scsi_lu *find_clash(const struct scsi_target *target,
					const struct scsi_lu_params *p)
{
	unsigned int lun;

	for (lun = 0; target && lun < SCSI_MAX_LUNS; lun++) {
		if (clashes(target->lus[lun], p))
			return target->lus[lun];
		if (clashes(target->changing[lun], p))
			return target->changing[lun];
	}
	return NULL;
}

int scsi_check_serial(struct scsi_device *dev, const struct scsi_lu_params *p,
		      char err[SCSI_ERR_MAX])
{
	const struct scsi_lu *other = NULL;
	unsigned int t;

	if (!p->serial || !p->serial[0])
		return 0;
	pthread_mutex_lock(&dev->lock);
	for (t = 0; !other && t < SCSI_MAX_TARGETS; t++)
		other = find_clash(dev->targets[t], p);
	if (other)
		snprintf(
			err, SCSI_ERR_MAX,
			"serial: \"%s\" of bdev \"%s\" is that of target %u, LUN %u, which is "
			"on bdev \"%s\"; allowed: one of its own, or the same for LUNs on one bdev",
			p->serial, p->bdev, other->target, other->lun, other->bdev->name);
	pthread_mutex_unlock(&dev->lock);
	return other ? -ENOTUNIQ : 0;
}
