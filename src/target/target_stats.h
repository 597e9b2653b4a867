/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_STATS_H
#define TARGET_TARGET_STATS_H

/* All counters, for whoever shows them. Main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_LATENCY_BUCKETS 40 /* the i-th counts those of at least 2^i ns; the first from 0 */

struct target;

struct target_stats_kind {
	const char *name; /* "queue", of a controller; ... */
	const char *const *columns;
	size_t ncolumns;
	bool has_cpu; /* the last column is 1 + the CPU that it is on, or 0: on none */
};

struct target_stats_row {
	const struct target_stats_kind *kind;
	const char *name;
	const uint64_t *values;	    /* of the columns */
	const uint64_t *latency_ns; /* buckets; NULL: it has none */
};

/* Ended by NULL. */
extern const struct target_stats_kind *const target_stats_kinds[];

/* Calls fn for each row of that kind, which is valid during the call. */
typedef void (*target_stats_fn)(void *arg, const struct target_stats_row *row);
void target_visit_stats(const struct target *t, const struct target_stats_kind *kind,
			target_stats_fn fn, void *arg);

#endif
