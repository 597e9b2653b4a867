/* SPDX-License-Identifier: BSD-3-Clause */
/* The type of controller "scsi". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "scsi/scsi.h"
#include "target/scsi_disks.h"
#include "target/type_params.h"
#include "util/log.h"

#define OTHER_QUEUES 2 /* before the request queues: for task management and events */

/* Calls fn for each LUN, with its place: "targets[0]: luns[1]: WHAT". */
static void visit_luns(struct scsi_params *p, const char *what,
		       void (*fn)(struct scsi_lun *lun, const char *where, void *arg), void *arg)
{
	char where[96];

	for (size_t t = 0; t < p->ntargets; t++) {
		for (size_t i = 0; i < p->targets[t].nluns; i++) {
			snprintf(where, sizeof(where), "targets[%zu]: luns[%zu]: %s", t, i, what);
			fn(&p->targets[t].luns[i], where, arg);
		}
	}
}

struct visit {
	config_ref_fn ref_fn;
	config_serial_fn serial_fn;
	void *arg;
};

static void visit_ref(struct scsi_lun *lun, const char *where, void *arg)
{
	const struct visit *v = arg;
	struct config_ref ref = {
		.name = &lun->lun.bdev, .bdev = &lun->bdev, .pos = lun->pos, .where = where};

	v->ref_fn(v->arg, &ref);
}

static void refs(void *params, config_ref_fn fn, void *arg)
{
	visit_luns(params, "bdev", visit_ref, &(struct visit){.ref_fn = fn, .arg = arg});
}

static void visit_serial(struct scsi_lun *lun, const char *where, void *arg)
{
	const struct visit *v = arg;
	struct config_serial serial = {.field = &lun->lun.serial,
				       .is_lun = true,
				       .bdev = lun->bdev,
				       .pos = lun->pos,
				       .where = where};

	v->serial_fn(v->arg, &serial);
}

static void serials(void *params, config_serial_fn fn, void *arg)
{
	visit_luns(params, "serial", visit_serial, &(struct visit){.serial_fn = fn, .arg = arg});
}

static void check_luns(struct object_check *c, const struct scsi_params *p, size_t t)
{
	const struct scsi_target_params *target = &p->targets[t];
	const struct scsi_lun *owner[SCSI_MAX_LUNS + 1] = {NULL};

	for (size_t i = 0; i < target->nluns; i++) {
		const struct scsi_lun *lun = &target->luns[i];
		uint32_t n = lun->lun.lun;

		if (n < SCSI_MAX_LUNS && owner[n])
			object_error(c, &lun->lun.lun,
				     "targets[%zu]: luns[%zu]: lun: %u is taken by the LUN %s; "
				     "allowed: each lun once, 0 to %d",
				     t, i, n, SCHEMA_AT(owner[n]->pos), SCSI_MAX_LUNS - 1);
		else
			owner[n] = lun;
	}
}

static void check(struct object_check *c, void *params)
{
	const struct scsi_target_params *owner[SCSI_MAX_TARGETS + 1] = {NULL};
	const struct scsi_params *p = params;

	for (size_t i = 0; i < p->ntargets; i++) {
		const struct scsi_target_params *target = &p->targets[i];
		uint32_t id = target->id;

		if (id < SCSI_MAX_TARGETS && owner[id])
			object_error(c, &target->id,
				     "targets[%zu]: id: %u is taken by the target %s; allowed: "
				     "each id once, 0 to %d",
				     i, id, SCHEMA_AT(owner[id]->pos), SCSI_MAX_TARGETS - 1);
		else
			owner[id] = target;
		check_luns(c, p, i);
	}
}

static size_t queues(const void *params)
{
	return OTHER_QUEUES + ((const struct scsi_params *)params)->queues;
}

/* Of each virtqueue a kick and a call. */
static void needs(const void *params, struct object_needs *needs)
{
	needs->files_all += 2 * queues(params);
}

/* --- its life --- */

static void fill_luns(const struct scsi_params *p, struct virtio_scsi_lun_params *luns)
{
	for (size_t t = 0; t < p->ntargets; t++) {
		for (size_t i = 0; i < p->targets[t].nluns; i++) {
			*luns = p->targets[t].luns[i].lun;
			luns->target = p->targets[t].id;
			luns++;
		}
	}
}

static int create(const void *params, const struct controller_env *env, void **out)
{
	const struct scsi_params *p = params;
	struct virtio_scsi_params scsi = {
		.name = p->common.name,
		.queues = p->queues,
		.reactors = env->reactors,
		.nreactors = env->nreactors,
		.idle_ns = env->idle_ns,
		.request_memory = p->common.request_memory,
		.weight = p->common.weight,
		.socket = &env->socket,
	};
	struct virtio_scsi_lun_params *luns;
	struct virtio_scsi *made;
	int rc;

	for (size_t t = 0; t < p->ntargets; t++)
		scsi.nluns += p->targets[t].nluns;
	luns = calloc(scsi.nluns + 1, sizeof(*luns));
	if (!luns)
		return -ENOMEM;
	fill_luns(p, luns);
	scsi.luns = luns;
	rc = virtio_scsi_create(&scsi, &made);
	free(luns);
	if (rc)
		return rc;
	*out = made;
	log_info("%s: virtio-scsi host bus adapter with %zu LUN%s, up to %u queues, at %s",
		 scsi.name, scsi.nluns, scsi.nluns == 1 ? "" : "s", scsi.queues, env->socket.path);
	return 0;
}

static void destroy(void *controller)
{
	virtio_scsi_destroy(controller);
}

