/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers: order, cancelling, and starting them again in a callback. */
#include <semaphore.h>

#include "reactor_test.h"

#define MAX_FIRED 256

struct bench {
	struct reactor *r;
	sem_t fired;
	int order[MAX_FIRED];
	uint64_t at_ns[MAX_FIRED];
	int n;
};

struct clockwork {
	struct timer t;
	struct bench *b;
	int id;
	uint64_t delay_ns, started_ns;
	int rearm; /* how often it starts itself again */
	struct clockwork *cancels, *starts;
};

static struct bench *new_bench(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->r = new_reactor(0);
	sem_init(&b->fired, 0, 0);
	return b;
}

static void free_bench(struct bench *b)
{
	reactor_destroy(b->r);
	sem_destroy(&b->fired);
	free(b);
}

static void fire(void *arg)
{
	struct clockwork *c = arg;
	struct bench *b = c->b;

	if (b->n < MAX_FIRED) {
		b->order[b->n] = c->id;
		b->at_ns[b->n++] = time_now_ns();
	}
	if (c->cancels)
		reactor_timer_cancel(&c->cancels->t);
	if (c->starts)
		reactor_timer_start(b->r, &c->starts->t, c->starts->delay_ns);
	if (c->rearm-- > 0)
		reactor_timer_start(b->r, &c->t, c->delay_ns);
	sem_post(&b->fired);
}

static void init(struct clockwork *c, struct bench *b, int id, uint64_t delay_ns)
{
	*c = (struct clockwork){.b = b, .id = id, .delay_ns = delay_ns};
	c->t.fn = fire;
	c->t.arg = c;
}

static void start_fn(void *arg)
{
	struct clockwork *c = arg;

	c->started_ns = time_now_ns();
	reactor_timer_start(c->b->r, &c->t, c->delay_ns);
}

static void cancel_fn(void *arg)
{
	struct clockwork *c = arg;

	reactor_timer_cancel(&c->t);
}

static void start(struct clockwork *c)
{
	reactor_call(c->b->r, start_fn, c);
}

static void cancel(struct clockwork *c)
{
	reactor_call(c->b->r, cancel_fn, c);
}

static void wait_fired(struct bench *b, int n)
{
	test_watch("a timer");
	for (; n; n--)
		while (sem_wait(&b->fired))
			;
	reactor_call(b->r, nothing, NULL); /* what it wrote is seen */
	test_watch(NULL);
}

/* Never early; how late depends on the machine, but not by the length of a test. */
static void not_early(void)
{
	static const uint64_t delays_ns[] = {0,
					     1,
					     1000,
					     100 * NS_PER_US,
					     999999,
					     NS_PER_MS,
					     NS_PER_MS + 1,
					     3 * NS_PER_MS,
					     20 * NS_PER_MS};
	struct bench *b = new_bench();
	size_t i;

	for (i = 0; i < sizeof(delays_ns) / sizeof(delays_ns[0]); i++) {
		struct clockwork c;

		init(&c, b, (int)i, delays_ns[i]);
		start(&c);
		wait_fired(b, 1);
		CU_ASSERT_EQUAL(b->order[i], (int)i);
		CU_ASSERT(b->at_ns[i] - c.started_ns >= delays_ns[i]);
		CU_ASSERT(b->at_ns[i] - c.started_ns < delays_ns[i] + 2 * NS_PER_SEC);
	}
	free_bench(b);
}

/* Started in one message, in another order than that of their deadlines. */
struct batch {
	struct clockwork *c;
	int n;
};

static void start_batch(void *arg)
{
	struct batch *batch = arg;
	int i;

	for (i = 0; i < batch->n; i++)
		start_fn(&batch->c[i]);
}

static void order(void)
{
	static const uint64_t delays_ms[] = {30, 5, 20, 5, 10, 40, 1, 25, 15, 35};
	static const int expected[] = {6, 1, 3, 4, 8, 2, 7, 0, 9, 5};
	enum { N = sizeof(delays_ms) / sizeof(delays_ms[0]) };
	struct bench *b = new_bench();
	struct clockwork c[N];
	struct batch batch = {.c = c, .n = N};
	int i;

	for (i = 0; i < N; i++)
		init(&c[i], b, i, delays_ms[i] * NS_PER_MS);
	reactor_call(b->r, start_batch, &batch);
	wait_fired(b, N);
	for (i = 0; i < N; i++)
		CU_ASSERT_EQUAL(b->order[i], expected[i]);
	free_bench(b);
}

