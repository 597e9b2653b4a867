/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a ring is looked at. The guest is a model and so is the time, which nothing here takes: what
 * is put off, for how long, and what it brings do not depend on the machine.
 */
#include "../tools.h"
#include "reactor/pace.h"

#define STEP_NS	  10  /* of the model's time */
#define LOOK_NS	  50  /* a round of the reactor */
#define NOTICE_NS 200 /* before the guest sees what has completed */
#define HOUR_NS	  (3600 * NS_PER_SEC)

struct model {
	struct pace pace;
	bool always; /* takes whatever a look finds */
	/* The guest: it keeps `depth` in flight, and makes `at_once` known at a time. */
	unsigned int depth, at_once;
	uint64_t submit_ns; /* for each */
	uint64_t now_ns, next_submit_ns, next_look_ns, oldest_ns;
	unsigned int in_ring, to_submit, prepared, completed;
	uint64_t seen_ns; /* when it sees `completed` */
	/* What came of it. */
	uint64_t done, batches, put_off, longest_wait_ns;
};

static void guest(struct model *m)
{
	if (m->completed && m->now_ns >= m->seen_ns) {
		m->to_submit += m->completed;
		m->completed = 0;
	}
	if (!m->to_submit || m->now_ns < m->next_submit_ns)
		return;
	m->to_submit--;
	m->prepared++;
	m->next_submit_ns = m->now_ns + m->submit_ns;
	if (m->prepared < m->at_once && m->to_submit)
		return;
	if (!m->in_ring)
		m->oldest_ns = m->now_ns;
	m->in_ring += m->prepared;
	m->prepared = 0;
}

static bool take(struct model *m)
{
	return m->always || pace_take_plain(&m->pace, m->in_ring) ||
	       pace_take_at(&m->pace, m->in_ring, m->now_ns);
}

static void look(struct model *m)
{
	if (m->now_ns < m->next_look_ns)
		return;
	m->next_look_ns = m->now_ns + LOOK_NS;
	if (!m->in_ring)
		return;
	if (pace_early_at(&m->pace, m->now_ns) || !take(m)) {
		m->put_off++;
		return;
	}
	if (m->now_ns - m->oldest_ns > m->longest_wait_ns)
		m->longest_wait_ns = m->now_ns - m->oldest_ns;
	m->done += m->in_ring;
	m->batches++;
	if (!m->completed)
		m->seen_ns = m->now_ns + NOTICE_NS;
	m->completed += m->in_ring;
	m->in_ring = 0;
}

static void run(struct model *m, uint64_t ns)
{
	uint64_t end_ns = m->now_ns + ns;

	m->done = m->batches = m->put_off = m->longest_wait_ns = 0;
	for (; m->now_ns < end_ns; m->now_ns += STEP_NS) {
		guest(m);
		look(m);
	}
}

static struct model model_of(unsigned int depth, unsigned int at_once, uint64_t submit_ns)
{
	return (struct model){
		.depth = depth,
		.to_submit = depth,
		.at_once = at_once,
		.submit_ns = submit_ns,
		.now_ns = HOUR_NS,
	};
}

/* What the same guest has done without: in the model a look costs nothing. */
static uint64_t done_without(const struct model *m, uint64_t ns)
{
	struct model other = model_of(m->depth, m->at_once, m->submit_ns);

	other.always = true;
	run(&other, NS_PER_MS);
	run(&other, ns);
	return other.done;
}

/* Only measurements put anything off, and each for a microsecond. */
static void one_by_one(void)
{
	struct model m = model_of(1, 1, 100);

	run(&m, 10 * NS_PER_MS);
	run(&m, 20 * NS_PER_MS);
	CU_ASSERT_EQUAL(m.pace.batch, 0);
	CU_ASSERT(pace_one_by_one(&m.pace));
	CU_ASSERT_EQUAL(m.batches, m.done);
	CU_ASSERT(m.done > 10 * PACE_LOOKS_MAX);
	CU_ASSERT(m.put_off <= (m.done / PACE_LOOKS_MAX + 1) * (PACE_SETTLED_NS / LOOK_NS + 1));
	CU_ASSERT(m.longest_wait_ns <= PACE_SETTLED_NS + 2 * LOOK_NS);
}

