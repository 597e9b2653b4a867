/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about files that may become the configuration. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "rpc/methods.h"

/* --- config.check --- */

struct check_params {
	struct schema_pos pos;
	const char *path, *text; /* one of them */
};

static json_t *lines_of(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t n = strcspn(text, "\n");
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		json_array_append_new(list, rpc_json_of_text(line));
		text += n + (text[n] == '\n');
	}
	return list;
}

static void checked(void *arg, int rc, const char *text)
{
	struct rpc_call *call = arg;

	if (rc == -EBUSY || rc == -ESHUTDOWN || rc == -ENOMEM)
		rpc_fail_errno(call, rc, text);
	else
		rpc_answer(call, json_pack("{s:b, s:o, s:o}", "ok", !rc, "errors",
					   lines_of(rc ? text : ""), "warnings",
					   lines_of(rc ? "" : text)));
}

static void check(struct rpc_call *call)
{
	const struct check_params *p = call->params;

	if (p->path && p->text)
		rpc_fail(call, RPC_ERROR_PARAMS,
			 "/params/text: there is a path already; allowed: one of both");
	else
		target_check_config(call->rpc->params.target, p->path, p->text, checked, call);
}

/* Any text: what is wrong with it is what is asked for. */
static void read_text(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "a text");

	if (text)
		*(const char **)field = schema_arena_strndup(r->arena, text, strlen(text));
}

static const struct schema_kind text_kind = {.name = "text", .read = read_text};

#define CHECK_FIELD(member) .offset = offsetof(struct check_params, member)

static const struct schema_key check_keys[] = {
	{"path", &schema_path, CHECK_FIELD(path), .max = PATH_MAX - 1,
	 .dflt_doc = "the file that the daemon was started with", .doc = "Which file."},
	{"text", &text_kind, CHECK_FIELD(text), .dflt_doc = "the file's",
	 .doc = "What a file would have.", .allowed_doc = "not with `path`"},
	{0},
};

static const struct schema_section check_section = {
	.noun = "params",
	.size = sizeof(struct check_params),
	.keys = check_keys,
};

static const struct rpc_member check_result[] = {
	MEMBER("ok", "boolean", "Whether a daemon would start with it."),
	MEMBER("errors", "list of texts", "What is wrong, each as `FILE:LINE:COLUMN: ...`."),
	MEMBER("warnings", "list of texts", "Limits of the host that guests may reach."),
	{0},
};

const struct rpc_method rpc_method_config_check = {
	.name = "config.check",
	.doc = "Whether a file is right, as `shadowbell --check` tells it. Nothing is changed.",
	.params = &check_section,
	.result = check_result,
	.run = check,
};

/* --- config.apply --- */

struct apply_params {
	struct schema_pos pos;
	struct target_apply how;
};

static json_t *step_json(const struct target_step *s)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:o}", "action", s->action, "kind", s->noun,
			 "name", rpc_json_of_text(s->name), "detail", rpc_json_of_text(s->detail),
			 "state", target_step_state_name(s->state), "why",
			 rpc_json_of_text(s->why));
}

static json_t *failure_text(const struct target_step *s)
{
	char text[1024];

	if (!s)
		return json_null();
	snprintf(text, sizeof(text), "%s %s %s: %s; the steps after it were not begun", s->action,
		 s->noun, s->name, s->why);
	return rpc_json_of_text(text);
}

static void applied(void *arg, int rc, const char *text, const struct target_outcome *o)
{
	struct rpc_call *call = arg;
	json_t *steps;
	size_t i;

	if (rc) {
		rpc_fail_errno(call, rc, text);
		return;
	}
	steps = json_array();
	for (i = 0; i < o->n; i++)
		json_array_append_new(steps, step_json(o->steps[i]));
	rpc_answer(call,
		   json_pack("{s:o, s:b, s:o, s:o}", "path", rpc_json_of_text(o->path), "complete",
			     (int)o->complete, "failed", failure_text(o->failed), "steps", steps));
}

static void apply(struct rpc_call *call)
{
	const struct apply_params *p = call->params;

	snprintf(call->subject, sizeof(call->subject), "%s", p->how.dry_run ? "(a dry run)" : "");
	target_apply_config(call->rpc->params.target, &p->how, applied, call);
}

#define APPLY_FIELD(member) .offset = offsetof(struct apply_params, how.member)

static const struct schema_key apply_keys[] = {
	{"path", &schema_path, APPLY_FIELD(path), .max = PATH_MAX - 1,
	 .dflt_doc = "the file that the daemon was started with", .doc = "Which file."},
	{"dry_run", &schema_bool, APPLY_FIELD(dry_run), .dflt = "false",
	 .doc = "Only tells what would be done."},
	{"force", &schema_bool, APPLY_FIELD(force), .dflt = "false",
	 .doc = "Also replaces what can't be changed, removes what a front-end is connected to, "
		"and makes bdevs smaller that are in use: guests lose it."},
	{"timeout_ms", &schema_uint32, APPLY_FIELD(timeout_ms), .dflt = RPC_TIMEOUT_MS, .min = 1,
	 .max = RPC_TIMEOUT_MS_MAX, .unit = "milliseconds",
	 .doc = "How long to wait for the end of each step."},
	{0},
};

static const struct schema_section apply_section = {
	.noun = "params",
	.size = sizeof(struct apply_params),
	.keys = apply_keys,
};

static const struct rpc_member step_members[] = {
	MEMBER("action", "text", "`create`, `remove`, `resize`, `replace` or `set`."),
	MEMBER("kind", "text",
	       "`bdev`, `controller`, `namespace`, `LUN`, or `target`: a key of it."),
	MEMBER("name", "text", "Which one; of a namespace or LUN the controller."),
	MEMBER("detail", "text", "Which disk, what size, which keys; or nothing."),
	MEMBER("state", "text",
	       "`planned`: not done; `done`; `failed`; `needs force`; `needs a restart`."),
	MEMBER("why", "text", "Why it failed, or needs that; or nothing."),
	{0},
};

static const struct rpc_member apply_result[] = {
	MEMBER("path", "text", "Which file."),
	MEMBER("complete", "boolean", "Whether the daemon is all that the file says."),
	MEMBER("failed", "text", "Which step failed, and why; null: none has."),
	LIST_OF("steps", step_members, "In the order in which they are done."),
	{0},
};

const struct rpc_method rpc_method_config_apply = {
	.name = "config.apply",
	.doc = "Makes the daemon what a file says, changing only what differs.",
	.changes = true,
	.params = &apply_section,
	.result = apply_result,
	.run = apply,
};
