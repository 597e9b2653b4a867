/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_METRICS_H
#define EXPORTER_METRICS_H

/* What the daemon said, as Prometheus' text format 0.0.4. */

#include "ask.h"
#include "table.h"
#include "text.h"

/* Of the exporter itself. */
struct metrics_own {
	uint64_t scrapes, failures;
	uint64_t took_ns; /* the last answer of the daemon, or the wait for it */
};

/*
 * Writes all metrics; with an `ask` that failed only those of the exporter, and shadowbell_up is 0.
 * `queue_latency`: with a histogram for each queue.
 */
void metrics_write(struct text *t, const struct ask *ask, const struct metrics_own *own,
		   bool queue_latency);

#endif
