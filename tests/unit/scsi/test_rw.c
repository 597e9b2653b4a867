/* SPDX-License-Identifier: BSD-3-Clause */
/* READ and WRITE of all sizes: data, ranges, buffers that don't fit, FUA, errors of the bdev. */
#include "bdev/bdev_now.h"
#include "scsi_test.h"

#define N 2048u /* blocks of the disk */

static struct host h;

static void begin(uint32_t bs)
{
	host_malloc("d", (uint64_t)N * bs, bs);
	host_open(&h, "host", NULL, "d");
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

/* CDBs that write, or read, n blocks at lba, in each size. */
static size_t make_cdb(uint8_t *cdb, unsigned int size, bool write, uint32_t lba, uint32_t n)
{
	static const struct {
		unsigned int size;
		uint8_t read, write;
	} ops[] = {{6, 0x08, 0x0a}, {10, 0x28, 0x2a}, {12, 0xa8, 0xaa}, {16, 0x88, 0x8a}};
	unsigned int i;

	memset(cdb, 0, 16);
	for (i = 0; ops[i].size != size; i++)
		;
	cdb[0] = write ? ops[i].write : ops[i].read;
	if (size == 6) {
		scsi_put32(cdb + 1, lba << 8 | (n & 0xff)); /* 21 bits of LBA above 8 of length */
		return 6;
	}
	if (size == 16) {
		scsi_put64(cdb + 2, lba);
		scsi_put32(cdb + 10, n);
	} else {
		scsi_put32(cdb + 2, lba);
		if (size == 10)
			scsi_put16(cdb + 7, (uint16_t)n);
		else
			scsi_put32(cdb + 6, n);
	}
	return size;
}

static void check_size(unsigned int size, uint32_t bs)
{
	static const uint32_t places[][2] = {{0, 1}, {3, 7}, {100, 256}, {N - 1, 1}, {N - 5, 5}};
	uint8_t cdb[16];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		uint32_t lba = places[i][0], n = places[i][1];
		size_t len = (size_t)n * bs, cdb_len;

		test_fill(h.out, len, lba, size + i);
		cdb_len = make_cdb(cdb, size, true, lba, n);
		CU_ASSERT_EQUAL(host_cmd(&h, cdb, cdb_len, len, 0), SCSI_STATUS_GOOD);
		CU_ASSERT_EQUAL(h.residual, 0);
		memset(h.in, 0, len);
		cdb_len = make_cdb(cdb, size, false, lba, n);
		CU_ASSERT_EQUAL(host_cmd(&h, cdb, cdb_len, 0, len), SCSI_STATUS_GOOD);
		CU_ASSERT_EQUAL(h.residual, 0);
		CU_ASSERT(!memcmp(h.in, h.out, len));
	}
}

static void sizes(void)
{
	static const uint32_t block_sizes[] = {512, 4096};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		begin(block_sizes[i]);
		check_size(6, block_sizes[i]);
		check_size(10, block_sizes[i]);
		check_size(12, block_sizes[i]);
		check_size(16, block_sizes[i]);
		end();
	}
}

/* Zero blocks are 256 in READ(6), and none in the others. */
static void zero_blocks(void)
{
	begin(512);
	CMD(&h, 0, 256 * 512, 0x08, 0, 0, 0, 0, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.residual, 0);
	CMD(&h, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.residual, 512);
	CMD(&h, 512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.residual, 512);
	host_rw(&h, 0x88, 0, N, 0, 0, 0);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x88, 0, N + 1, 0, 0, 0);
	EXPECT_LBA(&h, N + 1);
	end();
}

