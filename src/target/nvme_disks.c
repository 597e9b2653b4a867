/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/nvme_disks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "schema/schema.h"
#include "schema/uuid.h"
#include "target/disk_op.h"
#include "target/type_params.h"
#include "util/log.h"
#include "vfio_user/vfio_user.h"
#include "vhost_user_nvme/vhost_user_nvme.h"

static struct nvme_made *all;

static struct vnvme_ctrl *ctrl_of(const struct nvme_made *c)
{
	return c->vfio ? vfio_user_ctrl(c->vfio) : vhost_user_nvme_ctrl(c->vhost);
}

void nvme_made_add(struct nvme_made *made)
{
	made->next = all;
	all = made;
}

void nvme_made_drop(struct nvme_made *made)
{
	struct nvme_made **at;

	for (at = &all; *at != made; at = &(*at)->next)
		;
	*at = made->next;
}

/* --- identities --- */

static bool is_taken(const uint8_t uuid[16], const struct vnvme_ns_params *ns, size_t n)
{
	const struct nvme_made *c;
	size_t i;

	for (i = 0; i < n; i++)
		if (!memcmp(ns[i].uuid, uuid, sizeof(ns[i].uuid)))
			return true;
	for (c = all; c; c = c->next)
		if (vnvme_ns_has_uuid(ctrl_of(c), uuid))
			return true;
	return false;
}

void nvme_identify(const char *controller, const uint8_t own[16], struct vnvme_ns_params *ns,
		   size_t i)
{
	char text[SCHEMA_NAME_MAX + 64];
	size_t n;

	memcpy(ns[i].uuid, own, sizeof(ns[i].uuid));
	if (!is_taken(own, ns, i))
		return;
	schema_uuid_format(own, text);
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, "/%s/%u", controller, ns[i].nsid);
	schema_uuid_from_name(text, ns[i].uuid);
}

/* --- one that comes --- */

/* Of one that is not given; 0: all are taken. */
static uint32_t free_nsid(const struct vnvme_ctrl *ctrl)
{
	uint32_t nsid;
	bool busy;

	for (nsid = 1; nsid <= vnvme_max_namespaces(ctrl); nsid++)
		if (!vnvme_ns_has(ctrl, nsid, &busy))
			return nsid;
	return 0;
}

static int choose_nsid(const struct vnvme_ctrl *ctrl, const struct disk_op *op,
		       struct vnvme_ns_params *ns)
{
	uint32_t most = vnvme_max_namespaces(ctrl);
	bool busy;

	if (!ns->nsid) {
		ns->nsid = free_nsid(ctrl);
		if (ns->nsid)
			return 0;
		object_error(op->check, &ns->nsid,
			     "each nsid up to max_namespaces, %u, is taken; remove a namespace",
			     most);
		return -ENOSPC;
	}
	if (ns->nsid > most) {
		object_error(op->check, &ns->nsid,
			     "nsid: %u is above the controller's max_namespaces; allowed: 1 to %u",
			     ns->nsid, most);
		return -EINVAL;
	}
	if (!vnvme_ns_has(ctrl, ns->nsid, &busy))
		return 0;
	object_error(op->check, &ns->nsid,
		     "nsid: %u is taken by a namespace%s; allowed: another one", ns->nsid,
		     busy ? " that is just coming or going" : "");
	return busy ? -EBUSY : -EEXIST;
}

static void report_open(const struct disk_op *op, const struct vnvme_ns_params *ns, int rc)
{
	char holder[BDEV_HOLDER_MAX];

	if (rc == -EBUSY && bdev_claimed(ns->bdev, holder))
		object_error(op->check, &ns->bdev,
			     "bdev: '%s' can't be opened for writing: %s has it", ns->bdev, holder);
	else if (rc == -EEXIST)
		object_error(op->check, &ns->bdev,
			     "bdev: the UUID of '%s' is that of another namespace of this "
			     "controller; allowed: another bdev",
			     ns->bdev);
	else
		object_error(op->check, &ns->bdev, "bdev: '%s' can't be opened: %s", ns->bdev,
			     strerror(-rc));
}

static void added(void *arg)
{
	struct disk_op *op = arg;
	const struct nvme_namespace *p = op->params;
	int rc = vnvme_ns_add_end(op->ctx);

	if (rc)
		snprintf(op->err, sizeof(op->err),
			 "namespace %u: no channel to bdev \"%.64s\" on a reactor: %s", p->ns.nsid,
			 p->ns.bdev, strerror(-rc));
	disk_op_end(op, rc);
}

