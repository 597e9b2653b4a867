/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of timers alone; what reactors and loops make of it is tested there. */
#include "util/timers.h"

#include <limits.h>

#include "../test.h"
#include "util/time.h"

static struct timer *list, t[4];
static unsigned int order[8], nfired;
static struct timer *cancels, *starts; /* by the next that fires */

static void fire(void *arg)
{
	order[nfired++ % 8] = (unsigned int)((struct timer *)arg - t);
	if (cancels)
		timers_cancel(cancels);
	if (starts)
		timers_start(&list, starts, 0);
	cancels = starts = NULL;
}

static void begin(void)
{
	unsigned int i;

	list = NULL;
	nfired = 0;
	for (i = 0; i < 4; i++)
		t[i] = (struct timer){.fn = fire, .arg = &t[i]};
}

static void in_order(void)
{
	begin();
	CU_ASSERT_EQUAL(timers_run(&list, UINT64_MAX), 0);
	timers_start(&list, &t[0], 30);
	timers_start(&list, &t[1], NS_PER_SEC);
	timers_start(&list, &t[2], 10);
	timers_start(&list, &t[1], 0); /* again, and before all others but those of before */
	timers_cancel(&t[3]);
	CU_ASSERT_EQUAL(timers_run(&list, UINT64_MAX - 1), 3);
	CU_ASSERT_PTR_NULL(list);
	begin();
	/* Of two that are due at the same time the first that was started. */
	timers_start(&list, &t[2], UINT64_MAX);
	timers_start(&list, &t[0], UINT64_MAX - 1);
	CU_ASSERT_EQUAL(t[2].deadline_ns, UINT64_MAX);
	CU_ASSERT_EQUAL(t[0].deadline_ns, UINT64_MAX);
	CU_ASSERT_PTR_EQUAL(list, &t[2]);
	CU_ASSERT_EQUAL(timers_run(&list, UINT64_MAX - 1), 0);
	CU_ASSERT_EQUAL(timers_run(&list, UINT64_MAX), 2);
	CU_ASSERT(order[0] == 2 && order[1] == 0);
}

/* One that fires cancels the next, or starts one, which waits for the next run. */
static void within(void)
{
	uint64_t now;

	begin();
	timers_start(&list, &t[0], 0);
	timers_start(&list, &t[1], 0);
	now = time_now_ns();
	cancels = &t[1];
	CU_ASSERT_EQUAL(timers_run(&list, now), 1);
	CU_ASSERT_PTR_NULL(list);
	timers_start(&list, &t[0], 0);
	now = time_now_ns();
	while (time_now_ns() == now)
		;
	starts = &t[0];
	CU_ASSERT_EQUAL(timers_run(&list, now), 1);
	CU_ASSERT_PTR_EQUAL(list, &t[0]);
	timers_cancel(&t[0]);
	CU_ASSERT_PTR_NULL(list);
}

static void waits(void)
{
	uint64_t at;

	begin();
	CU_ASSERT_EQUAL(timers_wait_ms(list, 0), -1);
	timers_start(&list, &t[0], NS_PER_SEC);
	at = t[0].deadline_ns;
	CU_ASSERT_EQUAL(timers_wait_ms(list, at), 0);
	CU_ASSERT_EQUAL(timers_wait_ms(list, at + 1), 0);
	CU_ASSERT_EQUAL(timers_wait_ms(list, at - 1), 1);
	CU_ASSERT_EQUAL(timers_wait_ms(list, at - NS_PER_MS), 1);
	CU_ASSERT_EQUAL(timers_wait_ms(list, at - NS_PER_MS - 1), 2);
	timers_start(&list, &t[0], UINT64_MAX);
	CU_ASSERT_EQUAL(timers_wait_ms(list, 0), INT_MAX);
}

static const struct test_case cases[] = {
	{"in_order", in_order},
	{"within", within},
	{"waits", waits},
};

TEST_MAIN("timers", cases)
