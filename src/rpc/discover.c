/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc.discover: all methods, from the tables that requests are read and carried out by. */
#include <stdlib.h>

#include "rpc/methods.h"

static const struct schema_key no_keys[] = {{0}};

const struct schema_section rpc_no_params = {
	.noun = "params",
	.size = sizeof(struct schema_pos),
	.keys = no_keys,
};

static json_t *keys_json(const struct schema_key *keys, const struct schema_section *of);

/* --- keys --- */

/* As in the tables of docs/configuration.md. */
static json_t *allowed_json(const struct schema_key *key)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	json_t *value;

	if (!out)
		return NULL;
	if (key->kind->limits)
		key->kind->limits(key, out);
	if (key->allowed_doc)
		fprintf(out, "%s%s", ftell(out) ? "; " : "", key->allowed_doc);
	fclose(out);
	value = json_string(text);
	free(text);
	return value;
}

static json_t *choices_json(const struct schema_key *key, const struct schema_section *of)
{
	const struct schema_choice *c;
	const struct object_type *const *t;
	json_t *list = json_array();

	for (c = key->choices; c && c->name; c++)
		json_array_append_new(list, json_string(c->name));
	for (t = key->kind == &schema_type ? of->types : NULL; t && *t; t++)
		json_array_append_new(list, json_string((*t)->name));
	return list;
}

static json_t *types_json(const struct schema_section *section)
{
	const struct object_type *const *t;
	json_t *list = json_array();

	for (t = section->types; t && *t; t++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:o}", "name", (*t)->name, "doc",
						(*t)->doc, "keys", keys_json((*t)->keys, section)));
	return list;
}

static json_t *section_json(const struct schema_section *section)
{
	return json_pack("{s:o, s:o}", "keys", keys_json(section->keys, section), "types",
			 types_json(section));
}

static const char *default_of(const struct schema_key *key)
{
	return key->dflt && key->dflt[0] ? key->dflt : NULL;
}

static json_t *key_json(const struct schema_key *key, const struct schema_section *of)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:s?, s:s?, s:s?, s:o, s:o}", "name",
				 key->name, "kind", key->kind->name, "doc", key->doc, "required",
				 (int)key->required, "default", default_of(key), "default_doc",
				 key->dflt_doc, "unit", key->unit, "allowed", allowed_json(key),
				 "choices", choices_json(key, of));

	if (json && key->section)
		json_object_set_new(json, "section", section_json(key->section));
	return json;
}

/* As deep as the tables are. */
static json_t *keys_json(const struct schema_key *keys, const struct schema_section *of)
{
	json_t *list = json_array();

	for (; keys->name; keys++)
		json_array_append_new(list, key_json(keys, of));
	return list;
}

/* --- answers --- */

static json_t *members_json(const struct rpc_member *m)
{
	json_t *list = json_array();

	for (; m->name; m++) {
		json_t *json = json_pack("{s:s, s:s, s:s}", "name", m->name, "kind", m->kind, "doc",
					 m->doc);

		if (json && m->members)
			json_object_set_new(json, "members", members_json(m->members));
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *method_json(const struct rpc_method *m)
{
	return json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", m->name, "doc", m->doc, "changes",
			 (int)m->changes, "params", section_json(m->params), "result",
			 members_json(m->result));
}

/* --- errors --- */

static const struct {
	enum rpc_error code;
	const char *doc;
} codes[] = {
	{RPC_ERROR_PARSE, "The line is not valid JSON."},
	{RPC_ERROR_REQUEST, "The JSON is no request."},
	{RPC_ERROR_METHOD, "There is no such method."},
	{RPC_ERROR_PARAMS, "Parameters are wrong; data.errors has each."},
	{RPC_ERROR_INTERNAL, "The daemon has no memory for it."},
	{RPC_ERROR_FAILED, "The system refuses; data.errno has its error."},
	{RPC_ERROR_NOT_FOUND, "There is no such object."},
	{RPC_ERROR_EXISTS, "There is an object of that name already."},
	{RPC_ERROR_BUSY, "The object is in use, or just being made or removed."},
	{RPC_ERROR_STOPPING, "The daemon ends."},
	{RPC_ERROR_TOO_LARGE, "The answer would be too large."},
	{RPC_ERROR_CLIENTS, "There are too many clients."},
};

static json_t *codes_json(void)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		json_array_append_new(list, json_pack("{s:i, s:s}", "code", (int)codes[i].code,
						      "doc", codes[i].doc));
	return list;
}

/* --- rpc.discover --- */

static void discover(struct rpc_call *call)
{
	const struct rpc_method *const *m;
	json_t *methods = json_array();

	for (m = rpc_methods; *m; m++)
		json_array_append_new(methods, method_json(*m));
	rpc_answer(call, json_pack("{s:o, s:o, s:o}", "methods", methods, "errors", codes_json(),
				   "events", rpc_events_json()));
}

static const struct rpc_member method_members[] = {
	MEMBER("name", "text", "What a request's `method` is."),
	MEMBER("doc", "text", "What it does."),
	MEMBER("changes", "boolean", "Whether it changes something, which the log tells."),
	MEMBER("params", "mapping",
	       "Its parameters: `keys`, and `types` with more keys for each type."),
	MEMBER("result", "list of mappings", "The members of its answer."),
	{0},
};

static const struct rpc_member error_members[] = {
	MEMBER("code", "number", "The `code` of an error."),
	MEMBER("doc", "text", "What it means."),
	{0},
};

static const struct rpc_member event_members[] = {
	MEMBER("name", "text", "Its `event`, and what `event.subscribe` takes."),
	MEMBER("doc", "text", "What has happened."),
	MEMBER("members", "list of mappings", "What its params have besides."),
	{0},
};

static const struct rpc_member discover_result[] = {
	LIST_OF("methods", method_members, "All methods."),
	LIST_OF("errors", error_members, "All errors."),
	LIST_OF("events", event_members, "All events."),
	{0},
};

const struct rpc_method rpc_method_rpc_discover = {
	.name = "rpc.discover",
	.doc = "What can be asked for: methods, their parameters and answers, errors.",
	.params = &rpc_no_params,
	.result = discover_result,
	.run = discover,
};
