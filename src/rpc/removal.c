/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is removed may have I/O in flight, and a guest that does not let go. The request waits for
 * as long as it says; the removal goes on by itself.
 */
#include <stdlib.h>

#include "rpc/methods.h"
#include "util/time.h"

struct removal {
	struct rpc_call *call; /* NULL: it has been answered */
	bool begins;
	bool ended;
};

const struct rpc_member rpc_removal_result[] = {
	MEMBER("name", "text", "What was to be removed."),
	MEMBER("removed", "boolean",
	       "Whether it is gone; else its removal goes on, until what it has in flight ends."),
	{0},
};

static void answer(struct rpc_call *call, bool removed)
{
	rpc_answer(call, json_pack("{s:s, s:b}", "name", call->subject, "removed", (int)removed));
}

static void on_timeout(void *arg)
{
	struct rpc_call *call = arg;
	struct removal *r = call->state;

	r->call = NULL;
	answer(call, false);
}

static void removed(void *arg, int rc, const char *text)
{
	struct removal *r = arg;
	struct rpc_call *call = r->call;

	if (call && rc)
		rpc_fail_errno(call, rc, text);
	else if (call)
		answer(call, true);
	r->call = NULL;
	r->ended = true;
	if (!r->begins)
		free(r);
}

void rpc_remove(struct rpc_call *call, rpc_remove_fn fn, const char *name, uint32_t timeout_ms)
{
	struct removal *r = calloc(1, sizeof(*r));
	struct loop *loop = call->rpc->loop;

	if (!r) {
		rpc_fail(call, RPC_ERROR_INTERNAL, "out of memory");
		return;
	}
	snprintf(call->subject, sizeof(call->subject), "%s", name);
	call->state = r;
	*r = (struct removal){.call = call, .begins = true};
	fn(call->rpc->params.target, name, removed, r);
	r->begins = false;
	if (r->ended) {
		free(r);
		return;
	}
	call->timer = (struct timer){.fn = on_timeout, .arg = call};
	loop_timer_start(loop, &call->timer, timeout_ms * NS_PER_MS);
}
