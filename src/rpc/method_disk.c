/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks of controllers: namespaces and LUNs. Their keys are those of the controllers' types. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "rpc/methods.h"

#define KEYS_MAX 24

struct disk_params {
	struct schema_pos pos;
	const char *controller;
	uint32_t timeout_ms;
};

#define FIELD(member) .offset = offsetof(struct disk_params, member)

/* What a request has besides the disk's keys: the first one of those that add, all else. */
static const struct schema_key own_keys[] = {
	{"controller", &schema_name, FIELD(controller), .required = true, .doc = "Whose it is."},
	{"timeout_ms", &schema_uint32, FIELD(timeout_ms), .dflt = RPC_TIMEOUT_MS,
	 .max = RPC_TIMEOUT_MS_MAX, .unit = "milliseconds",
	 .doc = "How long to wait for the end of what it has in flight."},
	{0},
};

static const struct schema_section own_section = {
	.noun = "disk",
	.size = sizeof(struct disk_params),
	.keys = own_keys,
};

/* --- tables --- */

static struct schema_key tables[4][KEYS_MAX];

static struct schema_section sections[4] = {
	{.noun = "namespace", .keys = tables[0]},
	{.noun = "namespace", .keys = tables[1]},
	{.noun = "LUN", .keys = tables[2]},
	{.noun = "LUN", .keys = tables[3]},
};

static const struct controller_type *find_type(const char *name)
{
	size_t i;

	for (i = 0; strcmp(controller_types[i]->name, name) != 0; i++)
		;
	return controller_type_of(controller_types[i]);
}

static void fill(struct schema_key *table, size_t nown, const struct schema_section *disk)
{
	const struct schema_key *key;
	size_t n;

	for (n = 0; n < nown; n++)
		table[n] = own_keys[n];
	for (key = disk->keys; key->name; key++) {
		if (n == KEYS_MAX - 1)
			abort(); /* a table of keys has outgrown KEYS_MAX */
		table[n++] = *key;
	}
}

void rpc_methods_init(void)
{
	fill(tables[0], 1, find_type("nvme")->disk);
	fill(tables[1], 2, find_type("nvme")->disk_address);
	fill(tables[2], 1, find_type("scsi")->disk);
	fill(tables[3], 2, find_type("scsi")->disk_address);
	rpc_stats_init();
}

/* --- requests --- */

static bool is_own(const char *key, bool adds)
{
	return !strcmp(key, own_keys[0].name) || (!adds && !strcmp(key, own_keys[1].name));
}

/* The members that are our own, or those of the disk. NULL: out of memory. */
static struct schema_node *members(struct rpc_call *call, bool own, bool adds)
{
	struct schema_node *out = schema_node_new(&call->arena, SCHEMA_NODE_MAPPING);
	const struct schema_node *child;

	for (child = out ? call->node->first : NULL; child; child = child->next) {
		struct schema_node *copy;

		if (is_own(child->key->text, adds) != own)
			continue;
		copy = schema_node_new(&call->arena, child->kind);
		if (!copy)
			return NULL;
		*copy = *child;
		copy->next = NULL;
		schema_node_append(out, copy);
	}
	if (out)
		out->pos = call->node->pos;
	return out;
}

struct search {
	const char *controller, *type; /* NULL: there is none of that name */
};

static void see(void *arg, const char *state, unsigned int number,
		const struct config_controller *config)
{
	struct search *s = arg;

	if (!strcmp(config->params->name, s->controller))
		s->type = config->type->name;
}

/* False: it has been answered. */
static bool read_own(struct rpc_call *call, const char *type, bool adds, struct disk_params *p)
{
	const struct schema_node *own = members(call, true, adds);
	struct schema_reader r = {
		.places = &call->places,
		.arena = &call->arena,
		.errors = &call->errors,
	};
	struct search s = {0};

	if (own)
		schema_object_read(&r, &own_section, own, p);
	if (!own || call->arena.failed || call->errors.total) {
		rpc_fail_params(call);
		return false;
	}
	s.controller = p->controller;
	target_visit_controllers(call->rpc->params.target, see, &s);
	if (!s.type || !strcmp(s.type, type))
		return true;
	rpc_fail(call, RPC_ERROR_PARAMS,
		 "/params/controller: %s is of type %s; allowed: a controller of type %s",
		 SCHEMA_QUOTE(p->controller), s.type, type);
	return false;
}

