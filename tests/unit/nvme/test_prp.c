/* SPDX-License-Identifier: BSD-3-Clause */
/* PRP entries and lists (NVMe 1.4, 4.3) in a table of shapes. */
#include "fixture.h"
#include "nvme/prp.h"

#define OFFSET	 (NVME_SC_PRP_INVALID_OFFSET)
#define TRANSFER (NVME_SC_DATA_XFER_ERROR)

/*
 * Guest pages 100h to 4FFh, and 600h to 6FFh; 500h to 5FFh are not there. The second region is
 * elsewhere in host memory, and so is the third, which follows the second in the guest: 700h, 701h.
 */
#define P(n)  ((uint64_t)(n) << 12)
#define BASE1 P(0x100)
#define BASE2 P(0x600)
#define BASE3 P(0x700)
#define SIZE1 P(0x400)
#define SIZE2 P(0x100)
#define SIZE3 P(2)

static struct guest_mem mem;
static uint8_t *host1, *host2, *host3;
static uint16_t last_region;

static void make_memory(void)
{
	if (host1)
		return;
	host1 = host_map(SIZE1);
	host2 = host_map(SIZE2);
	/* Not beside the second: what is contiguous for the guest need not be so here. */
	host3 = (uint8_t *)host_map(SIZE3 + HOST_PAGE) + HOST_PAGE;
	CU_ASSERT_EQUAL(guest_mem_add(&mem, BASE1, SIZE1, host1), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, BASE2, SIZE2, host2), 0);
	CU_ASSERT_EQUAL(guest_mem_add(&mem, BASE3, SIZE3, host3), 0);
}

static uint8_t *at(uint64_t gpa)
{
	return guest_mem_ptr(&mem, gpa, 1);
}

static void put_list(uint64_t gpa, const uint64_t *entries, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t le = htole64(entries[i]);

		memcpy(at(gpa + 8 * i), &le, sizeof(le));
	}
}

static uint16_t map(uint64_t prp1, uint64_t prp2, uint32_t len, struct iovec *iov, unsigned int *n)
{
	uint16_t status;

	memset(iov, 0xee, VNVME_MAX_IOV * sizeof(*iov));
	*n = 0;
	status = vnvme_prp_map(&mem, prp1, prp2, len, &last_region, iov, n);
	return status & ST_MASK;
}

