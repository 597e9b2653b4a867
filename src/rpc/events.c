/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events, for the clients that want some. They wait in a buffer of the client's own until nothing
 * else is being sent: who reads nothing has what is in there, and what does not fit is counted.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/methods.h"
#include "target/target_events.h"
#include "util/time.h"

#define BYTES_MAX (64 * 1024) /* that wait for a client */

static json_t *value_json(const struct target_event_member *m, const struct target_event_value *v)
{
	if (v->section)
		return rpc_json_of_object(v->section, v->object);
	if (v->text)
		return rpc_json_of_text(v->text);
	return strcmp(m->kind, "number") ? json_null() : json_integer((json_int_t)v->number);
}

static json_int_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (json_int_t)now.tv_sec * 1000 + now.tv_nsec / (json_int_t)NS_PER_MS;
}

/* Its params, but for what is each client's own. NULL: out of memory. */
static json_t *params_json(const struct target_event *event)
{
	const struct target_event_type *type = &target_event_types[event->kind];
	json_t *params = json_pack("{s:s, s:I}", "event", type->name, "time_ms", now_ms());
	size_t i;

	for (i = 0; params && type->members[i].name; i++)
		json_object_set_new(params, type->members[i].name,
				    value_json(&type->members[i], &event->values[i]));
	return params;
}

static char *line_of(json_t *params, uint64_t lost)
{
	json_t *line;
	char *text;

	json_object_set_new(params, "lost", json_integer((json_int_t)lost));
	line = json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method", "event", "params", params);
	text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	json_decref(line);
	return text;
}

static void give(struct rpc_client *c, json_t *params)
{
	char *text = params ? line_of(params, c->lost) : NULL;

	if (text && rpc_client_put_event(c, text, strlen(text), BYTES_MAX))
		c->lost = 0;
	else
		c->lost++;
	free(text);
}

static void tell(void *arg, const struct target_event *event)
{
	struct rpc *rpc = arg;
	json_t *params = NULL;
	struct rpc_client *c;

	for (c = rpc->clients; c; c = c->next) {
		if (!(c->events_wanted >> event->kind & 1))
			continue;
		if (!params)
			params = params_json(event);
		give(c, params);
	}
	json_decref(params);
}

void rpc_events_start(struct rpc *rpc)
{
	target_observe(rpc->params.target, tell, rpc);
}

void rpc_events_stop(struct rpc *rpc)
{
	target_observe(rpc->params.target, NULL, NULL);
}

/* --- for rpc.discover --- */

static json_t *type_json(const struct target_event_type *type)
{
	json_t *members = json_array();
	const struct target_event_member *m;

	for (m = type->members; m->name; m++)
		json_array_append_new(members, json_pack("{s:s, s:s, s:s}", "name", m->name, "kind",
							 m->kind, "doc", m->doc));
	return json_pack("{s:s, s:s, s:o}", "name", type->name, "doc", type->doc, "members",
			 members);
}

json_t *rpc_events_json(void)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < TARGET_EVENTS; i++)
		json_array_append_new(list, type_json(&target_event_types[i]));
	return list;
}
