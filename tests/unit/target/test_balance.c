/* SPDX-License-Identifier: BSD-3-Clause */
/* Which queue moves, and where to, by the figures of an interval. */
#include "../test.h"
#include "target/balance.h"
#include "util/util.h"

#define NOBODY BALANCE_NOWHERE

static const bool all[4] = {true, true, true, true};

#define WHOLE	    BALANCE_WHOLE
#define EXPECT(...) expect(__LINE__, __VA_ARGS__)

/* What is expected: a queue and where to, or NOBODY. `loads`: of the reactors, in percent. */
static void expect(int line, const struct balance_queue *q, size_t nq, const unsigned int *loads,
		   uint32_t nreactors, uint32_t queue, uint32_t to)
{
	struct balance_reactor r[4] = {{0}};
	struct balance_choice choice = {.queue = NOBODY, .to = NOBODY};
	uint32_t i;
	bool found;

	for (i = 0; i < nreactors; i++)
		r[i].load = WHOLE / 100 * loads[i];
	found = balance_choose(q, nq, r, nreactors, &choice);
	if (found != (queue != NOBODY) || choice.queue != queue || choice.to != to)
		printf("# line %d: queue %zu to %u\n", line, choice.queue, choice.to);
	CU_ASSERT_EQUAL(found, queue != NOBODY);
	CU_ASSERT_EQUAL(choice.queue, queue);
	CU_ASSERT_EQUAL(choice.to, to);
	if (found)
		CU_ASSERT_EQUAL(choice.from, q[queue].reactor);
}

#define LOADS(...) ((const unsigned int[]){__VA_ARGS__})

static void two_busy_queues(void)
{
	const struct balance_queue q[] = {
		{.reactor = 0, .work = 100, .may = all},
		{.reactor = 0, .work = 120, .may = all},
		{.reactor = 1, .work = 5, .may = all},
	};

	EXPECT(q, 3, LOADS(100, 5), 2, 0, 1);
	EXPECT(q, 3, LOADS(80, 5), 2, NOBODY, NOBODY); /* it has time left */
	EXPECT(q, 3, LOADS(81, 5), 2, 0, 1);
	EXPECT(q, 3, LOADS(100, 35), 2, NOBODY, NOBODY); /* 45 and 35 are not much better */
	EXPECT(q, 3, LOADS(100, 100), 2, NOBODY, NOBODY);
	EXPECT(q, 3, LOADS(0, 100), 2, NOBODY, NOBODY);
	EXPECT(q, 3, LOADS(100), 1, NOBODY, NOBODY);
	EXPECT(q, 0, LOADS(100, 0), 2, NOBODY, NOBODY);
}

static void one_busy_queue_stays(void)
{
	const struct balance_queue q[] = {
		{.reactor = 0, .work = 1000, .may = all},
		{.reactor = 0, .work = 0, .may = all},
		{.reactor = 0, .work = 100, .may = all}, /* a tenth is not worth it */
	};

	EXPECT(q, 3, LOADS(100, 0), 2, NOBODY, NOBODY);
}

/* Many cheap commands are not more work than a few that take long. */
static void time_counts(void)
{
	const struct balance_queue q[] = {
		{.reactor = 0, .work = 50, .may = all},
		{.reactor = 0, .work = 50, .may = all},
		{.reactor = 1, .work = 1000000, .may = all},
	};

	EXPECT(q, 3, LOADS(100, 10), 2, 0, 1);
	EXPECT(q, 3, LOADS(100, 90), 2, NOBODY, NOBODY);
}

/* The one that brings the busier of the two lowest, to the one that is best for it. */
static void best_of_all(void)
{
	const struct balance_queue q[] = {
		{.reactor = 0, .work = 500, .may = all}, {.reactor = 0, .work = 300, .may = all},
		{.reactor = 0, .work = 200, .may = all}, {.reactor = 1, .work = 1, .may = all},
		{.reactor = 2, .work = 1, .may = all},	 {.reactor = 3, .work = 1, .may = all},
	};

	EXPECT(q, 6, LOADS(100, 40, 10, 15), 4, 0, 2); /* 50 and 60 */
	EXPECT(q, 4, LOADS(100, 40), 2, 1, 1);	       /* 70 and 70: the first makes it 90 */
}

/* One that can't be helped does not keep the others from it. */
static void not_only_the_fullest(void)
{
	const struct balance_queue q[] = {
		{.reactor = 0, .work = 1000, .may = all},
		{.reactor = 1, .work = 400, .may = all},
		{.reactor = 1, .work = 400, .may = all},
	};

	EXPECT(q, 3, LOADS(100, 90, 0), 3, 1, 2);
}

static void who_may_not(void)
{
	static const bool only_first[2] = {true, false};
	const struct balance_queue bound[] = {
		{.reactor = 0, .work = 100, .may = only_first},
		{.reactor = 0, .work = 100, .may = only_first},
	};
	const struct balance_queue fixed[] = {
		{.reactor = 0, .work = 100, .may = all, .fixed = true},
		{.reactor = 0, .work = 90, .may = all},
	};
	const struct balance_queue gone[] = {
		{.reactor = NOBODY, .work = 100, .may = all},
		{.reactor = 0, .work = 100, .may = all},
	};

	EXPECT(bound, 2, LOADS(100, 0), 2, NOBODY, NOBODY);
	EXPECT(fixed, 2, LOADS(100, 0), 2, 1, 1);
	EXPECT(gone, 2, LOADS(100, 0), 2, NOBODY, NOBODY);
}

