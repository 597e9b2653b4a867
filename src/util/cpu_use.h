/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_CPU_USE_H
#define UTIL_CPU_USE_H

/*
 * Where the calling thread runs, and when; threads that it makes later take that over. What the
 * kernel refuses stays as it was. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * It uses others of the CPUs that it may use than these. False: there are no others, and nothing
 * was changed.
 */
bool cpu_use_leave(const unsigned int *cpus, size_t n);

/* Whether it may run on this CPU. */
bool cpu_use_includes(int cpu);

/* On how many it may run, at least 1. */
unsigned int cpu_use_count(void);

/*
 * It has as much of a CPU as others with its nice value, but in shorter turns, and so sooner: for
 * work that is short, and waited for (from Linux 6.12 on; see sched_setattr(2), sched_runtime).
 */
void cpu_use_short_turns(void);

#endif