static void out_of_range(void)
{
	static const struct {
		uint64_t lba;
		uint32_t n;
		uint64_t info;
		bool valid; /* fixed format has 32 bits */
	} cases[] = {
		{N, 1, N, true},
		{N - 1, 2, N, true},
		{0, N + 1, N, true},
		{0, UINT32_MAX, N, true},
		{0xffffffffULL, 1, 0xffffffffULL, true},
		{UINT64_MAX, 1, 0, false},
		{UINT64_MAX, UINT32_MAX, 0, false},
		{UINT64_MAX - 7, 8, 0, false},
		{1ULL << 63, 1, 0, false},
		{1ULL << 55, 1, 0, false}, /* overflows as a byte offset */
	};
	unsigned int i;

	begin(512);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t ops[] = {0x88, 0x8a};
		unsigned int j;

		for (j = 0; j < 2; j++) {
			host_rw(&h, ops[j], 0, cases[i].lba, cases[i].n, j ? 4096 : 0,
				j ? 0 : 4096);
			EXPECT_LBA(&h, cases[i].info);
			CU_ASSERT_EQUAL(h.sense.info_valid, cases[i].valid);
			CU_ASSERT_EQUAL(h.residual, 4096);
		}
	}
	end();
}

/* The CDB and the guest's buffers disagree. */
static void buffers(void)
{
	begin(512);
	memset(h.out, 1, 8192);
	CU_ASSERT_EQUAL(host_write(&h, 0, 16, 512), SCSI_STATUS_GOOD);
	memset(h.out, 2, 8192);
	host_rw(&h, 0x8a, 0, 0, 16, 8191, 0);
	EXPECT_OVERRUN(&h);
	CU_ASSERT_EQUAL(h.residual, 8191);
	host_rw(&h, 0x8a, 0, 0, 16, 0, 8192); /* in the wrong direction */
	EXPECT_OVERRUN(&h);
	host_rw(&h, 0x88, 0, 0, 16, 8192, 0);
	EXPECT_OVERRUN(&h);
	CU_ASSERT_EQUAL(host_read(&h, 0, 16, 512), SCSI_STATUS_GOOD);
	CU_ASSERT(test_all(h.in, 8192, 1)); /* nothing was written */
	/* More room than needed: only what the CDB says is moved. */
	host_rw(&h, 0x8a, 0, 4, 2, 8192, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.residual, 8192 - 1024);
	memset(h.in, 9, 8192);
	host_rw(&h, 0x88, 0, 3, 4, 0, 8000);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.residual, 8000 - 2048);
	CU_ASSERT(test_all(h.in, 512, 1) && test_all(h.in + 512, 1024, 2));
	CU_ASSERT(test_all(h.in + 1536, 512, 1) && test_all(h.in + 2048, 8000 - 2048, 9));
	end();
}

static void max_transfer(void)
{
	host_null("d", 0);
	host_open(&h, "host", NULL, "d");
	host_rw(&h, 0x88, 0, 0, 32769, 0, 512); /* above MAXIMUM TRANSFER LENGTH */
	EXPECT_BAD_CDB(&h, 10, 7);
	host_rw(&h, 0x8a, 0, 0, 32769, 512, 0);
	EXPECT_BAD_CDB(&h, 10, 7);
	CMD(&h, 0, 512, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0);
	EXPECT_BAD_CDB(&h, 6, 7);
	CMD(&h, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0x80, 1, 0);
	EXPECT_BAD_CDB(&h, 7, 7);
	end();
}

static void bad_fields(void)
{
	static const uint8_t ops[] = {0x28, 0x2a, 0x88, 0x8a, 0xa8, 0xaa};
	unsigned int i, bit;

	begin(512);
	for (i = 0; i < sizeof(ops); i++) {
		for (bit = 5; bit < 8; bit++) { /* RDPROTECT, WRPROTECT */
			uint8_t cdb[16] = {ops[i], (uint8_t)(1 << bit)};

			host_cmd(&h, cdb, 16, 0, 0);
			EXPECT_BAD_CDB(&h, 1, bit);
		}
	}
	CMD(&h, 0, 0, 0x28, 0x02, 0, 0, 0, 0, 0, 0, 0, 0); /* FUA_NV */
	EXPECT_BAD_CDB(&h, 1, 1);
	CMD(&h, 0, 0, 0x28, 0, 0, 0, 0, 0, 0x1f, 0, 0, 0); /* GROUP NUMBER */
	EXPECT_BAD_CDB(&h, 6, 4);
	end();
}

