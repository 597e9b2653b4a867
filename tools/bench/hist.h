/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

/*
 * A histogram of latencies whose buckets are all of the same relative width: 128 for each power of
 * two, so a value is known to 1/128. The unit is the caller's. One thread adds.
 */

#include <stddef.h>
#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_SUB      (1u << HIST_SUB_BITS)
#define HIST_BUCKETS  ((64 - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
	uint64_t count, sum, min, max;
	double sum_squares;
	uint64_t buckets[HIST_BUCKETS];
};

/*
 * Values below 256 have a bucket each; above, the eight leading bits choose it.
 */
static inline unsigned int hist_index(uint64_t value)
{
	unsigned int shift = 63u - (unsigned int)__builtin_clzll(value | HIST_SUB) - HIST_SUB_BITS;

	return (shift << HIST_SUB_BITS) + (unsigned int)(value >> shift);
}

/* count, min and max follow from the buckets and from hist_finish(). */
static inline void hist_add(struct hist *h, uint64_t value)
{
	h->buckets[hist_index(value)]++;
	h->sum += value;
	if (__builtin_expect(value > h->max, 0))
		h->max = value;
}

/* The smallest value of bucket i, and the smallest of the next one (UINT64_MAX behind the last). */
uint64_t hist_bucket_low(unsigned int i);

void hist_reset(struct hist *h);
/* count, min and the squares for the deviation, which adding leaves out. To be called once. */
void hist_finish(struct hist *h);
/* Adds a finished one to a finished one. */
void hist_merge(struct hist *to, const struct hist *from);
/*
 * The value that `part` (0 to 1) of all values do not exceed: the middle of its bucket, but never
 * beyond the extremes. 0 if there are none. Of a finished histogram.
 */
uint64_t hist_percentile(const struct hist *h, double part);
double hist_mean(const struct hist *h);
double hist_stddev(const struct hist *h);

#endif
