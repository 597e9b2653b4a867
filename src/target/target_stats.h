/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_STATS_H
#define TARGET_TARGET_STATS_H

/* All counters, for whoever shows them. Main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_LATENCY_BUCKETS 40 /* the i-th counts those of at least 2^i ns; the first from 0 */

struct target;

struct target_stats_column {
	const char *name;
	const char *doc;
};

struct target_stats_kind {
	const char *name; /* "queue", of a controller; ... */
	const struct target_stats_column *columns;
	size_t ncolumns;
	bool has_cpu;		 /* the last column is 1 + the CPU that it is on, or 0: on none */
	bool has_latency, by_op; /* of its rows: see below */
};

/* How long some took. */
struct target_latency {
	const char *op; /* NULL: of all kinds together */
	uint64_t sum_ns;
	uint64_t buckets[TARGET_LATENCY_BUCKETS];
};

struct target_stats_row {
	const struct target_stats_kind *kind;
	const char *name;
	const uint64_t *values; /* of the columns */
	/* That of all comes first, then with by_op one for each operation; 0: it has none. */
	const struct target_latency *latency;
	unsigned int nlatency;
};

/* Ended by NULL. */
extern const struct target_stats_kind *const target_stats_kinds[];

/* Calls fn for each row of that kind, which is valid during the call. */
typedef void (*target_stats_fn)(void *arg, const struct target_stats_row *row);
void target_visit_stats(const struct target *t, const struct target_stats_kind *kind,
			target_stats_fn fn, void *arg);

#endif
