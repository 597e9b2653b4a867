/* SPDX-License-Identifier: BSD-3-Clause */
/* READ CAPACITY and GET LBA STATUS. */
#include "scsi_test.h"

static struct host h;

static int read_capacity16(uint32_t alloc)
{
	uint8_t cdb[16] = {0x9e, 0x10};

	scsi_put32(cdb + 10, alloc);
	return host_cmd(&h, cdb, 16, 0, 64);
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

static void capacity10(void)
{
	host_malloc("d", 8 * HOST_MIB, 4096);
	host_open(&h, "host", NULL, "d");
	CU_ASSERT_EQUAL(CMD(&h, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 2047);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 4), 4096);
	CMD(&h, 0, 8, 0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0); /* an LBA without PMI */
	EXPECT_BAD_CDB(&h, 2, 7);
	CMD(&h, 0, 8, 0x25, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	EXPECT_GOOD(&h);
	CMD(&h, 0, 7, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_OVERRUN(&h);
	end();
}

/* A disk of more than 2^32 blocks; the null bdev has no memory to need. */
static void huge(void)
{
	struct bdev_null_params p = {
		.common = {.name = "d", .block_size = 512, .size_bytes = 4ULL << 40}};
	char err[BDEV_ERR_MAX];

	CU_ASSERT_EQUAL(bdev_null_create(&p, err), 0);
	host_open(&h, "host", NULL, "d");
	CMD(&h, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 0xffffffffu);
	CU_ASSERT_EQUAL(read_capacity16(32), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(scsi_get64(h.in), (1ULL << 33) - 1);
	host_rw(&h, 0x88, 0, (1ULL << 33) - 1, 1, 0, 512);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x88, 0, 1ULL << 33, 1, 0, 512);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
	CU_ASSERT(!h.sense.info_valid); /* more than fixed format can tell */
	end();
}

static void capacity16(void)
{
	host_malloc("d", 8 * HOST_MIB, 512);
	host_open(&h, "host", NULL, "d");
	CU_ASSERT_EQUAL(read_capacity16(32), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 32);
	CU_ASSERT_EQUAL(scsi_get64(h.in), 16383);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 8), 512);
	CU_ASSERT_EQUAL(h.in[12], 0);	 /* no protection information */
	CU_ASSERT_EQUAL(h.in[13], 0);	 /* a physical block is a logical one */
	CU_ASSERT_EQUAL(h.in[14], 0xc0); /* LBPME, LBPRZ */
	CU_ASSERT_EQUAL(h.in[15], 0);
	CU_ASSERT(test_all(h.in + 16, 16, 0));
	CU_ASSERT_EQUAL(read_capacity16(12), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 12);
	CU_ASSERT_EQUAL(read_capacity16(0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 0);
	CMD(&h, 0, 32, 0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0); /* no such action */
	EXPECT_BAD_CDB(&h, 1, 4);
	end();
}

static void physical(void)
{
	static const struct {
		uint32_t preferred;
		uint8_t exponent, provisioning;
		uint32_t granularity;
		bool zeroes;
	} cases[] = {
		{0, 0, 0, 0, false},	{512, 0, 0x80, 512, false},   {4096, 3, 0xc0, 4096, true},
		{65536, 3, 0, 0, true}, {3000, 0, 0x80, 4096, false}, {256, 0, 0, 0, false},
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mock *m = mock_new("d");

		m->bdev.limits.preferred_bytes = cases[i].preferred;
		m->bdev.limits.discard_granularity_bytes = cases[i].granularity;
		m->bdev.limits.discard_zeroes = cases[i].zeroes;
		CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
		host_open(&h, "host", NULL, "d");
		read_capacity16(32);
		CU_ASSERT_EQUAL(h.in[13], cases[i].exponent);
		CU_ASSERT_EQUAL(h.in[14], cases[i].provisioning);
		end();
	}
}

static void lba_status(void)
{
	struct cdb16 c = cdb16(0x9e, 0x12, 100, 24);

	host_malloc("d", 8 * HOST_MIB, 512);
	host_open(&h, "host", NULL, "d");
	CU_ASSERT_EQUAL(host_cmd(&h, c.b, 16, 0, 64), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 24);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 20);
	CU_ASSERT_EQUAL(scsi_get64(h.in + 8), 100);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 16), 16384 - 100);
	CU_ASSERT_EQUAL(h.in[20], 0);
	c = cdb16(0x9e, 0x12, 16383, 24);
	host_cmd(&h, c.b, 16, 0, 64);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 16), 1);
	c = cdb16(0x9e, 0x12, 16384, 24);
	host_cmd(&h, c.b, 16, 0, 64);
	EXPECT_LBA(&h, 16384);
	end();
}

static const struct test_case cases[] = {
	{"capacity10", capacity10}, {"huge", huge},
	{"capacity16", capacity16}, {"physical", physical},
	{"lba_status", lba_status},
};

TEST_MAIN("scsi_capacity", cases)
