/* SPDX-License-Identifier: BSD-3-Clause */
/* Pollers that find nothing for long: looked at less often, but only while others have work. */
#include "reactor_test.h"

#define ROUNDS 4000
#define ENOUGH 1000 /* rounds after which an idle poller is known for one */

/* Has work, or none, as `work` says; counts. */
struct counted {
	struct reactor_poller p;
	atomic_uint work;
	uint64_t calls;
};

static struct reactor *r;
static struct counted busy, idle;

/* How often the idle one is called in the next rounds, as the busy one sees it: on the reactor, as
 * hundreds of rounds pass before another thread can look. */
#define WATCHED 100
static struct {
	uint64_t until, from; /* calls of the busy one, and of the idle one */
	atomic_ullong seen;
} watched;

static unsigned int counted_poll(void *arg)
{
	struct counted *c = arg;
	unsigned int work = atomic_load(&c->work);

	c->calls++;
	if (c == &busy && c->calls == watched.until)
		atomic_store(&watched.seen, idle.calls - watched.from);
	return work;
}

static void add(struct counted *c, unsigned int work)
{
	*c = (struct counted){.work = work};
	c->p = (struct reactor_poller){
		.name = "counted", .poll = counted_poll, .arg = c, .idle_ns = REACTOR_NEVER_SLEEP};
	add_poller(r, &c->p);
}

static void begin(unsigned int work)
{
	watched.until = 0; /* what the case before watched is over */
	r = new_reactor(0);
	add(&busy, work);
	add(&idle, 0);
}

static void end(void)
{
	remove_poller(r, &busy.p);
	remove_poller(r, &idle.p);
	reactor_destroy(r);
}

static void rounds(uint64_t n)
{
	uint64_t until = stats_of(r).rounds + n;

	test_watch("poll rounds");
	while (stats_of(r).rounds < until)
		sched_yield();
	test_watch(NULL);
}

struct calls {
	uint64_t busy, idle;
};

static void read_calls(void *arg)
{
	struct calls *c = arg;

	c->busy = busy.calls;
	c->idle = idle.calls;
}

/* Calls in some rounds from now on. */
static struct calls count(void)
{
	struct calls before, after;

	reactor_call(r, read_calls, &before);
	rounds(ROUNDS);
	reactor_call(r, read_calls, &after);
	return (struct calls){after.busy - before.busy, after.idle - before.idle};
}

static void beside_a_busy_one(void)
{
	struct calls c;

	begin(1);
	rounds(ENOUGH);
	c = count();
	/* A round may be under way at either end. */
	CU_ASSERT(c.busy >= ROUNDS);
	CU_ASSERT(c.idle >= c.busy / 4 - 2 && c.idle <= c.busy / 4 + 2);
	end();
}

static void all_idle(void)
{
	struct calls c;

	begin(0);
	rounds(ENOUGH);
	c = count();
	CU_ASSERT(c.idle + 2 >= c.busy && c.idle <= c.busy + 2);
	end();
}

static void begin_watching(void)
{
	watched.from = idle.calls;
	watched.until = busy.calls + WATCHED;
	atomic_store(&watched.seen, 0);
}

static bool has_watched(void *arg)
{
	return atomic_load(&watched.seen);
}

/* After fn(), which begins to watch, the idle one has a turn in each round. */
static void expect_each_round(void (*fn)(void *arg))
{
	reactor_call(r, fn, NULL);
	CU_ASSERT(test_until(has_watched, NULL, 10000));
	CU_ASSERT(atomic_load(&watched.seen) >= WATCHED - 2);
}

static void pause_work(void *arg)
{
	atomic_store(&idle.work, 0);
	begin_watching();
}

/* Work is found, and from then on each round has a look. */
static void work_again(void)
{
	struct calls c;

	begin(1);
	rounds(ENOUGH);
	atomic_store(&idle.work, 1);
	rounds(8);
	c = count();
	CU_ASSERT(c.idle + 2 >= c.busy);
	/* Not at once: it may just have paused. */
	expect_each_round(pause_work);
	end();
}

static void poke(void *arg)
{
	reactor_poller_poke(&idle.p);
	begin_watching();
}

/* Somebody knows that there will be work. */
static void poked(void)
{
	begin(1);
	rounds(ENOUGH);
	expect_each_round(poke);
	end();
}

/* When the busy one has nothing any more, the others have a look in each round. */
static void becomes_idle(void)
{
	struct calls c;

	begin(1);
	rounds(ENOUGH);
	atomic_store(&busy.work, 0);
	rounds(8);
	c = count();
	CU_ASSERT(c.idle + 2 >= c.busy);
	end();
}

static const struct test_case cases[] = {
	{"beside_a_busy_one", beside_a_busy_one},
	{"all_idle", all_idle},
	{"work_again", work_again},
	{"poked", poked},
	{"becomes_idle", becomes_idle},
};

TEST_MAIN("idle_pollers", cases)
