/* SPDX-License-Identifier: BSD-3-Clause */
/* The budgets of lines: their arithmetic with a clock of the test's, and what is said of the rest.
 */
#include <pthread.h>

#include "log_test.h"

#define START (1000 * NS_PER_SEC)

static int take_all(uint64_t *due, struct log_budget budget, uint64_t now)
{
	int n = 0;

	while (n < 100000 && log_budget_take(due, budget, now))
		n++;
	return n;
}

static void budget_burst(void)
{
	static const struct log_budget budgets[] = {
		{1, 1}, {20, 1}, {200, 50}, {1, 1000}, {10000, 1000}, {3, 7},
	};
	size_t i;

	for (i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		struct log_budget b = budgets[i];
		uint64_t due = 0;

		CU_ASSERT_EQUAL(take_all(&due, b, START), (int)b.burst);
		/* One comes back after a time of 1 / rate, not before. */
		CU_ASSERT_EQUAL(take_all(&due, b, START + NS_PER_SEC / b.rate - 1), 0);
		CU_ASSERT_EQUAL(take_all(&due, b, START + NS_PER_SEC / b.rate), 1);
		/* Never more than a burst, however long nothing was said. */
		CU_ASSERT_EQUAL(take_all(&due, b, START + 100000 * NS_PER_SEC), (int)b.burst);
	}
}

/* Over a long time it is the rate that counts. */
static void budget_rate(void)
{
	struct log_budget b = {20, 5};
	uint64_t due = 0, t;
	int n = 0;

	for (t = 0; t < 100 * NS_PER_SEC; t += NS_PER_MS)
		n += log_budget_take(&due, b, START + t);
	CU_ASSERT(n >= 20 + 499 && n <= 20 + 500);
	/* A clock that stands behind (of another CPU) gives nothing away and takes nothing. */
	CU_ASSERT_EQUAL(take_all(&due, b, START), 0);
}

/* --- what is left out --- */

static const struct log_budget plenty = {1000000, 1000000};

static void flood(struct log_limit *limit, const char *what, int n)
{
	int i;

	for (i = 0; i < n; i++)
		log_limited(limit, LOG_LEVEL_WARN, what, "from %s: %d", what, i);
}

static void report(bool all)
{
	log_limit_report(time_now_ns(), all);
}

static void counted(void)
{
	struct log_limit a = {0};
	uint64_t before = log_limit_left_out();
	const char *told;

	log_limit_set((struct log_budget){20, 1}, plenty);
	listen();
	flood(&a, "a", 20 + 990);
	/* Not yet: the ten seconds are not over. */
	report(false);
	listened();
	CU_ASSERT(lines() >= 20 && lines() < 30); /* more if a second has gone by */
	CU_ASSERT_PTR_NULL(strstr(said, "left out"));
	listen();
	log_limit_report(time_now_ns() + (LOG_LIMIT_REPORT_SECONDS + 1) * NS_PER_SEC, false);
	listened();
	CU_ASSERT_EQUAL(lines(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "warning: a: 9"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "more messages left out in 1"));
	CU_ASSERT(log_limit_left_out() - before > 980 && log_limit_left_out() - before <= 990);
	/* It is told once, and what follows is counted from 0 again. */
	listen();
	report(true);
	flood(&a, "a", 100);
	report(true);
	listened();
	/* All of them, but for one for each second that has gone by. */
	told = strstr(said, "warning: a: ");
	CU_ASSERT_PTR_NOT_NULL_FATAL(told);
	CU_ASSERT(atoi(told + 12) > 50 && atoi(told + 12) <= 100);
}

/* What the level drops does not use the limit up; each object has its own. */
static void of_each_object(void)
{
	struct log_limit a = {0}, b = {0};

	log_limit_set((struct log_budget){20, 1}, plenty);
	log_set_level(LOG_LEVEL_ERROR);
	listen();
	flood(&a, "a", 100);
	listened();
	CU_ASSERT_EQUAL(said[0], '\0');
	CU_ASSERT_EQUAL(a.due_ns, 0);
	log_set_level(LOG_LEVEL_INFO);
	listen();
	flood(&a, "a", 100);
	flood(&b, "b", 1);
	report(true);
	listened();
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "from b"));
	CU_ASSERT_PTR_NULL(strstr(said, "warning: b: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "warning: a: "));
}

/* Of all together: many objects have no more than that. And there are more of them than places. */
static void of_all(void)
{
	static struct log_limit limits[500];
	char name[32], *p;
	int i, told = 0;

	log_limit_set((struct log_budget){20, 1}, (struct log_budget){100, 1});
	listen();
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "object%d", i);
		flood(&limits[i], name, 20);
	}
	listened();
	CU_ASSERT(lines() <= 110);
	listen();
	report(true);
	listened();
	CU_ASSERT_EQUAL(lines(), 64);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " other objects: "));
	for (p = said; (p = strstr(p, ": ")); p++)
		told += atoi(p + 2);
	CU_ASSERT(told >= 500 * 20 - 110 && told <= 500 * 20 - 100);
}

/* --- threads --- */

static struct log_limit shared[2];
static atomic_bool over;

static void *flood_shared(void *arg)
{
	int i;

	for (i = 0; i < TEST_ROUNDS(20000); i++)
		log_limited(&shared[i & 1], LOG_LEVEL_WARN, "shared", "line");
	return arg;
}

static void *report_often(void *arg)
{
	while (!atomic_load(&over)) {
		report(true);
		sched_yield();
	}
	return arg;
}

/* Nothing is counted twice or forgotten, though places change hands all the time. */
static void from_threads(void)
{
	uint64_t n, told = 0, before = log_limit_left_out();
	pthread_t t[4], reporter;
	const char *p;
	int i;

	log_limit_set((struct log_budget){10, 1}, plenty);
	atomic_store(&over, false);
	listen();
	pthread_create(&reporter, NULL, report_often, NULL);
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, flood_shared, NULL);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	atomic_store(&over, true);
	pthread_join(reporter, NULL);
	report(true);
	listened();
	n = log_limit_left_out() - before;
	for (p = said; (p = strstr(p, "shared: ")); p++)
		told += strtoull(p + 8, NULL, 10);
	CU_ASSERT_EQUAL(told, n);
	CU_ASSERT(n <= 4 * (uint64_t)TEST_ROUNDS(20000) - 20);
}

static const struct test_case cases[] = {
	{"budget_burst", budget_burst},
	{"budget_rate", budget_rate},
	{"counted", counted},
	{"of_each_object", of_each_object},
	{"of_all", of_all},
	{"from_threads", from_threads},
};

TEST_MAIN("log_limit", cases)