/* All of them due at the same time: in the order in which they were started. */
static void same_deadline(void)
{
	enum { N = 100 };
	struct bench *b = new_bench();
	static struct clockwork c[N];
	struct batch batch = {.c = c, .n = N};
	int i;

	for (i = 0; i < N; i++)
		init(&c[i], b, i, 2 * NS_PER_MS);
	reactor_call(b->r, start_batch, &batch);
	wait_fired(b, N);
	for (i = 0; i < N; i++)
		CU_ASSERT_EQUAL(b->order[i], i);
	free_bench(b);
}

/* The first, one in the middle, the last, one twice, and one that never started. */
static void start_and_cancel(void *arg)
{
	static const int cancelled[] = {0, 2, 4, 4, 5};
	struct clockwork *c = arg;
	size_t i;

	for (i = 0; i < 5; i++)
		start_fn(&c[i]);
	for (i = 0; i < sizeof(cancelled) / sizeof(cancelled[0]); i++)
		cancel_fn(&c[cancelled[i]]);
}

static void cancelling(void)
{
	struct bench *b = new_bench();
	struct clockwork c[6];
	int i;

	for (i = 0; i < 6; i++)
		init(&c[i], b, i, (uint64_t)(i + 5) * NS_PER_MS);
	reactor_call(b->r, start_and_cancel, c);
	wait_fired(b, 2);
	test_sleep_ns(30 * NS_PER_MS);
	reactor_call(b->r, nothing, NULL);
	CU_ASSERT_EQUAL(b->n, 2);
	CU_ASSERT_EQUAL(b->order[0], 1);
	CU_ASSERT_EQUAL(b->order[1], 3);
	cancel(&c[1]); /* it has fired: harmless */
	start(&c[1]);
	wait_fired(b, 1);
	CU_ASSERT_EQUAL(b->n, 3);
	free_bench(b);
}

/* Starting one that runs moves it, and it fires once. */
static void start_and_move(void *arg)
{
	struct clockwork *c = arg;

	start_fn(&c[0]);
	start_fn(&c[1]);
	c[0].delay_ns = 20 * NS_PER_MS;
	start_fn(&c[0]);
}

static void moved(void)
{
	struct bench *b = new_bench();
	struct clockwork c[2];

	init(&c[0], b, 0, 2 * NS_PER_MS);
	init(&c[1], b, 1, 5 * NS_PER_MS);
	reactor_call(b->r, start_and_move, c);
	wait_fired(b, 2);
	CU_ASSERT_EQUAL(b->order[0], 1);
	CU_ASSERT_EQUAL(b->order[1], 0);
	test_sleep_ns(20 * NS_PER_MS);
	reactor_call(b->r, nothing, NULL);
	CU_ASSERT_EQUAL(b->n, 2);
	free_bench(b);
}

static void rearmed_in_callback(void)
{
	struct bench *b = new_bench();
	struct clockwork c, none;
	int i;

	init(&c, b, 0, 2 * NS_PER_MS);
	c.rearm = 9;
	start(&c);
	wait_fired(b, 10);
	for (i = 1; i < 10; i++)
		CU_ASSERT(b->at_ns[i] - b->at_ns[i - 1] >= 2 * NS_PER_MS);
	/* Without any delay it goes round often, and still everything else has its turn. */
	init(&none, b, 1, 0);
	none.rearm = 100;
	start(&none);
	wait_fired(b, 101);
	CU_ASSERT_EQUAL(b->n, 111);
	free_bench(b);
}

/* One that is due at the same time is cancelled by the one before it, and does not fire. */
static void cancelled_in_callback(void)
{
	struct bench *b = new_bench();
	struct clockwork c[3];
	struct batch batch = {.c = c, .n = 3};
	int i;

	for (i = 0; i < 3; i++)
		init(&c[i], b, i, 2 * NS_PER_MS);
	c[0].cancels = &c[1];
	c[2].cancels = &c[2]; /* itself: harmless */
	reactor_call(b->r, start_batch, &batch);
	wait_fired(b, 2);
	test_sleep_ns(10 * NS_PER_MS);
	reactor_call(b->r, nothing, NULL);
	CU_ASSERT_EQUAL(b->n, 2);
	CU_ASSERT_EQUAL(b->order[0], 0);
	CU_ASSERT_EQUAL(b->order[1], 2);
	free_bench(b);
}

