/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/scsi_disks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "scsi/scsi.h"
#include "target/disk_op.h"
#include "target/type_params.h"

_Static_assert(DISK_OP_ERR_MAX >= SCSI_ERR_MAX, "room for its sentences");

static void ended_on_main(void *arg)
{
	struct disk_op *op = arg;
	const struct scsi_lun *lun = op->params;
	int rc = scsi_lu_op_end(op->ctx);

	if (rc)
		snprintf(op->err, sizeof(op->err),
			 "bdev \"%s\" gives no channel on a reactor: out of memory", lun->lun.bdev);
	disk_op_end(op, rc);
}

/* On a reactor, or inside the call that began it. */
static void ended(void *arg)
{
	struct disk_op *op = arg;

	loop_post(op->loop, &op->work);
}

/* The key that is to be changed. */
static const void *wrong_key(const struct virtio_scsi_lun_params *lun, int rc)
{
	switch (rc) {
	case -EEXIST:
	case -EALREADY:
		return &lun->lun;
	case -ENOTUNIQ:
		return &lun->serial;
	default:
		return &lun->bdev;
	}
}

/* What whoever asked gets: of the same kinds as for namespaces. */
static int result(int rc)
{
	return rc == -EALREADY ? -EBUSY : rc == -ENOTUNIQ ? -EEXIST : rc;
}

void scsi_add_disk(struct disk_op *op)
{
	const struct scsi_lun *lun = op->params;
	struct scsi_lu_op *lu_op = NULL;
	int rc;

	op->work = (struct loop_work){.fn = ended_on_main, .arg = op};
	if (!bdev_find(lun->lun.bdev)) {
		object_error(op->check, &lun->lun.bdev, "bdev: there is no bdev '%s'",
			     lun->lun.bdev);
		disk_op_end(op, -ENOENT);
		return;
	}
	rc = virtio_scsi_add_lun_begin(op->controller, &lun->lun, ended, op, &lu_op, op->err);
	op->ctx = lu_op;
	if (!rc)
		return;
	object_error(op->check, wrong_key(&lun->lun, rc), "%s", op->err);
	disk_op_end(op, result(rc));
}

static int begin_removal(struct disk_op *op, unsigned int target, unsigned int lun)
{
	struct scsi_lu_op *lu_op = NULL;
	int rc;

	op->work = (struct loop_work){.fn = ended_on_main, .arg = op};
	rc = virtio_scsi_remove_lun_begin(op->controller, target, lun, ended, op, &lu_op, op->err);
	op->ctx = lu_op;
	return rc;
}

int scsi_drop_disk(struct disk_op *op)
{
	unsigned int target, lun;

	return virtio_scsi_lost_lun(op->controller, &target, &lun) ? begin_removal(op, target, lun)
								   : -ENOENT;
}

void scsi_remove_disk(struct disk_op *op)
{
	const struct scsi_lun *lun = op->params;
	int rc = begin_removal(op, lun->lun.target, lun->lun.lun);

	if (!rc)
		return;
	object_error(op->check, &lun->lun.lun, "%s", op->err);
	disk_op_end(op, result(rc));
}

/* --- all --- */

static bool keeps(const struct controller_disks *change, uint32_t target,
		  const struct scsi_lun *lun)
{
	const struct scsi_lun *removed = change->removed;

	if (removed && removed->lun.target == target && removed->lun.lun == lun->lun.lun)
		return false;
	return !change->keeps || change->keeps(change->arg, lun->lun.bdev);
}

/* The target of that number; a new one is the last, and has no LUNs yet. NULL: no memory. */
static struct scsi_target_params *target_of(struct schema_arena *arena, struct scsi_params *p,
					    uint32_t id, size_t room)
{
	struct scsi_target_params *t = p->targets, *end = t + p->ntargets;

	while (t < end && t->id != id)
		t++;
	if (t < end)
		return t;
	t->id = id;
	t->luns = schema_arena_alloc(arena, room, sizeof(*t->luns));
	p->ntargets++;
	return t->luns ? t : NULL;
}

static bool put(struct schema_arena *arena, const char *owner, struct scsi_target_params *t,
		const struct scsi_lun *lun)
{
	const struct virtio_scsi_lun_params *from = &lun->lun;
	struct scsi_lun *copy = &t->luns[t->nluns++];

	*copy = *lun;
	copy->lun.target = t->id;
	/* Where it was written is of no use to anybody any more. */
	copy->pos = (struct schema_pos){.name = schema_arena_printf(arena, "%s, target %u, LUN %u",
								    owner, t->id, lun->lun.lun)};
	copy->lun.bdev = schema_arena_strndup(arena, from->bdev, strlen(from->bdev));
	if (from->serial)
		copy->lun.serial = schema_arena_strndup(arena, from->serial, strlen(from->serial));
	return !arena->failed;
}

/* Those of a target that stay. One without any is none. */
static bool put_target(struct schema_arena *arena, struct scsi_params *p,
		       const struct scsi_target_params *from, const struct controller_disks *change)
{
	bool good = true;
	size_t i;

	for (i = 0; good && i < from->nluns; i++) {
		struct scsi_target_params *t;

		if (!keeps(change, from->id, &from->luns[i]))
			continue;
		/* One more may be added. */
		t = target_of(arena, p, from->id, from->nluns + 1);
		good = t && put(arena, p->common.name, t, &from->luns[i]);
	}
	return good;
}

static bool put_added(struct schema_arena *arena, struct scsi_params *p, const struct scsi_lun *lun)
{
	struct scsi_target_params *t = target_of(arena, p, lun->lun.target, 1);

	return t && put(arena, p->common.name, t, lun);
}

void *scsi_with_disks(struct schema_arena *arena, const void *params,
		      const struct controller_disks *change)
{
	const struct scsi_params *p = params;
	struct scsi_params *copy = schema_arena_alloc(arena, 1, sizeof(*copy));
	bool good = copy;
	size_t i;

	if (good) {
		*copy = *p;
		copy->ntargets = 0;
		copy->targets = schema_arena_alloc(arena, p->ntargets + 1, sizeof(*copy->targets));
		good = copy->targets;
	}
	for (i = 0; good && i < p->ntargets; i++)
		good = put_target(arena, copy, &p->targets[i], change);
	if (good && change->added)
		good = put_added(arena, copy, change->added);
	return good ? copy : NULL;
}

void scsi_disks(const void *params, void (*fn)(void *arg, const void *disk), void *arg)
{
	const struct scsi_params *p = params;
	size_t t, i;

	for (t = 0; t < p->ntargets; t++) {
		for (i = 0; i < p->targets[t].nluns; i++) {
			struct scsi_lun lun = p->targets[t].luns[i];

			lun.lun.target = p->targets[t].id;
			fn(arg, &lun);
		}
	}
}

void scsi_bdevs(const void *controller, void (*fn)(void *arg, const char *name), void *arg)
{
	virtio_scsi_bdevs(controller, fn, arg);
}
