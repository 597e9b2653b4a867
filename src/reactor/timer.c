/* SPDX-License-Identifier: BSD-3-Clause */
/* One-shot timers of a reactor. */
#include "reactor/reactor_internal.h"

void reactor_timer_start(struct reactor *r, struct timer *t, uint64_t delay_ns)
{
	timers_start(&r->timers, t, delay_ns);
}

void reactor_timer_cancel(struct timer *t)
{
	timers_cancel(t);
}

unsigned int reactor_timers_run(struct reactor *r, uint64_t now_ns)
{
	unsigned int n = 0;

	do {
		r->payer = &r->common; /* not the one before's */
		n++;
	} while (timers_run_next(&r->timers, now_ns));
	return n - 1;
}

int reactor_timers_wait_ms(const struct reactor *r, uint64_t now_ns)
{
	return timers_wait_ms(r->timers, now_ns);
}
