/* SPDX-License-Identifier: BSD-3-Clause */
/* One-shot timers of a reactor: a sorted list, as there are few. */
#include <limits.h>

#include "reactor/reactor_internal.h"
#include "util/time.h"

void reactor_timer_start(struct reactor *r, struct reactor_timer *t, uint64_t delay_ns)
{
	struct reactor_timer **at = &r->timers;
	uint64_t now = time_now_ns();

	reactor_timer_cancel(t);
	t->deadline_ns = delay_ns < UINT64_MAX - now ? now + delay_ns : UINT64_MAX;
	while (*at && (*at)->deadline_ns <= t->deadline_ns)
		at = &(*at)->next;
	t->next = *at;
	t->prevp = at;
	if (t->next)
		t->next->prevp = &t->next;
	*at = t;
}

void reactor_timer_cancel(struct reactor_timer *t)
{
	if (!t->prevp)
		return;
	*t->prevp = t->next;
	if (t->next)
		t->next->prevp = t->prevp;
	t->prevp = NULL;
	t->next = NULL;
}

unsigned int reactor_timers_run(struct reactor *r, uint64_t now_ns)
{
	unsigned int n = 0;

	/* A timer that starts itself again lands after now_ns, so this ends. */
	while (r->timers && r->timers->deadline_ns <= now_ns) {
		struct reactor_timer *t = r->timers;

		reactor_timer_cancel(t);
		t->fn(t->arg);
		n++;
	}
	return n;
}

int reactor_timers_wait_ms(const struct reactor *r, uint64_t now_ns)
{
	uint64_t wait_ns;

	if (!r->timers)
		return -1;
	if (r->timers->deadline_ns <= now_ns)
		return 0;
	wait_ns = r->timers->deadline_ns - now_ns;
	if (wait_ns / 1000000 >= INT_MAX)
		return INT_MAX;
	return (int)((wait_ns + 999999) / 1000000);
}