/* --- with a bdev that tells what it saw --- */

static struct mock *mock;

static void begin_mock(void)
{
	mock = mock_new("m");
	CU_ASSERT_EQUAL(bdev_register(&mock->bdev), 0);
	host_open(&h, "host", NULL, "m");
	mock->nseen = 0;
}

static void end_mock(void)
{
	host_end(&h);
	test_remove("m");
}

static void fua(void)
{
	begin_mock();
	host_rw(&h, 0x8a, 0, 0, 1, 512, 0);
	host_rw(&h, 0x8a, 0x08, 0, 1, 512, 0);
	host_rw(&h, 0x8a, 0x10, 0, 1, 512, 0); /* DPO */
	host_rw(&h, 0x8a, 0x18, 0, 1, 512, 0);
	host_rw(&h, 0x88, 0x18, 0, 1, 0, 512);
	CMD(&h, 512, 0, 0x0a, 0, 0, 8, 1, 0); /* LBA 8: no FUA bit there */
	CMD(&h, 512, 0, 0x0a, 8, 0, 0, 1, 0); /* nor is there one in an LBA */
	EXPECT_LBA(&h, 0x80000);
	CU_ASSERT_EQUAL(mock->nseen, 6);
	CU_ASSERT_EQUAL(mock->seen[0].flags, 0);
	CU_ASSERT_EQUAL(mock->seen[1].flags, BDEV_IO_FUA);
	CU_ASSERT_EQUAL(mock->seen[2].flags, 0);
	CU_ASSERT_EQUAL(mock->seen[3].flags, BDEV_IO_FUA);
	CU_ASSERT_EQUAL(mock->seen[4].flags, 0);
	CU_ASSERT_EQUAL(mock->seen[5].flags, 0);
	end_mock();
}

static void errors(void)
{
	static const struct {
		enum bdev_status status;
		uint8_t key;
		uint16_t asc_read, asc_write;
	} cases[] = {
		{BDEV_STATUS_MEDIUM_ERROR, 0x3, 0x1100, 0x0c00},
		{BDEV_STATUS_NO_SPACE, 0x7, 0x2707, 0x2707},
		{BDEV_STATUS_OUT_OF_RANGE, 0x5, 0x2100, 0x2100},
		{BDEV_STATUS_READ_ONLY, 0x7, 0x2700, 0x2700},
		{BDEV_STATUS_UNSUPPORTED, 0x5, 0x2000, 0x2000},
		{BDEV_STATUS_MISCOMPARE, 0xe, 0x1d00, 0x1d00},
		{BDEV_STATUS_ABORTED, 0xb, 0x0000, 0x0000},
		{BDEV_STATUS_GONE, 0x5, 0x2500, 0x2500},
		{BDEV_STATUS_TIMEOUT, 0xb, 0x0801, 0x0801},
	};
	unsigned int i;

	begin_mock();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mock->answer = cases[i].status;
		host_read(&h, 5, 1, 512);
		EXPECT_SENSE(&h, cases[i].key, cases[i].asc_read);
		CU_ASSERT_EQUAL(h.residual, 512);
		host_write(&h, 5, 1, 512);
		EXPECT_SENSE(&h, cases[i].key, cases[i].asc_write);
	}
	mock->answer = BDEV_STATUS_CONFLICT;
	host_read(&h, 5, 1, 512);
	EXPECT_CONFLICT(&h);
	mock->answer = BDEV_STATUS_NO_MEMORY;
	host_read(&h, 5, 1, 512);
	CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_BUSY);
	mock->answer = BDEV_STATUS_BAD_BUFFER;
	host_read(&h, 5, 1, 512);
	CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_TRANSPORT);
	end_mock();
}

