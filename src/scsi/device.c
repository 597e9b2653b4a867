/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, their targets and units, and the groups that make them accessible on a reactor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "scsi/scsi_internal.h"
#include "util/log.h"

int scsi_device_create(const char *name, struct scsi_device **out)
{
	size_t len = strnlen(name, SCSI_PORT_MAX);
	struct scsi_device *dev;

	if (!len || len > SCSI_NAME_MAX)
		return -EINVAL;
	scsi_commands_init();
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	memcpy(dev->name, name, len);
	*out = dev;
	return 0;
}

void scsi_device_limit_memory(struct scsi_device *dev, uint64_t bytes)
{
	dev->max_memory = bytes;
}

void scsi_device_tell(struct scsi_device *dev, scsi_change_fn fn, void *arg)
{
	dev->tell = fn;
	dev->tell_arg = arg;
}

static void free_target(struct scsi_target *target)
{
	unsigned int lun;

	for (lun = 0; target && lun < SCSI_MAX_LUNS; lun++) {
		struct scsi_lu *lu = target->lus[lun];

		if (!lu)
			continue;
		pthread_mutex_lock(&lu->disk->lock);
		lu->owner = NULL;
		pthread_mutex_unlock(&lu->disk->lock);
		scsi_lu_put(lu);
	}
	free(target);
}

void scsi_device_destroy(struct scsi_device *dev)
{
	unsigned int t;

	if (!dev)
		return;
	for (t = 0; t < SCSI_MAX_TARGETS; t++)
		free_target(dev->targets[t]);
	free(dev);
}

/* --- units --- */

static void add_ua(struct scsi_lu *lu, enum scsi_asc asc)
{
	pthread_mutex_lock(&lu->disk->lock);
	scsi_ua_add_locked(lu, asc);
	pthread_mutex_unlock(&lu->disk->lock);
}

static struct scsi_target *owner_of(struct scsi_lu *lu)
{
	struct scsi_target *owner;

	pthread_mutex_lock(&lu->disk->lock);
	owner = lu->owner;
	pthread_mutex_unlock(&lu->disk->lock);
	return owner;
}

/* The transport, if the unit is somebody's. */
static void tell(struct scsi_lu *lu, enum scsi_change change)
{
	const struct scsi_target *owner = owner_of(lu);

	if (owner && owner->dev->tell)
		owner->dev->tell(owner->dev->tell_arg, change, lu->target, lu->lun);
}

/* The unit is no more: the target's others say so (SPC-4, 6.33). */
static void lu_removed(struct scsi_lu *lu)
{
	struct scsi_target *owner = owner_of(lu);
	unsigned int lun;

	pthread_mutex_lock(&lu->disk->lock);
	scsi_lu_set_special(lu, SCSI_LU_GONE, true);
	pthread_mutex_unlock(&lu->disk->lock);
	for (lun = 0; owner && lun < SCSI_MAX_LUNS; lun++)
		if (owner->lus[lun] && owner->lus[lun] != lu)
			add_ua(owner->lus[lun], SCSI_ASC_LUNS_CHANGED);
}

/* On the thread that makes and destroys devices. */
static void lu_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct scsi_lu *lu = arg;

	if (event == BDEV_EVENT_REMOVED)
		lu_removed(lu);
	else
		add_ua(lu, SCSI_ASC_CAPACITY_CHANGED);
	tell(lu, event == BDEV_EVENT_REMOVED ? SCSI_LU_REMOVED : SCSI_LU_RESIZED);
}

static int check_params(const struct scsi_device *dev, const struct scsi_lu_params *p,
			char err[SCSI_ERR_MAX])
{
	if (p->target >= SCSI_MAX_TARGETS || p->lun >= SCSI_MAX_LUNS) {
		snprintf(err, SCSI_ERR_MAX,
			 "target %u, LUN %u: both must be below %d and %d, respectively", p->target,
			 p->lun, SCSI_MAX_TARGETS, SCSI_MAX_LUNS);
		return -EINVAL;
	}
	if (p->serial && strnlen(p->serial, SCSI_SERIAL_MAX + 1) > SCSI_SERIAL_MAX) {
		snprintf(err, SCSI_ERR_MAX, "serial: longer than %d characters", SCSI_SERIAL_MAX);
		return -EINVAL;
	}
	if (dev->targets[p->target] && dev->targets[p->target]->lus[p->lun]) {
		snprintf(err, SCSI_ERR_MAX, "target %u has a LUN %u already", p->target, p->lun);
		return -EEXIST;
	}
	return 0;
}