/* One or two entries, no list. */
static void without_list(void)
{
	static const struct {
		uint64_t prp1, prp2;
		uint32_t len;
		uint16_t expected;
		unsigned int n;
		struct {
			uint64_t gpa;
			size_t len;
		} iov[2];
	} table[] = {
		{P(0x100), 0, 512, 0, 1, {{P(0x100), 512}}},
		{P(0x100), 0, 4096, 0, 1, {{P(0x100), 4096}}},
		{P(0x100) + 512, 0, 3584, 0, 1, {{P(0x100) + 512, 3584}}},
		{P(0x100) + 4092, 0, 4, 0, 1, {{P(0x100) + 4092, 4}}},
		/* PRP2 is not looked at where PRP1 is enough. */
		{P(0x100), 0xdeadbeef, 4096, 0, 1, {{P(0x100), 4096}}},
		{P(0x100), P(0x102), 8192, 0, 2, {{P(0x100), 4096}, {P(0x102), 4096}}},
		{P(0x100), P(0x102), 4097, 0, 2, {{P(0x100), 4096}, {P(0x102), 1}}},
		{P(0x100) + 4, P(0x102), 4096, 0, 2, {{P(0x100) + 4, 4092}, {P(0x102), 4}}},
		{P(0x100) + 512, P(0x200), 4608, 0, 2, {{P(0x100) + 512, 3584}, {P(0x200), 1024}}},
		/* Neighbours become one segment, only forwards. */
		{P(0x100), P(0x101), 8192, 0, 1, {{P(0x100), 8192}}},
		{P(0x100) + 8, P(0x101), 8184, 0, 1, {{P(0x100) + 8, 8184}}},
		{P(0x101), P(0x100), 8192, 0, 2, {{P(0x101), 4096}, {P(0x100), 4096}}},
		{P(0x100), P(0x100), 8192, 0, 2, {{P(0x100), 4096}, {P(0x100), 4096}}},
		/* Neighbours in the guest, in two regions: two segments. */
		{P(0x6ff), P(0x700), 8192, 0, 2, {{P(0x6ff), 4096}, {P(0x700), 4096}}},
		{P(0x4ff), P(0x600), 8192, 0, 2, {{P(0x4ff), 4096}, {P(0x600), 4096}}},
		/* Not aligned to a dword. */
		{P(0x100) + 1, 0, 512, OFFSET, 0, {{0}}},
		{P(0x100) + 2, 0, 512, OFFSET, 0, {{0}}},
		{P(0x100) + 3, P(0x101), 4096, OFFSET, 0, {{0}}},
		/* The second with an offset. */
		{P(0x100), P(0x101) + 4, 8192, OFFSET, 0, {{0}}},
		{P(0x100), P(0x101) + 512, 4608, OFFSET, 0, {{0}}},
		{P(0x100) + 512, P(0x101) + 512, 4096, OFFSET, 0, {{0}}},
		/* Out of memory: before, in the hole, behind, at the ends of the numbers. */
		{P(0xff), 0, 512, TRANSFER, 0, {{0}}},
		{0, 0, 512, TRANSFER, 0, {{0}}},
		{P(0x500), 0, 512, TRANSFER, 0, {{0}}},
		{P(0x702), 0, 4, TRANSFER, 0, {{0}}},
		{UINT64_MAX - 4095, 0, 4096, TRANSFER, 0, {{0}}},
		{UINT64_MAX - 3, 0, 4, TRANSFER, 0, {{0}}},
		{1ull << 63, 0, 512, TRANSFER, 0, {{0}}},
		{P(0x100) + (1ull << 32), 0, 512, TRANSFER, 0, {{0}}},
		{P(0x100), P(0x500), 8192, TRANSFER, 0, {{0}}},
		{P(0x100), 0, 8192, TRANSFER, 0, {{0}}},
		{P(0x100), UINT64_MAX - 4095, 8192, TRANSFER, 0, {{0}}},
		{P(0x500), P(0x100), 8192, TRANSFER, 0, {{0}}},
	};
	struct iovec iov[VNVME_MAX_IOV];
	unsigned int n, k;
	size_t i;

	make_memory();
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t status = map(table[i].prp1, table[i].prp2, table[i].len, iov, &n);
		bool ok = status == table[i].expected && (status || n == table[i].n);

		for (k = 0; ok && k < table[i].n; k++)
			ok = iov[k].iov_base == at(table[i].iov[k].gpa) &&
			     iov[k].iov_len == table[i].iov[k].len;
		if (!ok)
			printf("# row %zu: status %03x, %u segments\n", i, status, n);
		CU_ASSERT_TRUE(ok);
	}
}

/*
 * Lists. Data pages are 200h, 202h, 204h, ...: no neighbours. The list begins `entry` entries
 * into page 100h; longer ones go on in 101h, 102h.
 */
static uint64_t data_page(unsigned int i)
{
	return P(0x200 + 2 * (i % 0x100)); /* used again by long transfers */
}

static unsigned int build_list(unsigned int entry, unsigned int pages)
{
	uint64_t list = P(0x100) + 8ull * entry, next = P(0x101), e;
	unsigned int i, lists = 1;

	for (i = 0; i < pages; i++) {
		if ((list & 4095) == 4088 && i + 1 < pages) {
			put_list(list, &next, 1);
			list = next;
			next += 4096;
			lists++;
		}
		e = data_page(i);
		put_list(list, &e, 1);
		list += 8;
	}
	return lists;
}

