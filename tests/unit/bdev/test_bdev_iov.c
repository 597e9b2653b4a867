/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/bdev_iov.h"

#include "../test.h"

static char mem[32] = "abcdefghijklmnopqrstuvwxyz";
/* "abc", "", "defgh", "", "", "i" */
static const struct iovec iov[] = {{mem, 3},  {mem, 0}, {mem + 3, 5},
				   {NULL, 0}, {mem, 0}, {mem + 8, 1}};
#define CNT 6

static void copy(void)
{
	struct bdev_iov_pos pos = {0};
	char buf[10] = "";

	bdev_iov_copy(iov, CNT, &pos, buf, 2, BDEV_IOV_TO_BUF);
	CU_ASSERT_STRING_EQUAL(buf, "ab");
	bdev_iov_copy(iov, CNT, &pos, buf, 4, BDEV_IOV_TO_BUF);
	CU_ASSERT_STRING_EQUAL(buf, "cdef");
	bdev_iov_copy(iov, CNT, &pos, buf, 3, BDEV_IOV_TO_BUF);
	CU_ASSERT(!memcmp(buf, "ghi", 3));
	/* At the end: nothing more. */
	buf[0] = '!';
	bdev_iov_copy(iov, CNT, &pos, buf, 1, BDEV_IOV_TO_BUF);
	CU_ASSERT_EQUAL(buf[0], '!');
}

static void copy_back(void)
{
	char a[4] = "....", b[4] = "....", c[] = "123456";
	struct iovec two[] = {{a, 3}, {b, 2}};
	struct bdev_iov_pos pos = {0};

	bdev_iov_copy(two, 2, &pos, c, 1, BDEV_IOV_FROM_BUF);
	bdev_iov_copy(two, 2, &pos, c + 1, 4, BDEV_IOV_FROM_BUF);
	CU_ASSERT(!memcmp(a, "123.", 4) && !memcmp(b, "45..", 4));
}

static void advance(void)
{
	static const struct {
		size_t len;
		uint32_t seg;
		size_t offset;
	} rows[] = {{0, 0, 0}, {2, 0, 2}, {3, 2, 0}, {4, 2, 1},
		    {7, 2, 4}, {8, 5, 0}, {9, 6, 0}, {100, 6, 0}};
	struct bdev_iov_pos pos;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pos = (struct bdev_iov_pos){0};
		bdev_iov_advance(iov, CNT, &pos, rows[i].len);
		CU_ASSERT_EQUAL(pos.seg, rows[i].seg);
		CU_ASSERT_EQUAL(pos.offset, rows[i].offset);
	}
}

static void equal(void)
{
	struct bdev_iov_pos pos = {0};

	CU_ASSERT(bdev_iov_equal(iov, CNT, &pos, "abcd", 4));
	CU_ASSERT(bdev_iov_equal(iov, CNT, &pos, "efghi", 5));
	pos = (struct bdev_iov_pos){0};
	CU_ASSERT(!bdev_iov_equal(iov, CNT, &pos, "abcdefghX", 9));
	pos = (struct bdev_iov_pos){0};
	CU_ASSERT(!bdev_iov_equal(iov, CNT, &pos, "X", 1));
}

static void aligned(void)
{
	static const struct {
		uintptr_t base;
		size_t len;
		uint32_t mem, lens;
		bool expected;
	} rows[] = {
		{0x1000, 4096, 512, 512, true},	 {0x1200, 512, 512, 512, true},
		{0x1200, 512, 4096, 512, false}, {0x1004, 512, 4, 512, true},
		{0x1004, 512, 512, 512, false},	 {0x1000, 100, 512, 512, false},
		{0x1001, 101, 1, 1, true},	 {0x1000, 0, 4096, 4096, true},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iovec pair[] = {{(void *)0x10000, 8192},
				       {(void *)rows[i].base, rows[i].len}};

		CU_ASSERT_EQUAL(bdev_iov_aligned(pair, 2, rows[i].mem, rows[i].lens),
				rows[i].expected);
	}
}

static void valid(void)
{
	struct iovec wraps[] = {{mem, SIZE_MAX}, {mem, 1}, {mem, 9}};
	struct iovec null[] = {{NULL, 9}};

	CU_ASSERT(bdev_iov_valid(iov, CNT, 9));
	CU_ASSERT(!bdev_iov_valid(iov, CNT, 8));
	CU_ASSERT(!bdev_iov_valid(iov, CNT, 10));
	CU_ASSERT(bdev_iov_valid(iov, 0, 0));
	CU_ASSERT(bdev_iov_valid(NULL, 0, 0));
	CU_ASSERT(!bdev_iov_valid(NULL, 0, 1));
	CU_ASSERT(!bdev_iov_valid(wraps, 3, 9));
	CU_ASSERT(!bdev_iov_valid(null, 1, 9));
}

static const struct test_case cases[] = {
	{"copy", copy},	  {"copy_back", copy_back}, {"advance", advance},
	{"equal", equal}, {"aligned", aligned},	    {"valid", valid},
};

TEST_MAIN("bdev_iov", cases)
