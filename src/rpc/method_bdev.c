/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about bdevs. */
#include <string.h>

#include <shadowbell/bdev.h>

#include "bdev/bdev_type.h"
#include "rpc/methods.h"
#include "schema/uuid.h"

static json_t *size_of(const struct bdev *bdev)
{
	uint64_t bytes = bdev ? bdev_nblocks(bdev) << bdev->block_shift : 0;

	return bdev ? json_integer((json_int_t)bytes) : json_null();
}

/* --- bdev.create --- */

static void create(struct rpc_call *call)
{
	target_add_bdev(call->rpc->params.target, call->node, &call->errors, rpc_made, call);
}

const struct rpc_method rpc_method_bdev_create = {
	.name = "bdev.create",
	.doc = "Makes a bdev, with the keys that it has in the configuration.",
	.changes = true,
	.params = &config_bdev_section,
	.reads_node = true,
	.result = rpc_made_result,
	.run = create,
};

/* --- bdev.delete --- */

struct delete_params {
	struct schema_pos pos;
	const char *name;
	bool force;
	uint32_t timeout_ms;
};

static void delete (struct rpc_call *call)
{
	const struct delete_params *p = call->params;

	rpc_remove(call, p->force ? target_force_bdev_out : target_remove_bdev, p->name,
		   p->timeout_ms);
}

#define FIELD(member) .offset = offsetof(struct delete_params, member)

static const struct schema_key delete_keys[] = {
	{"name", &schema_name, FIELD(name), .required = true, .doc = "Which one."},
	{"force", &schema_bool, FIELD(force), .dflt = "false",
	 .doc = "Also if it is in use: then its users are told that it is gone, and what stands on "
		"it goes, too."},
	{"timeout_ms", &schema_uint32, FIELD(timeout_ms), .dflt = RPC_TIMEOUT_MS,
	 .max = RPC_TIMEOUT_MS_MAX, .unit = "milliseconds",
	 .doc = "How long to wait for the end of what it has in flight."},
	{0},
};

static const struct schema_section delete_section = {
	.noun = "bdev",
	.size = sizeof(struct delete_params),
	.keys = delete_keys,
};

const struct rpc_method rpc_method_bdev_delete = {
	.name = "bdev.delete",
	.doc = "Removes a bdev.",
	.changes = true,
	.params = &delete_section,
	.result = rpc_removal_result,
	.run = delete,
};

/* --- bdev.resize --- */

struct resize_params {
	struct schema_pos pos;
	const char *name;
	uint64_t size_bytes; /* 0: what the medium has */
};

static void resized(void *arg, int rc, const char *text)
{
	struct rpc_call *call = arg;
	const struct bdev *bdev = bdev_find(call->subject);

	if (rc)
		rpc_fail_errno(call, rc, text);
	else
		rpc_answer(call, json_pack("{s:s, s:o}", "name", call->subject, "size_bytes",
					   size_of(bdev)));
}

static void resize(struct rpc_call *call)
{
	const struct resize_params *p = call->params;

	snprintf(call->subject, sizeof(call->subject), "%s", p->name);
	target_resize_bdev(call->rpc->params.target, p->name, p->size_bytes, resized, call);
}

static const struct schema_key resize_keys[] = {
	{"name", &schema_name, .offset = offsetof(struct resize_params, name), .required = true,
	 .doc = "Which one."},
	{"size", &schema_size, .offset = offsetof(struct resize_params, size_bytes),
	 .min = BDEV_BYTES_MIN, .max = BDEV_BYTES_MAX,
	 .dflt_doc = "what its file or device has by now",
	 .allowed_doc = "a multiple of its `block_size`",
	 .doc = "A file is made longer or shorter for it, a device is not."},
	{0},
};

static const struct schema_section resize_section = {
	.noun = "bdev",
	.size = sizeof(struct resize_params),
	.keys = resize_keys,
};

static const struct rpc_member resize_result[] = {
	MEMBER("name", "text", "Which one."),
	MEMBER("size_bytes", "number", "Its size now."),
	{0},
};

const struct rpc_method rpc_method_bdev_resize = {
	.name = "bdev.resize",
	.doc = "Gives a bdev another size, while guests use it, who are told.",
	.changes = true,
	.params = &resize_section,
	.result = resize_result,
	.run = resize,
};

