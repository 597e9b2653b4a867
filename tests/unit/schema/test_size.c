/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/size.h"

#include <errno.h>

#include "tests/unit/test.h"

static void fail(const char *input, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "'%s': %s", input, what);
	CU_assertImplementation(CU_FALSE, __LINE__, text, __FILE__, "", CU_FALSE);
}

static void good_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{"0", 0},
		{"1", 1},
		{"512", 512},
		{"18446744073709551615", UINT64_MAX},
		{"1KiB", 1024},
		{"1 KiB", 1024},
		{"64MiB", UINT64_C(64) << 20},
		{"3GiB", UINT64_C(3) << 30},
		{"1TiB", UINT64_C(1) << 40},
		{"16777215TiB", UINT64_C(16777215) << 40},
		{"18014398509481983KiB", UINT64_C(18014398509481983) << 10},
		{"0TiB", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *problem = NULL;
		uint64_t bytes = 42;

		if (schema_size_parse(rows[i].text, &bytes, &problem) != 0)
			fail(rows[i].text, "refused");
		else if (bytes != rows[i].bytes)
			fail(rows[i].text, "another value");
	}
}

static void bad_sizes(void)
{
	static const struct {
		const char *text;
		int rc;
		const char *problem;
	} rows[] = {
		{"", -EINVAL, "is not a size"},
		{"x", -EINVAL, "is not a size"},
		{"MiB", -EINVAL, "is not a size"},
		{" 1MiB", -EINVAL, "is not a size"},
		{"+1MiB", -EINVAL, "is not a size"},
		{"-1", -EINVAL, "is negative"},
		{"-64MiB", -EINVAL, "is negative"},
		{"0x10", -EINVAL, "has an unknown unit"},
		{"010", -EINVAL, "has a leading zero"},
		{"00", -EINVAL, "has a leading zero"},
		{"1.5GiB", -EINVAL, "has a fraction"},
		{"1,5GiB", -EINVAL, "has a fraction"},
		{"64MB", -EINVAL, "has an unknown unit (did you mean MiB?)"},
		{"64M", -EINVAL, "has an unknown unit (did you mean MiB?)"},
		{"64mib", -EINVAL, "has an unknown unit (did you mean MiB?)"},
		{"64kB", -EINVAL, "has an unknown unit (did you mean KiB?)"},
		{"64Gi", -EINVAL, "has an unknown unit (did you mean GiB?)"},
		{"1t", -EINVAL, "has an unknown unit (did you mean TiB?)"},
		{"1PiB", -EINVAL, "has an unknown unit"},
		{"1MiB ", -EINVAL, "has an unknown unit"},
		{"1  MiB", -EINVAL, "has an unknown unit"},
		{"1MiB1", -EINVAL, "has an unknown unit"},
		{"1 ", -EINVAL, "has an unknown unit"},
		{"1e6", -EINVAL, "has an unknown unit"},
		{"1_000", -EINVAL, "has an unknown unit"},
		{"18446744073709551616", -ERANGE, "is too large"},
		{"99999999999999999999999999999999999999999", -ERANGE, "is too large"},
		{"99999999999999999999999999999999999999999KiB", -ERANGE, "is too large"},
		{"16777216TiB", -ERANGE, "is too large"},
		{"17179869184GiB", -ERANGE, "is too large"},
		{"17592186044416MiB", -ERANGE, "is too large"},
		{"18014398509481984KiB", -ERANGE, "is too large"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *problem = NULL;
		uint64_t bytes = 42;
		int rc = schema_size_parse(rows[i].text, &bytes, &problem);

		if (rc != rows[i].rc || bytes != 42)
			fail(rows[i].text, rc ? "another error code" : "accepted");
		else if (strcmp(problem, rows[i].problem) != 0)
			fail(rows[i].text, problem);
	}
}

static void numbers(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
		size_t used;
	} rows[] = {
		{"0", 0, 0, 1},
		{"7-9", 0, 7, 1},
		{"18446744073709551615", 0, UINT64_MAX, 20},
		{"18446744073709551616", -ERANGE, 42, 20},
		{"28446744073709551615", -ERANGE, 42, 20},
		{"", -EINVAL, 42, 0},
		{"-1", -EINVAL, 42, 0},
		{"01", -EINVAL, 42, 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *end = NULL;
		uint64_t value = 42;
		int rc = schema_number_parse(rows[i].text, &value, &end);

		if (rc != rows[i].rc || value != rows[i].value ||
		    end != rows[i].text + rows[i].used)
			fail(rows[i].text, "wrong code, value or end");
	}
}

/* What is printed as a limit can be typed in. */
static void format_round_trip(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{0, "0"},
		{512, "512"},
		{1024, "1KiB"},
		{1536, "1536"},
		{UINT64_C(3) << 19, "1536KiB"},
		{UINT64_C(1) << 40, "1TiB"},
		{UINT64_C(1) << 62, "4194304TiB"},
		{UINT64_MAX, "18446744073709551615"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *problem;
		uint64_t bytes = 42;

		CU_ASSERT_STRING_EQUAL(SCHEMA_SIZE(rows[i].bytes), rows[i].text);
		CU_ASSERT_EQUAL(schema_size_parse(rows[i].text, &bytes, &problem), 0);
		CU_ASSERT_EQUAL(bytes, rows[i].bytes);
	}
}

static const struct test_case cases[] = {
	{"good_sizes", good_sizes},
	{"bad_sizes", bad_sizes},
	{"numbers", numbers},
	{"format_round_trip", format_round_trip},
};

TEST_MAIN("schema_size", cases)
