/* SPDX-License-Identifier: BSD-3-Clause */
/* VERIFY and WRITE AND VERIFY. */
#include "scsi/scsi_internal.h"
#include "scsi_test.h"

#define N 16384u

static struct host h;

static void begin(void)
{
	host_malloc("d", N * 512ull, 512);
	host_open(&h, "host", NULL, "d");
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

/* BYTCHK 01b in all sizes; a byte that differs at the start, at the end, and not at all. */
static void compare(void)
{
	static const uint8_t ops[] = {0x2f, 0xaf, 0x8f};
	unsigned int i, j;

	begin();
	test_fill(h.out, 64 * 512, 0, 1);
	host_write(&h, 10, 64, 512);
	for (i = 0; i < 3; i++) {
		uint8_t cdb[16] = {ops[i], 0x02};

		if (ops[i] == 0x8f) {
			cdb[9] = 10;
			cdb[13] = 64;
		} else {
			cdb[5] = 10;
			cdb[ops[i] == 0x2f ? 8 : 9] = 64;
		}
		host_cmd(&h, cdb, 16, 64 * 512, 0);
		EXPECT_GOOD(&h);
		CU_ASSERT_EQUAL(h.residual, 0);
		for (j = 0; j < 2; j++) {
			h.out[j ? 64 * 512 - 1 : 0] ^= 1;
			host_cmd(&h, cdb, 16, 64 * 512, 0);
			EXPECT_SENSE(&h, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
			h.out[j ? 64 * 512 - 1 : 0] ^= 1;
		}
		host_cmd(&h, cdb, 16, 64 * 512 - 1, 0);
		EXPECT_OVERRUN(&h);
	}
	end();
}

/* BYTCHK 00b: no data, any length, and the guest's buffer doesn't matter. */
static void medium(void)
{
	begin();
	host_rw(&h, 0x8f, 0, 0, N, 0, 0);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x8f, 0x10, N - 1, 1, 0, 0);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x8f, 0, N, 0, 0, 0);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x8f, 0, N - 1, 2, 0, 0);
	EXPECT_LBA(&h, N);
	host_rw(&h, 0x8f, 0, UINT64_MAX, UINT32_MAX, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
	host_rw(&h, 0x8f, 0x04, 0, 1, 512, 0); /* BYTCHK 10b */
	EXPECT_BAD_CDB(&h, 1, 2);
	host_rw(&h, 0x8f, 0x20, 0, 1, 512, 0); /* VRPROTECT */
	EXPECT_BAD_CDB(&h, 1, 5);
	host_rw(&h, 0x8f, 0x02, 0, 0, 0, 0);
	EXPECT_GOOD(&h);
	end();
}

/* BYTCHK 11b: each block against one. */
static void one_block(void)
{
	unsigned int i;

	begin();
	test_fill(h.out, 512, 0, 7);
	for (i = 1; i < 5000; i++)
		memcpy(h.out + (size_t)512 * i, h.out, 512);
	host_write(&h, 3, 5000, 512);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x8f, 0x06, 3, 5000, 512, 0);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x8f, 0x06, 3, 5001, 512, 0); /* the one behind is zero */
	EXPECT_SENSE(&h, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	host_rw(&h, 0x8f, 0x06, 2, 5, 512, 0);
	EXPECT_SENSE(&h, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	host_rw(&h, 0x8f, 0x06, 3, 5000, 511, 0);
	EXPECT_OVERRUN(&h);
	end();
}

static void write_verify(void)
{
	static const uint8_t ops[] = {0x2e, 0xae, 0x8e};
	unsigned int i, bytchk;

	begin();
	for (i = 0; i < 3; i++) {
		for (bytchk = 0; bytchk < 2; bytchk++) {
			uint8_t cdb[16] = {ops[i], (uint8_t)(bytchk << 1)};

			if (ops[i] == 0x8e) {
				cdb[9] = 20;
				cdb[13] = 100;
			} else {
				cdb[5] = 20;
				cdb[ops[i] == 0x2e ? 8 : 9] = 100;
			}
			test_fill(h.out, 51200, 0, 2 * i + bytchk);
			host_cmd(&h, cdb, 16, 51200, 0);
			EXPECT_GOOD(&h);
			CU_ASSERT_EQUAL(h.residual, 0);
			host_read(&h, 20, 100, 512);
			CU_ASSERT(!memcmp(h.in, h.out, 51200));
		}
	}
	host_rw(&h, 0x8e, 0x04, 0, 1, 512, 0);
	EXPECT_BAD_CDB(&h, 1, 2);
	host_rw(&h, 0x8e, 0x06, 0, 1, 512, 0);
	EXPECT_BAD_CDB(&h, 1, 2);
	host_rw(&h, 0x8e, 0, N, 1, 512, 0);
	EXPECT_LBA(&h, N);
	host_rw(&h, 0x8e, 0, 0, 2, 512, 0);
	EXPECT_OVERRUN(&h);
	end();
}

/* The medium fails while it is verified, not while it is written. */
static void verify_fails(void)
{
	struct mock *m = mock_new("d");

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	m->answer = BDEV_STATUS_MEDIUM_ERROR;
	m->fail_after = 1;
	host_rw(&h, 0x8e, 0, 0, 8, 4096, 0);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_READ_ERROR);
	host_rw(&h, 0x8e, 0, 0, 8, 4096, 0);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR);
	m->fail_after = 3; /* of many pieces */
	host_rw(&h, 0x8f, 0, 0, N - 1, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_READ_ERROR);
	end();
}

