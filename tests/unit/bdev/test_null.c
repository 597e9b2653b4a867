/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev_test.h"

#define LATENCY_US 20000

static struct reactor *reactor;
static struct test_disk disk;

static int create(const char *name, uint64_t size, uint32_t latency_us, char *err)
{
	struct bdev_null_params p = {
		.common = {.name = name, .size_bytes = size, .block_size = 512},
		.latency_us = latency_us,
	};

	return bdev_null_create(&p, err);
}

static bool begin(uint32_t latency_us)
{
	char err[BDEV_ERR_MAX];

	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(create("null", 1ULL << 40, latency_us, err), 0);
	return test_disk_open(&disk, reactor, "null", true);
}

static void end(void)
{
	CU_ASSERT_EQUAL(disk.ch->inflight, 0);
	test_disk_close(&disk);
	test_remove("null");
	reactor_destroy(reactor);
}

static void ops(void)
{
	char buf[512], before[512];

	if (!begin(0))
		return;
	memset(buf, 0x5a, sizeof(buf));
	memcpy(before, buf, sizeof(buf));
	CU_ASSERT_EQUAL(disk.bdev->nblocks, 1ULL << 31);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, (1ULL << 31) - 1, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(buf, before, sizeof(buf)));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 1ULL << 31, 1, buf), BDEV_STATUS_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE, 0, 1, buf, BDEV_IO_FUA), 0);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 0, UINT32_MAX / 2, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 0, 8, NULL), BDEV_STATUS_OK);
	/* There is nothing to compare with: neither equal nor different would be true. */
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, 1, buf), BDEV_STATUS_UNSUPPORTED);
	CU_ASSERT(!disk.bdev->limits.discard_zeroes);
	end();
}

#define MANY 64

static struct test_req reqs[MANY];
static char data[512];
static int order[MANY], norder;

static void note_order(struct test_req *req)
{
	order[norder++] = (int)(req - reqs);
}

static void submit_all(void *arg)
{
	int i;

	for (i = 0; i < MANY; i++)
		bdev_submit(disk.ch, &reqs[i].io);
}

static void init_all(void)
{
	int i;

	norder = 0;
	for (i = 0; i < MANY; i++) {
		test_req_init(&reqs[i], &disk, BDEV_OP_READ, 0, 1, data);
		reqs[i].after = note_order;
	}
}

static void latency(void)
{
	uint64_t started, took;
	bool in_order = true;
	int i;

	if (!begin(LATENCY_US))
		return;
	init_all();
	started = time_now_ns();
	reactor_call(reactor, submit_all, NULL);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_OK);
	took = time_now_ns() - started;
	CU_ASSERT(took >= LATENCY_US * NS_PER_US);
	CU_ASSERT(took < 100 * LATENCY_US * NS_PER_US); /* together, not one after the other */
	for (i = 0; i < MANY; i++)
		in_order = in_order && order[i] == i;
	CU_ASSERT(in_order);
	end();
}

static void cancel_some(void *arg)
{
	int i;

	submit_all(NULL);
	for (i = 0; i < MANY; i += 2)
		bdev_io_cancel(&reqs[i].io);
	bdev_io_cancel(&reqs[MANY - 1].io);
	CU_ASSERT_EQUAL(norder, MANY / 2 + 1); /* at once */
}

static void cancel(void)
{
	int i;

	if (!begin(LATENCY_US))
		return;
	init_all();
	reactor_call(reactor, cancel_some, NULL);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]),
				i % 2 && i != MANY - 1 ? BDEV_STATUS_OK : BDEV_STATUS_ABORTED);
	/* And the queue is in order. */
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, data), BDEV_STATUS_OK);
	end();
}

static void cancel_all(void *arg)
{
	int i;

	submit_all(NULL);
	for (i = MANY - 1; i >= 0; i--)
		bdev_io_cancel(&reqs[i].io);
}

static void cancel_every(void)
{
	int i;

	if (!begin(60000000)) /* nothing would end in time by itself */
		return;
	init_all();
	reactor_call(reactor, cancel_all, NULL);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_ABORTED);
	end();
}

static void abandon_all(void *arg)
{
	int i;

	submit_all(NULL);
	for (i = 0; i < MANY; i += 2)
		CU_ASSERT(bdev_io_abandon(&reqs[i].io));
	for (i = 0; i < MANY; i++)
		CU_ASSERT(bdev_io_abandon(&reqs[i].io));
	CU_ASSERT_EQUAL(norder, MANY);
}

static void abandon(void)
{
	int i;

	if (!begin(60000000))
		return;
	init_all();
	reactor_call(reactor, abandon_all, NULL);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_ABORTED);
	end();
}