static void removed(void *arg)
{
	struct disk_op *op = arg;

	vnvme_ns_remove_end(op->ctx);
	disk_op_end(op, 0);
}

/* On a reactor. */
static void ended(void *arg)
{
	struct disk_op *op = arg;

	loop_post(op->loop, &op->work);
}

void nvme_add_disk(struct disk_op *op)
{
	struct vnvme_ctrl *ctrl = ctrl_of(op->controller);
	struct vnvme_ns_params *ns = &((struct nvme_namespace *)op->params)->ns;
	const struct bdev *bdev = bdev_find(ns->bdev);
	struct vnvme_ns *made = NULL;
	int rc;

	if (!bdev) {
		object_error(op->check, &ns->bdev, "bdev: there is no bdev '%s'", ns->bdev);
		disk_op_end(op, -ENOENT);
		return;
	}
	rc = choose_nsid(ctrl, op, ns);
	if (rc) {
		disk_op_end(op, rc);
		return;
	}
	nvme_identify(op->check->name, bdev->uuid, ns, 0);
	op->work = (struct loop_work){.fn = added, .arg = op};
	rc = vnvme_ns_add_begin(ctrl, ns, ended, op, &made);
	op->ctx = made;
	if (rc) {
		report_open(op, ns, rc);
		disk_op_end(op, rc);
	}
}

/* --- one that goes --- */

static int begin_removal(struct disk_op *op, uint32_t nsid)
{
	struct vnvme_ns *going = NULL;
	int rc;

	op->work = (struct loop_work){.fn = removed, .arg = op};
	rc = vnvme_ns_remove_begin(ctrl_of(op->controller), nsid, ended, op, &going);
	op->ctx = going;
	return rc;
}

int nvme_drop_disk(struct disk_op *op)
{
	uint32_t nsid = vnvme_ns_lost(ctrl_of(op->controller));

	return nsid ? begin_removal(op, nsid) : -ENOENT;
}

void nvme_remove_disk(struct disk_op *op)
{
	uint32_t nsid = ((const struct nvme_namespace *)op->params)->ns.nsid;
	int rc = begin_removal(op, nsid);

	if (!rc)
		return;
	object_error(op->check, &((struct nvme_namespace *)op->params)->ns.nsid,
		     rc == -EBUSY ? "namespace %u is just coming or going"
				  : "there is no namespace %u",
		     nsid);
	disk_op_end(op, rc);
}

/* --- all --- */

static bool keeps(const struct controller_disks *change, const struct nvme_namespace *ns)
{
	const struct nvme_namespace *removed = change->removed;

	return (!removed || removed->ns.nsid != ns->ns.nsid) &&
	       (!change->keeps || change->keeps(change->arg, ns->ns.bdev));
}

static bool put(struct schema_arena *arena, struct nvme_params *p, const struct nvme_namespace *ns)
{
	struct nvme_namespace *copy = &p->namespaces[p->nnamespaces++];

	*copy = *ns;
	copy->ns.bdev = schema_arena_strndup(arena, ns->ns.bdev, strlen(ns->ns.bdev));
	copy->pos = (struct schema_pos){.name = copy->ns.bdev};
	return copy->ns.bdev;
}

void *nvme_with_disks(struct schema_arena *arena, const void *params,
		      const struct controller_disks *change)
{
	const struct nvme_params *p = params;
	struct nvme_params *copy = schema_arena_alloc(arena, 1, sizeof(*copy));
	bool good = copy;
	size_t i;

	if (good) {
		*copy = *p;
		copy->nnamespaces = 0;
		copy->namespaces =
			schema_arena_alloc(arena, p->nnamespaces + 1, sizeof(*copy->namespaces));
		good = copy->namespaces;
	}
	for (i = 0; good && i < p->nnamespaces; i++)
		if (keeps(change, &p->namespaces[i]))
			good = put(arena, copy, &p->namespaces[i]);
	if (good && change->added)
		good = put(arena, copy, change->added);
	return good ? copy : NULL;
}

void nvme_disks(const void *params, void (*fn)(void *arg, const void *disk), void *arg)
{
	const struct nvme_params *p = params;
	size_t i;

	for (i = 0; i < p->nnamespaces; i++)
		fn(arg, &p->namespaces[i]);
}

void nvme_bdevs(const void *controller, void (*fn)(void *arg, const char *name), void *arg)
{
	const struct vnvme_ns *ns = NULL;
	struct vnvme_ns_params p;

	while ((ns = vnvme_ns_list(ctrl_of(controller), ns, &p)))
		fn(arg, p.bdev);
}
