/* SPDX-License-Identifier: BSD-3-Clause */
/* The type of controller "blk". */
#include <errno.h>

#include "target/disk_op.h"
#include "target/type_params.h"
#include "util/log.h"

static void refs(void *params, config_ref_fn fn, void *arg)
{
	struct blk_type_params *p = params;
	struct config_ref ref = {.name = &p->blk.bdev, .bdev = &p->bdev, .where = "bdev"};

	fn(arg, &ref);
}

static void serials(void *params, config_serial_fn fn, void *arg)
{
	struct blk_type_params *p = params;
	struct config_serial serial = {.field = &p->blk.serial, .where = "serial"};

	fn(arg, &serial);
}

static size_t queues(const void *params)
{
	return ((const struct blk_type_params *)params)->blk.queues;
}

/* Of each virtqueue a kick and a call; and the front-end's back-end channel. */
static void needs(const void *params, struct object_needs *needs)
{
	needs->files_all += 2 * queues(params) + 1;
}

static int create(const void *params, const struct controller_env *env, void **out)
{
	const struct blk_type_params *p = params;
	struct blk_params blk = p->blk;
	struct blk *made;
	int rc;

	blk.name = p->common.name;
	blk.reactors = env->reactors;
	blk.nreactors = env->nreactors;
	blk.idle_ns = env->idle_ns;
	blk.request_memory = p->common.request_memory;
	blk.weight = p->common.weight;
	blk.socket = &env->socket;
	rc = blk_create(&blk, &made);
	if (rc)
		return rc;
	*out = made;
	log_info("%s: virtio-blk disk on bdev %s, up to %u queues, at %s", blk.name, blk.bdev,
		 blk.queues, env->socket.path);
	return 0;
}

static void destroy(void *controller)
{
	blk_destroy(controller);
}

static void look(void *controller)
{
	blk_look(controller);
}

static int move_queue(void *controller, unsigned int queue, const struct reactor *to)
{
	return blk_move_queue(controller, queue, to);
}

/* --- the bdev is removed --- */

static void dropped(void *arg)
{
	struct disk_op *op = arg;

	blk_drop_disk_end(op->controller);
	disk_op_end(op, 0);
}

/* On a reactor. */
static void ended(void *arg)
{
	struct disk_op *op = arg;

	loop_post(op->loop, &op->work);
}

static int drop_disk(struct disk_op *op)
{
	op->work = (struct loop_work){.fn = dropped, .arg = op};
	return blk_drop_disk_begin(op->controller, ended, op) ? 0 : -ENOENT;
}

static void bdevs(const void *controller, void (*fn)(void *arg, const char *name), void *arg)
{
	const char *name = blk_bdev(controller);

	if (name)
		fn(arg, name);
}

#define FIELD(member) .offset = offsetof(struct blk_type_params, member)

static const struct schema_key keys[] = {
	{"bdev", &schema_name, FIELD(blk.bdev), .required = true, .doc = "The disk.",
	 .allowed_doc = "a bdev of this file, which others may use too"},
	{"queues", &schema_uint32, FIELD(blk.queues), .dflt = "64", .min = 1, .max = BLK_MAX_QUEUES,
	 .unit = "virtqueues", .doc = "What QEMU may ask for at most: it wants one per vCPU."},
	{"read_only", &schema_bool, FIELD(blk.read_only), .dflt = "false",
	 .doc = "Shows a write-protected disk."},
	{"serial", &schema_ascii, FIELD(blk.serial), .min = 1, .max = BLK_SERIAL_MAX,
	 .dflt_doc = "from the name", .doc = "What the guest finds as the disk's identity.",
	 .allowed_doc = "unique among the serials"},
	{"write_cache", &schema_bool, FIELD(blk.write_cache), .dflt = "true",
	 .doc = "Whether the guest finds a write-back cache, which it may switch."},
	{0},
};

const struct controller_type controller_blk_type = {
	.object = {.name = "blk",
		   .doc = "A virtio-blk disk.",
		   .keys = keys,
		   .params_size = sizeof(struct blk_type_params),
		   .needs = needs},
	.refs = refs,
	.serials = serials,
	.queues = queues,
	.create = create,
	.destroy = destroy,
	.look = look,
	.move_queue = move_queue,
	.drop_disk = drop_disk,
	.bdevs = bdevs,
};
