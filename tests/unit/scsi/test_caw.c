/* SPDX-License-Identifier: BSD-3-Clause */
/* COMPARE AND WRITE: what it does, and that nothing comes in between. */
#include <pthread.h>

#include "scsi_test.h"

#define N 16384u

static struct host h, other;

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

/* h.out has the data to compare with and the data to write, n blocks each. */
static void make_caw(uint8_t cdb[16], uint8_t byte1, uint64_t lba, uint8_t n)
{
	memset(cdb, 0, 16);
	cdb[0] = 0x89;
	cdb[1] = byte1;
	scsi_put64(cdb + 2, lba);
	cdb[13] = n;
}

static int caw(struct host *who, uint64_t lba, uint8_t n, size_t out_len)
{
	uint8_t cdb[16];

	make_caw(cdb, 0, lba, n);
	return host_cmd(who, cdb, 16, out_len, 0);
}

static void simple(void)
{
	begin();
	memset(h.out, 0, 512 * 3);
	memset(h.out + 512 * 3, 'B', 512 * 3);
	CU_ASSERT_EQUAL(caw(&h, 5, 3, 512 * 6), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.residual, 0);
	host_read(&h, 4, 5, 512);
	CU_ASSERT(test_all(h.in, 512, 0) && test_all(h.in + 512, 3 * 512, 'B'));
	CU_ASSERT(test_all(h.in + 4 * 512, 512, 0));
	/* The same again: the medium is not as it was. */
	caw(&h, 5, 3, 512 * 6);
	EXPECT_SENSE(&h, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	CU_ASSERT(h.sense.info_valid && h.sense.info == 0);
	end();
}

static void miscompare(void)
{
	begin();
	memset(h.out, 'A', 512 * 64);
	host_write(&h, 0, 64, 512);
	memset(h.out + 512 * 64, 'B', 512 * 64);
	h.out[512 * 64 - 27] = 'C';
	caw(&h, 0, 64, 512 * 128);
	EXPECT_SENSE(&h, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	CU_ASSERT(h.sense.info_valid && h.sense.info == 512 * 64 - 27);
	host_read(&h, 0, 64, 512);
	CU_ASSERT(test_all(h.in, 512 * 64, 'A'));
	end();
}

static void bad_fields(void)
{
	begin();
	CU_ASSERT_EQUAL(caw(&h, 0, 0, 0), SCSI_STATUS_GOOD);
	caw(&h, 0, 65, 512 * 130);
	EXPECT_BAD_CDB(&h, 13, 7);
	caw(&h, N - 1, 2, 2048);
	EXPECT_LBA(&h, N);
	caw(&h, UINT64_MAX, 1, 1024);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);
	caw(&h, 0, 1, 1023);
	EXPECT_OVERRUN(&h);
	caw(&h, 0, 2, 1024);
	EXPECT_OVERRUN(&h);
	memset(h.out, 0, 4096);
	CU_ASSERT_EQUAL(caw(&h, 0, 1, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.residual, 4096 - 1024);
	CMD(&h, 1024, 0, 0x89, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0); /* WRPROTECT */
	EXPECT_BAD_CDB(&h, 1, 5);
	CMD(&h, 1024, 0, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0);
	EXPECT_BAD_CDB(&h, 10, 0);
	end();
}

/* --- step by step, with a bdev that holds I/Os --- */

static struct mock *mock;

/* Two devices on one reactor, both with a unit on the same bdev. */
static void begin_mock(void)
{
	mock = mock_new("d");
	CU_ASSERT_EQUAL(bdev_register(&mock->bdev), 0);
	host_open(&h, "host", NULL, "d");
	host_open(&other, "other", h.r, "d");
	memset(h.out, 0, 8192);
	memset(other.out, 'W', 8192);
	mock->nseen = 0;
}

static void end_mock(void)
{
	host_end(&other);
	end();
}

static void start_caw(struct cmd *c, struct host *who, uint64_t lba)
{
	uint8_t cdb[16];

	make_caw(cdb, 0, lba, 1);
	cmd_init(c, who, cdb, 16, 1024, 0);
	cmd_start(c);
}

static void start_write(struct cmd *c, struct host *who, uint64_t lba, uint32_t n)
{
	struct cdb16 cdb = cdb16(0x8a, 0, lba, n);

	cmd_init(c, who, cdb.b, 16, 512 * n, 0);
	cmd_start(c);
}

/* A write that was there before is waited for. */
static void waits_for_writes(void)
{
	struct cmd w, far, c;

	begin_mock();
	host_hold(&h, mock);
	start_write(&far, &other, 100, 1);
	start_write(&w, &other, 9, 2);
	start_caw(&c, &h, 10);
	host_settle(&h);
	CU_ASSERT_EQUAL(mock->nseen, 2); /* its READ hasn't begun */
	host_release(&h, mock);
	host_settle(&h);
	CU_ASSERT(cmd_is_done(&w) && !cmd_is_done(&c));
	CU_ASSERT_EQUAL(mock->nseen, 3);
	CU_ASSERT_EQUAL(mock->seen[2].op, BDEV_OP_READ);
	host_go(&h, mock);
	cmd_wait(&c);
	EXPECT_SENSE(&h, SCSI_KEY_MISCOMPARE, SCSI_ASC_MISCOMPARE);
	cmd_wait(&w);
	cmd_wait(&far);
	end_mock();
}

/* A write that comes later waits, if it is in the range; a read and other writes don't. */
static void writes_wait(void)
{
	struct cmd c, in_range, outside, unmap, second;
	struct cdb16 same = cdb16(0x93, 1, 5, 10);

	begin_mock();
	host_hold(&h, mock);
	memset(h.out, 0, 512);
	memset(h.out + 512, 'C', 512);
	start_caw(&c, &h, 10);
	start_write(&in_range, &other, 10, 1);
	cmd_init(&unmap, &other, same.b, 16, 0, 0);
	cmd_start(&unmap);
	start_write(&outside, &other, 20, 1);
	start_caw(&second, &h, 500); /* one at a time */
	host_settle(&h);
	CU_ASSERT_EQUAL(mock->nseen, 2); /* the READ, and the write outside */
	CU_ASSERT_EQUAL(mock->seen[1].lba, 20);
	host_release(&h, mock);
	host_settle(&h);
	CU_ASSERT(cmd_is_done(&outside) && !cmd_is_done(&in_range));
	CU_ASSERT_EQUAL(mock->nseen, 3);
	CU_ASSERT_EQUAL(mock->seen[2].op, BDEV_OP_WRITE);
	CU_ASSERT_EQUAL(mock->seen[2].lba, 10);
	host_go(&h, mock);
	CU_ASSERT_EQUAL(cmd_wait(&c), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(cmd_wait(&in_range), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(cmd_wait(&unmap), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(cmd_wait(&outside), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(cmd_wait(&second), SCSI_STATUS_GOOD);
	host_read(&h, 20, 1, 512);
	CU_ASSERT(test_all(h.in, 512, 'W'));
	end_mock();
}

/* Whoever waits, or has the turn, can be aborted, and those behind go on. */
static void aborted(void)
{
	struct cmd c, parked, second, third;

	begin_mock();
	host_hold(&h, mock);
	start_caw(&c, &h, 10);
	start_write(&parked, &other, 10, 1);
	start_caw(&second, &other, 10);
	start_caw(&third, &h, 10);
	CU_ASSERT_EQUAL(host_tmf(&other, SCSI_TMF_ABORT_TASK_SET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT(cmd_is_done(&parked) && cmd_is_done(&second));
	cmd_wait(&parked);
	CU_ASSERT_EQUAL(other.response, SCSI_RESPONSE_ABORTED);
	cmd_wait(&second);
	CU_ASSERT_EQUAL(other.response, SCSI_RESPONSE_ABORTED);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK, (uintptr_t)&c), SCSI_TMF_COMPLETE);
	cmd_wait(&c);
	CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_ABORTED);
	host_settle(&h);
	CU_ASSERT_EQUAL(mock->nseen, 2); /* the third has begun */
	host_go(&h, mock);
	CU_ASSERT_EQUAL(cmd_wait(&third), SCSI_STATUS_GOOD);
	end_mock();
}

static void errors(void)
{
	begin_mock();
	mock->answer = BDEV_STATUS_MEDIUM_ERROR;
	caw(&h, 0, 1, 1024);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_READ_ERROR);
	mock->fail_after = 1;
	caw(&h, 0, 1, 1024);
	EXPECT_SENSE(&h, SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR);
	mock->answer = BDEV_STATUS_OK;
	CU_ASSERT_EQUAL(caw(&other, 0, 1, 1024), SCSI_STATUS_CHECK_CONDITION);
	CU_ASSERT_EQUAL(other.sense.key, SCSI_KEY_MISCOMPARE);
	CU_ASSERT_EQUAL(host_write(&other, 0, 1, 512), SCSI_STATUS_GOOD);
	end_mock();
}

/* --- from two reactors --- */

#define ROUNDS 1500

/* Adds one to a counter on the disk, ROUNDS times. */
static void *count_up(void *arg)
{
	struct host *who = arg;
	uint64_t seen = 0;
	unsigned int done = 0;

	while (done < ROUNDS) {
		memset(who->out, 0, 1024);
		scsi_put64(who->out, seen);
		scsi_put64(who->out + 512, seen + 1);
		if (caw(who, 7, 1, 1024) == SCSI_STATUS_GOOD) {
			done++;
			seen++;
		} else {
			CU_ASSERT_EQUAL(who->sense.key, SCSI_KEY_MISCOMPARE);
			seen++; /* the counter never goes back */
			seen -= seen > 2 * ROUNDS ? seen : 0;
		}
	}
	return NULL;
}

static struct reactor *second_reactor;

static void begin_two(void)
{
	begin();
	second_reactor = test_reactor(1);
	host_open(&other, "other", second_reactor, "d");
}

static void end_two(void)
{
	host_end(&other);
	end();
	reactor_destroy(second_reactor);
}

static void concurrent(void)
{
	pthread_t thread;

	begin_two();
	pthread_create(&thread, NULL, count_up, &other);
	count_up(&h);
	pthread_join(thread, NULL);
	host_read(&h, 7, 1, 512);
	CU_ASSERT_EQUAL(scsi_get64(h.in), 2 * ROUNDS);
	end_two();
}

/*
 * Writes against it on two reactors, with a bdev on which each I/O takes a while: what has to wait
 * for the other ends two I/Os after that began, not one. It has no data: the COMPARE AND WRITE ends
 * after its READ.
 */
#define SLOW_MS 150u

static uint64_t run_both(struct cmd *first, struct cmd *then)
{
	uint64_t start = time_now_ns();

	cmd_start(first);
	usleep(SLOW_MS * 1000 / 5);
	cmd_start(then);
	cmd_wait(then);
	CU_ASSERT(cmd_is_done(first));
	start = time_now_ns() - start;
	cmd_wait(first);
	return start / NS_PER_MS;
}

static void across_reactors(void)
{
	struct cdb16 write = cdb16(0x8a, 0, 10, 1);
	struct cmd c, w;
	uint8_t cdb[16];

	second_reactor = test_reactor(1);
	host_null("d", SLOW_MS * 1000);
	host_open(&h, "host", NULL, "d");
	host_open(&other, "other", second_reactor, "d");
	make_caw(cdb, 0, 10, 1);
	memset(h.out, 0x77, 512); /* not what a READ leaves */
	cmd_init(&w, &other, write.b, 16, 512, 0);
	cmd_init(&c, &h, cdb, 16, 1024, 0);
	CU_ASSERT(run_both(&w, &c) >= SLOW_MS * 2);
	cmd_init(&c, &h, cdb, 16, 1024, 0);
	cmd_init(&w, &other, write.b, 16, 512, 0);
	CU_ASSERT(run_both(&c, &w) >= SLOW_MS * 2);
	host_end(&other);
	end();
	reactor_destroy(second_reactor);
}

static const struct test_case cases[] = {
	{"simple", simple},
	{"miscompare", miscompare},
	{"bad_fields", bad_fields},
	{"waits_for_writes", waits_for_writes},
	{"writes_wait", writes_wait},
	{"aborted", aborted},
	{"errors", errors},
	{"concurrent", concurrent},
	{"across_reactors", across_reactors},
};

TEST_MAIN("scsi_caw", cases)
