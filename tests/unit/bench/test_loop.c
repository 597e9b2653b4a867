/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's loop, with a target that answers after so many polls. */
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
	unsigned int polls, completed;
	unsigned int in_flight;
	uint16_t slots[DEPTH];
} target;

static void format(struct queue *q, unsigned int slot, enum io_op op)
{
	(void)q;
	CU_ASSERT(slot < DEPTH);
	CU_ASSERT_EQUAL(op, OP_READ);
}

static void put(struct queue *q, unsigned int slot, enum io_op op, uint64_t lba)
{
	(void)q;
	(void)op;
	(void)lba;
	CU_ASSERT_FATAL(target.in_flight < DEPTH);
	target.slots[target.in_flight++] = (uint16_t)slot;
}

static void ring(struct queue *q)
{
	(void)q;
}

static int reap(struct queue *q, uint16_t *done, unsigned int max)
{
	unsigned int n = target.in_flight;

	(void)q;
	CU_ASSERT_FATAL(n <= max);
	if (target.polls++ < target.answers_after)
		return 0;
	target.polls = 0;
	memcpy(done, target.slots, n * sizeof(*done));
	target.in_flight = 0;
	target.completed += n;
	if (target.completed >= IOS)
		atomic_store(&target.run->phase, PHASE_STOP);
	return (int)n;
}

static const struct path path = {.format = format, .put = put, .ring = ring, .reap = reap};

/* How often the CPU was given up in a job of IOS I/Os. */
static unsigned int run_with(unsigned int answers_after)
{
	static const struct options options = {.iodepth = DEPTH};
	/* Not on the stack, whose alignment not all sanitizers keep. */
	static struct run run;
	static struct job job;
	struct queue queue = {.depth = DEPTH};

	atomic_store(&run.phase, PHASE_RAMP);
	run.o = &options;
	memset(&target, 0, sizeof(target));
	target.run = &run;
	target.answers_after = answers_after;
	yields = 0;
	CU_ASSERT_FATAL(job_init(&job, &run, 0) == 0);
	job.queue = &queue;
	job.load = (struct workload){.nblocks = 1000, .lbas_per_block = 8, .op = OP_READ};
	loop_job(&job, &path);
	CU_ASSERT_EQUAL(job.in_flight, 0);
	CU_ASSERT_EQUAL(atomic_load(&job.completed), target.completed);
	CU_ASSERT_STRING_EQUAL(job.error, "");
	job_fini(&job);
	return yields;
}

/* A system call here is measured as the target's latency: no CPU is given up while it answers. */
static void yields_for_slow_targets_only(void)
{
	CU_ASSERT_EQUAL(run_with(100), 0);
	CU_ASSERT(run_with(10000) >= IOS / DEPTH);
}

static const struct test_case cases[] = {
	{"yields_for_slow_targets_only", yields_for_slow_targets_only},
};

TEST_MAIN("bench/loop", cases)
