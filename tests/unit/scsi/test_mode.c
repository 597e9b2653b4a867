/* SPDX-License-Identifier: BSD-3-Clause */
/* MODE SENSE and MODE SELECT, and what the modes do. */
#include "scsi_test.h"

#define N (MOCK_BYTES / 512)

static struct host h;
static struct mock *mock;

static void begin(void)
{
	mock = mock_new("m");
	CU_ASSERT_EQUAL(bdev_register(&mock->bdev), 0);
	host_open(&h, "host", NULL, "m");
	mock->nseen = 0;
}

static void end(void)
{
	host_end(&h);
	test_remove("m");
}

static int sense6(uint8_t byte1, uint8_t page, uint8_t subpage, uint8_t alloc)
{
	return CMD(&h, 0, 255, 0x1a, byte1, page, subpage, alloc, 0);
}

static int sense10(uint8_t byte1, uint8_t page, uint8_t subpage, uint8_t alloc)
{
	return CMD(&h, 0, 255, 0x5a, byte1, page, subpage, 0, 0, 0, 0, alloc, 0);
}

/* The list is in h.out. */
static int select6(uint8_t byte1, uint8_t len)
{
	return CMD(&h, len, 0, 0x15, byte1, 0, 0, len, 0);
}

static int select10(uint8_t byte1, uint8_t len)
{
	return CMD(&h, len, 0, 0x55, byte1, 0, 0, 0, 0, 0, 0, len, 0);
}

/* A current page, behind a MODE SELECT(6) header, to be changed and selected. Its length. */
static uint8_t fetch(uint8_t page)
{
	CU_ASSERT_EQUAL(sense6(0x08, page, 0, 255), SCSI_STATUS_GOOD);
	memcpy(h.out, h.in, h.got);
	memset(h.out, 0, 4);
	return (uint8_t)h.got;
}

static void pages(void)
{
	static const struct {
		uint8_t page, len, byte2, byte3, byte4;
	} want[] = {
		{0x01, 12, 0, 0, 0},
		{0x08, 20, 0x04, 0, 0},
		{0x0a, 12, 0x22, 0x10, 0},
	};
	uint8_t at = 4;
	unsigned int i;

	begin();
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(sense6(0x08, want[i].page, 0, 255), SCSI_STATUS_GOOD);
		CU_ASSERT_EQUAL(h.got, 4u + want[i].len);
		CU_ASSERT_EQUAL(h.in[0] + 1u, h.got);
		CU_ASSERT_EQUAL(h.in[2], 0x10); /* DPOFUA */
		CU_ASSERT_EQUAL(h.in[3], 0);
		CU_ASSERT_EQUAL(h.in[4], want[i].page);
		CU_ASSERT_EQUAL(h.in[5] + 2, want[i].len);
		CU_ASSERT_EQUAL(h.in[6], want[i].byte2);
		CU_ASSERT_EQUAL(h.in[7], want[i].byte3);
		CU_ASSERT_EQUAL(h.in[8], want[i].byte4);
	}
	CU_ASSERT_EQUAL(sense6(0x08, 0x3f, 0xff, 255), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 4 + 12 + 20 + 12);
	for (i = 0; i < 3; at = (uint8_t)(at + want[i++].len))
		CU_ASSERT_EQUAL(h.in[at], want[i].page);
	CU_ASSERT_EQUAL(sense6(0x08, 0x3f, 0, 3), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 3);
	end();
}

/* Informational exceptions are not there, rather than disabled: that is what smartctl looks at. */
static void no_exceptions_page(void)
{
	begin();
	CU_ASSERT_EQUAL(sense6(0x08, 0x1c, 0, 255), SCSI_STATUS_CHECK_CONDITION);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_CDB);
	CU_ASSERT_EQUAL(sense10(0x08, 0x1c, 0xff, 255), SCSI_STATUS_CHECK_CONDITION);
	end();
}

