/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_STEPS_H
#define UTIL_STEPS_H

/*
 * A command of several I/Os, one after the other. An I/O that completes inline must not start the
 * next one from its completion: the stack would grow with the number of steps. Calls nest here only
 * once.
 */

#include <stdbool.h>

/* Zeroed before the first step. Owned by one thread. */
struct steps {
	bool running, again;
};

/*
 * Calls next(arg), which starts the next step and returns true, or ends the command and returns
 * false; what holds `s` may be gone then. To be called at the beginning, and at the end of each
 * step.
 */
static inline void steps_run(struct steps *s, bool (*next)(void *arg), void *arg)
{
	if (s->running) {
		s->again = true;
		return;
	}
	do {
		s->running = true;
		s->again = false;
		if (!next(arg))
			return;
		s->running = false;
	} while (s->again);
}

#endif
