/* SPDX-License-Identifier: BSD-3-Clause */
#include "../tools.h"
#include "bdev_test.h"

#include <inttypes.h>
#include <numa.h>
#include <sys/resource.h>

#define SIZE   (8u << 20)
#define BIG    (256u << 20)
#define EXTENT ((2u << 20) / 512)

static struct reactor *reactor;

static int create(const char *name, uint64_t size, uint32_t block_size, int node, char *err)
{
	struct bdev_malloc_params p = {
		.common = {.name = name, .size_bytes = size, .block_size = block_size},
		.numa_node = node,
	};

	return bdev_malloc_create(&p, err);
}

static bool setup(struct test_disk *d, uint32_t block_size)
{
	char err[BDEV_ERR_MAX];

	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(create("ram", SIZE, block_size, -1, err), 0);
	return test_disk_open(d, reactor, "ram", true);
}

static void teardown(struct test_disk *d)
{
	test_disk_close(d);
	test_remove("ram");
	reactor_destroy(reactor);
}

static void write_then_read(uint32_t block_size)
{
	uint32_t n = SIZE / block_size;
	char *out = test_buffer(SIZE), *in = test_buffer(SIZE);
	struct test_disk d;

	if (!setup(&d, block_size))
		return;
	CU_ASSERT_EQUAL(d.bdev->nblocks, n);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, n, in), BDEV_STATUS_OK);
	CU_ASSERT(test_all(in, SIZE, 0));
	test_fill(out, SIZE, 0, 1);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, n, out), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, n, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out, SIZE));
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, n - 1, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out + SIZE - block_size, block_size));
	CU_ASSERT_EQUAL(test_io_flags(&d, BDEV_OP_WRITE, 7, 1, out, BDEV_IO_FUA), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 7, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out, block_size));
	teardown(&d);
	free(out);
	free(in);
}

static void data_512(void)
{
	write_then_read(512);
}

static void data_4096(void)
{
	write_then_read(4096);
}

/* Ranges below and above a page, with and without whole pages in them. */
static const struct {
	uint64_t lba;
	uint32_t nblocks;
} ranges[] = {
	{0, 1}, {1, 1}, {7, 2}, {8, 8}, {3, 200}, {129, 128}, {1000, 3001}, {16383, 1}, {0, 16384},
};

static void zeroing(enum bdev_op op, uint8_t flags)
{
	char *out = test_buffer(SIZE), *in = test_buffer(SIZE);
	struct test_disk d;
	size_t i;

	if (!setup(&d, 512))
		return;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint64_t lba = ranges[i].lba;
		uint32_t n = ranges[i].nblocks;

		test_fill(out, SIZE, 0, (uint32_t)i);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, SIZE / 512, out), 0);
		CU_ASSERT_EQUAL(test_io_flags(&d, op, lba, n, NULL, flags), BDEV_STATUS_OK);
		memset(out + lba * 512, 0, (size_t)n * 512);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, SIZE / 512, in), 0);
		CU_ASSERT(!memcmp(in, out, SIZE));
	}
	teardown(&d);
	free(out);
	free(in);
}

static void discard_zeroes(void)
{
	zeroing(BDEV_OP_DISCARD, 0);
}

static void write_zeroes(void)
{
	zeroing(BDEV_OP_WRITE_ZEROES, 0);
	zeroing(BDEV_OP_WRITE_ZEROES, BDEV_IO_UNMAP | BDEV_IO_FUA);
}

/* What this process has in memory of the bdev: a discard must give it back. */
static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %ld kB", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	return kib;
}

static void discard_frees_memory(void)
{
	char *buf = test_buffer(SIZE);
	struct test_disk d;
	long before, filled;

	if (!setup(&d, 512))
		return;
	memset(buf, 0x5a, SIZE);
	before = resident_kib();
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, SIZE / 512, buf), BDEV_STATUS_OK);
	filled = resident_kib();
	CU_ASSERT(filled - before > (long)SIZE / 1024 * 3 / 4);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 0, SIZE / 512, NULL), BDEV_STATUS_OK);
	CU_ASSERT(filled - resident_kib() > (long)SIZE / 1024 * 3 / 4);
	teardown(&d);
	free(buf);
}

static void compare(void)
{
	char *out = test_buffer(SIZE);
	struct test_disk d;

	if (!setup(&d, 512))
		return;
	test_fill(out, SIZE, 0, 3);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, SIZE / 512, out), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, 0, SIZE / 512, out), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, 5, 1, out + 5 * 512), BDEV_STATUS_OK);
	out[SIZE - 1] ^= 1;
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, 0, SIZE / 512, out), BDEV_STATUS_MISCOMPARE);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, 0, SIZE / 512 - 1, out), BDEV_STATUS_OK);
	teardown(&d);
	free(out);
}

