/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/timers.h"

#include <limits.h>

#include "util/time.h"

void timers_start(struct timer **list, struct timer *t, uint64_t delay_ns)
{
	uint64_t now = time_now_ns();
	struct timer **at = list;

	timers_cancel(t);
	t->deadline_ns = delay_ns < UINT64_MAX - now ? now + delay_ns : UINT64_MAX;
	while (*at && (*at)->deadline_ns <= t->deadline_ns)
		at = &(*at)->next;
	t->next = *at;
	t->prevp = at;
	if (t->next)
		t->next->prevp = &t->next;
	*at = t;
}

void timers_cancel(struct timer *t)
{
	if (!t->prevp)
		return;
	*t->prevp = t->next;
	if (t->next)
		t->next->prevp = t->prevp;
	t->prevp = NULL;
	t->next = NULL;
}

bool timers_run_next(struct timer **list, uint64_t now_ns)
{
	struct timer *t = *list;

	if (!t || t->deadline_ns > now_ns)
		return false;
	timers_cancel(t);
	t->fn(t->arg);
	return true;
}

unsigned int timers_run(struct timer **list, uint64_t now_ns)
{
	unsigned int n = 0;

	/* A timer that starts itself again lands after now_ns, so this ends. */
	while (timers_run_next(list, now_ns))
		n++;
	return n;
}

int timers_wait_ms(const struct timer *list, uint64_t now_ns)
{
	uint64_t wait_ns;

	if (!list)
		return -1;
	if (list->deadline_ns <= now_ns)
		return 0;
	wait_ns = list->deadline_ns - now_ns;
	if (wait_ns / NS_PER_MS >= INT_MAX)
		return INT_MAX;
	return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}
