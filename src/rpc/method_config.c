/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about the configuration as a whole. */
#include <limits.h>

#include "rpc/methods.h"

/* --- config.get --- */

static void get(struct rpc_call *call)
{
	struct schema_arena arena = {0};
	const struct schema_node *node =
		target_dump_config(call->rpc->params.target, &arena, false);
	json_t *json = node ? rpc_json_of_node(node) : NULL;

	schema_arena_free(&arena);
	rpc_answer(call, json ? json_pack("{s:o}", "config", json) : NULL);
}

static const struct rpc_member get_result[] = {
	MEMBER("config", "mapping", "`target`, `bdevs` and `controllers`, as in the file."),
	{0},
};

const struct rpc_method rpc_method_config_get = {
	.name = "config.get",
	.doc = "The configuration as it is now, with all that came, went and changed since the "
	       "start.",
	.params = &rpc_no_params,
	.result = get_result,
	.run = get,
};

/* --- config.save --- */

struct save_params {
	struct schema_pos pos;
	const char *path; /* NULL: the file of the start */
	bool force;
};

static void add_name(void *arg, const char *controller)
{
	json_array_append_new(arg, json_string(controller));
}

static void saved(void *arg, int rc, const char *text)
{
	struct rpc_call *call = arg;
	json_t *left_out = call->state;

	call->state = NULL;
	if (rc) {
		json_decref(left_out);
		rpc_fail_errno(call, rc, text);
	} else {
		rpc_answer(call, json_pack("{s:o, s:o}", "path", rpc_json_of_text(text), "left_out",
					   left_out));
	}
}

static void save(struct rpc_call *call)
{
	const struct save_params *p = call->params;
	struct target *target = call->rpc->params.target;
	json_t *left_out = json_array();

	target_visit_left_out(target, add_name, left_out);
	call->state = left_out;
	target_save_config(target, p->path, p->force, saved, call);
}

#define SAVE_FIELD(member) .offset = offsetof(struct save_params, member)

static const struct schema_key save_keys[] = {
	{"path", &schema_path, SAVE_FIELD(path), .max = PATH_MAX - 1,
	 .dflt_doc = "the file that the daemon was started with", .doc = "Which file."},
	{"force", &schema_bool, SAVE_FIELD(force), .dflt = "false",
	 .doc = "Also if somebody has changed the file since it was read, or another file is there "
		"already."},
	{0},
};

static const struct schema_section save_section = {
	.noun = "params",
	.size = sizeof(struct save_params),
	.keys = save_keys,
};

static const struct rpc_member save_result[] = {
	MEMBER("path", "text", "Which file was written."),
	MEMBER("left_out", "list of texts",
	       "Controllers that are not in it: their only disk was removed from under them."),
	{0},
};

const struct rpc_method rpc_method_config_save = {
	.name = "config.save",
	.doc = "Writes the configuration as it is now into a file that starts the same daemon.",
	.changes = true,
	.params = &save_section,
	.result = save_result,
	.run = save,
};
