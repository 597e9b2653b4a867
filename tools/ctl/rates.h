/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_RATES_H
#define CTL_RATES_H

/* What happened between two answers of stats.get. */

#include <jansson.h>

/*
 * Rows, a new list of mappings: `kind` ("controller", "queue", "bdev", "reactor") and `name`; of
 * those with I/O `iops`, `reads`, `writes` (a second), `mb` (10^6 bytes a second), `mean_us`,
 * `p99_us` (null: none was timed), `depth` (commands that were in flight, on average); of reactors
 * `busy` (per cent). What the answers don't have is null. Queues without I/O are left out.
 */
json_t *ctl_rates(const json_t *before, const json_t *now, double seconds);

#endif
