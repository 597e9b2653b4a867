/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_SESSIONS_H
#define TARGET_TARGET_SESSIONS_H

/* The front-ends that are connected, and the queues of their guests. Main thread. */

#include <stddef.h>
#include <stdint.h>

#include "msgsock/session_info.h"

struct target;

/* Calls fn for each front-end that is connected; both are valid during the call. */
typedef void (*target_session_fn)(void *arg, const char *controller, const struct session_info *s);
void target_visit_sessions(const struct target *t, target_session_fn fn, void *arg);

#define TARGET_NO_CPU (-1)
/* A queue that was used since its controller was made. */
struct target_queue {
	const char *controller;
	unsigned int number; /* as in counters */
	uint32_t size;	     /* entries; if it does not run, those that it had */
	int cpu;	     /* of the reactor that polls it; TARGET_NO_CPU: it does not run now */
};

/* Calls fn for each, by controller and number. */
typedef void (*target_queue_fn)(void *arg, const struct target_queue *q);
void target_visit_queues(target_queue_fn fn, void *arg);

#endif
