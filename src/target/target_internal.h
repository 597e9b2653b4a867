/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_INTERNAL_H
#define TARGET_TARGET_INTERNAL_H

/* Between the files of src/target. Main thread. */

#include "target/target.h"
#include "util/socket_file.h"

struct balance;
struct reactor;

struct target {
	const struct config *cfg;
	bool vhost_started;
	struct loop *main; /* the main thread's own */
	struct loop *loop; /* the control thread */
	struct session_limits limits;
	struct reactor **reactors; /* as cfg->target.cpus */
	size_t nreactors;
	struct reactor_watchdog *watchdog;
	void **controllers; /* as cfg->controllers, each its type's */
	size_t ncontrollers;
	struct balance *balance; /* NULL: queues stay where they are */
};

/* All: 0, or -errno having logged the reason; what was made until then is counted in `t`. */

/* start_watch.c: whether a signal has come that is to end the start. */
bool target_start_cancelled(void);

/* bdevs.c */
int target_create_bdevs(struct target *t);
void target_remove_bdevs(struct target *t);

/* balance.c: the controllers are there. */
int target_balance_start(struct target *t);
void target_balance_stop(struct target *t);

/* controllers.c */
int target_create_controllers(struct target *t);
void target_destroy_controllers(struct target *t);

#endif
