/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about controllers. */
#include <string.h>

#include "rpc/methods.h"

/* --- controller.create --- */

static void create(struct rpc_call *call)
{
	target_add_controller(call->rpc->params.target, call->node, &call->errors, rpc_made, call);
}

const struct rpc_method rpc_method_controller_create = {
	.name = "controller.create",
	.doc = "Makes a controller, with the keys that it has in the configuration.",
	.changes = true,
	.params = &config_controller_section,
	.reads_node = true,
	.result = rpc_made_result,
	.run = create,
};

/* --- controller.delete --- */

struct delete_params {
	struct schema_pos pos;
	const char *name;
	bool force;
	uint32_t timeout_ms;
};

static void delete (struct rpc_call *call)
{
	const struct delete_params *p = call->params;

	rpc_remove(call, p->force ? target_remove_controller : target_remove_idle_controller,
		   p->name, p->timeout_ms);
}

#define FIELD(member) .offset = offsetof(struct delete_params, member)

static const struct schema_key delete_keys[] = {
	{"name", &schema_name, FIELD(name), .required = true, .doc = "Which one."},
	{"force", &schema_bool, FIELD(force), .dflt = "false",
	 .doc = "Also if a front-end is connected: then it is disconnected."},
	{"timeout_ms", &schema_uint32, FIELD(timeout_ms), .dflt = RPC_TIMEOUT_MS,
	 .max = RPC_TIMEOUT_MS_MAX, .unit = "milliseconds",
	 .doc = "How long to wait for the end of what it has in flight."},
	{0},
};

static const struct schema_section delete_section = {
	.noun = "controller",
	.size = sizeof(struct delete_params),
	.keys = delete_keys,
};

const struct rpc_method rpc_method_controller_delete = {
	.name = "controller.delete",
	.doc = "Removes a controller, and its socket.",
	.changes = true,
	.params = &delete_section,
	.result = rpc_removal_result,
	.run = delete,
};

/* --- controller.list --- */

struct list_params {
	struct schema_pos pos;
	const char *name; /* NULL: all */
};

struct list {
	const struct target *target;
	const char *name;
	json_t *controllers;
};

static void add_name(void *arg, const char *bdev)
{
	json_array_append_new(arg, json_string(bdev));
}

static json_t *bdevs_of(const struct target *t, const char *controller)
{
	json_t *names = json_array();

	target_visit_disks(t, controller, add_name, names);
	return names;
}

static void add(void *arg, const char *state, unsigned int number,
		const struct config_controller *config)
{
	const char *name = config->params->name;
	struct list *l = arg;

	if (l->name && strcmp(l->name, name) != 0)
		return;
	json_array_append_new(l->controllers,
			      json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:o, s:o}", "name", name,
					"type", config->type->name, "state", state, "number",
					(int)number, "socket", config->socket_path, "connected",
					(int)target_controller_is_connected(l->target, name),
					"bdevs", bdevs_of(l->target, name), "config",
					rpc_json_of_object(&config_controller_section, config)));
}

static void list(struct rpc_call *call)
{
	const struct list_params *p = call->params;
	struct list l = {
		.target = call->rpc->params.target,
		.name = p->name,
		.controllers = json_array(),
	};

	target_visit_controllers(l.target, add, &l);
	if (p->name && !json_array_size(l.controllers)) {
		json_decref(l.controllers);
		rpc_fail(call, RPC_ERROR_NOT_FOUND, "/params/name: there is no controller %s",
			 SCHEMA_QUOTE(p->name));
		return;
	}
	rpc_answer(call, json_pack("{s:o}", "controllers", l.controllers));
}

static const struct schema_key list_keys[] = {
	{"name", &schema_name, .offset = offsetof(struct list_params, name), .dflt_doc = "all",
	 .doc = "Only this one."},
	{0},
};

static const struct schema_section list_section = {
	.noun = "controller",
	.size = sizeof(struct list_params),
	.keys = list_keys,
};

static const struct rpc_member controller_members[] = {
	MEMBER("name", "text", "Its name."),
	MEMBER("type", "text", "Its type."),
	MEMBER("state", "text", "`starting`, `there` or `ending`."),
	MEMBER("number", "number", "Its own among the controllers; of NVMe the controller ID."),
	MEMBER("socket", "text", "Where it listens."),
	MEMBER("connected", "boolean", "Whether a front-end is connected."),
	MEMBER("bdevs", "list of texts", "The bdevs that are its disks now."),
	MEMBER("config", "mapping",
	       "What `controller.create` would make it of as it is now, with its disks."),
	{0},
};

static const struct rpc_member list_result[] = {
	LIST_OF("controllers", controller_members, "In the order in which they were made."),
	{0},
};

const struct rpc_method rpc_method_controller_list = {
	.name = "controller.list",
	.doc = "All controllers.",
	.params = &list_section,
	.result = list_result,
	.run = list,
};
