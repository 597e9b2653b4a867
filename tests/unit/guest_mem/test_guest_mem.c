/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of guest memory: what is added to it, and what is found in it. */
#include <errno.h>
#include <stdint.h>

#include "../test.h"
#include "guest_mem/guest_mem.h"

#define HOST(n) ((void *)(uintptr_t)(n))
#define TOP	UINT64_MAX

static void add_table(void)
{
	/* With [1000h, 3000h) and [10000h, 11000h) in the table. */
	static const struct {
		uint64_t gpa, size;
		int expected;
	} table[] = {
		{0x3000, 0x1000, 0},
		{0x0, 0x1000, 0},
		{0xf000, 0x1000, 0},
		{0x11000, 0x1000, 0},
		{0x3000, 0xd000, 0}, /* fills the gap */
		{0x3000, 0xd001, -EINVAL},
		{0x2fff, 1, -EINVAL},
		{0x2fff, 0x1000, -EINVAL},
		{0x1000, 0x2000, -EINVAL}, /* the same */
		{0x0, 0x1001, -EINVAL},
		{0x0, 0x4000, -EINVAL},	  /* around it */
		{0x1800, 0x100, -EINVAL}, /* inside it */
		{0x0, 0x20000, -EINVAL},  /* around both */
		{0x0, TOP, -EINVAL},
		{0x10fff, 1, -EINVAL},
		{0x5000, 0, -EINVAL},
		{0x1000, 0, -EINVAL},
		{TOP, 0, -EINVAL},
		{TOP, 1, 0}, /* the last byte */
		{TOP, 2, -EINVAL},
		{TOP - 0xfff, 0x1000, 0},
		{TOP - 0xfff, 0x1001, -EINVAL},
		{TOP - 0xffe, 0x1000, -EINVAL},
		{1ull << 63, 1ull << 63, 0},
		{1ull << 63, (1ull << 63) + 1, -EINVAL},
		{0x11000, TOP - 0x11000, 0},
		{0x11000, TOP - 0x10fff, 0},
		{0x11000, TOP - 0x10ffe, -EINVAL},
		{0x12000, TOP, -EINVAL},
		{0x4000, TOP - 0x3fff, -EINVAL}, /* to the top, over the second */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct guest_mem mem = {0};
		int rc;

		CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x1000, 0x2000, HOST(0x100000)), 0);
		CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x10000, 0x1000, HOST(0x200000)), 0);
		rc = guest_mem_add(&mem, table[i].gpa, table[i].size, HOST(0x300000));
		if (rc != table[i].expected)
			printf("# row %zu: %d\n", i, rc);
		CU_ASSERT_EQUAL(rc, table[i].expected);
		CU_ASSERT_EQUAL(mem.nregions, rc ? 2u : 3u);
	}
}

static void full(void)
{
	struct guest_mem mem = {0};
	uint64_t run;
	unsigned int i;

	for (i = 0; i < GUEST_MEM_MAX_REGIONS; i++)
		CU_ASSERT_EQUAL(guest_mem_add(&mem, i * 0x10000u, 0x1000, HOST(i * 0x1000 + 4096)),
				0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x1000000, 0x1000, HOST(1)), -ENOSPC);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x0, 0x1000, HOST(1)), -ENOSPC);
	CU_ASSERT_EQUAL(mem.nregions, (uint32_t)GUEST_MEM_MAX_REGIONS);
	for (i = 0; i < GUEST_MEM_MAX_REGIONS; i++) {
		CU_ASSERT_PTR_EQUAL(guest_mem_run(&mem, i * 0x10000u + 5, &run),
				    HOST(i * 0x1000 + 4096 + 5));
		CU_ASSERT_EQUAL(run, 0x1000 - 5);
	}
	atomic_store(&mem.lost, true);
	guest_mem_clear(&mem);
	CU_ASSERT_EQUAL(mem.nregions, 0);
	CU_ASSERT_FALSE(atomic_load(&mem.lost));
	CU_ASSERT_PTR_NULL(guest_mem_run(&mem, 5, &run));
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x0, 0x1000, HOST(1)), 0);
}

