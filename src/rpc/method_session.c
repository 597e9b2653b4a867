/* SPDX-License-Identifier: BSD-3-Clause */
/* Front-ends that are connected. */
#include <string.h>

#include "rpc/methods.h"
#include "target/target_sessions.h"

struct list_params {
	struct schema_pos pos;
	const char *controller; /* NULL: all */
};

struct list {
	const char *controller;
	json_t *sessions;
	json_t *by_name; /* of those: the queues */
};

static json_t *features_json(const struct session_info *s)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->nfeatures; i++)
		json_array_append_new(list, json_string(s->features[i]));
	return list;
}

/* 0: unknown, or none. */
static json_t *number_json(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *memory_json(const struct session_info *s)
{
	return json_pack("{s:I, s:o, s:I, s:o}", "bytes", (json_int_t)s->memory_bytes, "bytes_max",
			 number_json(s->memory_bytes_max), "regions", (json_int_t)s->regions,
			 "regions_max", number_json(s->regions_max));
}

/* On the control thread, while this one waits. */
static void add_session(void *arg, const char *controller, const struct session_info *s)
{
	struct list *l = arg;
	json_t *queues;

	if (l->controller && strcmp(l->controller, controller) != 0)
		return;
	queues = json_array();
	json_object_set(l->by_name, controller, queues);
	json_array_append_new(
		l->sessions,
		json_pack("{s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:I, s:I, s:o}", "controller",
			  controller, "transport", s->transport, "pid",
			  number_json((uint64_t)s->peer.pid), "uid", (json_int_t)s->peer.uid,
			  "since_ms", (json_int_t)s->peer.since_ms, "features", features_json(s),
			  "memory", memory_json(s), "descriptors", (json_int_t)s->descriptors,
			  "descriptors_max", (json_int_t)s->descriptors_max, "queues", queues));
}

static void add_queue(void *arg, const struct target_queue *q)
{
	const struct list *l = arg;
	json_t *queues = json_object_get(l->by_name, q->controller);
	bool runs = q->cpu != TARGET_NO_CPU;

	if (queues)
		json_array_append_new(queues,
				      json_pack("{s:i, s:I, s:s, s:I, s:o}", "queue",
						(int)q->number, "size", (json_int_t)q->size,
						"state", runs ? "running" : "stopped", "in_flight",
						(json_int_t)q->in_flight, "cpu",
						runs ? json_integer(q->cpu) : json_null()));
}

static void list(struct rpc_call *call)
{
	const struct list_params *p = call->params;
	struct target *t = call->rpc->params.target;
	struct list l = {
		.controller = p->controller,
		.sessions = json_array(),
		.by_name = json_object(),
	};

	if (p->controller && !target_has_controller(t, p->controller)) {
		rpc_fail(call, RPC_ERROR_NOT_FOUND, "/params/controller: there is no controller %s",
			 SCHEMA_QUOTE(p->controller));
	} else {
		target_visit_sessions(t, add_session, &l);
		target_visit_queues(add_queue, &l);
		rpc_answer(call, json_pack("{s:O}", "sessions", l.sessions));
	}
	json_decref(l.by_name);
	json_decref(l.sessions);
}

static const struct schema_key list_keys[] = {
	{"controller", &schema_name, .offset = offsetof(struct list_params, controller),
	 .dflt_doc = "all", .doc = "Only the one of this controller."},
	{0},
};

static const struct schema_section list_section = {
	.noun = "session",
	.size = sizeof(struct list_params),
	.keys = list_keys,
};

static const struct rpc_member memory_members[] = {
	MEMBER("bytes", "number", "What is mapped."),
	MEMBER("bytes_max", "number", "Its share: how much may be; null: no limit."),
	MEMBER("regions", "number", "In so many regions."),
	MEMBER("regions_max", "number", "Its share of those; null: no limit."),
	{0},
};

static const struct rpc_member queue_members[] = {
	MEMBER("queue", "number", "Its number, as in counters; of NVMe 0 is the admin queue."),
	MEMBER("size", "number", "Its entries; if it does not run, those that it had last."),
	MEMBER("state", "text",
	       "`running` or `stopped`: by the guest, or for a moment to change something."),
	MEMBER("in_flight", "number",
	       "Commands that wait for their I/O, when it was looked at, which is once a second."),
	MEMBER("cpu", "number", "Which reactor polls it; null: none does."),
	{0},
};

static const struct rpc_member session_members[] = {
	MEMBER("controller", "text", "Whose front-end it is."),
	MEMBER("transport", "text", "`vhost-user` or `vfio-user`."),
	MEMBER("pid", "number",
	       "The process that has connected; null: not known, as from another PID namespace."),
	MEMBER("uid", "number", "Its user."),
	MEMBER("since_ms", "number", "When it connected: milliseconds since 1970, UTC."),
	MEMBER("features", "list of texts", "What was negotiated, as the standards call it."),
	{
		.name = "memory",
		.kind = "mapping",
		.doc = "The guest's memory.",
		.members = memory_members,
	},
	MEMBER("descriptors", "number", "Eventfds of it that are kept."),
	MEMBER("descriptors_max", "number", "How many may be."),
	LIST_OF("queues", queue_members,
		"Queues of its controller that were used since that was made."),
	{0},
};

static const struct rpc_member list_result[] = {
	LIST_OF("sessions", session_members, "In the order in which the controllers were made."),
	{0},
};

const struct rpc_method rpc_method_session_list = {
	.name = "session.list",
	.doc = "The front-ends that are connected, and the queues of their guests.",
	.params = &list_section,
	.result = list_result,
	.run = list,
};