/* --- bdev.list --- */

struct list_params {
	struct schema_pos pos;
	const char *name; /* NULL: all */
};

struct list {
	const struct target *target;
	const char *name;
	json_t *bdevs;
};

static void add_user(void *arg, const char *noun, const char *name)
{
	json_array_append_new(arg, json_pack("{s:s, s:s}", "kind", noun, "name", name));
}

static json_t *users_of(const struct target *t, const char *name)
{
	json_t *users = json_array();

	target_visit_users(t, name, add_user, users);
	return users;
}

static json_t *names_of_parts(const struct config_bdev *config)
{
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < config->nparts; i++)
		json_array_append_new(names, json_string(config->parts[i].params->name));
	return names;
}

static void add(struct list *l, const char *state, const struct config_bdev *config)
{
	const struct config_bdev *whole = config->whole;
	const struct bdev *bdev = bdev_find(config->params->name);
	char uuid[37];

	if (l->name && strcmp(l->name, config->params->name) != 0)
		return;
	schema_uuid_format(config->params->uuid, uuid);
	json_array_append_new(
		l->bdevs,
		json_pack("{s:s, s:s, s:s, s:s?, s:o, s:s, s:i, s:o, s:b, s:o, s:o}", "name",
			  config->params->name, "type", config->type->name, "state", state,
			  "part_of", whole ? whole->params->name : NULL, "parts",
			  names_of_parts(config), "uuid", uuid, "block_size",
			  (int)config->params->block_size, "size_bytes", size_of(bdev), "read_only",
			  (int)(bdev && bdev->read_only), "users",
			  users_of(l->target, config->params->name), "config",
			  whole ? json_null() : rpc_json_of_object(&config_bdev_section, config)));
}

static void add_all(void *arg, const char *state, const struct config_bdev *config)
{
	size_t i;

	add(arg, state, config);
	for (i = 0; i < config->nparts; i++)
		add(arg, state, &config->parts[i]);
}

static void list(struct rpc_call *call)
{
	const struct list_params *p = call->params;
	struct list l = {
		.target = call->rpc->params.target,
		.name = p->name,
		.bdevs = json_array(),
	};

	target_visit_bdevs(l.target, add_all, &l);
	if (p->name && !json_array_size(l.bdevs)) {
		json_decref(l.bdevs);
		rpc_fail(call, RPC_ERROR_NOT_FOUND, "/params/name: there is no bdev %s",
			 SCHEMA_QUOTE(p->name));
		return;
	}
	rpc_answer(call, json_pack("{s:o}", "bdevs", l.bdevs));
}

static const struct schema_key list_keys[] = {
	{"name", &schema_name, .offset = offsetof(struct list_params, name), .dflt_doc = "all",
	 .doc = "Only this one, a bdev or a part of a split."},
	{0},
};

static const struct schema_section list_section = {
	.noun = "bdev",
	.size = sizeof(struct list_params),
	.keys = list_keys,
};

static const struct rpc_member user_members[] = {
	MEMBER("kind", "text", "`bdev` or `controller`."),
	MEMBER("name", "text", "Which one."),
	{0},
};

static const struct rpc_member bdev_members[] = {
	MEMBER("name", "text", "Its name."),
	MEMBER("type", "text", "Its type; of a part the split's."),
	MEMBER("state", "text", "`starting`, `there`, `resizing` or `ending`."),
	MEMBER("part_of", "text", "The split that it is a part of; null: it is none."),
	MEMBER("parts", "list of texts", "Of a split, which is no disk itself: its parts."),
	MEMBER("uuid", "text", "Its identity."),
	MEMBER("block_size", "number", "Bytes of a block."),
	MEMBER("size_bytes", "number", "Its size; null: it is no disk, or not there yet."),
	MEMBER("read_only", "boolean", "Whether nobody may write to it."),
	LIST_OF("users", user_members, "Who uses it."),
	MEMBER("config", "mapping", "What `bdev.create` would make it of; of a part null."),
	{0},
};

static const struct rpc_member list_result[] = {
	LIST_OF("bdevs", bdev_members, "In the order in which they were made."),
	{0},
};

const struct rpc_method rpc_method_bdev_list = {
	.name = "bdev.list",
	.doc = "All bdevs, and the parts of splits.",
	.params = &list_section,
	.result = list_result,
	.run = list,
};
