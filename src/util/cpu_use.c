/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/cpu_use.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than any kernel has. */
#define CPUS_MAX 8192

/* The shortest that the kernel takes. */
#define SHORT_TURN_NS 100000

/* As linux/sched/types.h has it, which does not go together with sched.h; the first version. */
struct turns {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

bool cpu_use_leave(const unsigned int *cpus, size_t n)
{
	const size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	bool left = false;
	size_t i;

	if (!set)
		return false;
	if (sched_getaffinity(0, size, set) == 0) {
		for (i = 0; i < n; i++)
			CPU_CLR_S(cpus[i], size, set);
		left = CPU_COUNT_S(size, set) && sched_setaffinity(0, size, set) == 0;
	}
	CPU_FREE(set);
	return left;
}

bool cpu_use_includes(int cpu)
{
	const size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	bool includes;

	if (!set)
		return true;
	includes = sched_getaffinity(0, size, set) < 0 || CPU_ISSET_S((size_t)cpu, size, set);
	CPU_FREE(set);
	return includes;
}

unsigned int cpu_use_count(void)
{
	const size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	int n = 0;

	if (set && sched_getaffinity(0, size, set) == 0)
		n = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return n > 0 ? (unsigned int)n : 1;
}

void cpu_use_short_turns(void)
{
	struct turns turns = {.size = sizeof(turns)};

	if (syscall(SYS_sched_getattr, 0, &turns, sizeof(turns), 0) || turns.policy != SCHED_OTHER)
		return;
	turns.flags = 0;
	turns.runtime = SHORT_TURN_NS;
	syscall(SYS_sched_setattr, 0, &turns, 0);
}