/* n segments of different, odd sizes over `total` bytes; empty ones among them. */
static uint16_t cut(struct iovec *iov, uint16_t n, char *buf, size_t total)
{
	size_t at = 0;
	uint16_t i;

	for (i = 0; i < n; i++) {
		size_t len = i == n - 1 ? total - at : i % 7 == 3 ? 0 : (total / n) - 1 + i % 3;

		iov[i] = (struct iovec){.iov_base = buf + at, .iov_len = len};
		at += len;
	}
	return n;
}

static void iov_shapes(void)
{
	static const uint16_t counts[] = {1, 2, 3, 16, 127, 128, 129, 255, 256, 257};
	size_t total = 1024 * 512, i;
	char *out = test_buffer(total), *in = test_buffer(total);
	struct iovec iov[257];
	struct test_disk d;

	if (!setup(&d, 512))
		return;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t lba = 3 + i;

		test_fill(out, total, 0, (uint32_t)i);
		cut(iov, counts[i], out, total);
		CU_ASSERT_EQUAL(test_io_iov(&d, BDEV_OP_WRITE, lba, 1024, iov, counts[i]), 0);
		memset(in, 0, total);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, lba, 1024, in), 0);
		CU_ASSERT(!memcmp(in, out, total));
		memset(in, 0, total);
		cut(iov, counts[i], in, total);
		CU_ASSERT_EQUAL(test_io_iov(&d, BDEV_OP_READ, lba, 1024, iov, counts[i]), 0);
		CU_ASSERT(!memcmp(in, out, total));
		CU_ASSERT_EQUAL(test_io_iov(&d, BDEV_OP_COMPARE, lba, 1024, iov, counts[i]), 0);
	}
	teardown(&d);
	free(out);
	free(in);
}

static void refusals(void)
{
	char err[BDEV_ERR_MAX] = "";

	CU_ASSERT_EQUAL(create("ram", 0, 512, -1, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "size"));
	CU_ASSERT_EQUAL(create("ram", 1000, 512, -1, err), -EINVAL);
	CU_ASSERT(strstr(err, "1000") && strstr(err, "512"));
	CU_ASSERT_EQUAL(create("ram", 1 << 20, 1024, -1, err), -EINVAL);
	CU_ASSERT(strstr(err, "1024") && strstr(err, "4096"));
	CU_ASSERT_EQUAL(create("", 1 << 20, 512, -1, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "name"));
	CU_ASSERT_EQUAL(create("ram", 1 << 20, 512, 4711, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "4711"));
	CU_ASSERT_EQUAL(create("ram", UINT64_MAX - 511, 512, -1, err), -EINVAL);
	/* 1 EiB: more than the address space of x86-64 and arm64. */
	CU_ASSERT_EQUAL(create("ram", 1ULL << 60, 512, -1, err), -ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "1099511627776 MiB"));
	CU_ASSERT_PTR_NULL(bdev_find("ram"));
	CU_ASSERT_EQUAL(create("ram", 1 << 20, 512, -1, err), 0);
	CU_ASSERT_EQUAL(create("ram", 1 << 20, 512, -1, err), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "\"ram\""));
	test_remove("ram");
}

static void numa_node(void)
{
	char err[BDEV_ERR_MAX] = "";

	if (numa_available() < 0) {
		test_skip("the kernel has no NUMA support");
		return;
	}
	CU_ASSERT_EQUAL(create("ram", 1 << 20, 512, numa_max_node(), err), 0);
	test_remove("ram");
	CU_ASSERT_EQUAL(create("ram", 1 << 20, 512, numa_max_node() + 1, err), -EINVAL);
}

struct price {
	const struct test_disk *d;
	void *buf;
	uint64_t lba;
	uint32_t nblocks;
	enum bdev_op op;
	int64_t units;
};

static void pay_for_blocks(void *arg)
{
	struct price *p = arg;
	struct reactor_share *share = reactor_payer();
	int64_t before = reactor_share_left(share);

	p->d->ch->now(p->d->ch, p->op, p->lba, p->nblocks, p->buf);
	p->units = before - share->credit;
}

static int64_t price_of_many(const struct test_disk *d, enum bdev_op op, void *buf, uint64_t lba,
			     uint32_t nblocks)
{
	struct price p = {.d = d, .buf = buf, .lba = lba, .nblocks = nblocks, .op = op};

	reactor_call(reactor, pay_for_blocks, &p);
	return p.units;
}

static int64_t price_of(const struct test_disk *d, enum bdev_op op, void *buf, uint64_t lba)
{
	return price_of_many(d, op, buf, lba, 1);
}

