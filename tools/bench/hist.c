/* SPDX-License-Identifier: BSD-3-Clause */
#include "hist.h"

#include <math.h>
#include <string.h>

uint64_t hist_bucket_low(unsigned int i)
{
	unsigned int shift;

	if (i < 2 * HIST_SUB)
		return i;
	if (i >= HIST_BUCKETS)
		return UINT64_MAX;
	shift = (i >> HIST_SUB_BITS) - 1;
	return (uint64_t)(i - (shift << HIST_SUB_BITS)) << shift;
}

/* Without overflow: the last bucket ends with the largest value. */
static uint64_t middle(unsigned int i)
{
	uint64_t low = hist_bucket_low(i);

	return low + (hist_bucket_low(i + 1) - low) / 2;
}

void hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

void hist_finish(struct hist *h)
{
	unsigned int i;

	h->count = 0;
	h->sum_squares = 0;
	for (i = 0; i < HIST_BUCKETS; i++) {
		uint64_t n = h->buckets[i];

		if (!n)
			continue;
		if (!h->count)
			h->min = middle(i) < h->max ? middle(i) : h->max;
		h->count += n;
		h->sum_squares += (double)n * (double)middle(i) * (double)middle(i);
	}
}

void hist_merge(struct hist *to, const struct hist *from)
{
	unsigned int i;

	if (!from->count)
		return;
	if (!to->count || from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->sum += from->sum;
	to->sum_squares += from->sum_squares;
	for (i = 0; i < HIST_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

static uint64_t clamp(const struct hist *h, uint64_t value)
{
	if (value < h->min)
		return h->min;
	return value > h->max ? h->max : value;
}

uint64_t hist_percentile(const struct hist *h, double part)
{
	uint64_t wanted = (uint64_t)ceil(part * (double)h->count), seen = 0;
	unsigned int i;

	if (!h->count)
		return 0;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && seen >= wanted)
			return clamp(h, middle(i));
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}

double hist_stddev(const struct hist *h)
{
	double mean = hist_mean(h), variance;

	if (!h->count)
		return 0;
	variance = h->sum_squares / (double)h->count - mean * mean;
	return variance > 0 ? sqrt(variance) : 0;
}
