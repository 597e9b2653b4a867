/* SPDX-License-Identifier: BSD-3-Clause */
/* The values of shadowbell-bench's options. */
#include "../test.h"
#include "tools/bench/parse.h"

#define BAD UINT64_MAX

struct text_value {
	const char *text;
	uint64_t value; /* BAD: refused */
};

static void check(const struct text_value *t, size_t n, int (*parse)(const char *, uint64_t *))
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t got = BAD;
		int rc = parse(t[i].text, &got);

		if (got != t[i].value || rc != (t[i].value == BAD ? -1 : 0)) {
			printf("# '%s': %d, %llu\n", t[i].text, rc, (unsigned long long)got);
			CU_FAIL("a value is taken for another");
		}
	}
}

#define CHECK(table, parse) check(table, sizeof(table) / sizeof((table)[0]), parse)

static void numbers(void)
{
	static const struct text_value t[] = {
		{"0", 0},     {"1", 1},	   {"18446744073709551614", BAD - 1},
		{"007", 7},   {"", BAD},   {"-1", BAD},
		{"+1", BAD},  {" 1", BAD}, {"1 ", BAD},
		{"0x1", BAD}, {"1k", BAD}, {"18446744073709551616", BAD},
	};

	CHECK(t, parse_number);
}

static void sizes(void)
{
	static const struct text_value t[] = {
		{"512", 512},
		{"4k", 4096},
		{"4K", 4096},
		{"4kb", 4096},
		{"4KiB", 4096},
		{"4096b", 4096},
		{"1m", 1 << 20},
		{"3g", 3ULL << 30},
		{"2t", 2ULL << 40},
		{"1p", 1ULL << 50},
		{"0", 0},
		{"16383p", 16383ULL << 50},
		{"16384p", BAD}, /* 2^64 */
		{"18446744073709551616", BAD},
		{"", BAD},
		{"k", BAD},
		{"-4k", BAD},
		{"4 k", BAD},
		{"4kk", BAD},
		{"4ib", BAD},
		{"4kbb", BAD},
		{"4e3", BAD},
		{"1.5k", BAD},
		{"0x1000", BAD},
	};

	CHECK(t, parse_size);
}

static void times(void)
{
	static const struct text_value t[] = {
		{"1", 1000000000},
		{"0.5", 500000000},
		{"2s", 2000000000},
		{"1500us", 1500000},
		{"10ms", 10000000},
		{"2m", 120000000000ULL},
		{"1h", 3600000000000ULL},
		{"0", 0},
		{"", BAD},
		{"s", BAD},
		{"-1", BAD},
		{".5", BAD},
		{"1d", BAD},
		{"1 s", BAD},
		{"0x10", BAD},
		{"1e9", BAD},
		{"nan", BAD},
		{"inf", BAD},
		{"99999999999999", BAD},
	};

	CHECK(t, parse_time);
}

static void cpu_lists(void)
{
	static const struct {
		const char *text;
		unsigned int n;
		int cpus[6];
	} t[] = {
		{"0", 1, {0}},
		{"7,1", 2, {7, 1}},
		{"0,2-4", 4, {0, 2, 3, 4}},
		{"3-3,3", 2, {3, 3}},
		{"65535", 1, {65535}},
		{"0-5", 6, {0, 1, 2, 3, 4, 5}},
		{"0-6", 0, {0}}, /* more than there is room for */
		{"", 0, {0}},
		{",", 0, {0}},
		{"1,", 0, {0}},
		{",1", 0, {0}},
		{"1-", 0, {0}},
		{"4-2", 0, {0}},
		{"-1", 0, {0}},
		{"1;2", 0, {0}},
		{"65536", 0, {0}},
		{"1-2-3", 0, {0}},
		{"0-18446744073709551616", 0, {0}},
	};
	size_t i, k;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		unsigned int n = 0;
		int cpus[6] = {0}, rc = parse_cpus(t[i].text, cpus, 6, &n);

		if (rc != (t[i].n ? 0 : -1) || n != t[i].n) {
			printf("# '%s': %d, %u\n", t[i].text, rc, n);
			CU_FAIL("a list is taken for another");
		}
		for (k = 0; k < n; k++)
			CU_ASSERT_EQUAL(cpus[k], t[i].cpus[k]);
	}
}

static const struct test_case cases[] = {
	{"numbers", numbers},
	{"sizes", sizes},
	{"times", times},
	{"cpu_lists", cpu_lists},
};

TEST_MAIN("bench/parse", cases)
