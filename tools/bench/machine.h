/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

/* What the machine itself can do: the limits that a run is to be compared with. Main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* 0, or an errno: the calling thread cannot be put on that CPU. */
int machine_pin(int cpu);
/* Whether this process may use the CPU. */
bool machine_may_use(int cpu);

/* Nanoseconds for a cache line to go from one CPU to another and back. */
struct round_trip {
	double ns; /* the middle of many tries; NAN: not measured */
	/* One in a thousand takes longer, the look at the clock for each included; or NAN. */
	double p999_ns;
};

/*
 * Between CPU a and CPU b. NANs after 3 s at most if it can't be measured: the same CPU, or one
 * that can't be used.
 */
void machine_round_trip(int a, int b, struct round_trip *trip);

struct ceiling {
	double copies_per_s; /* of --bs, a second of CPU time */
	double cpu_s;	     /* how long it was measured */
};

/*
 * Copies blocks of --bs between a buffer of `size` bytes, at random offsets, and --iodepth data
 * buffers, in the direction of --rw, on one CPU for about `ns` of its time, and does nothing else.
 * The CPU's own time is counted, since the target may be polling there, too. 0 or -1 after a
 * message.
 */
int machine_ceiling(const struct options *o, int cpu, uint64_t size, uint64_t ns,
		    struct ceiling *c);

#endif