/* The loads that come of queues that need so much of a reactor's time. */
static void measure(const struct balance_queue *q, size_t n, struct balance_reactor *r, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		r[i].load = 0;
	for (i = 0; i < n; i++)
		r[q[i].reactor].load += (uint32_t)q[i].work;
}

/* Sooner or later there is nothing to choose, so that no queue goes to and fro for ever. */
static void settles(void)
{
	uint64_t seed = 1;
	unsigned int round, i, moved = 0;

	for (round = 0; round < 1000; round++) {
		struct balance_reactor r[3];
		struct balance_queue q[8];
		struct balance_choice choice;

		for (i = 0; i < ARRAY_SIZE(q); i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			q[i] = (struct balance_queue){
				.reactor = (uint32_t)(seed >> 33) % 3,
				.work = (seed >> 40) % (WHOLE / 3),
				.may = all,
			};
		}
		measure(q, ARRAY_SIZE(q), r, 3);
		for (i = 0; balance_choose(q, ARRAY_SIZE(q), r, 3, &choice) && i < 50; i++) {
			CU_ASSERT_NOT_EQUAL_FATAL(choice.to, choice.from);
			q[choice.queue].reactor = choice.to;
			measure(q, ARRAY_SIZE(q), r, 3);
		}
		CU_ASSERT(i < 50);
		moved += i;
	}
	CU_ASSERT(moved > 100);
}

/* --- places --- */

/* A look at two queues of controller 7 and one of controller 8; the first was chosen last. */
static void see(struct balance_place q[3], bool just_moved, uint32_t a, uint32_t b, uint32_t c)
{
	balance_see_place(&q[0], &q[0], just_moved, a);
	balance_see_place(&q[1], &q[0], just_moved, b);
	balance_see_place(&q[2], &q[0], just_moved, c);
}

static void begin_places(struct balance_place q[3])
{
	int i;

	for (i = 0; i < 3; i++)
		q[i] = (struct balance_place){.controller = i < 2 ? 7 : 8,
					      .reactor = BALANCE_NOWHERE};
	see(q, false, 0, 0, 0);
	q[0].stays = 30; /* it was moved */
	q[1].stays = 5;
}

#define EXPECT_FIXED(q, a, b, c)                                                                   \
	do {                                                                                       \
		CU_ASSERT_EQUAL(balance_is_fixed(&(q)[0]), a);                                     \
		CU_ASSERT_EQUAL(balance_is_fixed(&(q)[1]), b);                                     \
		CU_ASSERT_EQUAL(balance_is_fixed(&(q)[2]), c);                                     \
	} while (0)

static void new_ones_may_move(void)
{
	struct balance_place q[3];

	begin_places(q);
	EXPECT_FIXED(q, true, true, false);
	/* Deleted, and made again. */
	see(q, false, BALANCE_NOWHERE, 0, 0);
	EXPECT_FIXED(q, false, true, false);
	see(q, false, 1, 0, 0);
	EXPECT_FIXED(q, false, true, false);
	/* The same between two looks. */
	see(q, false, 1, 1, 0);
	EXPECT_FIXED(q, false, false, false);
	CU_ASSERT_EQUAL(q[0].reactor, 1);
	CU_ASSERT_EQUAL(q[1].reactor, 1);
	CU_ASSERT_EQUAL(q[2].reactor, 0);
}

/* With the one that was moved another one came along: they have their completion queue in common.
 */
static void shared_ones_stay(void)
{
	struct balance_place q[3];

	begin_places(q);
	see(q, true, 1, 1, 0);
	CU_ASSERT(q[0].shares && q[1].shares && !q[2].shares);
	q[0].stays = 0;
	see(q, false, 1, 1, 0);
	EXPECT_FIXED(q, true, true, false);
	/* Until the guest makes them anew. */
	see(q, false, 1, BALANCE_NOWHERE, 0);
	EXPECT_FIXED(q, true, false, false);
	see(q, false, BALANCE_NOWHERE, 0, 0);
	EXPECT_FIXED(q, false, false, false);
}

/* Only that one, or one of another controller that was made anew: they have nothing in common. */
static void others_do_not_share(void)
{
	struct balance_place q[3];

	begin_places(q);
	see(q, true, 1, 0, 0);
	CU_ASSERT(!q[0].shares && !q[1].shares && !q[2].shares);
	see(q, true, 1, 0, 1);
	CU_ASSERT(!q[0].shares && !q[1].shares && !q[2].shares);
	EXPECT_FIXED(q, true, true, false);
}

static const struct test_case cases[] = {
	{"two_busy_queues", two_busy_queues},
	{"one_busy_queue_stays", one_busy_queue_stays},
	{"time_counts", time_counts},
	{"best_of_all", best_of_all},
	{"not_only_the_fullest", not_only_the_fullest},
	{"who_may_not", who_may_not},
	{"settles", settles},
	{"new_ones_may_move", new_ones_may_move},
	{"shared_ones_stay", shared_ones_stay},
	{"others_do_not_share", others_do_not_share},
};

TEST_MAIN("balance", cases)
