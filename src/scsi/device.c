/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, their targets and units. */
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
	pthread_mutex_init(&dev->lock, NULL);
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

static void set_owner(struct scsi_lu *lu, struct scsi_target *owner)
{
	pthread_mutex_lock(&lu->disk->lock);
	lu->owner = owner;
	pthread_mutex_unlock(&lu->disk->lock);
}

static void free_target(struct scsi_target *target)
{
	unsigned int lun;

	for (lun = 0; target && lun < SCSI_MAX_LUNS; lun++) {
		struct scsi_lu *lu = target->lus[lun];

		if (!lu)
			continue;
		set_owner(lu, NULL);
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
	pthread_mutex_destroy(&dev->lock);
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

/* All units of the target but that one say so (SPC-4, 6.33). The device's lock is held. */
static void luns_changed(struct scsi_target *target, const struct scsi_lu *but)
{
	unsigned int lun;

	for (lun = 0; lun < SCSI_MAX_LUNS; lun++)
		if (target->lus[lun] && target->lus[lun] != but)
			add_ua(target->lus[lun], SCSI_ASC_LUNS_CHANGED);
}

/* It takes no commands any more. */
static void set_gone(struct scsi_lu *lu)
{
	pthread_mutex_lock(&lu->disk->lock);
	scsi_lu_set_special(lu, SCSI_LU_GONE, true);
	pthread_mutex_unlock(&lu->disk->lock);
}

/* The unit's bdev is no more. */
static void lu_removed(struct scsi_lu *lu)
{
	struct scsi_target *owner = owner_of(lu);

	set_gone(lu);
	lu->lost = true;
	if (!owner)
		return;
	lu->told = true;
	pthread_mutex_lock(&owner->dev->lock);
	luns_changed(owner, lu);
	pthread_mutex_unlock(&owner->dev->lock);
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

static int check_params(const struct scsi_lu_params *p, char err[SCSI_ERR_MAX])
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
	return 0;
}

/* Whether the number is free; if so it is taken. */
static int take_number(struct scsi_target *target, struct scsi_lu *lu, char err[SCSI_ERR_MAX])
{
	int rc = 0;

	pthread_mutex_lock(&target->dev->lock);
	if (target->lus[lu->lun])
		rc = -EEXIST;
	else if (target->changing[lu->lun])
		rc = -EALREADY;
	else
		target->changing[lu->lun] = lu;
	pthread_mutex_unlock(&target->dev->lock);
	if (rc == -EEXIST)
		snprintf(err, SCSI_ERR_MAX, "target %u has a LUN %u already", target->id, lu->lun);
	else if (rc)
		snprintf(err, SCSI_ERR_MAX, "target %u: LUN %u is just coming or going", target->id,
			 lu->lun);
	return rc;
}

/* Only the main thread makes targets; others look for them, with the lock. NULL: no memory. */
static struct scsi_target *need_target(struct scsi_device *dev, unsigned int id)
{
	struct scsi_target *target = dev->targets[id];

	if (target)
		return target;
	target = calloc(1, sizeof(*target));
	if (!target)
		return NULL;
	target->dev = dev;
	target->id = (uint16_t)id;
	pthread_mutex_lock(&dev->lock);
	dev->targets[id] = target;
	pthread_mutex_unlock(&dev->lock);
	return target;
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

int scsi_lu_create(struct scsi_device *dev, const struct scsi_lu_params *p,
		   struct scsi_target **target, struct scsi_lu **out, char err[SCSI_ERR_MAX])
{
	int rc = check_params(p, err);
	struct scsi_lu *lu;

	if (rc)
		return rc;
	*target = need_target(dev, p->target);
	lu = *target ? new_lu(dev, p) : NULL;
	if (!lu) {
		snprintf(err, SCSI_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = take_number(*target, lu, err);
	if (rc)
		goto free_lu;
	rc = scsi_check_serial(dev, p, err);
	if (!rc)
		rc = open_bdev(lu, p, err);
	if (rc)
		goto leave_number;
	scsi_lu_identify(lu, p);
	scsi_disk_attach(lu->disk, lu);
	scsi_lu_reset(lu, SCSI_ASC_POWER_ON);
	*out = lu;
	return 0;

leave_number:
	scsi_target_settle(*target, p->lun);
free_lu:
	free(lu);
	return rc;
}

int scsi_device_add_lu(struct scsi_device *dev, const struct scsi_lu_params *p,
		       char err[SCSI_ERR_MAX])
{
	struct scsi_target *target;
	struct scsi_lu *lu;
	int rc = scsi_lu_create(dev, p, &target, &lu, err);

	if (rc)
		return rc;
	set_owner(lu, target);
	target->lus[p->lun] = lu;
	scsi_target_settle(target, p->lun);
	return 0;
}

/* --- units that come and go --- */

void scsi_target_show(struct scsi_target *target, struct scsi_lu *lu)
{
	set_owner(lu, target);
	pthread_mutex_lock(&target->dev->lock);
	target->lus[lu->lun] = lu;
	luns_changed(target, lu);
	pthread_mutex_unlock(&target->dev->lock);
	tell(lu, SCSI_LU_ADDED);
}

/* The lock is held. NULL: there is none, or it is busy. */
static struct scsi_lu *find_settled(const struct scsi_device *dev, unsigned int id,
				    unsigned int lun, int *rc)
{
	struct scsi_target *target = id < SCSI_MAX_TARGETS ? dev->targets[id] : NULL;

	*rc = -ENOENT;
	if (!target || lun >= SCSI_MAX_LUNS)
		return NULL;
	if (!target->changing[lun])
		return target->lus[lun];
	*rc = -EALREADY;
	return NULL;
}

int scsi_target_hide(struct scsi_device *dev, unsigned int id, unsigned int lun,
		     struct scsi_target **target, struct scsi_lu **out, char err[SCSI_ERR_MAX])
{
	struct scsi_lu *lu;
	int rc;

	pthread_mutex_lock(&dev->lock);
	lu = find_settled(dev, id, lun, &rc);
	if (lu) {
		*target = dev->targets[id];
		(*target)->lus[lun] = NULL;
		(*target)->changing[lun] = lu;
		lu->goes = true;
		if (!lu->told)
			luns_changed(*target, NULL);
	}
	pthread_mutex_unlock(&dev->lock);
	if (!lu) {
		snprintf(err, SCSI_ERR_MAX,
			 rc == -EALREADY ? "target %u: LUN %u is just coming or going"
					 : "target %u has no LUN %u",
			 id, lun);
		return rc;
	}
	set_gone(lu);
	if (!lu->told)
		tell(lu, SCSI_LU_REMOVED);
	set_owner(lu, NULL);
	*out = lu;
	return 0;
}

static bool find_lost(const struct scsi_target *target, unsigned int *lun)
{
	for (*lun = 0; *lun < SCSI_MAX_LUNS; ++*lun)
		if (target->lus[*lun] && target->lus[*lun]->lost && !target->changing[*lun])
			return true;
	return false;
}

bool scsi_device_lost_lu(struct scsi_device *dev, unsigned int *target, unsigned int *lun)
{
	bool found = false;

	pthread_mutex_lock(&dev->lock);
	for (*target = 0; *target < SCSI_MAX_TARGETS; ++*target) {
		found = dev->targets[*target] && find_lost(dev->targets[*target], lun);
		if (found)
			break;
	}
	pthread_mutex_unlock(&dev->lock);
	return found;
}

void scsi_target_settle(struct scsi_target *target, unsigned int lun)
{
	pthread_mutex_lock(&target->dev->lock);
	target->changing[lun] = NULL;
	pthread_mutex_unlock(&target->dev->lock);
}

/*
 * One that goes may have tasks in flight: who ends tasks, or asks for them, still finds it. Not one
 * that comes: it has none, and may have no disk yet. The lock is held.
 */
static struct scsi_lu *find_with_tasks(const struct scsi_target *target, unsigned int lun)
{
	struct scsi_lu *changing = target->changing[lun];

	return changing && changing->goes ? changing : target->lus[lun];
}

struct scsi_lu *scsi_target_next_lu(struct scsi_target *target, unsigned int *lun)
{
	struct scsi_lu *lu = NULL;

	pthread_mutex_lock(&target->dev->lock);
	for (; !lu && *lun < SCSI_MAX_LUNS; ++*lun)
		lu = find_with_tasks(target, *lun);
	if (lu)
		scsi_lu_hold(lu);
	pthread_mutex_unlock(&target->dev->lock);
	return lu;
}

bool scsi_device_hold_going(struct scsi_device *dev, unsigned int id, int lun,
			    struct scsi_target **out, struct scsi_lu **lu)
{
	struct scsi_target *target;
	bool any = false;
	int i;

	pthread_mutex_lock(&dev->lock);
	target = dev->targets[id];
	for (i = 0; target && i < SCSI_MAX_LUNS; i++) {
		struct scsi_lu *going = target->changing[i];

		if (!going || !going->goes)
			continue;
		any = true;
		*out = target;
		if (i != lun)
			continue;
		scsi_lu_hold(going);
		*lu = going;
	}
	pthread_mutex_unlock(&dev->lock);
	return any;
}

void scsi_device_bdevs(struct scsi_device *dev, void (*fn)(void *arg, const char *name), void *arg)
{
	unsigned int t, lun;

	pthread_mutex_lock(&dev->lock);
	for (t = 0; t < SCSI_MAX_TARGETS; t++) {
		const struct scsi_target *target = dev->targets[t];

		for (lun = 0; target && lun < SCSI_MAX_LUNS; lun++) {
			if (target->lus[lun])
				fn(arg, target->lus[lun]->bdev->name);
			if (target->changing[lun] && target->changing[lun]->bdev)
				fn(arg, target->changing[lun]->bdev->name);
		}
	}
	pthread_mutex_unlock(&dev->lock);
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

	pthread_mutex_lock(&dev->lock);
	for (t = 0; t < SCSI_MAX_TARGETS; t++)
		for (lun = 0; dev->targets[t] && lun < SCSI_MAX_LUNS; lun++)
			if (dev->targets[t]->lus[lun])
				scsi_lu_reset(dev->targets[t]->lus[lun], ascs[how]);
	pthread_mutex_unlock(&dev->lock);
}