/* Two regions that are neighbours for the guest, another one up to 2^64, and a hole. */
static void lookup_table(void)
{
	static const struct {
		uint64_t gpa, len;
		uintptr_t expected; /* 0: NULL */
	} table[] = {
		{0x1000, 1, 0x100000},
		{0x1000, 0x1000, 0x100000},
		{0x1000, 0x1001, 0}, /* into the neighbour: not one run of host memory */
		{0x1fff, 1, 0x100fff},
		{0x1fff, 2, 0},
		{0x2000, 1, 0x500000},
		{0x2000, 0x3000, 0x500000},
		{0x2000, 0x3001, 0},
		{0x4fff, 1, 0x502fff},
		{0x5000, 1, 0},
		{0xfff, 1, 0},
		{0xfff, 2, 0},
		{0, 1, 0},
		{0, TOP, 0},
		{0x1000, TOP, 0},
		{0x1001, TOP, 0}, /* gpa + len is 1000h again */
		{0x1800, TOP - 0x17ff, 0},
		{TOP, 1, 0x900fff},
		{TOP, 2, 0},
		{TOP, TOP, 0},
		{TOP - 0xfff, 0x1000, 0x900000},
		{TOP - 0xfff, 0x1001, 0},
		{TOP - 0x1000, 1, 0},
		{1ull << 63, 1, 0},
		{0x100001000, 1, 0}, /* not cut off at 32 bits */
	};
	struct guest_mem mem = {0};
	size_t i;

	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x1000, 0x1000, HOST(0x100000)), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x2000, 0x3000, HOST(0x500000)), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, TOP - 0xfff, 0x1000, HOST(0x900000)), 0);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		const void *p = guest_mem_ptr(&mem, table[i].gpa, table[i].len);

		if (p != HOST(table[i].expected))
			printf("# row %zu: %p\n", i, p);
		CU_ASSERT_PTR_EQUAL(p, HOST(table[i].expected));
	}
}

static void runs(void)
{
	static const struct {
		uint64_t gpa, run;
	} table[] = {
		{0x1000, 0x1000}, {0x1001, 0xfff}, {0x1fff, 1}, {0x2000, 0x3000},      {0x4fff, 1},
		{0x5000, 0},	  {0xfff, 0},	   {TOP, 1},	{TOP - 0xfff, 0x1000},
	};
	struct guest_mem mem = {0};
	size_t i;

	CU_ASSERT_EQUAL(guest_mem_add(&mem, TOP - 0xfff, 0x1000, HOST(0x900000)), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x2000, 0x3000, HOST(0x500000)), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0x1000, 0x1000, HOST(0x100000)), 0);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t run = 0;

		CU_ASSERT_EQUAL(!guest_mem_run(&mem, table[i].gpa, &run), !table[i].run);
		CU_ASSERT_EQUAL(run, table[i].run);
	}
}

/* As many as there may be, in an order that is none; every second one goes again. */
static void many(void)
{
	static struct guest_mem mem;
	uint64_t run;
	unsigned int i;

	for (i = 0; i < GUEST_MEM_MAX_REGIONS; i++) {
		uint64_t k = (i * 389u + 7) % GUEST_MEM_MAX_REGIONS;

		CU_ASSERT_EQUAL(guest_mem_add(&mem, k << 20, 1 << 19, HOST((k + 1) << 24)), 0);
	}
	for (i = 0; i < GUEST_MEM_MAX_REGIONS; i += 2)
		guest_mem_remove(&mem, (uint64_t)i << 20);
	guest_mem_remove(&mem, 5); /* nothing begins there */
	CU_ASSERT_EQUAL(mem.nregions, GUEST_MEM_MAX_REGIONS / 2u);
	for (i = 0; i < GUEST_MEM_MAX_REGIONS; i++) {
		uint64_t gpa = (uint64_t)i << 20;
		void *expected = i % 2 ? HOST(((uint64_t)i + 1) << 24) : NULL;

		CU_ASSERT_PTR_EQUAL(guest_mem_run(&mem, gpa, &run), expected);
		CU_ASSERT_PTR_NULL(guest_mem_run(&mem, gpa + (1 << 19), &run));
	}
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0, 1 << 20, HOST(4096)), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0, 1 << 20, HOST(4096)), -EINVAL);
}

/* An index that is remembered over changes of the table never finds what is not there. */
static void near(void)
{
	static struct guest_mem mem;
	uint16_t last = 0;
	uint64_t run;

	CU_ASSERT_PTR_NULL(guest_mem_ptr_near(&mem, 0, 1, &last));
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 0, 4096, HOST(0x10000)), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, 8192, 4096, HOST(0x20000)), 0);
	CU_ASSERT_PTR_EQUAL(guest_mem_run_near(&mem, 8192 + 5, &run, &last), HOST(0x20005));
	CU_ASSERT_EQUAL(run, 4091);
	CU_ASSERT_EQUAL(last, 1);
	CU_ASSERT_PTR_EQUAL(guest_mem_ptr_near(&mem, 4095, 1, &last), HOST(0x10fff));
	CU_ASSERT_PTR_NULL(guest_mem_ptr_near(&mem, 4095, 2, &last));
	CU_ASSERT_PTR_NULL(guest_mem_ptr_near(&mem, 4096, 1, &last));
	CU_ASSERT_PTR_EQUAL(guest_mem_ptr_near(&mem, 8192, 4096, &last), HOST(0x20000));
	guest_mem_remove(&mem, 8192);
	CU_ASSERT_PTR_NULL(guest_mem_ptr_near(&mem, 8192, 1, &last));
	guest_mem_clear(&mem);
	last = 0;
	CU_ASSERT_PTR_NULL(guest_mem_ptr_near(&mem, 0, 1, &last));
}

static const struct test_case cases[] = {
	{"many", many}, {"add_table", add_table}, {"full", full}, {"lookup_table", lookup_table},
	{"runs", runs}, {"near", near},
};

TEST_MAIN("guest_mem", cases)
