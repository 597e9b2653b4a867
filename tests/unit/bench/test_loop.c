/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's loop, with a target that answers after so many polls, so many at once. */
#include <stdbool.h>
#include <string.h>

#include "../test.h"
#include "tools/bench/loop.h"

#define DEPTH 4
#define IOS   5000u

static unsigned int yields;

/* In the place of the C library's. */
int sched_yield(void)
{
	yields++;
	return 0;
}

/* --- the target --- */

static struct {
	struct run *run;
	unsigned int answers_after; /* polls */
	unsigned int answers_at_once;
	unsigned int polls, completed;
	unsigned int in_flight;
	uint16_t slots[DEPTH];
	unsigned int put, formatted;
	unsigned int published[DEPTH + 1];     /* how often so many together */
	unsigned int refilled_with[DEPTH + 1]; /* in flight when one was put after a look */
	bool looked;
} target;

static void format(struct queue *q, unsigned int slot, enum io_op op)
{
	(void)q;
	target.formatted++;
	CU_ASSERT(slot < DEPTH);
	CU_ASSERT_EQUAL(op, OP_READ);
}

static void put(struct queue *q, unsigned int slot, enum io_op op, uint64_t lba)
{
	(void)q;
	(void)op;
	(void)lba;
	CU_ASSERT_FATAL(target.in_flight < DEPTH);
	if (target.looked)
		target.refilled_with[target.in_flight]++;
	target.looked = false;
	target.put++;
	target.slots[target.in_flight++] = (uint16_t)slot;
}

/* Also of nothing, after a look. */
static void ring(struct queue *q)
{
	(void)q;
	target.published[target.put]++;
	target.put = 0;
}

static int reap(struct queue *q, uint16_t *done, unsigned int max)
{
	unsigned int n = target.answers_at_once, i;

	(void)q;
	CU_ASSERT_FATAL(max > 0 && max <= DEPTH);
	CU_ASSERT_EQUAL(target.put, 0);
	if (target.polls++ < target.answers_after)
		return 0;
	target.polls = 0;
	n = min_t(unsigned int, n, max);
	n = min_t(unsigned int, n, target.in_flight);
	memcpy(done, target.slots, n * sizeof(*done));
	target.in_flight -= n;
	for (i = 0; i < target.in_flight; i++)
		target.slots[i] = target.slots[i + n];
	target.completed += n;
	target.looked = true;
	if (target.completed >= IOS)
		atomic_store(&target.run->phase, PHASE_STOP);
	return (int)n;
}

static const struct path path = {.format = format, .put = put, .ring = ring, .reap = reap};

/* A job of IOS I/Os; what was counted of it goes to *batches. */
static void run_job(const struct options *options, bool preformat, struct batches *batches)
{
	/* Not on the stack, whose alignment not all sanitizers keep. */
	static struct run run;
	static struct job job;
	struct queue queue = {
		.depth = DEPTH, .preformat = preformat, .ring_each = options->batch_submit == 1};

	atomic_store(&run.phase, PHASE_RAMP);
	run.o = options;
	target.run = &run;
	yields = 0;
	CU_ASSERT_FATAL(job_init(&job, &run, 0, NULL) == 0);
	job.queue = &queue;
	job.load = (struct workload){.nblocks = 1000, .lbas_per_block = 8, .op = OP_READ};
	loop_job(&job, &path);
	CU_ASSERT_EQUAL(job.in_flight, 0);
	CU_ASSERT_EQUAL(target.in_flight, 0);
	CU_ASSERT_EQUAL(atomic_load(&job.completed), target.completed);
	CU_ASSERT_STRING_EQUAL(job.error, "");
	*batches = job.batches;
	CU_ASSERT_EQUAL(batches->requests, target.completed);
	CU_ASSERT_EQUAL(batches->completions, target.completed);
	job_fini(&job);
}

