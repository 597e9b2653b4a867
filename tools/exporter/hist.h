/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_HIST_H
#define EXPORTER_HIST_H

/* Histograms of times, with a bucket for each power of two, as stats.get has them. */

#include <jansson.h>
#include <stdint.h>

/* Bounds that Prometheus gets, whatever the values: 2^7 (128 ns) to 2^34 ns (17 s). */
#define HIST_FIRST 7
#define HIST_LAST  34

struct hist {
	uint64_t buckets[64]; /* the i-th: from 2^i ns up to below 2^(i + 1); the first from 0 */
	uint64_t count, sum_ns;
};

/* Adds a member latency_ns, a list of [at least so many ns, count], and the sum. What is no such
 * thing counts nothing. */
void hist_add(struct hist *h, const json_t *list, const json_t *sum_ns);
/* How many took less than 2^i ns. */
uint64_t hist_below(const struct hist *h, unsigned int i);

/* One for each of some texts, in the order of the first hist_of(). Begins as zeroes. */
struct hists {
	json_t *index;
	struct hist_of {
		char *key;
		struct hist hist;
	} * all;
	size_t n, size;
};

/* NULL: out of memory. Valid until the next call. */
struct hist *hists_get(struct hists *hs, const char *key);
void hists_free(struct hists *hs);

#endif
