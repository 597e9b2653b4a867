/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RPC_RPC_H
#define RPC_RPC_H

/*
 * The control socket: JSON-RPC 2.0, a JSON text per line (docs/control.md). On the main thread's
 * loop, from the start to the stop.
 */

#include "config/config.h"

struct rpc;
struct target;

struct rpc_params {
	struct target *target;
	const struct config *cfg; /* the target's; outlives this */
	/* Main thread: the daemon is to end, as after SIGTERM. */
	void (*shut_down)(void *arg);
	void *arg;
};

/* *out is NULL if the configuration says that there is none. 0, or -errno having logged why. */
int rpc_start(const struct rpc_params *p, struct rpc **out);
/*
 * Leaves all clients; what they have begun goes on, and the target may be stopped. NULL is fine.
 */
void rpc_stop(struct rpc *rpc);

#endif