static void page_control(void)
{
	begin();
	sense6(0x08, 0x40 | 0x08, 0, 255); /* changeable */
	CU_ASSERT_EQUAL(h.in[6], 0x04);
	CU_ASSERT(test_all(h.in + 7, 17, 0));
	sense6(0x08, 0x40 | 0x0a, 0, 255);
	CU_ASSERT_EQUAL(h.in[6], 0x04);
	CU_ASSERT_EQUAL(h.in[8], 0x08);
	CU_ASSERT_EQUAL(h.in[12], 0);
	fetch(0x08);
	h.out[6] = 0;
	CU_ASSERT_EQUAL(select6(0x10, 24), SCSI_STATUS_GOOD);
	sense6(0x08, 0x08, 0, 255); /* current */
	CU_ASSERT_EQUAL(h.in[6], 0);
	sense6(0x08, 0x80 | 0x08, 0, 255); /* default */
	CU_ASSERT_EQUAL(h.in[6], 0x04);
	sense6(0x08, 0xc0 | 0x08, 0, 255); /* saved */
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_SAVING);
	sense10(0x08, 0xc0 | 0x3f, 0xff, 255);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_SAVING);
	end();
}

static void block_descriptors(void)
{
	begin();
	sense6(0, 0x08, 0, 255);
	CU_ASSERT_EQUAL(h.got, 4 + 8 + 20);
	CU_ASSERT_EQUAL(h.in[3], 8);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 4), N);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 8), 512);
	sense10(0, 0x08, 0, 255);
	CU_ASSERT_EQUAL(h.got, 8 + 8 + 20);
	CU_ASSERT_EQUAL(scsi_get16(h.in) + 2u, h.got);
	CU_ASSERT_EQUAL(h.in[3], 0x10);
	CU_ASSERT_EQUAL(h.in[4], 0);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 6), 8);
	sense10(0x10, 0x08, 0, 255); /* LLBAA */
	CU_ASSERT_EQUAL(h.got, 8 + 16 + 20);
	CU_ASSERT_EQUAL(h.in[4], 1);
	CU_ASSERT_EQUAL(scsi_get64(h.in + 8), N);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 20), 512);
	sense10(0x18, 0x08, 0, 255); /* and DBD */
	CU_ASSERT_EQUAL(h.got, 8 + 20);
	CU_ASSERT_EQUAL(h.in[4], 0);
	end();
}

static void bad_sense(void)
{
	begin();
	sense6(0x08, 0x02, 0, 255);
	EXPECT_BAD_CDB(&h, 2, 5);
	sense6(0x08, 0x00, 0, 255);
	EXPECT_BAD_CDB(&h, 2, 5);
	sense6(0x08, 0x08, 1, 255);
	EXPECT_BAD_CDB(&h, 3, 7);
	sense6(0x10, 0x08, 0, 255); /* LLBAA is only in the longer one */
	EXPECT_BAD_CDB(&h, 1, 4);
	sense10(0x20, 0x08, 0, 255);
	EXPECT_BAD_CDB(&h, 1, 5);
	end();
}

/* WCE off: what was written is flushed, and what is written from then on is written through. */
static void write_cache(void)
{
	uint8_t len;

	begin();
	host_write(&h, 0, 1, 512);
	len = fetch(0x08);
	h.out[6] = 0;
	CU_ASSERT_EQUAL(select6(0x10, len), SCSI_STATUS_GOOD);
	host_write(&h, 0, 1, 512);
	host_rw(&h, 0x93, 0, 0, 1, 512, 0);
	CU_ASSERT_EQUAL(mock->nseen, 4);
	CU_ASSERT_EQUAL(mock->seen[0].flags, 0);
	CU_ASSERT_EQUAL(mock->seen[1].op, BDEV_OP_FLUSH);
	CU_ASSERT_EQUAL(mock->seen[2].flags, BDEV_IO_FUA);
	CU_ASSERT_EQUAL(mock->seen[3].flags, BDEV_IO_FUA);
	fetch(0x08);
	h.out[6] = 0x04;
	CU_ASSERT_EQUAL(select6(0x10, len), SCSI_STATUS_GOOD);
	host_write(&h, 0, 1, 512);
	CU_ASSERT_EQUAL(mock->seen[4].op, BDEV_OP_WRITE);
	CU_ASSERT_EQUAL(mock->seen[4].flags, 0);
	/* Off, and a reset brings the default back. */
	fetch(0x08);
	h.out[6] = 0;
	select6(0x10, len);
	host_tmf(&h, SCSI_TMF_NEXUS_RESET, 0); /* this one doesn't */
	host_clear_uas(&h);
	fetch(0x08);
	CU_ASSERT_EQUAL(h.out[6], 0);
	host_tmf(&h, SCSI_TMF_LU_RESET, 0);
	host_clear_uas(&h);
	fetch(0x08);
	CU_ASSERT_EQUAL(h.out[6], 0x04);
	end();
}

