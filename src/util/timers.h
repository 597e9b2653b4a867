/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_TIMERS_H
#define UTIL_TIMERS_H

/* One-shot timers in a list that is sorted by deadline, as there are few. One thread's. */

#include <stdbool.h>
#include <stdint.h>

/* Embedded in its owner; all zeroes but for fn and arg at first. */
struct timer {
	void (*fn)(void *arg);
	void *arg;
	uint64_t deadline_ns; /* private, as are the following */
	struct timer *next, **prevp;
};

/* Arms it, or arms it again, for `delay_ns` from now on; UINT64_MAX is never. */
void timers_start(struct timer **list, struct timer *t, uint64_t delay_ns);
/* Harmless if it isn't armed. */
void timers_cancel(struct timer *t);
/* Runs those that are due at now_ns, and not what these arm in turn; how many they were. */
unsigned int timers_run(struct timer **list, uint64_t now_ns);
/* Runs the first one, if it is due at now_ns; or else false. */
bool timers_run_next(struct timer **list, uint64_t now_ns);
/* Milliseconds to the first deadline, rounded up; -1: there is none. */
int timers_wait_ms(const struct timer *list, uint64_t now_ns);

#endif