static void added(void *arg, int rc, const char *text)
{
	struct rpc_call *call = arg;

	const struct schema_section *address;
	const void *disk;
	json_t *json;

	if (rc) {
		rpc_fail_errno(call, rc, text);
		return;
	}
	address = target_added_disk(call->rpc->params.target, &disk);
	json = rpc_json_of_object(address, disk);
	if (json && json_object_set_new(json, "controller", json_string(call->subject))) {
		json_decref(json);
		json = NULL;
	}
	rpc_answer(call, json);
}

static void add(struct rpc_call *call, const char *type)
{
	struct target *target = call->rpc->params.target;
	const struct schema_node *disk = members(call, false, true);
	struct disk_params p = {.controller = NULL};

	if (!read_own(call, type, true, &p))
		return;
	snprintf(call->subject, sizeof(call->subject), "%s", p.controller);
	if (disk)
		target_request_disk(target, p.controller, disk, true, &call->errors, added, call);
	else
		rpc_fail(call, RPC_ERROR_INTERNAL, "out of memory");
}

static void remove_disk(struct rpc_call *call, const char *type)
{
	struct target *target = call->rpc->params.target;
	const struct schema_node *address = members(call, false, false);
	struct disk_params p = {.controller = NULL};
	struct rpc_removal *r;

	if (!read_own(call, type, false, &p))
		return;
	if (!address) {
		rpc_fail(call, RPC_ERROR_INTERNAL, "out of memory");
		return;
	}
	r = rpc_removal_new(call, p.controller);
	if (!r)
		return;
	target_request_disk(target, p.controller, address, false, rpc_removal_errors(r),
			    rpc_removed, r);
	rpc_removal_wait(r, p.timeout_ms);
}

/* --- methods --- */

static void add_namespace(struct rpc_call *call)
{
	add(call, "nvme");
}

static void remove_namespace(struct rpc_call *call)
{
	remove_disk(call, "nvme");
}

static void add_lun(struct rpc_call *call)
{
	add(call, "scsi");
}

static void remove_lun(struct rpc_call *call)
{
	remove_disk(call, "scsi");
}

static const struct rpc_member add_namespace_result[] = {
	MEMBER("controller", "text", "Whose it is."),
	MEMBER("nsid", "number", "Its number in the guest."),
	{0},
};

static const struct rpc_member add_lun_result[] = {
	MEMBER("controller", "text", "Whose it is."),
	MEMBER("target", "number", "The target that it belongs to."),
	MEMBER("lun", "number", "Its number in the guest."),
	{0},
};

static const struct rpc_member remove_result[] = {
	MEMBER("name", "text", "The controller."),
	MEMBER("removed", "boolean",
	       "Whether it is gone; else its removal goes on, until what it has in flight ends."),
	{0},
};

const struct rpc_method rpc_method_namespace_add = {
	.name = "namespace.add",
	.doc = "Adds a namespace to an NVMe controller; its guest finds it by itself.",
	.changes = true,
	.params = &sections[0],
	.reads_node = true,
	.result = add_namespace_result,
	.run = add_namespace,
};

const struct rpc_method rpc_method_namespace_remove = {
	.name = "namespace.remove",
	.doc = "Takes a namespace away from an NVMe controller.",
	.changes = true,
	.params = &sections[1],
	.reads_node = true,
	.result = remove_result,
	.run = remove_namespace,
};

const struct rpc_method rpc_method_lun_add = {
	.name = "lun.add",
	.doc = "Adds a LUN to a SCSI controller; its guest finds it by itself.",
	.changes = true,
	.params = &sections[2],
	.reads_node = true,
	.result = add_lun_result,
	.run = add_lun,
};

const struct rpc_method rpc_method_lun_remove = {
	.name = "lun.remove",
	.doc = "Takes a LUN away from a SCSI controller.",
	.changes = true,
	.params = &sections[3],
	.reads_node = true,
	.result = remove_result,
	.run = remove_lun,
};