static void start_verify(struct cmd *c)
{
	struct cdb16 cdb = cdb16(0x8f, 0, 0, N);

	cmd_init(c, &h, cdb.b, 16, 0, 0);
	cmd_start(c);
}

/* Each reads into a quarter of a megabyte of ours: what a guest makes of it has a limit, and one
 * always may. */
static void memory_has_a_limit(void)
{
	const unsigned long long one = (256 << 10) + 4096;
	struct cmd c[4];
	unsigned int i;

	host_null("d", 60000000);
	host_open(&h, "host", NULL, "d");
	scsi_device_limit_memory(h.dev, 3 * (256 << 10));
	for (i = 0; i < 4; i++)
		start_verify(&c[i]);
	CU_ASSERT_EQUAL(atomic_load(&h.dev->memory), 2 * one);
	CU_ASSERT_EQUAL(cmd_wait(&c[2]), SCSI_STATUS_TASK_SET_FULL);
	CU_ASSERT_EQUAL(cmd_wait(&c[3]), SCSI_STATUS_TASK_SET_FULL);
	CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_OK);
	host_tmf(&h, SCSI_TMF_LU_RESET, 0);
	cmd_wait(&c[0]);
	cmd_wait(&c[1]);
	CU_ASSERT_EQUAL(atomic_load(&h.dev->memory), 0);
	host_clear_uas(&h);
	scsi_device_limit_memory(h.dev, 4096);
	start_verify(&c[0]);
	CU_ASSERT_EQUAL(atomic_load(&h.dev->memory), one);
	host_tmf(&h, SCSI_TMF_LU_RESET, 0);
	CU_ASSERT_NOT_EQUAL(cmd_wait(&c[0]), SCSI_STATUS_TASK_SET_FULL);
	end();
}

static atomic_uint allocated;

/* In place of the C library's, whose names are reserved.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void *aligned_alloc(size_t align, size_t size)
{
	void *p;

	allocated++;
	return posix_memalign(&p, align, size) ? NULL : p;
}

/* The memory of a large step is not had anew from the system for each command. */
static void memory_is_kept(void)
{
	struct cdb16 large = cdb16(0x8f, 0, 0, 2048), less = cdb16(0x8f, 0, 0, 200);
	unsigned int i, before;

	begin();
	CU_ASSERT_EQUAL(host_cmd(&h, large.b, 16, 0, 0), SCSI_STATUS_GOOD);
	before = allocated;
	for (i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(host_cmd(&h, large.b, 16, 0, 0), SCSI_STATUS_GOOD);
		CU_ASSERT_EQUAL(host_cmd(&h, less.b, 16, 0, 0), SCSI_STATUS_GOOD);
	}
	CU_ASSERT_EQUAL(allocated, before);
	end();
	/* With the last unit on the reactor it went. */
	begin();
	before = allocated;
	CU_ASSERT_EQUAL(host_cmd(&h, less.b, 16, 0, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(allocated, before + 1);
	end();
}

static const struct test_case cases[] = {
	{"compare", compare},
	{"medium", medium},
	{"one_block", one_block},
	{"write_verify", write_verify},
	{"verify_fails", verify_fails},
	{"memory_has_a_limit", memory_has_a_limit},
	{"memory_is_kept", memory_is_kept},
};

TEST_MAIN("scsi_verify", cases)