static void read_only(void)
{
	host_malloc("d", HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 0, "d", true);
	host_start(&h);
	host_clear_uas(&h);
	host_read(&h, 0, 1, 512);
	EXPECT_GOOD(&h);
	host_write(&h, 0, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);
	/* What is wrong with the CDB is told first. */
	host_rw(&h, 0x8a, 0xe0, 0, 1, 512, 0);
	EXPECT_BAD_CDB(&h, 1, 7);
	end();
}

/* --- without a task --- */

struct now {
	struct host *h;
	const uint8_t *cdb;
	bool out, done;
	size_t len;
};

static void now_fn(void *arg)
{
	struct now *n = arg;
	struct scsi_rw rw;

	n->done = scsi_rw_now(n->h->g, n->h->lun, n->cdb, n->out, n->len, &rw);
	if (n->done)
		bdev_now_run(rw.ch, rw.op, rw.lba, rw.nblocks, n->out ? n->h->out : n->h->in);
}

static bool now(const uint8_t *cdb, bool out, size_t len)
{
	struct now n = {.h = &h, .cdb = cdb, .out = out, .len = len};

	reactor_call(h.r, now_fn, &n);
	return n.done;
}

static bool now_rw(unsigned int size, bool out, uint32_t lba, uint32_t n, size_t len)
{
	uint8_t cdb[SCSI_CDB_MAX] = {0};

	make_cdb(cdb, size, out, lba, n);
	return now(cdb, out, len);
}

/* The first write to 2 MiB of memory is a task's, and so is the one after it. */
static void use_memory(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		memset(h.out, 0, 512);
		CU_ASSERT_EQUAL(host_write(&h, 100, 1, 512), SCSI_STATUS_GOOD);
	}
}

/* Both, as a task would; and what they leave alone stays as it is. */
static void now_sizes(void)
{
	static const unsigned int sizes_of[] = {6, 10, 12, 16};
	unsigned int i;

	begin(512);
	use_memory();
	for (i = 0; i < 4; i++) {
		memset(h.out, (int)i + 1, 4096);
		CU_ASSERT(now_rw(sizes_of[i], true, 8 * (i + 1), 8, 4096));
	}
	for (i = 0; i < 4; i++) {
		memset(h.in, 0xff, 4096 + 512);
		CU_ASSERT(now_rw(sizes_of[i], false, 8 * (i + 1), 8, 4096));
		CU_ASSERT(test_all(h.in, 4096, (uint8_t)(i + 1)));
		CU_ASSERT(test_all(h.in + 4096, 512, 0xff));
	}
	memset(h.in, 0xff, 4096);
	CU_ASSERT_EQUAL(host_read(&h, 39, 2, 512), SCSI_STATUS_GOOD);
	CU_ASSERT(test_all(h.in, 512, 4) && test_all(h.in + 512, 512, 0));
	CU_ASSERT(now_rw(10, false, N - 8, 8, 4096));
	end();
}

/* What a task has to answer, as something is wrong with the CDB or the buffer. */
static void now_refuses(void)
{
	uint8_t cdb[SCSI_CDB_MAX];
	unsigned int bit;

	begin(512);
	CU_ASSERT(!now_rw(10, false, N - 7, 8, 4096));
	CU_ASSERT(!now_rw(10, true, 0xffffffff, 8, 4096));
	CU_ASSERT(!now_rw(16, false, 0, 0, 0));
	CU_ASSERT(!now_rw(16, false, 0, 8, 4095));
	CU_ASSERT(!now_rw(16, false, 0, 8, 4097));
	CU_ASSERT(!now_rw(16, true, 0, 8, 3584));
	make_cdb(cdb, 10, true, 0, 8);
	CU_ASSERT(!now(cdb, false, 4096));
	for (bit = 5; bit < 8; bit++) {
		memset(cdb, 0, sizeof(cdb));
		make_cdb(cdb, 10, false, 0, 8);
		cdb[1] = (uint8_t)(1 << bit);
		CU_ASSERT(!now(cdb, false, 4096));
	}
	make_cdb(cdb, 10, false, 0, 8);
	cdb[0] = SCSI_OP_VERIFY_10;
	CU_ASSERT(!now(cdb, false, 4096));
	cdb[0] = 0xff;
	CU_ASSERT(!now(cdb, false, 4096));
	end();
	host_null("d", 0);
	host_open(&h, "host", NULL, "d");
	CU_ASSERT(now_rw(16, false, 0, 32768, 32768 * 512));
	CU_ASSERT(!now_rw(16, false, 0, 32769, 32769 * 512)); /* above MAXIMUM TRANSFER LENGTH */
	end();
	begin_mock(); /* not in memory */
	CU_ASSERT(!now_rw(10, false, 0, 8, 4096));
	end_mock();
}

