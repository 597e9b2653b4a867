/* SPDX-License-Identifier: BSD-3-Clause */
/* WRITE SAME with a block, with zeroes, without data. */
#include "scsi_test.h"

#define N     65536u
#define UNMAP 0x08
#define NDOB  0x01

static struct host h;

static void begin(void)
{
	unsigned int lba;

	host_malloc("d", N * 512ull, 512);
	host_open(&h, "host", NULL, "d");
	memset(h.out, 0xee, 4096 * 512);
	for (lba = 0; lba < N; lba += 4096)
		CU_ASSERT_EQUAL(host_write(&h, lba, 4096, 512), SCSI_STATUS_GOOD);
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

static int write_same(uint8_t byte1, uint64_t lba, uint32_t n, size_t out_len)
{
	return host_rw(&h, 0x93, byte1, lba, n, out_len, 0);
}

static bool block_is(uint64_t lba, const void *data)
{
	CU_ASSERT_EQUAL(host_read(&h, lba, 1, 512), SCSI_STATUS_GOOD);
	return !memcmp(h.in, data, 512);
}

static bool range_is(uint64_t lba, uint32_t n, uint8_t value)
{
	CU_ASSERT_EQUAL(host_read(&h, lba, n, 512), SCSI_STATUS_GOOD);
	return test_all(h.in, (size_t)n * 512, value);
}

static void block(void)
{
	uint8_t pattern[512];
	unsigned int lba;

	begin();
	test_fill(h.out, 512, 0, 5);
	memcpy(pattern, h.out, 512);
	CU_ASSERT_EQUAL(write_same(0, 7, 6000, 512), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.residual, 0);
	for (lba = 7; lba < 6007; lba += 37)
		CU_ASSERT(block_is(lba, pattern));
	CU_ASSERT(block_is(6006, pattern));
	CU_ASSERT(range_is(0, 7, 0xee) && range_is(6007, 1000, 0xee));
	memcpy(h.out, pattern, 512);
	CMD(&h, 512, 0, 0x41, 0, 0, 0, 0x80, 0, 0, 0, 3, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT(block_is(0x8002, pattern) && range_is(0x8003, 10, 0xee));
	/* UNMAP is for zeroes: this block can only be written. */
	memcpy(h.out, pattern, 512);
	CU_ASSERT_EQUAL(write_same(UNMAP, 60000, 3, 512), SCSI_STATUS_GOOD);
	CU_ASSERT(block_is(60002, pattern));
	end();
}

static void zeroes(void)
{
	begin();
	memset(h.out, 0, 512);
	CU_ASSERT_EQUAL(write_same(0, 10, 5, 512), SCSI_STATUS_GOOD);
	CU_ASSERT(range_is(10, 5, 0) && range_is(0, 10, 0xee) && range_is(15, 10, 0xee));
	CU_ASSERT_EQUAL(write_same(UNMAP, 20, 5, 512), SCSI_STATUS_GOOD);
	CU_ASSERT(range_is(20, 5, 0) && range_is(25, 10, 0xee));
	CU_ASSERT_EQUAL(write_same(NDOB, 30, 5, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(write_same(NDOB | UNMAP, 40, 5, 0), SCSI_STATUS_GOOD);
	CU_ASSERT(range_is(30, 5, 0) && range_is(40, 5, 0) && range_is(35, 5, 0xee));
	CU_ASSERT_EQUAL(write_same(NDOB, 0, N, 0), SCSI_STATUS_GOOD);
	CU_ASSERT(range_is(N - 100, 100, 0));
	end();
}

static void bad_fields(void)
{
	static const size_t lens[] = {0, 511, 513, 1024};
	unsigned int i;

	begin();
	write_same(0, 0, 0, 512); /* WSNZ */
	EXPECT_BAD_CDB(&h, 10, 7);
	CMD(&h, 512, 0, 0x41, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_BAD_CDB(&h, 7, 7);
	write_same(0, 0, (256u << 20) / 512 + 1, 512);
	EXPECT_BAD_CDB(&h, 10, 7);
	write_same(0, N, 1, 512);
	EXPECT_LBA(&h, N);
	write_same(0, UINT64_MAX, 2, 512);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
	write_same(0x10, 0, 1, 512); /* ANCHOR */
	EXPECT_BAD_CDB(&h, 1, 4);
	write_same(0xe0, 0, 1, 512); /* WRPROTECT */
	EXPECT_BAD_CDB(&h, 1, 7);
	CMD(&h, 512, 0, 0x41, 0x01, 0, 0, 0, 0, 0, 0, 1, 0); /* NDOB is only in the longer one */
	EXPECT_BAD_CDB(&h, 1, 0);
	for (i = 0; i < 4; i++) {
		write_same(0, 0, 1, lens[i]); /* not one block */
		EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_CDB);
		CU_ASSERT(!h.sense.pointer_valid);
		CU_ASSERT_EQUAL(h.residual, lens[i]);
	}
	CU_ASSERT(range_is(0, 10, 0xee));
	end();
}

/* What the bdev sees. */
static void operations(void)
{
	struct mock *m = mock_new("d");

	m->bdev.limits.discard_granularity_bytes = 512;
	m->bdev.limits.write_zeroes = true;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	m->nseen = 0;
	write_same(NDOB | UNMAP, 0, 100, 0);
	write_same(NDOB, 0, 100, 0);
	memset(h.out, 1, 512);
	write_same(UNMAP, 0, 5000, 512);
	CU_ASSERT_EQUAL(m->seen[0].op, BDEV_OP_WRITE_ZEROES);
	CU_ASSERT_EQUAL(m->seen[0].flags, BDEV_IO_UNMAP);
	CU_ASSERT_EQUAL(m->seen[1].flags, 0);
	CU_ASSERT_EQUAL(m->nseen, 12);
	CU_ASSERT_EQUAL(m->seen[2].op, BDEV_OP_WRITE);
	CU_ASSERT_EQUAL(m->seen[2].nblocks, 512);
	CU_ASSERT_EQUAL(m->seen[11].nblocks, 5000 - 9 * 512);
	m->answer = BDEV_STATUS_NO_SPACE;
	m->fail_after = 1;
	write_same(0, 0, 5000, 512);
	EXPECT_SENSE(&h, SCSI_KEY_DATA_PROTECT, SCSI_ASC_SPACE_FAILED);
	end();
	m = mock_new("d"); /* without discard */
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	write_same(UNMAP, 0, 1, 512);
	EXPECT_BAD_CDB(&h, 1, 3);
	end();
}

static const struct test_case cases[] = {
	{"block", block},
	{"zeroes", zeroes},
	{"bad_fields", bad_fields},
	{"operations", operations},
};

TEST_MAIN("scsi_write_same", cases)
