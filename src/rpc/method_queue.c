/* SPDX-License-Identifier: BSD-3-Clause */
/* Which reactor a queue is on. */
#include "rpc/methods.h"
#include "target/target_sessions.h"

struct move_params {
	struct schema_pos pos;
	const char *controller;
	uint32_t queue, reactor;
};

static void moved(void *arg, int rc, const char *text)
{
	struct rpc_call *call = arg;
	const struct move_params *p = call->params;

	if (rc) {
		rpc_fail_errno(call, rc, text);
		return;
	}
	snprintf(call->subject, sizeof(call->subject), "%.40s/%u to %u", p->controller, p->queue,
		 p->reactor);
	rpc_answer(call, json_pack("{s:s, s:I, s:I}", "controller", p->controller, "queue",
				   (json_int_t)p->queue, "reactor", (json_int_t)p->reactor));
}

static void move(struct rpc_call *call)
{
	const struct move_params *p = call->params;

	target_move_queue(call->rpc->params.target, p->controller, p->queue, p->reactor, moved,
			  call);
}

#define FIELD(member) .offset = offsetof(struct move_params, member)

static const struct schema_key move_keys[] = {
	{"controller", &schema_name, FIELD(controller), .required = true, .doc = "Whose it is."},
	{"queue", &schema_uint32, FIELD(queue), .required = true, .max = 255,
	 .doc = "Its number, as in `session.list`."},
	{"reactor", &schema_uint32, FIELD(reactor), .required = true, .max = UINT32_MAX,
	 .doc = "Where it is to go: a `cpu` of `reactor.list`.",
	 .allowed_doc = "one of the controller's `cpus`"},
	{0},
};

static const struct schema_section move_section = {
	.noun = "queue",
	.size = sizeof(struct move_params),
	.keys = move_keys,
};

static const struct rpc_member move_result[] = {
	MEMBER("controller", "text", "Whose it is."),
	MEMBER("queue", "number", "Its number."),
	MEMBER("reactor", "number", "Where it is now."),
	{0},
};

const struct rpc_method rpc_method_queue_move = {
	.name = "queue.move",
	.doc = "Moves a queue to another reactor.",
	.changes = true,
	.params = &move_section,
	.result = move_result,
	.run = move,
};
