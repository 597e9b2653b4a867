/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects that a request has the keys of. */
#include <errno.h>
#include <string.h>

#include "rpc/methods.h"

const struct rpc_member rpc_made_result[] = {
	MEMBER("name", "text", "What was made."),
	{0},
};

static const char *given_name(const struct rpc_call *call)
{
	const struct schema_node *child;

	for (child = call->node->first; child; child = child->next)
		if (!strcmp(child->key->text, "name") && child->kind == SCHEMA_NODE_SCALAR)
			return child->text;
	return "";
}

void rpc_made(void *arg, int rc, const char *text)
{
	struct rpc_call *call = arg;

	if (rc) {
		rpc_fail_errno(call, rc, text);
	} else {
		snprintf(call->subject, sizeof(call->subject), "%s", given_name(call));
		rpc_answer(call, json_pack("{s:s}", "name", call->subject));
	}
}
