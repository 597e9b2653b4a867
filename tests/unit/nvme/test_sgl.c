/* SPDX-License-Identifier: BSD-3-Clause */
/* SGLs (NVMe 1.4, 4.4): shapes that are right, and all the ways in which they are not. */
#include "fixture.h"
#include "nvme/sgl.h"

/* Guest pages 100h to 1FFh, 200h to 20Fh (elsewhere in host memory), and the last page of all. */
#define P(n)  ((uint64_t)(n) << 12)
#define BASE1 P(0x100)
#define BASE2 P(0x200)
#define SIZE1 P(0x100)
#define SIZE2 P(0x10)
#define TOP   (UINT64_MAX - 0xfff)
#define GONE  P(0x300)
#define LIST  P(0x180) /* where the tests' segments are */

enum { DATA = 0x00, BIT_BUCKET = 0x10, SEGMENT = 0x20, LAST = 0x30, KEYED = 0x40, OFFSET = 0x01 };

struct desc {
	uint64_t addr;
	uint32_t len;
	uint8_t type; /* and subtype */
};

static struct guest_mem mem;
static uint8_t *host1, *host2, *host3;
static struct iovec iov[VNVME_MAX_IOV + 1];
static unsigned int n;

static void make_memory(void)
{
	if (host1)
		return;
	host1 = host_map(SIZE1);
	host2 = (uint8_t *)host_map(SIZE2 + HOST_PAGE) + HOST_PAGE;
	host3 = (uint8_t *)host_map(3 * HOST_PAGE) + HOST_PAGE;
	CU_ASSERT_EQUAL(guest_mem_add(&mem, BASE1, SIZE1, host1), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, BASE2, SIZE2, host2), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, TOP, HOST_PAGE, host3), 0);
}

static void encode(const struct desc *d, uint64_t half[2])
{
	half[0] = d->addr;
	half[1] = d->len | (uint64_t)d->type << 56;
}

static void put(uint64_t gpa, const struct desc *d)
{
	uint64_t half[2];
	unsigned int i;

	encode(d, half);
	for (i = 0; i < 2; i++) {
		uint64_t le = htole64(half[i]);

		memcpy(guest_mem_ptr(&mem, gpa + 8 * i, 8), &le, 8);
	}
}

static uint16_t map(const struct desc *first, uint32_t len)
{
	uint64_t half[2];
	uint16_t status;

	make_memory();
	encode(first, half);
	n = 0;
	memset(iov, 0xee, sizeof(iov));
	status = vnvme_sgl_map(&mem, half[0], half[1], len, iov, VNVME_MAX_IOV, &n);
	CU_ASSERT_PTR_EQUAL(iov[VNVME_MAX_IOV].iov_base, (void *)0xeeeeeeeeeeeeeeee);
	CU_ASSERT_TRUE(!status || status & NVME_SC_DNR);
	return status & ST_MASK;
}

/* --- a single descriptor, in the command --- */