static void lists(void)
{
	static const struct {
		unsigned int entry, offset; /* in the first list, in PRP1's page */
		uint32_t len;
		unsigned int lists;
	} table[] = {
		{0, 0, 3 * 4096, 1},
		{0, 0, 2 * 4096 + 1, 1},
		{0, 4, 2 * 4096 + 1, 1},
		{0, 512, 3 * 4096, 1},
		{0, 4092, 2 * 4096 + 5, 1},
		{510, 0, 3 * 4096, 1}, /* two entries: both are data */
		{510, 0, 4 * 4096, 2}, /* the second points on */
		{511, 0, 3 * 4096, 2}, /* the only one points on */
		{509, 0, 4 * 4096, 1},
		{509, 0, 5 * 4096, 2},
		{0, 0, VNVME_MAX_TRANSFER, 1},
		{0, 4092, VNVME_MAX_TRANSFER, 1}, /* 257 pages */
		{257, 0, VNVME_MAX_TRANSFER, 1},
		{258, 0, VNVME_MAX_TRANSFER, 2},
		{511, 4, VNVME_MAX_TRANSFER, 2},
	};
	struct iovec iov[VNVME_MAX_IOV];
	unsigned int n, k;
	size_t i;

	make_memory();
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint32_t left = table[i].len - (4096 - table[i].offset);
		unsigned int pages = (left + 4095) / 4096;
		unsigned int used = build_list(table[i].entry, pages);
		uint64_t prp1 = P(0x4f0) + table[i].offset;
		uint16_t status =
			map(prp1, P(0x100) + 8ull * table[i].entry, table[i].len, iov, &n);
		bool ok = !status && used == table[i].lists && n == pages + 1 &&
			  iov[0].iov_base == at(prp1) && iov[0].iov_len == 4096 - table[i].offset;

		for (k = 0; ok && k < pages; k++, left -= 4096)
			ok = iov[k + 1].iov_base == at(data_page(k)) &&
			     iov[k + 1].iov_len == (left < 4096 ? left : 4096);
		if (!ok)
			printf("# row %zu: status %03x, %u segments, %u lists\n", i, status, n,
			       used);
		CU_ASSERT_TRUE(ok);
	}
}