static void few(void)
{
	struct model m = model_of(PACE_DEPTH_MIN / 2, 1, 150);

	run(&m, 10 * NS_PER_MS);
	CU_ASSERT_EQUAL(m.pace.batch, 0);
	CU_ASSERT(!pace_one_by_one(&m.pace));
	run(&m, 10 * NS_PER_MS);
	CU_ASSERT(m.done >= done_without(&m, 10 * NS_PER_MS) * 98 / 100);
}

/* Half of what is in flight is there at a look, and the guest never runs dry. */
static void many(void)
{
	static const unsigned int depths[] = {PACE_DEPTH_MIN, 32, 64, 128, 256, 1024};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		struct model m = model_of(depths[i], 1, 140);
		unsigned int wanted = min_t(unsigned int, depths[i] / 2, PACE_BATCH_MAX);

		run(&m, NS_PER_MS);
		run(&m, 10 * NS_PER_MS);
		CU_ASSERT_EQUAL(m.pace.batch, wanted);
		CU_ASSERT(m.done > m.batches * wanted * 3 / 4);
		CU_ASSERT(m.done < m.batches * wanted * 5 / 4);
		CU_ASSERT(m.longest_wait_ns <= 2 * PACE_GAP_MAX_NS + PACE_SETTLED_NS);
		CU_ASSERT(m.done >= done_without(&m, 10 * NS_PER_MS) * 97 / 100);
	}
}

/* Of a guest that has so few in a while that they need no spacing, no look is spaced. */
static void slowly(void)
{
	static const uint64_t submit_ns[] = {900, 2000, 20000};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(submit_ns); i++) {
		struct model m = model_of(128, 1, submit_ns[i]);

		run(&m, 5 * NS_PER_MS);
		run(&m, 50 * NS_PER_MS);
		CU_ASSERT(m.longest_wait_ns <= 2 * PACE_GAP_MAX_NS + 2 * PACE_SETTLED_NS);
		CU_ASSERT(m.done >= done_without(&m, 50 * NS_PER_MS) * 97 / 100);
	}
}

/* Who makes many known at a time has the batches already. */
static void together(void)
{
	static const unsigned int depths[] = {8, 32, 64, 128, 256};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		struct model m = model_of(depths[i], 32, 20);

		run(&m, NS_PER_MS);
		run(&m, 10 * NS_PER_MS);
		CU_ASSERT(m.done >= done_without(&m, 10 * NS_PER_MS) * 95 / 100);
	}
}

/* A guest that stops having many in flight is not kept waiting for them. */
static void fewer(void)
{
	struct model m = model_of(128, 1, 140);

	run(&m, 5 * NS_PER_MS);
	CU_ASSERT(m.pace.batch > 0);
	run(&m, m.now_ns / NS_PER_MS % 2 + 20000);
	m.depth = 1;
	m.to_submit = m.completed = m.prepared = 0;
	m.in_ring = 1;
	m.oldest_ns = m.now_ns;
	run(&m, 100 * NS_PER_US);
	CU_ASSERT_EQUAL(m.pace.batch, 0);
	CU_ASSERT(m.longest_wait_ns <= PACE_GAP_MAX_NS + PACE_SETTLED_NS + 2 * LOOK_NS);
	run(&m, 10 * NS_PER_MS);
	CU_ASSERT(pace_one_by_one(&m.pace));
	CU_ASSERT(m.longest_wait_ns <= PACE_SETTLED_NS + 2 * LOOK_NS);
}

/* And one that begins to is noticed at once if two are there at a look. */
static void more(void)
{
	struct model m = model_of(1, 1, 140);

	run(&m, 10 * NS_PER_MS);
	m.depth = 64;
	m.to_submit += 63;
	m.next_submit_ns = 0;
	m.submit_ns = 40;
	run(&m, 200 * NS_PER_US);
	CU_ASSERT_EQUAL(m.pace.batch, 32);
}

/* After a pause of any length nothing is put off that was not already. */
static void after_a_pause(void)
{
	struct model m = model_of(128, 1, 140);

	run(&m, 5 * NS_PER_MS);
	m.now_ns += HOUR_NS;
	CU_ASSERT(!pace_early_at(&m.pace, m.now_ns));
	run(&m, 10 * NS_PER_MS);
	CU_ASSERT_EQUAL(m.pace.batch, PACE_BATCH_MAX);
}

static const struct test_case cases[] = {
	{"one_by_one", one_by_one},
	{"few", few},
	{"many", many},
	{"slowly", slowly},
	{"together", together},
	{"fewer", fewer},
	{"more", more},
	{"after_a_pause", after_a_pause},
};

TEST_MAIN("pace", cases)
