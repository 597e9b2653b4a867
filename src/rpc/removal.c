/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is removed may have I/O in flight, and a guest that does not let go. The request waits for
 * as long as it says; the removal goes on by itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "rpc/methods.h"
#include "util/time.h"

struct rpc_removal {
	struct rpc_call *call; /* NULL: it has been answered */
	struct loop *loop;
	/* Of what is asked for; the call may be answered before that is done. */
	struct schema_errors errors;
	bool begins;
	bool ended;
};

const struct rpc_member rpc_removal_result[] = {
	MEMBER("name", "text", "What was to be removed."),
	MEMBER("removed", "boolean",
	       "Whether it is gone; else its removal goes on, until what it has in flight ends."),
	{0},
};

static void free_removal(struct rpc_removal *r)
{
	schema_errors_free(&r->errors);
	free(r);
}

static void answer(struct rpc_call *call, bool removed)
{
	rpc_answer(call, json_pack("{s:s, s:b}", "name", call->subject, "removed", (int)removed));
}

static void on_timeout(void *arg)
{
	struct rpc_call *call = arg;
	struct rpc_removal *r = call->state;

	r->call = NULL;
	answer(call, false);
}

void rpc_removed(void *arg, int rc, const char *text)
{
	struct rpc_removal *r = arg;
	struct rpc_call *call = r->call;

	if (call && rc) {
		call->errors = r->errors;
		r->errors = (struct schema_errors){0};
		rpc_fail_errno(call, rc, text);
	} else if (call) {
		answer(call, true);
	}
	r->call = NULL;
	r->ended = true;
	if (!r->begins)
		free_removal(r);
}

struct schema_errors *rpc_removal_errors(struct rpc_removal *r)
{
	return &r->errors;
}

struct rpc_removal *rpc_removal_new(struct rpc_call *call, const char *name)
{
	struct rpc_removal *r = calloc(1, sizeof(*r));

	if (!r) {
		rpc_fail(call, RPC_ERROR_INTERNAL, "out of memory");
		return NULL;
	}
	snprintf(call->subject, sizeof(call->subject), "%s", name);
	call->state = r;
	*r = (struct rpc_removal){.call = call, .loop = call->rpc->loop, .begins = true};
	return r;
}

void rpc_removal_wait(struct rpc_removal *r, uint32_t timeout_ms)
{
	struct rpc_call *call = r->call;

	r->begins = false;
	if (r->ended) {
		free_removal(r);
		return;
	}
	call->timer = (struct timer){.fn = on_timeout, .arg = call};
	loop_timer_start(r->loop, &call->timer, timeout_ms * NS_PER_MS);
}

void rpc_remove(struct rpc_call *call, rpc_remove_fn fn, const char *name, uint32_t timeout_ms)
{
	struct rpc_removal *r = rpc_removal_new(call, name);

	if (!r)
		return;
	fn(call->rpc->params.target, name, rpc_removed, r);
	rpc_removal_wait(r, timeout_ms);
}
