/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOOP_SIGNALS_H
#define LOOP_SIGNALS_H

/* Signals as events of a loop. They are blocked in all threads; who is to get them says so. */

#include <signal.h>

#include "loop/loop.h"

struct loop_signals {
	struct loop *loop;
	void (*got)(void *arg, int sig);
	void *arg;
	struct loop_source source; /* private */
};

/* Calls got() for each signal of the set, on the loop. 0 or -errno. */
int loop_signals_watch(struct loop_signals *s, const sigset_t *set);
/* No more. One that comes from now on, and is not blocked any more, does what it does by default.
 */
void loop_signals_end(struct loop_signals *s);

#endif