/* The first write to 2 MiB costs what the kernel does for them, a small one as well. */
static void first_writes(void)
{
	char *buf = test_buffer(512);
	struct test_disk d;

	if (!setup(&d, 512))
		return;
	CU_ASSERT(price_of(&d, BDEV_OP_WRITE, buf, 7) > REACTOR_QUANTUM_MAX);
	CU_ASSERT_EQUAL(d.ch->plain_blocks, 0); /* a batch ends */
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 9, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT(d.ch->plain_blocks > 0);
	CU_ASSERT_EQUAL(price_of(&d, BDEV_OP_WRITE, buf, 7), 0);
	CU_ASSERT_EQUAL(price_of(&d, BDEV_OP_WRITE, buf, EXTENT - 1), 0);
	CU_ASSERT(price_of(&d, BDEV_OP_WRITE, buf, EXTENT) > REACTOR_QUANTUM_MAX);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 0, SIZE / 512, NULL), BDEV_STATUS_OK);
	CU_ASSERT(price_of(&d, BDEV_OP_WRITE, buf, 7) > REACTOR_QUANTUM_MAX);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 1, EXTENT - 1, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(price_of(&d, BDEV_OP_WRITE, buf, 7), 0);
	teardown(&d);
	free(buf);
}

static void count_faults(void *arg)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	*(long *)arg = usage.ru_minflt;
}

static long faults_of_reactor(void)
{
	long n;

	reactor_call(reactor, count_faults, &n);
	return n;
}

/*
 * What was never written is zeroes: neither to read it nor to zero it takes memory and a page
 * fault, which with some kernels fills 2 MiB with zeroes.
 */
static void reads_before_writes(void)
{
	char *buf = test_buffer(512), err[BDEV_ERR_MAX];
	struct test_disk d;
	uint64_t lba;
	long faults;

	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(create("ram", BIG, 512, -1, err), 0);
	if (!test_disk_open(&d, reactor, "ram", true))
		return;
	memset(buf, 1, 512);
	price_of(&d, BDEV_OP_READ, buf, 7);
	CU_ASSERT(test_all(buf, 512, 0));
	faults = faults_of_reactor();
	for (lba = 9; lba < BIG / 512; lba += EXTENT) {
		CU_ASSERT_EQUAL(price_of(&d, BDEV_OP_READ, buf, lba), 0);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, lba, 1, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE_ZEROES, lba, 1, NULL), BDEV_STATUS_OK);
	}
	/* A sanitizer's own memory is faulted in as well. */
	CU_ASSERT(TEST_SLOW || faults_of_reactor() - faults < BIG / 512 / EXTENT / 2);
	CU_ASSERT(price_of(&d, BDEV_OP_WRITE, buf, 8) > REACTOR_QUANTUM_MAX);
	teardown(&d);
	free(buf);
}

/* What is read or compared over the border of two extents, one of which was written. */
static void over_a_border(uint64_t written)
{
	const uint64_t border = 2 * EXTENT - 3;
	char *out = test_buffer(8 * 512), *in = test_buffer(8 * 512);
	struct test_disk d;
	struct iovec iov[2] = {{in, 700}, {in + 700, 8 * 512 - 700}};

	if (!setup(&d, 512))
		return;
	memset(out, 0, 8 * 512);
	test_fill(out + (written - border) * 512, 512, 0, 1);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, written, 1, out + (written - border) * 512),
			BDEV_STATUS_OK);
	memset(in, 1, 8 * 512);
	CU_ASSERT_EQUAL(test_io_iov(&d, BDEV_OP_READ, border, 8, iov, 2), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out, 8 * 512));
	memset(in, 1, 8 * 512);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, border, 8, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out, 8 * 512));
	memset(in, 1, 8 * 512);
	price_of_many(&d, BDEV_OP_READ, in, border, 8);
	CU_ASSERT(!memcmp(in, out, 8 * 512));
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, border, 8, out), BDEV_STATUS_OK);
	out[8 * 512 - 1] ^= 1;
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, border, 8, out), BDEV_STATUS_MISCOMPARE);
	teardown(&d);
	free(out);
	free(in);
}

static void extent_borders(void)
{
	over_a_border(2 * EXTENT - 1);
	over_a_border(2 * EXTENT);
}

/* After a discard of the extent, or of a part of it, and after another write. */
static void reads_after_discards(void)
{
	char *out = test_buffer(512), *in = test_buffer(512);
	struct test_disk d;

	if (!setup(&d, 512))
		return;
	test_fill(out, 512, 0, 1);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 9, 1, out), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 10, EXTENT - 10, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 9, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out, 512));
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 0, EXTENT + 1, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 9, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(test_all(in, 512, 0));
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 10, 1, out), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 9, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(test_all(in, 512, 0));
	CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 10, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, out, 512));
	teardown(&d);
	free(out);
	free(in);
}

static const struct test_case cases[] = {
	{"data_512", data_512},
	{"data_4096", data_4096},
	{"discard_zeroes", discard_zeroes},
	{"write_zeroes", write_zeroes},
	{"discard_frees_memory", discard_frees_memory},
	{"compare", compare},
	{"iov_shapes", iov_shapes},
	{"first_writes", first_writes},
	{"reads_before_writes", reads_before_writes},
	{"extent_borders", extent_borders},
	{"reads_after_discards", reads_after_discards},
	{"refusals", refusals},
	{"numa_node", numa_node},
};

TEST_MAIN("malloc", cases)
