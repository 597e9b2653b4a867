/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

/* What was measured, and how it is told. Main thread. */

#include <stdbool.h>
#include <stdio.h>

#include "cpu_time.h"
#include "device.h"
#include "hist.h"
#include "machine.h"
#include "options.h"

struct report {
	const struct options *o;
	const struct device *d;
	uint64_t used_bytes; /* of the device */
	double runtime_s;
	double ticks_per_ns;
	struct hist hist[OP_COUNT]; /* latencies in ticks */
	struct batches batches;
	uint64_t least, most; /* I/Os of a target that is not idle */
	bool interrupted;
	/* CPU time while it was measured. */
	double own_user_s, own_system_s;
	bool target_known;
	pid_t target_pid;
	double target_user_s, target_system_s, target_run_s; /* run: 0 if not known */
	int initiator_cpu, target_cpu;			     /* -1: not known */
	struct round_trip round_trip;
	bool has_ceiling;
	struct ceiling ceiling;
	uint64_t verified, unverified; /* blocks that were read */
};

uint64_t report_ios(const struct report *r);
double report_iops(const struct report *r);

void report_text(const struct report *r, FILE *to);
void report_json(const struct report *r, FILE *to);

#endif