static struct scsi_target *need_target(struct scsi_device *dev, unsigned int id)
{
	if (!dev->targets[id]) {
		dev->targets[id] = calloc(1, sizeof(struct scsi_target));
		if (dev->targets[id]) {
			dev->targets[id]->dev = dev;
			dev->targets[id]->id = (uint16_t)id;
		}
	}
	return dev->targets[id];
}

static void identify(struct scsi_lu *lu, const struct scsi_lu_params *p)
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

/* Fills what does not depend on the bdev; it must be there when the bdev is opened. */
static struct scsi_lu *new_lu(const struct scsi_device *dev, const struct scsi_lu_params *p)
{
	struct scsi_lu *lu = calloc(1, sizeof(*lu));

	if (!lu)
		return NULL;
	memcpy(lu->port, dev->name, sizeof(lu->port));
	lu->target = (uint16_t)p->target;
	lu->lun = (uint16_t)p->lun;
	lu->refs = 1;
	return lu;
}

static void open_error(const struct scsi_lu_params *p, int rc, char err[SCSI_ERR_MAX])
{
	if (rc == -ENOENT)
		snprintf(err, SCSI_ERR_MAX, "bdev: there is none called \"%s\"", p->bdev);
	else if (rc == -EBUSY)
		snprintf(err, SCSI_ERR_MAX, "bdev \"%s\" is claimed or being removed", p->bdev);
	else if (rc == -EROFS)
		snprintf(err, SCSI_ERR_MAX, "bdev \"%s\" is read-only; set read_only here, too",
			 p->bdev);
	else
		snprintf(err, SCSI_ERR_MAX, "bdev \"%s\": %s", p->bdev, strerror(-rc));
}

/* No event comes before the return: this is the thread that removes and resizes bdevs. */
static int open_bdev(struct scsi_lu *lu, const struct scsi_lu_params *p, char err[SCSI_ERR_MAX])
{
	enum bdev_access access = p->read_only ? BDEV_READ : BDEV_WRITE_IF_ABLE;
	int rc = bdev_open(p->bdev, access, lu_event, lu, &lu->desc);

	if (rc) {
		open_error(p, rc, err);
		return rc;
	}
	lu->bdev = bdev_desc_bdev(lu->desc);
	lu->read_only = p->read_only || lu->bdev->read_only;
	lu->disk = scsi_disk_get(lu->bdev);
	if (!lu->disk) {
		bdev_close(lu->desc);
		open_error(p, -ENOMEM, err);
		return -ENOMEM;
	}
	return 0;
}

int scsi_device_add_lu(struct scsi_device *dev, const struct scsi_lu_params *p,
		       char err[SCSI_ERR_MAX])
{
	int rc = check_params(dev, p, err);
	struct scsi_target *target;
	struct scsi_lu *lu;

	if (rc)
		return rc;
	target = need_target(dev, p->target);
	lu = target ? new_lu(dev, p) : NULL;
	if (!lu) {
		snprintf(err, SCSI_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = open_bdev(lu, p, err);
	if (rc) {
		free(lu);
		return rc;
	}
	identify(lu, p);
	lu->owner = target;
	scsi_disk_attach(lu->disk, lu);
	scsi_lu_reset(lu, SCSI_ASC_POWER_ON);
	target->lus[p->lun] = lu;
	return 0;
}

/* --- all units --- */

void scsi_device_reset(struct scsi_device *dev, enum scsi_reset how)
{
	static const enum scsi_asc ascs[] = {
		[SCSI_RESET_POWER_ON] = SCSI_ASC_POWER_ON,
		[SCSI_RESET_BUS] = SCSI_ASC_BUS_RESET,
		[SCSI_RESET_NEXUS] = SCSI_ASC_NEXUS_LOSS,
	};
	unsigned int t, lun;

	for (t = 0; t < SCSI_MAX_TARGETS; t++)
		for (lun = 0; dev->targets[t] && lun < SCSI_MAX_LUNS; lun++)
			if (dev->targets[t]->lus[lun])
				scsi_lu_reset(dev->targets[t]->lus[lun], ascs[how]);
}

/* --- groups --- */

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
