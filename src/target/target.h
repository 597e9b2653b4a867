/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_H
#define TARGET_TARGET_H

/* Everything that a configuration describes, built in order and taken down in reverse. Main thread.
 */

#include "config/config.h"

struct target;

/*
 * Whether the limits of the host are enough for it; what is wrong goes to say(), errors and
 * warnings.
 */
bool target_check_limits(const struct config *cfg,
			 void (*say)(void *arg, bool is_error, const char *text), void *arg);

/*
 * Starts reactors, bdevs and controllers; guests may connect when it returns 0. On -errno the
 * reason has been logged and nothing is left. The configuration must outlive the target.
 */
int target_start(const struct config *cfg, struct target **out);
/* Ends all sessions, waiting for their I/O, and frees everything. NULL is fine. */
void target_stop(struct target *t);

/* Whether target_balance() does anything. */
bool target_balances(const struct target *t);
/*
 * Once a second: moves a queue to another reactor if that helps, and waits for that; for a guest's
 * I/O 20 ms at most.
 */
void target_balance(struct target *t);

/* All counters, as tables, on stderr. */
void target_print_stats(const struct target *t);

#endif
