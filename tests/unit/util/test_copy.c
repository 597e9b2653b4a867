/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of all sizes and alignments, either way. */
#include "util/copy.h"

#include <stdlib.h>

#include "../tools.h"

#define LINE  64u
#define BYTES (128u << 10)
#define GUARD 0xee

static uint8_t from[BYTES + 2 * LINE] __attribute__((aligned(64)));
static uint8_t to[BYTES + 4 * LINE] __attribute__((aligned(64)));

/* Compares, and looks at what stands before and behind. */
static bool copies(size_t to_offset, size_t from_offset, size_t len)
{
	uint8_t *at = to + LINE + to_offset;
	size_t i;

	memset(at - LINE, GUARD, len + 2 * LINE);
	copy_bytes(at, from + from_offset, len);
	for (i = 0; i < LINE; i++)
		if (at[-1 - (ptrdiff_t)i] != GUARD || at[len + i] != GUARD)
			return false;
	return !memcmp(at, from + from_offset, len);
}

static void all(void)
{
	static const size_t around[] = {512, 1024, 2048, COPY_STRING_MIN, 8192, 65536};
	uint64_t seed = 1;
	size_t i, k, len;

	for (i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)test_random(&seed);
	for (len = 0; len < 3 * LINE; len++)
		for (k = 0; k < LINE; k++)
			CU_ASSERT(copies(k, 0, len) && copies(0, k, len));
	for (i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		for (len = around[i] - 2; len <= around[i] + 2; len++)
			for (k = 0; k < LINE; k++)
				CU_ASSERT(copies(k, 0, len) && copies(0, k, len) &&
					  copies(k, k, len));
	CU_ASSERT(copies(0, 0, BYTES) && copies(1, 0, BYTES) && copies(0, 1, BYTES));
}

static void by_memcpy(void)
{
	copy_by_string = false;
	all();
}

static void by_string(void)
{
	copy_by_string = true; /* any x86 CPU can, if not fast */
	all();
}

static void init(void)
{
	copy_by_string = false;
	copy_init();
	all();
	printf("# by a string instruction: %s\n", copy_by_string ? "yes" : "no");
}

static const struct test_case cases[] = {
	{"by_memcpy", by_memcpy},
	{"by_string", by_string},
	{"init", init},
};

TEST_MAIN("copy", cases)