/* A list of neighbours is one segment, whatever its length; a gap makes two. */
static void merging(void)
{
	struct iovec iov[VNVME_MAX_IOV];
	uint64_t e[255];
	unsigned int n, i;

	make_memory();
	for (i = 0; i < 255; i++)
		e[i] = P(0x201 + i);
	put_list(P(0x100), e, 255);
	CU_ASSERT_EQUAL(map(P(0x200), P(0x100), 256 * 4096, iov, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(iov[0].iov_len, 256 * 4096);
	e[100] = P(0x150);
	put_list(P(0x100), e, 255);
	CU_ASSERT_EQUAL(map(P(0x200), P(0x100), 256 * 4096, iov, &n), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(iov[0].iov_len, 101 * 4096);
	CU_ASSERT_EQUAL(iov[1].iov_len, 4096);
	CU_ASSERT_EQUAL(iov[2].iov_len, 154 * 4096);
}

static void put_run(uint64_t list, uint64_t gpa, unsigned int n)
{
	uint64_t e;
	unsigned int i;

	for (i = 0; i < n; i++) {
		e = gpa + i * 4096ull;
		put_list(list + 8ull * i, &e, 1);
	}
}

/*
 * Pages that follow each other, in lists of all lengths: one piece; with one entry another, at each
 * place, it is none, and the entry is found as it is.
 */
static void runs(void)
{
	static const struct {
		uint64_t entry;
		uint16_t expected;
	} others[] = {{P(0x150), 0}, {P(0x150) + 8, OFFSET}, {P(0x500), TRANSFER}, {0, TRANSFER}};
	uint64_t prp1 = P(0x200) + 512, list = P(0x100) + 16;
	struct iovec iov[VNVME_MAX_IOV];
	unsigned int pages, i, n;
	size_t k;

	make_memory();
	for (pages = 2; pages < 40; pages++) {
		uint32_t len = 3584 + pages * 4096 - 512;

		put_run(list, P(0x201), pages);
		CU_ASSERT_PTR_EQUAL(vnvme_prp_run(&mem, prp1, list, len, &last_region), at(prp1));
		CU_ASSERT_EQUAL(map(prp1, list, len, iov, &n), 0);
		CU_ASSERT(n == 1 && iov[0].iov_base == at(prp1) && iov[0].iov_len == len);
		for (i = 0; i < pages; i++) {
			uint64_t right = P(0x201 + i);

			for (k = 0; k < ARRAY_SIZE(others); k++) {
				put_list(list + 8ull * i, &others[k].entry, 1);
				CU_ASSERT_PTR_NULL(
					vnvme_prp_run(&mem, prp1, list, len, &last_region));
				CU_ASSERT_EQUAL(map(prp1, list, len, iov, &n), others[k].expected);
				CU_ASSERT(others[k].expected || n == (i + 1 < pages ? 3 : 2));
			}
			put_list(list + 8ull * i, &right, 1);
		}
	}
}

/* Pages that follow each other and are no piece of memory all the same. */
static void no_runs(void)
{
	static const struct {
		uint64_t prp1, list;
		unsigned int pages; /* behind the first */
		uint16_t expected;
	} table[] = {
		{P(0x200) + 2, P(0x100), 3, OFFSET},
		{P(0x200), P(0x100) + 4, 3, OFFSET},
		{P(0x200), P(0x101) - 16, 3, TRANSFER}, /* the last of the page points on */
		{P(0x200), P(0x500), 3, TRANSFER},
		{P(0x4fe), P(0x100), 3, TRANSFER}, /* into the hole */
		{P(0xff), P(0x100), 3, TRANSFER},
		{P(0x6fe), P(0x100), 3, 0}, /* into a region that is elsewhere here */
		{UINT64_MAX - 4095, P(0x100), 3, TRANSFER},
	};
	struct iovec iov[VNVME_MAX_IOV];
	unsigned int n;
	size_t i;

	make_memory();
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint32_t len = (table[i].pages + 1) * 4096;
		uint16_t status;

		memset(at(P(0x100)), 0, 8192);
		if (table[i].list < P(0x102))
			put_run(table[i].list & ~7ull, (table[i].prp1 & ~4095ull) + 4096,
				table[i].pages);
		CU_ASSERT_PTR_NULL(
			vnvme_prp_run(&mem, table[i].prp1, table[i].list, len, &last_region));
		status = map(table[i].prp1, table[i].list, len, iov, &n);
		if (status != table[i].expected)
			printf("# row %zu: status %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
		CU_ASSERT(status || (n == 2 && iov[0].iov_len == 8192));
	}
}

/* Lists with something wrong; each is two entries of data, or one of these and a pointer. */
static void bad_lists(void)
{
	static const struct {
		uint64_t list, entries[3];
		unsigned int pages; /* behind the first */
		uint16_t expected;
	} table[] = {
		{P(0x100), {P(0x200), P(0x202)}, 2, 0},
		{P(0x100) + 8, {P(0x200), P(0x202)}, 2, 0},
		{P(0x100) + 4, {P(0x200), P(0x202)}, 2, OFFSET},
		{P(0x100) + 1, {P(0x200), P(0x202)}, 2, OFFSET},
		{P(0x100) + 2, {P(0x200), P(0x202)}, 2, OFFSET},
		{P(0x100), {P(0x200) + 4, P(0x202)}, 2, OFFSET},
		{P(0x100), {P(0x200), P(0x202) + 512}, 2, OFFSET},
		{P(0x100), {P(0x200) + 1, P(0x202)}, 2, OFFSET},
		{P(0x100), {P(0x500), P(0x202)}, 2, TRANSFER},
		{P(0x100), {P(0x200), P(0x5ff)}, 2, TRANSFER},
		{P(0x100), {P(0x200), 0}, 2, TRANSFER},
		{P(0x100), {P(0x200), UINT64_MAX - 4095}, 2, TRANSFER},
		/* The list itself is not there. */
		{P(0x500), {0}, 2, TRANSFER},
		{0, {0}, 2, TRANSFER},
		{UINT64_MAX - 7, {0}, 2, TRANSFER},
		{UINT64_MAX - 4095, {0}, 2, TRANSFER},
		/* The last entry of its page points on: to an offset, into the hole, to itself. */
		{P(0x101) - 16, {P(0x200), P(0x103) + 8}, 3, OFFSET},
		{P(0x101) - 16, {P(0x200), P(0x103) + 1}, 3, OFFSET},
		{P(0x101) - 16, {P(0x200), P(0x500)}, 3, TRANSFER},
		{P(0x101) - 16, {P(0x200), 0}, 3, TRANSFER},
		{P(0x101) - 8, {P(0x500)}, 3, TRANSFER},
		{P(0x101) - 8, {UINT64_MAX}, 3, OFFSET},
		/* The region's last bytes: a list that ends there, with nothing behind it. */
		{BASE3 + SIZE3 - 16, {P(0x200), P(0x202)}, 2, 0},
	};
	struct iovec iov[VNVME_MAX_IOV];
	unsigned int n;
	size_t i;

	make_memory();
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t status;

		memset(at(P(0x100)), 0, 8192);
		if (guest_mem_ptr(&mem, table[i].list & ~7ull, 16))
			memcpy(at(table[i].list & ~7ull), table[i].entries, 16);
		else if (guest_mem_ptr(&mem, table[i].list & ~7ull, 8))
			memcpy(at(table[i].list & ~7ull), table[i].entries, 8);
		status = map(P(0x400), table[i].list, (table[i].pages + 1) * 4096, iov, &n);
		if (status != table[i].expected)
			printf("# row %zu: status %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
	}
}

/* Lists that point to themselves or to each other end with the transfer. */
static void loops(void)
{
	struct iovec iov[VNVME_MAX_IOV];
	unsigned int n, i;
	uint64_t e = P(0x100);

	make_memory();
	test_watch("a loop of lists");
	/* Each entry is the page of the list: data it is, too, as far as the controller knows. */
	for (i = 0; i < 512; i++)
		put_list(P(0x100) + 8 * i, &e, 1);
	CU_ASSERT_EQUAL(map(P(0x200), P(0x100), VNVME_MAX_TRANSFER, iov, &n), 0);
	CU_ASSERT_EQUAL(n, 256);
	CU_ASSERT_EQUAL(map(P(0x200) + 4, P(0x100) + 4088, VNVME_MAX_TRANSFER, iov, &n), 0);
	CU_ASSERT_EQUAL(n, 257);
	test_watch(NULL);
}

/* What the table allows at most is written to at most: no entry behind iov's end. */
static void no_overrun(void)
{
	struct iovec *iov = calloc(VNVME_MAX_IOV, sizeof(*iov)); /* for AddressSanitizer */
	unsigned int n = 0;

	make_memory();
	build_list(511, 256);
	CU_ASSERT_EQUAL(vnvme_prp_map(&mem, P(0x4f0) + 4092, P(0x100) + 4088, VNVME_MAX_TRANSFER,
				      &last_region, iov, &n),
			0);
	CU_ASSERT_EQUAL(n, VNVME_MAX_IOV);
	free(iov);
	/* Four pages at most have room in the request itself. */
	iov = calloc(VNVME_INLINE_IOV, sizeof(*iov));
	build_list(0, 3);
	CU_ASSERT_EQUAL(
		vnvme_prp_map(&mem, P(0x4f0) + 4, P(0x100), 3 * 4096, &last_region, iov, &n), 0);
	CU_ASSERT_EQUAL(n, VNVME_INLINE_IOV);
	free(iov);
}

static const struct test_case cases[] = {
	{"without_list", without_list},
	{"lists", lists},
	{"merging", merging},
	{"runs", runs},
	{"no_runs", no_runs},
	{"bad_lists", bad_lists},
	{"loops", loops},
	{"no_overrun", no_overrun},
};

TEST_MAIN("prp", cases)
