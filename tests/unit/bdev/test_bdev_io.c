/* SPDX-License-Identifier: BSD-3-Clause */
/* The checks on the way to a backend, and the errno table. */
#include "mock_bdev.h"

#define N (MOCK_BYTES / 512) /* blocks of the mock */

static struct reactor *reactor;
static struct test_disk disk;
static struct mock *mock;
static char *buf;

static bool begin(struct mock *m, bool write)
{
	reactor = test_reactor(0);
	buf = test_buffer(MOCK_BYTES);
	mock = m;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	return test_disk_open(&disk, reactor, m->bdev.name, write);
}

static void end(void)
{
	const char *name = "m";

	CU_ASSERT_EQUAL(disk.ch->inflight, 0);
	test_disk_close(&disk);
	test_remove(name);
	reactor_destroy(reactor);
	free(buf);
}

/* The iov is one buffer of iov_blocks blocks. */
static const struct {
	int op;
	uint64_t lba;
	uint32_t nblocks, iov_blocks;
	int expected;
} table[] = {
	{BDEV_OP_READ, 0, 1, 1, BDEV_STATUS_OK},
	{BDEV_OP_READ, N - 1, 1, 1, BDEV_STATUS_OK},
	{BDEV_OP_READ, 0, N, N, BDEV_STATUS_OK},
	{BDEV_OP_READ, N, 0, 0, BDEV_STATUS_OK},
	{BDEV_OP_READ, N, 1, 1, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, N - 1, 2, 2, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, 1, N, N, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, N + 1, 0, 0, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, UINT64_MAX, 1, 1, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, UINT64_MAX - 7, 8, 8, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, UINT64_MAX - 6, 8, 8, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, 0, UINT32_MAX, 1, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, UINT64_MAX, UINT32_MAX, 1, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_READ, 1ULL << 55, 1, 1, BDEV_STATUS_OUT_OF_RANGE}, /* << 9 is 0 */
	{BDEV_OP_READ, 0, 2, 1, BDEV_STATUS_BAD_BUFFER},
	{BDEV_OP_READ, 0, 1, 2, BDEV_STATUS_BAD_BUFFER},
	{BDEV_OP_READ, 0, 1, 0, BDEV_STATUS_BAD_BUFFER},
	{BDEV_OP_READ, 0, 0, 1, BDEV_STATUS_BAD_BUFFER},
	{BDEV_OP_WRITE, N - 2, 2, 2, BDEV_STATUS_OK},
	{BDEV_OP_WRITE, N - 2, 3, 3, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_WRITE, 0, 4, 3, BDEV_STATUS_BAD_BUFFER},
	{BDEV_OP_COMPARE, N - 2, 2, 2, BDEV_STATUS_OK},
	{BDEV_OP_COMPARE, N - 2, 3, 3, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_COMPARE, 0, 4, 3, BDEV_STATUS_BAD_BUFFER},
	{BDEV_OP_DISCARD, 0, N, 0, BDEV_STATUS_OK},
	{BDEV_OP_DISCARD, N, 1, 0, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_DISCARD, UINT64_MAX, UINT32_MAX, 0, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_WRITE_ZEROES, 0, N, 0, BDEV_STATUS_OK},
	{BDEV_OP_WRITE_ZEROES, 0, N + 1, 0, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_WRITE_ZEROES, UINT64_MAX - 1, 2, 0, BDEV_STATUS_OUT_OF_RANGE},
	{BDEV_OP_FLUSH, UINT64_MAX, UINT32_MAX, 0, BDEV_STATUS_OK}, /* has no range */
	{BDEV_OP_COUNT, 0, 1, 1, BDEV_STATUS_UNSUPPORTED},
	{255, 0, 1, 1, BDEV_STATUS_UNSUPPORTED},
};

static void bounds(void)
{
	struct test_req req;
	unsigned int before;
	size_t i;

	if (!begin(mock_new("m"), true))
		return;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		before = mock->nseen;
		test_req_init(&req, &disk, table[i].op, table[i].lba, table[i].nblocks, buf);
		req.iov.iov_len = (size_t)table[i].iov_blocks * 512;
		req.io.iovcnt = table[i].iov_blocks ? 1 : 0;
		test_req_submit(&req, &disk);
		CU_ASSERT_EQUAL(test_req_wait(&req), table[i].expected);
		if (table[i].expected != BDEV_STATUS_OK)
			CU_ASSERT_EQUAL(mock->nseen, before);
		if (req.io.status != table[i].expected)
			printf("# row %zu: %s\n", i, bdev_status_str(req.io.status));
	}
	end();
}