/* How often the CPU was given up. */
static unsigned int run_with(unsigned int answers_after)
{
	static const struct options options = {
		.iodepth = DEPTH,
		.batch_submit = 1,
		.batch_complete_min = 1,
		.batch_complete_max = DEPTH,
	};
	struct batches batches;

	memset(&target, 0, sizeof(target));
	target.answers_after = answers_after;
	target.answers_at_once = DEPTH;
	run_job(&options, false, &batches);
	return yields;
}

/* A system call here is measured as the target's latency: no CPU is given up while it answers. */
static void yields_for_slow_targets_only(void)
{
	CU_ASSERT_EQUAL(run_with(100), 0);
	CU_ASSERT(run_with(10000) >= IOS / DEPTH);
}

static void run_pattern(unsigned int submit, unsigned int min, unsigned int max,
			unsigned int at_once, struct batches *batches)
{
	const struct options options = {
		.iodepth = DEPTH,
		.batch_submit = submit,
		.batch_complete_min = min,
		.batch_complete_max = max,
	};

	memset(&target, 0, sizeof(target));
	target.answers_after = 1;
	target.answers_at_once = at_once;
	run_job(&options, false, batches);
}

/* Each by itself, whatever the target gives back at once. */
static void single_submissions(void)
{
	unsigned int at_once, i;

	for (at_once = 1; at_once <= DEPTH; at_once++) {
		struct batches b;

		run_pattern(1, 1, DEPTH, at_once, &b);
		CU_ASSERT_EQUAL(b.publications, b.requests);
		CU_ASSERT_EQUAL(target.published[1], b.requests);
		for (i = 2; i <= DEPTH; i++)
			CU_ASSERT_EQUAL(target.published[i], 0);
		/* All that was there was taken, and the target told so, before the next ones. */
		CU_ASSERT(target.refilled_with[DEPTH - at_once] >= IOS / at_once - DEPTH);
		CU_ASSERT(target.published[0] >= b.looks);
	}
}

static void batched_submissions(void)
{
	struct batches b;

	/* What is given back at once is published at once. */
	run_pattern(DEPTH, 1, DEPTH, 3, &b);
	CU_ASSERT(target.published[3] >= IOS / 3 - DEPTH);
	CU_ASSERT_EQUAL(target.published[1], 0);
	/* At most so many: three are two and one. */
	run_pattern(2, 1, DEPTH, 3, &b);
	CU_ASSERT(target.published[2] >= IOS / 3 - DEPTH);
	CU_ASSERT(target.published[1] >= IOS / 3 - DEPTH);
	CU_ASSERT_EQUAL(target.published[3] + target.published[4], 0);
	CU_ASSERT(b.publications > b.looks && b.publications < b.requests);
}

static void completions_waited_for_and_taken(void)
{
	struct batches b;

	/* Three are waited for. */
	run_pattern(DEPTH, 3, DEPTH, 1, &b);
	CU_ASSERT(target.published[3] >= IOS / 3 - DEPTH);
	CU_ASSERT_EQUAL(target.published[1] + target.published[2], 0);
	/* Of four that are there two are taken. */
	run_pattern(DEPTH, 1, 2, DEPTH, &b);
	CU_ASSERT(target.published[2] >= IOS / 2 - DEPTH);
	CU_ASSERT_EQUAL(target.published[1] + target.published[3], 0);
}

static void formats_each_or_once(void)
{
	static const struct options options = {
		.iodepth = DEPTH,
		.batch_submit = 1,
		.batch_complete_min = 1,
		.batch_complete_max = DEPTH,
	};
	struct batches b;
	int preformat;

	for (preformat = 0; preformat < 2; preformat++) {
		memset(&target, 0, sizeof(target));
		target.answers_at_once = DEPTH;
		run_job(&options, preformat, &b);
		CU_ASSERT_EQUAL(target.formatted, preformat ? DEPTH : target.completed);
	}
}

static const struct test_case cases[] = {
	{"yields_for_slow_targets_only", yields_for_slow_targets_only},
	{"single_submissions", single_submissions},
	{"batched_submissions", batched_submissions},
	{"completions_waited_for_and_taken", completions_waited_for_and_taken},
	{"formats_each_or_once", formats_each_or_once},
};

TEST_MAIN("bench/loop", cases)
