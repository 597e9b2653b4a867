/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_CPU_TIME_H
#define BENCH_CPU_TIME_H

/* The CPU time of processes, from /proc. Main thread. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CPU_TIME_THREADS 256

struct cpu_time {
	bool known;
	double user_s, system_s; /* in clock ticks, mostly of 10 ms */
	uint64_t run_ns;	 /* of its present threads, to the nanosecond; 0: not known */
	/* Its threads: what each has run, and where last. */
	unsigned int nthreads;
	struct {
		pid_t tid;
		uint64_t run_ns;
		int cpu;
	} threads[CPU_TIME_THREADS];
};

/* Of the process; t->known is false if it can't be read. */
void cpu_time_read(pid_t pid, struct cpu_time *t);
/* Where the thread last ran that has run most in between; -1: not known. */
int cpu_time_busiest_cpu(const struct cpu_time *before, const struct cpu_time *after);

#endif