static void started_in_callback(void)
{
	struct bench *b = new_bench();
	struct clockwork first, second;

	init(&first, b, 0, NS_PER_MS);
	init(&second, b, 1, 5 * NS_PER_MS);
	first.starts = &second;
	start(&first);
	wait_fired(b, 2);
	CU_ASSERT_EQUAL(b->order[1], 1);
	CU_ASSERT(b->at_ns[1] - b->at_ns[0] >= 5 * NS_PER_MS);
	free_bench(b);
}

/* Longer than the clock goes: it waits, as any other, and does not fire at once. */
static void far_away(void)
{
	static const uint64_t delays_ns[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2,
					     3000000000000000000ULL};
	struct bench *b = new_bench();
	struct clockwork c[4], soon;
	int i;

	for (i = 0; i < 4; i++) {
		init(&c[i], b, i, delays_ns[i]);
		start(&c[i]);
	}
	init(&soon, b, 9, 5 * NS_PER_MS);
	start(&soon);
	wait_fired(b, 1);
	CU_ASSERT_EQUAL(b->order[0], 9);
	test_sleep_ns(5 * NS_PER_MS);
	for (i = 0; i < 4; i++)
		cancel(&c[i]);
	CU_ASSERT_EQUAL(b->n, 1);
	free_bench(b);
}

/* A timer fires on time although a poller always has work, and wakes a reactor that sleeps. */
static unsigned int always_busy(void *arg)
{
	return 1;
}

static void busy_and_asleep(void)
{
	struct bench *b = new_bench();
	struct reactor_poller p = {.name = "busy", .poll = always_busy};
	struct clockwork c;
	uint64_t sleeps;

	init(&c, b, 0, 5 * NS_PER_MS);
	add_poller(b->r, &p);
	start(&c);
	wait_fired(b, 1);
	remove_poller(b->r, &p);
	CU_ASSERT(b->at_ns[0] - c.started_ns < NS_PER_SEC);
	sleeps = stats_of(b->r).sleeps;
	c.delay_ns = 50 * NS_PER_MS;
	start(&c);
	wait_fired(b, 1);
	CU_ASSERT(stats_of(b->r).sleeps > sleeps);
	CU_ASSERT(b->at_ns[1] - c.started_ns >= 50 * NS_PER_MS);
	free_bench(b);
}

/* --- who pays --- */

static struct {
	struct timer timers[2];
	struct reactor_share *payer[2], somebody;
	sem_t over;
} paid;

static void note_payer(void *arg)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;

	paid.payer[i] = reactor_payer();
	/* As who ends a guest's I/O does. */
	reactor_set_payer(&paid.somebody);
	if (i)
		sem_post(&paid.over);
}

static void start_two(void *arg)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		paid.timers[i] = (struct timer){.fn = note_payer, .arg = (void *)(uintptr_t)i};
		reactor_timer_start(arg, &paid.timers[i], 0);
	}
}

/* A timer is not paid for by the guest whose I/O the one before has ended. */
static void payer_of_each(void)
{
	struct reactor *r = new_reactor(0);

	sem_init(&paid.over, 0, 0);
	reactor_call(r, start_two, r);
	test_watch("two timers");
	sem_wait(&paid.over);
	test_watch(NULL);
	CU_ASSERT_PTR_NOT_NULL(paid.payer[1]);
	CU_ASSERT_PTR_EQUAL(paid.payer[0], paid.payer[1]);
	reactor_destroy(r);
	sem_destroy(&paid.over);
}

static const struct test_case cases[] = {
	{"not_early", not_early},
	{"order", order},
	{"same_deadline", same_deadline},
	{"cancelling", cancelling},
	{"moved", moved},
	{"rearmed_in_callback", rearmed_in_callback},
	{"cancelled_in_callback", cancelled_in_callback},
	{"started_in_callback", started_in_callback},
	{"far_away", far_away},
	{"busy_and_asleep", busy_and_asleep},
	{"payer_of_each", payer_of_each},
};

TEST_MAIN("timer", cases)
