/* SPDX-License-Identifier: BSD-3-Clause */
/* The latency histogram: its buckets, and what it says of values that are known. */
#include <math.h>
#include <stdbool.h>

#include "../test.h"
#include "tools/bench/hist.h"

static struct hist h, other;

/* Each value is in the bucket whose bounds it lies between, and no bucket is wider than 1/128. */
static void check_value(uint64_t v)
{
	unsigned int i = hist_index(v);
	uint64_t low, next;

	CU_ASSERT_FATAL(i < HIST_BUCKETS);
	low = hist_bucket_low(i);
	next = hist_bucket_low(i + 1);
	CU_ASSERT(low <= v);
	CU_ASSERT(v < next || next == UINT64_MAX);
	CU_ASSERT(next - low <= 1 || next - low <= low / 127);
}

static void buckets(void)
{
	unsigned int bit, i;
	uint64_t v;

	for (v = 0; v < 5000; v++)
		check_value(v);
	for (bit = 12; bit < 64; bit++) {
		check_value((1ULL << bit) - 1);
		check_value(1ULL << bit);
		check_value((1ULL << bit) + 1);
	}
	check_value(UINT64_MAX);
	CU_ASSERT_EQUAL(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
	for (i = 0; i + 1 < HIST_BUCKETS; i++) {
		if (hist_index(hist_bucket_low(i)) != i)
			CU_FAIL("a bucket does not begin with itself");
		if (hist_bucket_low(i) >= hist_bucket_low(i + 1))
			CU_FAIL("buckets are out of order");
	}
}

static bool near(double got, double want)
{
	return fabs(got - want) <= want * 0.01;
}

static void percentiles(void)
{
	uint64_t v;

	hist_reset(&h);
	for (v = 1; v <= 100000; v++)
		hist_add(&h, v * 7);
	hist_finish(&h);
	CU_ASSERT_EQUAL(h.count, 100000);
	CU_ASSERT_EQUAL(h.max, 700000);
	CU_ASSERT_EQUAL(h.min, 7);
	CU_ASSERT(fabs(hist_mean(&h) - 350003.5) < 0.001);
	CU_ASSERT(near((double)hist_percentile(&h, 0.5), 350000));
	CU_ASSERT(near((double)hist_percentile(&h, 0.99), 693000));
	CU_ASSERT(near((double)hist_percentile(&h, 0.9999), 699930));
	CU_ASSERT(hist_percentile(&h, 1) <= h.max);
	CU_ASSERT(near(hist_stddev(&h), 7 * 100000 / sqrt(12)));
}

/* The one slow I/O of many is in the last percentile and in no other. */
static void outlier(void)
{
	int i;

	hist_reset(&h);
	for (i = 0; i < 9999; i++)
		hist_add(&h, 100);
	hist_add(&h, 1ULL << 50);
	hist_finish(&h);
	CU_ASSERT_EQUAL(hist_percentile(&h, 0.5), 100);
	CU_ASSERT_EQUAL(hist_percentile(&h, 0.9999), 100);
	CU_ASSERT(near((double)hist_percentile(&h, 0.99991), (double)(1ULL << 50)));
	CU_ASSERT_EQUAL(h.max, 1ULL << 50);
}

static void none_and_one(void)
{
	hist_reset(&h);
	hist_finish(&h);
	CU_ASSERT_EQUAL(h.count, 0);
	CU_ASSERT_EQUAL(hist_percentile(&h, 0.5), 0);
	CU_ASSERT_EQUAL(hist_mean(&h), 0);
	CU_ASSERT_EQUAL(hist_stddev(&h), 0);
	hist_add(&h, 123456789);
	hist_finish(&h);
	CU_ASSERT_EQUAL(h.count, 1);
	CU_ASSERT_EQUAL(h.max, 123456789);
	CU_ASSERT(h.min <= h.max && near((double)h.min, 123456789));
	/* Never beyond what there was. */
	CU_ASSERT(hist_percentile(&h, 0.0001) <= h.max);
	CU_ASSERT(hist_percentile(&h, 0.9999) <= h.max);
}

static void merging(void)
{
	hist_reset(&h);
	hist_reset(&other);
	hist_finish(&h);
	hist_add(&other, 10);
	hist_add(&other, 30);
	hist_finish(&other);
	hist_merge(&h, &other); /* into an empty one */
	CU_ASSERT_EQUAL(h.count, 2);
	CU_ASSERT_EQUAL(h.min, 10);
	CU_ASSERT_EQUAL(h.max, 30);
	hist_reset(&other);
	hist_finish(&other);
	hist_merge(&h, &other); /* an empty one */
	CU_ASSERT_EQUAL(h.count, 2);
	CU_ASSERT_EQUAL(h.min, 10);
	hist_reset(&other);
	hist_add(&other, 5);
	hist_add(&other, 200);
	hist_finish(&other);
	hist_merge(&h, &other);
	CU_ASSERT_EQUAL(h.count, 4);
	CU_ASSERT_EQUAL(h.min, 5);
	CU_ASSERT_EQUAL(h.max, 200);
	CU_ASSERT_EQUAL(hist_mean(&h), 245.0 / 4);
	CU_ASSERT_EQUAL(hist_percentile(&h, 0.5), 10);
}

static const struct test_case cases[] = {
	{"buckets", buckets},		{"percentiles", percentiles}, {"outlier", outlier},
	{"none_and_one", none_and_one}, {"merging", merging},
};

TEST_MAIN("bench/hist", cases)
