/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

/* A run from the opened devices to its figures. Main thread. */

#include "device.h"
#include "options.h"
#include "report.h"

/*
 * 0 with the report, or -1 after a message. There are o->nsockets devices; their `broken` is set if
 * the targets are not to be talked to any more.
 */
int run_jobs(const struct options *o, struct device **d, struct report *r);

#endif