static void look(void *controller)
{
	virtio_scsi_look(controller);
}

static int move_queue(void *controller, unsigned int queue, const struct reactor *to)
{
	return virtio_scsi_move_queue(controller, queue, to);
}

/* --- keys --- */

#define LUN_FIELD(member) .offset = offsetof(struct scsi_lun, member)

#define LUN_NUMBER                                                                                 \
	{                                                                                          \
		"lun", &schema_uint32, LUN_FIELD(lun.lun),                                         \
			.required = true, .max = SCSI_MAX_LUNS - 1,                                \
			.doc = "Its number; a target should have a LUN 0.",                        \
			.allowed_doc = "each once per target"                                      \
	}
#define LUN_BDEV                                                                                   \
	{                                                                                          \
		"bdev", &schema_name, LUN_FIELD(lun.bdev),                                         \
			.required = true, .doc = "The disk.",                                      \
			.allowed_doc = "a bdev of this file, which others may use too"             \
	}
#define LUN_READ_ONLY                                                                              \
	{                                                                                          \
		"read_only", &schema_bool, LUN_FIELD(lun.read_only),                               \
			.dflt = "false", .doc = "Shows a write-protected disk."                    \
	}
#define LUN_SERIAL                                                                                 \
	{                                                                                          \
		"serial", &schema_ascii, LUN_FIELD(lun.serial),                                    \
			.min = 1, .max = SCSI_SERIAL_MAX, .dflt_doc = "from the bdev's UUID",      \
			.doc = "The unit serial number.",                                          \
			.allowed_doc = "unique among the serials, but for LUNs on the same bdev"   \
	}

static const struct schema_key lun_keys[] = {
	LUN_NUMBER, LUN_BDEV, LUN_READ_ONLY, LUN_SERIAL, {0},
};

/* A number that can't be read is nobody's: 0 would be somebody's. */
static void init_lun(const void *root, void *object)
{
	((struct scsi_lun *)object)->lun.lun = SCSI_MAX_LUNS;
}

static const struct schema_section lun_section = {
	.noun = "LUN",
	.size = sizeof(struct scsi_lun),
	.keys = lun_keys,
	.init = init_lun,
};

/* Of one that comes or goes while the controller is there: with the target that it belongs to. */
#define LUN_TARGET                                                                                 \
	{                                                                                          \
		"target", &schema_uint32, LUN_FIELD(lun.target), .required = true,                 \
								 .max = SCSI_MAX_TARGETS - 1,      \
								 .doc = "Its target's number."     \
	}

static const struct schema_key disk_keys[] = {
	LUN_TARGET, LUN_NUMBER, LUN_BDEV, LUN_READ_ONLY, LUN_SERIAL, {0},
};

static const struct schema_section disk_section = {
	.noun = "LUN",
	.size = sizeof(struct scsi_lun),
	.keys = disk_keys,
	.init = init_lun,
};

static const struct schema_key address_keys[] = {
	LUN_TARGET,
	LUN_NUMBER,
	{0},
};

static const struct schema_section address_section = {
	.noun = "LUN",
	.size = sizeof(struct scsi_lun),
	.keys = address_keys,
	.init = init_lun,
};

#define TARGET_FIELD(member) .offset = offsetof(struct scsi_target_params, member)

static const struct schema_key target_keys[] = {
	{"id", &schema_uint32, TARGET_FIELD(id), .required = true, .max = SCSI_MAX_TARGETS - 1,
	 .doc = "Its number; Windows' driver is reported not to look at 255.",
	 .allowed_doc = "each once per controller"},
	{"luns", &schema_list, TARGET_FIELD(luns), .required = true, .min = 1, .max = SCSI_MAX_LUNS,
	 .section = &lun_section, .count_offset = offsetof(struct scsi_target_params, nluns),
	 .doc = "Its disks."},
	{0},
};

static void init_target(const void *root, void *object)
{
	((struct scsi_target_params *)object)->id = SCSI_MAX_TARGETS;
}

static const struct schema_section target_section = {
	.noun = "target",
	.size = sizeof(struct scsi_target_params),
	.keys = target_keys,
	.init = init_target,
};

#define FIELD(member) .offset = offsetof(struct scsi_params, member)

static const struct schema_key keys[] = {
	{"queues", &schema_uint32, FIELD(queues), .dflt = "64", .min = 1,
	 .max = VIRTIO_SCSI_MAX_QUEUES, .unit = "virtqueues",
	 .doc = "Request queues that QEMU may ask for at most: it wants one per vCPU."},
	{"targets", &schema_list, FIELD(targets), .required = true, .max = SCSI_MAX_TARGETS,
	 .section = &target_section, .count_offset = offsetof(struct scsi_params, ntargets),
	 .doc = "Its targets."},
	{0},
};

const struct controller_type controller_scsi_type = {
	.object = {.name = "scsi",
		   .doc = "A virtio-scsi host bus adapter with targets.",
		   .keys = keys,
		   .params_size = sizeof(struct scsi_params),
		   .check = check,
		   .needs = needs},
	.refs = refs,
	.serials = serials,
	.queues = queues,
	.fixed_queues = OTHER_QUEUES,
	.create = create,
	.destroy = destroy,
	.look = look,
	.move_queue = move_queue,
	.disk = &disk_section,
	.disk_address = &address_section,
	.add_disk = scsi_add_disk,
	.remove_disk = scsi_remove_disk,
	.drop_disk = scsi_drop_disk,
	.with_disks = scsi_with_disks,
	.disks = scsi_disks,
	.bdevs = scsi_bdevs,
};