/* What a task has to answer, as something is up with the unit. */
static void now_special(void)
{
	host_malloc("d", HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 0, "d", false);
	host_add(&h, 0, 1, "d", true);
	host_start(&h);
	CU_ASSERT(!now_rw(10, false, 0, 8, 4096)); /* a unit attention */
	host_clear_uas(&h);
	use_memory();
	CU_ASSERT(now_rw(10, true, 0, 8, 4096));
	host_lun(&h, 0, 1);
	host_clear_uas(&h);
	CU_ASSERT(!now_rw(10, true, 0, 8, 4096)); /* read-only, though the other is not */
	CU_ASSERT(now_rw(10, false, 0, 8, 4096));
	host_lun(&h, 0, 2);
	CU_ASSERT(!now_rw(10, false, 0, 8, 4096)); /* no such unit... */
	host_lun(&h, 1, 0);
	CU_ASSERT(!now_rw(10, false, 0, 8, 4096)); /* ... nor target */
	host_lun(&h, 0, 0);
	CU_ASSERT(now_rw(10, true, 0, 8, 4096));
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT(!now_rw(10, true, 0, 8, 4096));
	host_clear_uas(&h);
	CU_ASSERT(now_rw(10, true, 0, 8, 4096));
	CMD(&h, 0, 0, 0x1b, 0, 0, 0, 0, 0); /* START STOP UNIT: stop */
	CU_ASSERT(!now_rw(10, false, 0, 8, 4096));
	end();
}

static void pr_out(struct host *other, uint8_t action, uint8_t type, uint8_t key, uint8_t sa_key)
{
	memset(other->out, 0, 24);
	other->out[7] = key;
	other->out[15] = sa_key;
	CMD(other, 24, 0, 0x5f, action, type, 0, 0, 0, 0, 0, 24, 0);
	EXPECT_GOOD(other);
}

/* Another controller's reservation. */
static void now_reserved(void)
{
	struct host other;

	begin(512);
	use_memory();
	host_open(&other, "other", h.r, "d");
	pr_out(&other, 0, 0, 0, 1);
	CU_ASSERT(now_rw(10, true, 0, 8, 4096));
	pr_out(&other, 1, SCSI_PR_WRITE_EXCL, 1, 0);
	CU_ASSERT(!now_rw(10, true, 0, 8, 4096));
	CU_ASSERT(now_rw(10, false, 0, 8, 4096));
	host_write(&h, 0, 8, 512);
	EXPECT_CONFLICT(&h);
	pr_out(&other, 2, SCSI_PR_WRITE_EXCL, 1, 0);
	CU_ASSERT(now_rw(10, true, 0, 8, 4096));
	pr_out(&other, 1, SCSI_PR_EXCL_ACCESS, 1, 0);
	CU_ASSERT(!now_rw(10, false, 0, 8, 4096));
	host_end(&other);
	end();
}

static const struct test_case cases[] = {
	{"sizes", sizes},
	{"zero_blocks", zero_blocks},
	{"out_of_range", out_of_range},
	{"buffers", buffers},
	{"max_transfer", max_transfer},
	{"bad_fields", bad_fields},
	{"fua", fua},
	{"errors", errors},
	{"read_only", read_only},
	{"now_sizes", now_sizes},
	{"now_refuses", now_refuses},
	{"now_special", now_special},
	{"now_reserved", now_reserved},
};

TEST_MAIN("scsi_rw", cases)