/* The sum of the lengths wraps around to what is wanted, or a length is not backed by memory. */
static void iov_overflow(void)
{
	struct iovec wraps[] = {{buf, SIZE_MAX}, {buf, 513}};
	struct iovec halves[] = {{buf, SIZE_MAX / 2 + 1}, {buf, SIZE_MAX / 2 + 1}, {buf, 512}};
	struct iovec null[] = {{NULL, 512}};
	struct iovec null_empty[] = {{NULL, 0}, {NULL, 512}, {NULL, 0}};

	if (!begin(mock_new("m"), true))
		return;
	wraps[0].iov_base = wraps[1].iov_base = buf;
	halves[0].iov_base = halves[1].iov_base = halves[2].iov_base = buf;
	null_empty[1].iov_base = buf;
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_WRITE, 0, 1, wraps, 2), BDEV_STATUS_BAD_BUFFER);
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, 0, 1, halves, 3), BDEV_STATUS_BAD_BUFFER);
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, 0, 1, null, 1), BDEV_STATUS_BAD_BUFFER);
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, 0, 1, null, 0), BDEV_STATUS_BAD_BUFFER);
	CU_ASSERT_EQUAL(mock->nseen, 0);
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, 0, 1, null_empty, 3), BDEV_STATUS_OK);
	end();
}

static void largest_bdev(void)
{
	struct mock *m = mock_new("m");
	struct iovec iov;

	m->bdev.block_size = 4096;
	m->bdev.nblocks = (uint64_t)INT64_MAX / 4096;
	m->answer = BDEV_STATUS_CONFLICT; /* so that it touches no memory */
	if (!begin(m, true))
		return;
	iov = (struct iovec){buf, (size_t)UINT32_MAX * 4096};
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, 0, UINT32_MAX, &iov, 1),
			BDEV_STATUS_CONFLICT);
	CU_ASSERT_EQUAL(
		test_io_iov(&disk, BDEV_OP_READ, m->bdev.nblocks - UINT32_MAX, UINT32_MAX, &iov, 1),
		BDEV_STATUS_CONFLICT);
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, m->bdev.nblocks - UINT32_MAX + 1,
				    UINT32_MAX, &iov, 1),
			BDEV_STATUS_OUT_OF_RANGE);
	iov.iov_len = 0xfffff000; /* as if the length were of 32 bits */
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_READ, 0, UINT32_MAX, &iov, 1),
			BDEV_STATUS_BAD_BUFFER);
	end();
}

static void flags(void)
{
	unsigned int bit;

	if (!begin(mock_new("m"), true))
		return;
	CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE, 0, 1, buf, BDEV_IO_FUA), 0);
	CU_ASSERT_EQUAL(mock->seen[0].flags, BDEV_IO_FUA);
	for (bit = 2; bit < 8; bit++)
		CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE, 0, 1, buf, (uint8_t)(1 << bit)),
				BDEV_STATUS_UNSUPPORTED);
	CU_ASSERT_EQUAL(mock->nseen, 1);
	end();
}

static void expect_read_only(void)
{
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_READ_ONLY);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 0, 1, NULL), BDEV_STATUS_READ_ONLY);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 0, 1, NULL), BDEV_STATUS_READ_ONLY);
	CU_ASSERT_EQUAL(disk.ch->stats.errors, 3);
}

static void read_only_bdev(void)
{
	struct mock *m = mock_new("m");
	struct bdev_desc *desc;

	m->bdev.read_only = true;
	if (!begin(m, false))
		return;
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &desc), -EROFS);
	expect_read_only();
	end();
}

/* Another opener of the same bdev, on the same reactor, may still write. */
static void read_only_opener(void)
{
	struct test_disk writer;

	if (!begin(mock_new("m"), false))
		return;
	expect_read_only();
	if (test_disk_open(&writer, reactor, "m", true)) {
		CU_ASSERT_EQUAL(test_io(&writer, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_OK);
		test_disk_close(&writer);
	}
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_READ_ONLY);
	end();
}

static void limits(void)
{
	struct mock *m = mock_new("m");
	struct iovec iov[3];

	m->bdev.limits.max_transfer_bytes = 1024;
	m->bdev.limits.max_segments = 2;
	if (!begin(m, true))
		return;
	iov[0] = (struct iovec){buf, 512};
	iov[1] = (struct iovec){buf, 256};
	iov[2] = (struct iovec){buf, 256};
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 2, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 3, buf), BDEV_STATUS_UNSUPPORTED);
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_WRITE, 0, 2, iov, 3), BDEV_STATUS_UNSUPPORTED);
	iov[1].iov_len = 512;
	CU_ASSERT_EQUAL(test_io_iov(&disk, BDEV_OP_WRITE, 0, 2, iov, 2), BDEV_STATUS_OK);
	end();
}

static void flush_without_cache(void)
{
	struct mock *m = mock_new("m");

	m->bdev.limits.write_cache = false;
	m->answer = BDEV_STATUS_MEDIUM_ERROR;
	if (!begin(m, true))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(mock->nseen, 0);
	end();
}

static void discard_hint(void)
{
	struct mock *m = mock_new("m");

	m->answer = BDEV_STATUS_UNSUPPORTED;
	if (!begin(m, true))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 0, 8, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(mock->nseen, 0);
	end();
}