static void single(void)
{
	static const struct {
		struct desc d;
		uint32_t len;
		uint16_t expected;
	} table[] = {
		{{BASE1, 512, DATA}, 512, 0},
		{{BASE1 + 4, 4096, DATA}, 4096, 0},
		{{BASE1, 1 << 20, DATA}, 1 << 20, 0},
		{{BASE2 - 4096, 8192, DATA}, 8192, 0}, /* over the border of two regions */
		{{BASE1, 508, DATA}, 512, NVME_SC_SGL_INVALID_DATA},
		{{BASE1, 516, DATA}, 512, NVME_SC_SGL_INVALID_DATA},
		{{BASE1, 0, DATA}, 512, NVME_SC_SGL_INVALID_DATA},
		{{BASE1, UINT32_MAX - 3, DATA}, 512, NVME_SC_SGL_INVALID_DATA},
		{{BASE1 + 1, 512, DATA}, 512, NVME_SC_SGL_INVALID_GRANULARITY},
		{{BASE1 + 2, 512, DATA}, 512, NVME_SC_SGL_INVALID_GRANULARITY},
		{{BASE1, 510, DATA}, 510, NVME_SC_SGL_INVALID_GRANULARITY},
		{{GONE, 512, DATA}, 512, NVME_SC_DATA_XFER_ERROR},
		{{BASE2 + SIZE2 - 512, 1024, DATA}, 1024, NVME_SC_DATA_XFER_ERROR},
		{{0, 512, DATA}, 512, NVME_SC_DATA_XFER_ERROR},
		{{TOP, 4096, DATA}, 4096, 0},
		{{TOP + 0xe00, 512, DATA}, 512, 0},
		{{TOP + 0xe00, 1024, DATA}, 1024, NVME_SC_DATA_XFER_ERROR}, /* around the end */
		{{BASE1, 512, BIT_BUCKET}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{BASE1, 512, KEYED}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{BASE1, 512, 0x50}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{BASE1, 512, 0xf0}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{BASE1, 512, DATA | OFFSET}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{BASE1, 512, DATA | 0xf}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{LIST, 16, SEGMENT | OFFSET}, 512, NVME_SC_SGL_INVALID_TYPE},
		{{LIST, 16, LAST | OFFSET}, 512, NVME_SC_SGL_INVALID_TYPE},
		/* Segments that can't be. */
		{{LIST, 0, LAST}, 512, NVME_SC_SGL_INVALID_LAST},
		{{LIST, 0, SEGMENT}, 512, NVME_SC_SGL_INVALID_LAST},
		{{LIST, 15, LAST}, 512, NVME_SC_SGL_INVALID_LAST},
		{{LIST, 24, LAST}, 512, NVME_SC_SGL_INVALID_LAST},
		{{LIST + 4, 16, LAST}, 512, NVME_SC_SGL_INVALID_LAST},
		{{GONE, 16, LAST}, 512, NVME_SC_DATA_XFER_ERROR},
		{{TOP + 0xff8, 16, LAST}, 512, NVME_SC_SGL_INVALID_COUNT},
		{{LIST, UINT32_MAX & ~15u, LAST}, 512, NVME_SC_SGL_INVALID_COUNT},
		{{LIST, UINT32_MAX & ~15u, SEGMENT}, 512, NVME_SC_SGL_INVALID_COUNT},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t status = map(&table[i].d, table[i].len);

		if (status != table[i].expected)
			printf("# row %zu: %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
	}
}

/* --- segments --- */

/* Up to eight descriptors at LIST, of which the command's takes `bytes`. */
static void lists(void)
{
	static const struct {
		struct desc d[6];
		uint32_t bytes;
		uint8_t first; /* the command's descriptor */
		uint32_t len;
		uint16_t expected;
	} table[] = {
		{{{BASE1, 512, DATA}}, 16, LAST, 512, 0},
		{{{BASE1, 512, DATA}, {BASE1 + 8192, 512, DATA}}, 32, LAST, 1024, 0},
		{{{BASE1, 0, DATA}, {BASE1, 512, DATA}, {GONE, 0, DATA}}, 48, LAST, 512, 0},
		{{{BASE1, 512, DATA}, {BASE1, 512, DATA}}, 32, LAST, 512, NVME_SC_SGL_INVALID_DATA},
		{{{BASE1, 512, DATA}, {BASE1, 508, DATA}},
		 32,
		 LAST,
		 1024,
		 NVME_SC_SGL_INVALID_DATA},
		{{{BASE1, 512, DATA}, {BASE1, 512, DATA}},
		 16,
		 LAST,
		 1024,
		 NVME_SC_SGL_INVALID_DATA},
		{{{BASE1, 512, DATA}, {BASE1 + 3, 512, DATA}},
		 32,
		 LAST,
		 1024,
		 NVME_SC_SGL_INVALID_GRANULARITY},
		{{{BASE1, 512, DATA}, {GONE, 512, DATA}}, 32, LAST, 1024, NVME_SC_DATA_XFER_ERROR},
		{{{BASE1, 512, DATA}, {BASE1, 512, BIT_BUCKET}},
		 32,
		 LAST,
		 1024,
		 NVME_SC_SGL_INVALID_TYPE},
		/* To the next one, which is the last. */
		{{{BASE1, 512, DATA}, {LIST + 32, 16, LAST}, {BASE1, 512, DATA}},
		 32,
		 SEGMENT,
		 1024,
		 0},
		{{{LIST + 16, 16, LAST}, {BASE1, 512, DATA}}, 16, SEGMENT, 512, 0},
		{{{LIST + 16, 32, SEGMENT},
		  {BASE1, 512, DATA},
		  {LIST + 48, 16, LAST},
		  {BASE1, 512, DATA}},
		 16,
		 SEGMENT,
		 1024,
		 0},
		/* A segment that is not the last one leads nowhere. */
		{{{BASE1, 512, DATA}}, 16, SEGMENT, 512, NVME_SC_SGL_INVALID_LAST},
		/* The last one leads on. */
		{{{BASE1, 512, DATA}, {LIST + 32, 16, LAST}, {BASE1, 512, DATA}},
		 32,
		 LAST,
		 1024,
		 NVME_SC_SGL_INVALID_LAST},
		{{{BASE1, 512, DATA}, {LIST + 32, 16, SEGMENT}, {BASE1, 512, DATA}},
		 32,
		 LAST,
		 1024,
		 NVME_SC_SGL_INVALID_LAST},
		/* Not at the end. */
		{{{LIST + 32, 16, LAST}, {BASE1, 512, DATA}, {BASE1, 512, DATA}},
		 32,
		 SEGMENT,
		 512,
		 NVME_SC_SGL_INVALID_COUNT},
		{{{LIST + 32, 16, SEGMENT}, {BASE1, 512, DATA}},
		 32,
		 LAST,
		 512,
		 NVME_SC_SGL_INVALID_COUNT},
		/* The second one is wrong. */
		{{{BASE1, 512, DATA}, {LIST + 32, 8, LAST}},
		 32,
		 SEGMENT,
		 1024,
		 NVME_SC_SGL_INVALID_LAST},
		{{{BASE1, 512, DATA}, {GONE, 16, LAST}},
		 32,
		 SEGMENT,
		 1024,
		 NVME_SC_DATA_XFER_ERROR},
		{{{BASE1, 512, DATA}, {LIST + 32, 16, LAST | OFFSET}},
		 32,
		 SEGMENT,
		 1024,
		 NVME_SC_SGL_INVALID_TYPE},
		/* To itself. */
		{{{LIST, 16, SEGMENT}}, 16, SEGMENT, 512, NVME_SC_SGL_INVALID_COUNT},
		{{{LIST, 16, LAST}}, 16, SEGMENT, 512, NVME_SC_SGL_INVALID_LAST},
		{{{LIST + 16, 16, SEGMENT}, {LIST, 16, SEGMENT}},
		 16,
		 SEGMENT,
		 512,
		 NVME_SC_SGL_INVALID_COUNT},
		{{{BASE1, 0, DATA}, {LIST, 32, SEGMENT}},
		 32,
		 SEGMENT,
		 512,
		 NVME_SC_SGL_INVALID_COUNT},
		{{{BASE1, 4, DATA}, {LIST, 32, SEGMENT}},
		 32,
		 SEGMENT,
		 1 << 20,
		 NVME_SC_SGL_INVALID_COUNT},
		{{{BASE1, 4, DATA}, {LIST, 32, SEGMENT}},
		 32,
		 SEGMENT,
		 512,
		 NVME_SC_SGL_INVALID_DATA},
	};
	size_t i, k;

	make_memory();
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct desc first = {LIST, table[i].bytes, table[i].first};
		uint16_t status;

		for (k = 0; k < ARRAY_SIZE(table[i].d); k++)
			put(LIST + 16 * k, &table[i].d[k]);
		status = map(&first, table[i].len);
		if (status != table[i].expected)
			printf("# row %zu: %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
	}
}

/* --- what comes out --- */

static void segments_of_memory(void)
{
	struct desc first = {LIST, 16 * 3, LAST};

	make_memory();
	/* Neighbours become one; a region's border divides a block. */
	put(LIST, &(struct desc){BASE1 + 64, 960, DATA});
	put(LIST + 16, &(struct desc){BASE1 + 1024, 1024, DATA});
	put(LIST + 32, &(struct desc){BASE2 - 512, 2112, DATA});
	CU_ASSERT_EQUAL(map(&first, 4096), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_PTR_EQUAL(iov[0].iov_base, host1 + 64);
	CU_ASSERT_EQUAL(iov[0].iov_len, 1984);
	CU_ASSERT_PTR_EQUAL(iov[1].iov_base, host1 + SIZE1 - 512);
	CU_ASSERT_EQUAL(iov[1].iov_len, 512);
	CU_ASSERT_PTR_EQUAL(iov[2].iov_base, host2);
	CU_ASSERT_EQUAL(iov[2].iov_len, 1600);
}

/* The list itself lies over a border, in the middle of a descriptor. */
static void list_over_a_border(void)
{
	uint64_t at = BASE2 - 8;
	struct desc first = {at, 16, LAST};

	make_memory();
	put(at, &(struct desc){BASE1, 512, DATA});
	CU_ASSERT_EQUAL(map(&first, 512), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_PTR_EQUAL(iov[0].iov_base, host1);
}

/* As many blocks as there is room for, one more, and as many descriptors as there may be. */
static void as_many_as_possible(void)
{
	struct desc first = {LIST, 16 * VNVME_MAX_IOV, LAST};
	unsigned int i;

	make_memory();
	for (i = 0; i <= VNVME_MAX_IOV; i++)
		put(LIST + 16 * i, &(struct desc){BASE1 + i * 8, 4, DATA});
	CU_ASSERT_EQUAL(map(&first, 4 * VNVME_MAX_IOV), 0);
	CU_ASSERT_EQUAL(n, VNVME_MAX_IOV);
	first.len += 16;
	CU_ASSERT_EQUAL(map(&first, 4 * (VNVME_MAX_IOV + 1)), NVME_SC_SGL_INVALID_COUNT);
	/* Neighbours take no room. */
	for (i = 0; i < 1024; i++)
		put(LIST + 16 * i, &(struct desc){BASE1 + i * 4, 4, DATA});
	first.len = 16 * 1024;
	CU_ASSERT_EQUAL(map(&first, 4096), 0);
	CU_ASSERT_EQUAL(n, 1);
	put(LIST + 16 * 1024, &(struct desc){BASE1 + 4096, 4, DATA});
	first.len += 16;
	CU_ASSERT_EQUAL(map(&first, 4100), NVME_SC_SGL_INVALID_COUNT);
}

static const struct test_case cases[] = {
	{"single", single},
	{"lists", lists},
	{"segments_of_memory", segments_of_memory},
	{"list_over_a_border", list_over_a_border},
	{"as_many_as_possible", as_many_as_possible},
};

TEST_MAIN("sgl", cases)