/* The flush fails: the guest must know. */
static void flush_fails(void)
{
	begin();
	fetch(0x08);
	h.out[6] = 0;
	mock->answer = BDEV_STATUS_MEDIUM_ERROR;
	select6(0x10, 24);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR);
	end();
}

static void no_cache(void)
{
	host_malloc("m", HOST_MIB, 512);
	host_open(&h, "host", NULL, "m");
	sense6(0x08, 0x40 | 0x08, 0, 255);
	CU_ASSERT_EQUAL(h.in[6], 0);
	fetch(0x08);
	CU_ASSERT_EQUAL(h.out[6], 0);
	h.out[6] = 0x04;
	select6(0x10, 24);
	EXPECT_BAD_PARAM(&h, 6, 2);
	end();
}

static void write_protect(void)
{
	begin();
	fetch(0x0a);
	h.out[8] = 0x08;
	CU_ASSERT_EQUAL(select6(0x10, 16), SCSI_STATUS_GOOD);
	host_write(&h, 0, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_DATA_PROTECT, SCSI_ASC_SW_WRITE_PROTECTED);
	host_read(&h, 0, 1, 512);
	EXPECT_GOOD(&h);
	sense6(0x08, 0x08, 0, 255);
	CU_ASSERT_EQUAL(h.in[2], 0x90); /* WP */
	fetch(0x0a);
	CU_ASSERT_EQUAL(h.out[8], 0x08);
	h.out[8] = 0;
	CU_ASSERT_EQUAL(select6(0x10, 16), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(host_write(&h, 0, 1, 512), SCSI_STATUS_GOOD);
	end();
	host_malloc("m", HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 0, "m", true);
	host_start(&h);
	host_clear_uas(&h);
	sense6(0x08, 0x08, 0, 255);
	CU_ASSERT_EQUAL(h.in[2], 0x90);
	end();
}

static void descriptor_sense(void)
{
	begin();
	fetch(0x0a);
	h.out[6] |= 0x04;
	CU_ASSERT_EQUAL(select6(0x10, 16), SCSI_STATUS_GOOD);
	host_rw(&h, 0x88, 0, 1ULL << 40, 1, 0, 512);
	EXPECT_LBA(&h, 1ULL << 40);
	CU_ASSERT(h.sense.info_valid && !h.sense.pointer_valid);
	sense6(0x08, 0x02, 0, 255);
	EXPECT_BAD_CDB(&h, 2, 5);
	CU_ASSERT(!h.sense.info_valid);
	fetch(0x0a);
	h.out[6] &= (uint8_t)~0x04;
	CU_ASSERT_EQUAL(select6(0x10, 16), SCSI_STATUS_GOOD);
	host_rw(&h, 0x88, 0, 1ULL << 40, 1, 0, 512);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
	CU_ASSERT(!h.sense.info_valid);
	end();
}

/* --- lists that are refused, and nothing of them is done --- */

static void bad_lengths(void)
{
	uint8_t len, page_len;

	begin();
	CU_ASSERT_EQUAL(select6(0x10, 0), SCSI_STATUS_GOOD);
	len = fetch(0x08);
	h.out[6] = 0;
	for (page_len = 1; page_len < len; page_len++) {
		if (page_len == 4)
			continue; /* a header alone is a list */
		select6(0x10, page_len);
		EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	}
	CU_ASSERT_EQUAL(select6(0x10, 4), SCSI_STATUS_GOOD);
	CMD(&h, len - 1u, 0, 0x15, 0x10, 0, 0, len, 0);
	EXPECT_OVERRUN(&h);
	CMD(&h, 4096, 0, 0x55, 0x10, 0, 0, 0, 0, 0, 0x10, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	fetch(0x08);
	CU_ASSERT_EQUAL(h.out[6], 0x04);
	select6(0x00, len); /* PF */
	EXPECT_BAD_CDB(&h, 1, 4);
	select6(0x11, len); /* SP */
	EXPECT_BAD_CDB(&h, 1, 0);
	end();
}

static void bad_pages(void)
{
	uint8_t len;

	begin();
	len = fetch(0x08);
	h.out[6] = 0;
	h.out[16] = 0x20; /* DRA can't be changed */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 16, 5);
	len = fetch(0x08);
	h.out[5] = 0x11; /* PAGE LENGTH */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 5, 7);
	fetch(0x08);
	h.out[4] = 0x02; /* no such page */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 4, 5);
	h.out[4] = 0x48; /* SPF */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 4, 6);
	fetch(0x08);
	h.out[1] = 1; /* MEDIUM TYPE */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 1, 7);
	/* The second page is wrong: the first is not taken either. */
	len = fetch(0x3f);
	h.out[4 + 12 + 2] = 0;
	h.out[4 + 12 + 20 + 3] ^= 0x20;
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 4 + 12 + 20 + 3, 5);
	fetch(0x08);
	CU_ASSERT_EQUAL(h.out[6], 0x04);
	end();
}