/* What would take longer than the time-out ends then; what is quicker, as ever. */
static void timeout(void)
{
	struct bdev_null_params p = {
		.common = {.name = "null",
			   .block_size = 512,
			   .size_bytes = 1 << 20,
			   .io_timeout_s = 1},
		.latency_us = 30000000,
	};
	uint64_t started = time_now_ns();
	char err[BDEV_ERR_MAX];

	CU_ASSERT_EQUAL(bdev_null_create(&p, err), 0);
	reactor = test_reactor(0);
	if (!test_disk_open(&disk, reactor, "null", true))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, data), BDEV_STATUS_TIMEOUT);
	CU_ASSERT(time_now_ns() - started >= NS_PER_SEC);
	CU_ASSERT_EQUAL(disk.ch->stats.timeouts, 1);
	end();
	p.latency_us = 1000;
	CU_ASSERT_EQUAL(bdev_null_create(&p, err), 0);
	reactor = test_reactor(0);
	if (!test_disk_open(&disk, reactor, "null", true))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, data), BDEV_STATUS_OK);
	end();
}

static void put_when_last(struct test_req *req)
{
	if (disk.ch->inflight)
		return;
	bdev_channel_put(disk.ch);
	disk.ch = NULL;
}

/* Removed with I/O in flight; the last done() puts the channel. */
static void removal_in_flight(void)
{
	struct bdev *bdev;
	sem_t gone;
	int i;

	if (!begin(LATENCY_US))
		return;
	bdev = disk.bdev;
	sem_init(&gone, 0, 0);
	init_all();
	for (i = 0; i < MANY; i++)
		reqs[i].after = put_when_last;
	reactor_call(reactor, submit_all, NULL);
	bdev_remove(bdev, test_removed, &gone);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_OK);
	CU_ASSERT(sem_trywait(&gone) && errno == EAGAIN);
	bdev_close(disk.desc);
	test_wait(&gone, "removal");
	reactor_destroy(reactor);
}

static void take_stats(void *arg, const struct bdev *bdev, const struct bdev_stats *stats,
		       uint32_t inflight)
{
	if (bdev == disk.bdev)
		*(struct bdev_stats *)arg = *stats;
}

static uint64_t timed_of(const struct bdev_stats *s, enum bdev_op op)
{
	uint64_t n = 0, least_ns = 0;
	unsigned int i;

	for (i = 0; i < BDEV_LATENCY_BUCKETS; i++) {
		n += s->latency_ns[op][i];
		least_ns += s->latency_ns[op][i] << i;
	}
	/* Each is in the bucket of its time. */
	CU_ASSERT(s->latency_sum_ns[op] >= least_ns && s->latency_sum_ns[op] <= 2 * least_ns);
	return n;
}

/* Of each operation the first and then every 64th, apart from the others. */
static void timed(void)
{
	static struct bdev_stats s;
	char buf[512];
	int i;

	if (!begin(LATENCY_US))
		return;
	for (i = 0; i < 65; i++)
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	bdev_stats_visit(take_stats, &s);
	CU_ASSERT_EQUAL(timed_of(&s, BDEV_OP_READ), 2);
	CU_ASSERT(s.latency_sum_ns[BDEV_OP_READ] >= 2 * LATENCY_US * NS_PER_US);
	CU_ASSERT_EQUAL(timed_of(&s, BDEV_OP_FLUSH), 1);
	CU_ASSERT_EQUAL(timed_of(&s, BDEV_OP_WRITE), 0);
	end();
}

static void refusals(void)
{
	char err[BDEV_ERR_MAX] = "";

	CU_ASSERT_EQUAL(create("null", 0, 0, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "size"));
	CU_ASSERT_EQUAL(create("null", 513, 0, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "513"));
	CU_ASSERT_EQUAL(create("null", 512, BDEV_NULL_LATENCY_US_MAX + 1, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "60000001"));
	CU_ASSERT_EQUAL(create(NULL, 512, 0, err), -EINVAL);
	CU_ASSERT_EQUAL(create("null", 512, 0, err), 0);
	CU_ASSERT_EQUAL(create("null", 512, 0, err), -EEXIST);
	test_remove("null");
}

static const struct test_case cases[] = {
	{"ops", ops},
	{"latency", latency},
	{"cancel", cancel},
	{"cancel_every", cancel_every},
	{"abandon", abandon},
	{"timeout", timeout},
	{"removal_in_flight", removal_in_flight},
	{"timed", timed},
	{"refusals", refusals},
};

TEST_MAIN("null", cases)