static void statistics(void)
{
	if (!begin(mock_new("m"), true))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 3, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 4, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, N, 4, buf), BDEV_STATUS_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 5, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_FLUSH, 9, 9, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, 200, 9, 9, buf), BDEV_STATUS_UNSUPPORTED);
	CU_ASSERT_EQUAL(disk.ch->stats.ios[BDEV_OP_READ], 3);
	CU_ASSERT_EQUAL(disk.ch->stats.blocks[BDEV_OP_READ], 7);
	CU_ASSERT_EQUAL(disk.ch->stats.ios[BDEV_OP_WRITE], 1);
	CU_ASSERT_EQUAL(disk.ch->stats.blocks[BDEV_OP_WRITE], 5);
	CU_ASSERT_EQUAL(disk.ch->stats.ios[BDEV_OP_FLUSH], 1);
	CU_ASSERT_EQUAL(disk.ch->stats.blocks[BDEV_OP_FLUSH], 0);
	CU_ASSERT_EQUAL(disk.ch->stats.errors, 2);
	end();
}

static void cancel_done(void *arg)
{
	bdev_io_cancel(arg);
}

static void cancel(void)
{
	struct test_req req;

	if (!begin(mock_new("m"), true))
		return;
	mock->hold = true;
	test_req_init(&req, &disk, BDEV_OP_READ, 0, 1, buf);
	test_req_submit(&req, &disk);
	CU_ASSERT_EQUAL(disk.ch->inflight, 1);
	reactor_call(reactor, cancel_done, &req.io);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(mock->ncancels, 1);
	/* It is done: nothing is left to cancel. */
	reactor_call(reactor, cancel_done, &req.io);
	CU_ASSERT_EQUAL(mock->ncancels, 1);
	CU_ASSERT_EQUAL(req.ndone, 1);
	end();
}

static void errno_table(void)
{
	static const struct {
		int err, op, expected;
	} rows[] = {
		{0, BDEV_OP_READ, BDEV_STATUS_OK},
		{EIO, BDEV_OP_READ, BDEV_STATUS_MEDIUM_ERROR},
		{-EIO, BDEV_OP_WRITE, BDEV_STATUS_MEDIUM_ERROR},
		{ENODATA, BDEV_OP_READ, BDEV_STATUS_MEDIUM_ERROR},
		{ENOSPC, BDEV_OP_WRITE, BDEV_STATUS_NO_SPACE},
		{-EDQUOT, BDEV_OP_WRITE, BDEV_STATUS_NO_SPACE},
		{EFBIG, BDEV_OP_WRITE, BDEV_STATUS_NO_SPACE},
		{EROFS, BDEV_OP_WRITE, BDEV_STATUS_READ_ONLY},
		{EPERM, BDEV_OP_WRITE, BDEV_STATUS_READ_ONLY},
		{EPERM, BDEV_OP_DISCARD, BDEV_STATUS_READ_ONLY},
		{EPERM, BDEV_OP_READ, BDEV_STATUS_MEDIUM_ERROR},
		{EOPNOTSUPP, BDEV_OP_WRITE_ZEROES, BDEV_STATUS_UNSUPPORTED},
		{EBADE, BDEV_OP_WRITE, BDEV_STATUS_CONFLICT},
		{ENOMEM, BDEV_OP_READ, BDEV_STATUS_NO_MEMORY},
		{-EAGAIN, BDEV_OP_READ, BDEV_STATUS_NO_MEMORY},
		{EFAULT, BDEV_OP_READ, BDEV_STATUS_BAD_BUFFER},
		{ECANCELED, BDEV_OP_READ, BDEV_STATUS_ABORTED},
		{ENODEV, BDEV_OP_READ, BDEV_STATUS_GONE},
		{ENXIO, BDEV_OP_READ, BDEV_STATUS_GONE},
		{9999, BDEV_OP_READ, BDEV_STATUS_MEDIUM_ERROR},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL((int)bdev_status_from_errno(rows[i].err, rows[i].op),
				rows[i].expected);
	for (i = 0; i < BDEV_STATUS_COUNT; i++)
		CU_ASSERT(*bdev_status_str(i) && !strstr(bdev_status_str(i), "unknown"));
	CU_ASSERT_PTR_NOT_NULL(strstr(bdev_status_str(BDEV_STATUS_COUNT), "unknown"));
	for (i = 0; i < BDEV_OP_COUNT; i++)
		CU_ASSERT(*bdev_op_str(i) && !strstr(bdev_op_str(i), "unknown"));
	CU_ASSERT_PTR_NOT_NULL(strstr(bdev_op_str(BDEV_OP_COUNT), "unknown"));
}

static const struct test_case cases[] = {
	{"bounds", bounds},
	{"iov_overflow", iov_overflow},
	{"largest_bdev", largest_bdev},
	{"flags", flags},
	{"read_only_bdev", read_only_bdev},
	{"read_only_opener", read_only_opener},
	{"limits", limits},
	{"flush_without_cache", flush_without_cache},
	{"discard_hint", discard_hint},
	{"statistics", statistics},
	{"cancel", cancel},
	{"errno_table", errno_table},
};

TEST_MAIN("bdev_io", cases)