/* All pages at once, as they came, are accepted: with descriptors, with the PS bit. */
static void round_trip(void)
{
	begin();
	sense6(0, 0x3f, 0, 255);
	memcpy(h.out, h.in, h.got);
	h.out[4 + 8] |= 0x80; /* PS */
	CU_ASSERT_EQUAL(select6(0x10, (uint8_t)h.got), SCSI_STATUS_GOOD);
	sense10(0x10, 0x3f, 0, 255);
	memcpy(h.out, h.in, h.got);
	CU_ASSERT_EQUAL(select10(0x10, (uint8_t)h.got), SCSI_STATUS_GOOD);
	h.out[7] = 8; /* the length of a short descriptor with the LONGLBA bit */
	select10(0x10, 16);
	EXPECT_BAD_PARAM(&h, 6, 7);
	end();
}

static void bad_descriptors(void)
{
	uint8_t len;

	begin();
	sense6(0, 0x08, 0, 255);
	memcpy(h.out, h.in, h.got);
	len = (uint8_t)h.got;
	h.out[10] = 0x10; /* 4096 bytes */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 9, 7);
	h.out[10] = 0x02;
	h.out[7] ^= 1; /* another number of blocks */
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 4, 7);
	memset(h.out + 4, 0, 4); /* "as it is" */
	CU_ASSERT_EQUAL(select6(0x10, len), SCSI_STATUS_GOOD);
	memset(h.out + 4, 0xff, 4); /* "as many as there are" */
	CU_ASSERT_EQUAL(select6(0x10, len), SCSI_STATUS_GOOD);
	h.out[3] = 7;
	select6(0x10, len);
	EXPECT_BAD_PARAM(&h, 3, 7);
	h.out[3] = 8;
	select6(0x10, 11);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	end();
}

static const struct test_case cases[] = {
	{"pages", pages},
	{"no_exceptions_page", no_exceptions_page},
	{"page_control", page_control},
	{"block_descriptors", block_descriptors},
	{"bad_sense", bad_sense},
	{"write_cache", write_cache},
	{"flush_fails", flush_fails},
	{"no_cache", no_cache},
	{"write_protect", write_protect},
	{"descriptor_sense", descriptor_sense},
	{"bad_lengths", bad_lengths},
	{"bad_pages", bad_pages},
	{"round_trip", round_trip},
	{"bad_descriptors", bad_descriptors},
};

TEST_MAIN("scsi_mode", cases)
