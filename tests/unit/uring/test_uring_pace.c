/* SPDX-License-Identifier: BSD-3-Clause */
/* When a disk is worth polling for: the judgement alone, on times that are given. */
#include "uring/uring_pace.h"

#include "../test.h"

#define PATIENCE 50000
#define FAST	 (PATIENCE + PATIENCE / 2)
#define SLOW	 (FAST + 1)

static void samples(struct uring_pace *p, unsigned int n, uint64_t took_ns)
{
	while (n--)
		uring_pace_sample(p, took_ns, PATIENCE);
}

/* How many slow operations pass until the next probe; 0: too many. */
static unsigned int to_probe(struct uring_pace *p)
{
	unsigned int n;

	for (n = 1; n <= 10000; n++) {
		uring_pace_sample(p, SLOW, PATIENCE);
		if (!uring_pace_slow(p))
			return n;
	}
	return 0;
}

static struct uring_pace slow_one(void)
{
	struct uring_pace p = {0};

	samples(&p, 100, SLOW);
	/* Not in the middle of a probe. */
	if (!uring_pace_slow(&p))
		samples(&p, 1, SLOW);
	CU_ASSERT(uring_pace_slow(&p));
	return p;
}

static void starts_fast(void)
{
	struct uring_pace p = {0};

	CU_ASSERT(!uring_pace_slow(&p));
	samples(&p, 1000, FAST);
	CU_ASSERT(!uring_pace_slow(&p));
}

static void slow_soon(void)
{
	struct uring_pace p = {0};

	samples(&p, 7, SLOW);
	CU_ASSERT(!uring_pace_slow(&p));
	samples(&p, 1, SLOW);
	CU_ASSERT(uring_pace_slow(&p));
}

/* A third of outliers does not turn it, two thirds do. */
static void majority(void)
{
	struct uring_pace p = {0};
	int i;

	for (i = 0; i < 1000; i++) {
		samples(&p, 2, FAST);
		samples(&p, 1, SLOW);
	}
	CU_ASSERT(!uring_pace_slow(&p));
	for (i = 0; i < 10; i++) {
		samples(&p, 1, FAST);
		samples(&p, 2, SLOW);
	}
	CU_ASSERT(p.slow);
}

/* Probes come, more and more rarely, but without end. */
static void probes(void)
{
	struct uring_pace p = slow_one();
	unsigned int i, n, last = to_probe(&p);

	CU_ASSERT(last > 0);
	for (i = 0; i < 20; i++) {
		samples(&p, 1, SLOW); /* the probe itself */
		CU_ASSERT(uring_pace_slow(&p));
		n = to_probe(&p);
		CU_ASSERT(n >= last);
		last = n;
	}
	CU_ASSERT_EQUAL(last, 64);
}

/* Asleep all took longer; the probe shows what they take. */
static void fast_again(void)
{
	struct uring_pace p = slow_one();

	CU_ASSERT(to_probe(&p) > 0);
	samples(&p, 1, FAST);
	CU_ASSERT(!uring_pace_slow(&p));
	CU_ASSERT(!p.slow);
	/* Less patient than in the beginning. */
	samples(&p, 4, SLOW);
	CU_ASSERT(uring_pace_slow(&p));
}

/* Fast even with a sleep: no probe is needed. */
static void fast_while_asleep(void)
{
	struct uring_pace p = slow_one();

	samples(&p, 1, FAST);
	CU_ASSERT(!uring_pace_slow(&p) && !p.slow);
}

static const struct test_case cases[] = {
	{"starts_fast", starts_fast}, {"slow_soon", slow_soon},
	{"majority", majority},	      {"probes", probes},
	{"fast_again", fast_again},   {"fast_while_asleep", fast_while_asleep},
};

TEST_MAIN("uring_pace", cases)
