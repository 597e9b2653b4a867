/* SPDX-License-Identifier: BSD-3-Clause */
/* Which CPUs a thread, and those that it makes, may use, and how long their turns are. */
#include "util/cpu_use.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "../tools.h"

/* Each case has a thread of its own, so that the others keep their CPUs. */
static void in_thread(void *(*fn)(void *))
{
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_join(thread, NULL);
}

static void *expect_left(void *arg)
{
	unsigned int cpu = *(unsigned int *)arg;

	CU_ASSERT_FALSE(cpu_use_includes((int)cpu));
	CU_ASSERT_NOT_EQUAL(sched_getcpu(), (int)cpu);
	return NULL;
}

static void *leave_one(void *arg)
{
	unsigned int cpu = (unsigned int)test_cpu(0), n = cpu_use_count();
	pthread_t thread;

	(void)arg;
	CU_ASSERT(cpu_use_includes((int)cpu));
	CU_ASSERT(cpu_use_leave(&cpu, 1));
	CU_ASSERT_EQUAL(cpu_use_count(), n - 1);
	expect_left(&cpu);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, expect_left, &cpu), 0);
	pthread_join(thread, NULL);
	return NULL;
}

static void *leave_all(void *arg)
{
	static unsigned int cpus[CPU_SETSIZE];
	unsigned int i, n = cpu_use_count();

	(void)arg;
	for (i = 0; i < CPU_SETSIZE; i++)
		cpus[i] = i;
	CU_ASSERT_FALSE(cpu_use_leave(cpus, CPU_SETSIZE));
	CU_ASSERT_EQUAL(cpu_use_count(), n);
	CU_ASSERT(cpu_use_includes(test_cpu(0)));
	return NULL;
}

static void leaves(void)
{
	if (cpu_use_count() < 2) {
		snprintf(test_skip_reason, sizeof(test_skip_reason), "it takes two CPUs");
		return;
	}
	in_thread(leave_one);
}

static void stays(void)
{
	in_thread(leave_all);
}

/* Of the calling thread, in nanoseconds; 0: the kernel does not say. */
static uint64_t turn_ns(void)
{
	uint64_t attr[6] = {sizeof(attr)}; /* struct sched_attr; the fourth is sched_runtime */

	return syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0) ? 0 : attr[3];
}

static void *ask_for_short_turns(void *arg)
{
	uint64_t before = turn_ns();

	(void)arg;
	cpu_use_short_turns();
	/* Linux before 6.12 says 0 for each. */
	CU_ASSERT(turn_ns() == 100000 || !before);
	return NULL;
}

static void short_turns(void)
{
	uint64_t before = turn_ns();

	in_thread(ask_for_short_turns);
	CU_ASSERT_EQUAL(turn_ns(), before);
}

static const struct test_case cases[] = {
	{"leaves", leaves},
	{"stays", stays},
	{"short_turns", short_turns},
};

TEST_MAIN("cpu_use", cases)
