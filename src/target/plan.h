/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_PLAN_H
#define TARGET_PLAN_H

/* What has to be done so that a daemon becomes what a file says, in an order that works. Main
 * thread. */

#include "config/config.h"
#include "target/target.h"

/* In the order in which they are done; the last two are not done. */
enum plan_kind {
	PLAN_SET_LOG,
	PLAN_REMOVE_DISK,
	PLAN_REMOVE_CONTROLLER,
	PLAN_REMOVE_BDEV,
	PLAN_RESIZE_BDEV,
	PLAN_CREATE_BDEV,
	PLAN_CREATE_CONTROLLER,
	PLAN_ADD_DISK,
	PLAN_NEEDS_FORCE,
	PLAN_NEEDS_RESTART,
	PLAN_KINDS,
};

struct plan_step {
	struct target_step told;
	enum plan_kind kind;
	const struct schema_node *node; /* keys of what comes; address of a disk that goes */
	uint64_t bytes;			/* the size; 0: what the medium has */
};

struct plan {
	struct schema_arena arena; /* has all of it */
	struct plan_step *steps;
	size_t n;
};

struct plan_input {
	struct target *target;
	/* As it is: of target_present(), with those that have lost their disk. */
	const struct config *now;
	/* As it is to be: its target adopted; and the one that it had before. */
	const struct config *next;
	const struct config_target *next_target;
	bool force;
};

/* 0 or -ENOMEM; plan->arena is to be freed in any case. */
int plan_make(const struct plan_input *in, struct plan *plan);

#endif
