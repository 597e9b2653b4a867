/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wants to hear of what. */
#include <string.h>

#include "rpc/methods.h"
#include "target/target_events.h"
#include "util/util.h"

#define ALL ((UINT32_C(1) << TARGET_EVENTS) - 1)

_Static_assert(TARGET_EVENTS < 32, "a bit each");

struct subscribe_params {
	struct schema_pos pos;
	uint32_t wanted; /* a bit for each kind */
};

/* --- a list of events --- */

static void list_events(struct schema_words *words)
{
	size_t i;

	for (i = 0; i < TARGET_EVENTS; i++)
		schema_words_add(words, target_event_types[i].name);
}

static void read_event(struct schema_reader *r, const struct schema_key *key,
		       const struct schema_node *node, uint32_t *wanted)
{
	const char *text = schema_reader_scalar(r, key, node, "the name of an event");
	struct schema_nearest nearest = {.word = text};
	struct schema_words words = {0};
	struct schema_hint hint;
	size_t i;

	for (i = 0; text && i < TARGET_EVENTS; i++) {
		schema_nearest_try(&nearest, target_event_types[i].name);
		if (!strcmp(text, target_event_types[i].name)) {
			*wanted |= UINT32_C(1) << i;
			return;
		}
	}
	if (!text)
		return;
	list_events(&words);
	schema_reader_error(r, key, node, "there is no event %s%s; allowed: %s", SCHEMA_QUOTE(text),
			    schema_nearest_hint(&nearest, &hint), words.text);
}

static void read_events(struct schema_reader *r, const struct schema_key *key,
			const struct schema_node *node, void *field)
{
	const struct schema_node *child;
	uint32_t wanted = 0;

	if (node->kind != SCHEMA_NODE_SEQUENCE) {
		schema_reader_error(r, key, node, "this is no list; allowed: a list of events");
		return;
	}
	for (child = node->first; child; child = child->next)
		read_event(r, key, child, &wanted);
	*(uint32_t *)field = wanted;
}

static struct schema_node *dump_events(struct schema_arena *arena, const struct schema_key *key,
				       const void *field)
{
	struct schema_node *list = schema_node_new(arena, SCHEMA_NODE_SEQUENCE), *node;
	size_t i;

	for (i = 0; list && i < TARGET_EVENTS; i++) {
		if (!(*(const uint32_t *)field >> i & 1))
			continue;
		node = schema_node_scalar(arena, target_event_types[i].name, false);
		if (!node)
			return NULL;
		schema_node_append(list, node);
	}
	return list;
}

static void event_limits(const struct schema_key *key, FILE *out)
{
	size_t i;

	for (i = 0; i < TARGET_EVENTS; i++)
		fprintf(out, "%s`%s`", i ? ", " : "", target_event_types[i].name);
}

static const struct schema_kind event_list = {
	.name = "list of words",
	.read = read_events,
	.dump = dump_events,
	.limits = event_limits,
};

/* --- event.subscribe --- */

static void subscribe(struct rpc_call *call)
{
	const uint32_t wanted = ((const struct subscribe_params *)call->params)->wanted;
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < TARGET_EVENTS; i++)
		if (wanted >> i & 1)
			json_array_append_new(names, json_string(target_event_types[i].name));
	if (call->client) {
		call->client->events_wanted = wanted;
		call->client->lost = 0;
	}
	rpc_answer(call, json_pack("{s:o}", "events", names));
}

static void init(const void *root, void *object)
{
	((struct subscribe_params *)object)->wanted = ALL;
}

static const struct schema_key subscribe_keys[] = {
	{"events", &event_list, .offset = offsetof(struct subscribe_params, wanted),
	 .dflt_doc = "all", .doc = "Of which to be told; an empty list: of none any more."},
	{0},
};

static const struct schema_section subscribe_section = {
	.noun = "events",
	.size = sizeof(struct subscribe_params),
	.keys = subscribe_keys,
	.init = init,
};

static const struct rpc_member subscribe_result[] = {
	MEMBER("events", "list of texts", "Of which this connection is told from now on."),
	{0},
};

const struct rpc_method rpc_method_event_subscribe = {
	.name = "event.subscribe",
	.doc = "Has this connection told what happens, as notifications behind the answer.",
	.params = &subscribe_section,
	.result = subscribe_result,
	.run = subscribe,
};
