/* SPDX-License-Identifier: BSD-3-Clause */
/* SYNCHRONIZE CACHE, START STOP UNIT, TEST UNIT READY. */
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

static int start_stop(uint8_t byte1, uint8_t byte4)
{
	return CMD(&h, 0, 0, 0x1b, byte1, 0, 0, byte4, 0);
}

static void sync_cache(void)
{
	begin();
	CMD(&h, 0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_GOOD(&h);
	host_rw(&h, 0x91, 0x02, 0, N, 0, 0); /* IMMED */
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	CU_ASSERT_EQUAL(mock->seen[0].op, BDEV_OP_FLUSH);
	CU_ASSERT_EQUAL(mock->seen[1].op, BDEV_OP_FLUSH);
	host_rw(&h, 0x91, 0, N, 1, 0, 0);
	EXPECT_LBA(&h, N);
	host_rw(&h, 0x91, 0, UINT64_MAX, 2, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
	CMD(&h, 0, 0, 0x35, 0x04, 0, 0, 0, 0, 0, 0, 0, 0); /* SYNC_NV */
	EXPECT_BAD_CDB(&h, 1, 2);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	mock->answer = BDEV_STATUS_MEDIUM_ERROR;
	host_rw(&h, 0x91, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR);
	end();
}

/* A stopped unit has no medium, until it is started, or reset. */
static void stopped(void)
{
	begin();
	CU_ASSERT_EQUAL(start_stop(0, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(mock->nseen, 1); /* it was flushed */
	CU_ASSERT_EQUAL(mock->seen[0].op, BDEV_OP_FLUSH);
	CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_NOT_READY, SCSI_ASC_NOT_READY_START_NEEDED);
	host_read(&h, 0, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_NOT_READY, SCSI_ASC_NOT_READY_START_NEEDED);
	host_write(&h, 0, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_NOT_READY, SCSI_ASC_NOT_READY_START_NEEDED);
	CMD(&h, 0, 18, 0x03, 0, 0, 0, 18, 0);
	CU_ASSERT_EQUAL(h.in[2], SCSI_KEY_NOT_READY);
	CMD(&h, 0, 96, 0x12, 0, 0, 0, 96, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(start_stop(1, 1), SCSI_STATUS_GOOD);
	host_read(&h, 0, 1, 512);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	CU_ASSERT_EQUAL(start_stop(0, 4), SCSI_STATUS_GOOD); /* NO_FLUSH */
	CU_ASSERT_EQUAL(mock->nseen, 2);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(host_clear_uas(&h), 1);
	CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_GOOD(&h);
	end();
}

static void stop_fails(void)
{
	begin();
	mock->answer = BDEV_STATUS_MEDIUM_ERROR;
	start_stop(0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR);
	CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_GOOD(&h); /* not stopped */
	end();
}

static void bad_fields(void)
{
	begin();
	start_stop(0, 0x10); /* POWER CONDITION */
	EXPECT_BAD_CDB(&h, 4, 7);
	start_stop(0, 0x03); /* LOEJ */
	EXPECT_BAD_CDB(&h, 4, 1);
	start_stop(0, 0x02);
	EXPECT_BAD_CDB(&h, 4, 1);
	start_stop(0, 0x09);
	EXPECT_BAD_CDB(&h, 4, 3);
	CMD(&h, 0, 0, 0, 0, 1, 0, 0, 0);
	EXPECT_BAD_CDB(&h, 2, 0);
	CMD(&h, 0, 0, 0, 0, 0, 0, 0, 1); /* LINK */
	EXPECT_BAD_CDB(&h, 5, 0);
	end();
}

static const struct test_case cases[] = {
	{"sync_cache", sync_cache},
	{"stopped", stopped},
	{"stop_fails", stop_fails},
	{"bad_fields", bad_fields},
};

TEST_MAIN("scsi_sync", cases)
