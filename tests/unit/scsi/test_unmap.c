/* SPDX-License-Identifier: BSD-3-Clause */
/* UNMAP: lists of all shapes. */
#include "scsi_test.h"

#define N 16384u

static struct host h;

static void begin(void)
{
	host_malloc("d", N * 512ull, 512);
	host_open(&h, "host", NULL, "d");
	memset(h.out, 0xee, 2048 * 512);
	CU_ASSERT_EQUAL(host_write(&h, 0, 2048, 512), SCSI_STATUS_GOOD);
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

static void put_desc(unsigned int i, uint64_t lba, uint32_t n)
{
	memset(h.out + 8 + (size_t)16 * i, 0, 16);
	scsi_put64(h.out + 8 + (size_t)16 * i, lba);
	scsi_put32(h.out + 8 + (size_t)16 * i + 8, n);
}

/* The list that h.out has descriptors of; lengths as the guest says. */
static int unmap_lengths(uint16_t cdb_len, uint16_t data_len, uint16_t descs_len, size_t out_len)
{
	scsi_put16(h.out, data_len);
	scsi_put16(h.out + 2, descs_len);
	memset(h.out + 4, 0, 4);
	return CMD(&h, out_len, 0, 0x42, 0, 0, 0, 0, 0, 0, (uint8_t)(cdb_len >> 8),
		   (uint8_t)cdb_len, 0);
}

static int unmap(unsigned int n)
{
	uint16_t len = (uint16_t)(16 * n);

	return unmap_lengths((uint16_t)(8 + len), (uint16_t)(6 + len), len, 8u + len);
}

static bool range_is(uint64_t lba, uint32_t n, uint8_t value)
{
	CU_ASSERT_EQUAL(host_read(&h, lba, n, 512), SCSI_STATUS_GOOD);
	return test_all(h.in, (size_t)n * 512, value);
}

static void ranges(void)
{
	begin();
	put_desc(0, 10, 5);
	put_desc(1, 100, 0);
	put_desc(2, 200, 300);
	put_desc(3, 2047, 1);
	CU_ASSERT_EQUAL(unmap(4), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.residual, 0);
	CU_ASSERT(range_is(0, 10, 0xee) && range_is(10, 5, 0) && range_is(15, 185, 0xee));
	CU_ASSERT(range_is(200, 300, 0) && range_is(500, 1547, 0xee) && range_is(2047, 1, 0));
	end();
}

/* Nothing is unmapped when one descriptor is wrong. */
static void out_of_range(void)
{
	static const struct {
		uint64_t lba;
		uint32_t n;
	} bad[] = {{N, 1}, {N - 1, 2}, {UINT64_MAX, 1}, {UINT64_MAX, UINT32_MAX}, {N + 1, 0}};
	unsigned int i;

	begin();
	for (i = 0; i < 5; i++) {
		put_desc(0, 0, 10);
		put_desc(1, bad[i].lba, bad[i].n);
		unmap(2);
		EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
		CU_ASSERT(range_is(0, 10, 0xee));
	}
	end();
}

static void lengths(void)
{
	begin();
	put_desc(0, 0, 10);
	put_desc(1, 20, 10);
	unmap_lengths(0, 0, 0, 0); /* no list is no error */
	EXPECT_GOOD(&h);
	unmap_lengths(7, 6, 0, 7);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	unmap_lengths(8, 6, 0, 8);
	EXPECT_GOOD(&h);
	unmap_lengths(8, 6, 16, 8); /* descriptors behind the end */
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	unmap_lengths(23, 21, 16, 23);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	unmap_lengths(24, 22, 16, 23); /* less than the CDB says */
	EXPECT_OVERRUN(&h);
	unmap_lengths(0xffff, 22, 16, 24);
	EXPECT_OVERRUN(&h);
	CU_ASSERT(range_is(0, 30, 0xee));
	unmap_lengths(40, 0, 31, 40); /* half a descriptor is ignored */
	EXPECT_GOOD(&h);
	CU_ASSERT(range_is(0, 10, 0) && range_is(10, 20, 0xee));
	end();
}

static void limits(void)
{
	struct bdev_null_params p = {
		.common = {.name = "d", .block_size = 512, .size_bytes = 4ULL << 40}};
	char err[BDEV_ERR_MAX];
	unsigned int i;

	CU_ASSERT_EQUAL(bdev_null_create(&p, err), 0);
	host_open(&h, "host", NULL, "d");
	for (i = 0; i < 257; i++)
		put_desc(i, i, 1);
	CU_ASSERT_EQUAL(unmap(256), SCSI_STATUS_GOOD);
	unmap(257);
	EXPECT_BAD_PARAM(&h, 2, 7);
	put_desc(0, 0, 1 << 20);
	CU_ASSERT_EQUAL(unmap(1), SCSI_STATUS_GOOD);
	put_desc(1, 5, 1);
	unmap(2);
	EXPECT_BAD_PARAM(&h, 8 + 16 + 8, 7);
	put_desc(0, 0, UINT32_MAX);
	unmap(1);
	EXPECT_BAD_PARAM(&h, 8 + 8, 7);
	for (i = 0; i < 256; i++)
		put_desc(i, 0, UINT32_MAX); /* more than 32 bits of blocks */
	unmap(256);
	EXPECT_BAD_PARAM(&h, 8 + 8, 7);
	end();
}

static void refused(void)
{
	struct mock *m = mock_new("d");

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0); /* can't discard */
	host_open(&h, "host", NULL, "d");
	put_desc(0, 0, 1);
	unmap(1);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_OPCODE);
	end();
	begin();
	CMD(&h, 24, 0, 0x42, 1, 0, 0, 0, 0, 0, 0, 24, 0); /* ANCHOR */
	EXPECT_BAD_CDB(&h, 1, 0);
	end();
}

/* In steps: the bdev sees pieces, and an error in the middle ends it. */
static void steps(void)
{
	struct mock *m = mock_new("d");

	m->bdev.nblocks = 1 << 20;
	m->bdev.limits.discard_granularity_bytes = 512;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	m->nseen = 0;
	put_desc(0, 0, 1 << 19);
	put_desc(1, 1 << 19, 1 << 18);
	CU_ASSERT_EQUAL(unmap(2), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(m->nseen, 6);
	CU_ASSERT_EQUAL(m->seen[5].op, BDEV_OP_DISCARD);
	CU_ASSERT_EQUAL(m->seen[5].lba, 5 << 17);
	CU_ASSERT_EQUAL(m->seen[5].nblocks, 1 << 17);
	m->fail_after = 2;
	m->answer = BDEV_STATUS_NO_SPACE;
	unmap(2);
	EXPECT_SENSE(&h, SCSI_KEY_DATA_PROTECT, SCSI_ASC_SPACE_FAILED);
	CU_ASSERT_EQUAL(m->nseen, 9);
	end();
}

static const struct test_case cases[] = {
	{"ranges", ranges}, {"out_of_range", out_of_range}, {"lengths", lengths},
	{"limits", limits}, {"refused", refused},	    {"steps", steps},
};

TEST_MAIN("scsi_unmap", cases)
