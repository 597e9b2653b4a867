/* SPDX-License-Identifier: BSD-3-Clause */
/* The small helpers of util.h and time.h. */
#include "../tools.h"
#include "util/util.h"

static void minimum(void)
{
	int evaluated = 0;

	CU_ASSERT_EQUAL(min_t(int, 1, 2), 1);
	CU_ASSERT_EQUAL(min_t(int, -1, 1), -1);
	CU_ASSERT_EQUAL(min_t(uint64_t, UINT64_MAX, 0), 0);
	CU_ASSERT_EQUAL(min_t(uint64_t, UINT64_MAX, UINT32_MAX), UINT32_MAX);
	CU_ASSERT_EQUAL(min_t(uint32_t, -1, 5), 5); /* converted first */
	CU_ASSERT_EQUAL(min_t(int, evaluated++, 5), 0);
	CU_ASSERT_EQUAL(evaluated, 1);
}

struct inner {
	int x;
};

struct outer {
	char c;
	struct inner first, second;
};

static void containers(void)
{
	struct outer o[3];

	CU_ASSERT_PTR_EQUAL(container_of(&o[1].first, struct outer, first), &o[1]);
	CU_ASSERT_PTR_EQUAL(container_of(&o[1].second, struct outer, second), &o[1]);
	CU_ASSERT_EQUAL(ARRAY_SIZE(o), 3);
}

static void clock_runs(void)
{
	uint64_t before = time_now_ns(), last = before;
	int i;

	for (i = 0; i < 100000; i++) {
		uint64_t now = time_now_ns();

		if (now < last)
			CU_FAIL("the clock goes back");
		last = now;
	}
	test_sleep_ns(10 * NS_PER_MS);
	CU_ASSERT(time_now_ns() - before >= 10 * NS_PER_MS);
	CU_ASSERT(time_now_ns() - before < 60 * NS_PER_SEC);
}

static const struct test_case cases[] = {
	{"minimum", minimum},
	{"containers", containers},
	{"clock_runs", clock_runs},
};

TEST_MAIN("util", cases)
