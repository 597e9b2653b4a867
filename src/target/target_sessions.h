/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_SESSIONS_H
#define TARGET_TARGET_SESSIONS_H

/* The front-ends that are connected, and the queues of their guests. Main thread. */

#include <stddef.h>
#include <stdint.h>

#include "msgsock/session_info.h"
#include "target/target.h"

/* Calls fn for each front-end that is connected; both are valid during the call. */
typedef void (*target_session_fn)(void *arg, const char *controller, const struct session_info *s);
void target_visit_sessions(const struct target *t, target_session_fn fn, void *arg);

#define TARGET_NO_CPU (-1)
/* A queue that was used since its controller was made. */
struct target_queue {
	const char *controller;
	unsigned int number; /* as in counters */
	uint32_t size;	     /* entries; if it does not run, those that it had */
	uint32_t in_flight;  /* commands, at the last look, which is about a second ago */
	int cpu;	     /* of the reactor that polls it; TARGET_NO_CPU: it does not run now */
};

/* Calls fn for each, by controller and number. */
typedef void (*target_queue_fn)(void *arg, const struct target_queue *q);
void target_visit_queues(target_queue_fn fn, void *arg);

/*
 * Lets the reactor of that CPU poll a queue from now on. done() is called once, on the main thread,
 * perhaps inside the call: 0, also if it is there already, or -errno and a sentence. What is in
 * flight is waited for, 200 ms at most, and a thread of its own does that.
 *
 * -ENOENT: no such controller or reactor, or the queue does not run; -EINVAL: the reactor is not
 * the controller's, or the queue is none that moves; -ENOTCONN: no front-end; -EAGAIN: its I/O took
 * longer, or it is just being changed; -EBUSY, -ESHUTDOWN: as of objects.
 */
void target_move_queue(struct target *t, const char *controller, uint32_t queue, uint32_t cpu,
		       target_done_fn done, void *arg);

#endif
