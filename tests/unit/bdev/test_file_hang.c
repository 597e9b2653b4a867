/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that hang, and what others on the same reactor notice of it: nothing. What is held up is
 * never waited for by the reactor, and can be abandoned.
 */
#include "fuse_disk.h"
#include "util/counter.h"

#define SIZE   (4u << 20)
#define BLOCKS (SIZE / 512)
#define MANY   6000

static struct fuse_disk *slow;
static struct reactor *reactor;
static struct test_disk bad, good; /* the one that hangs, and a neighbour */
static char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 32], err[BDEV_ERR_MAX];
static char *buf, *in;
static struct test_req reqs[MANY];

static bool open_one(struct test_disk *d, const char *name, const char *file, bool direct,
		     uint32_t timeout_s, enum bdev_bounce bounce)
{
	struct bdev_file_params p = {
		.common = {.name = name, .block_size = 512, .io_timeout_s = timeout_s},
		.path = file,
		.direct = direct,
		.bounce = bounce,
	};

	CU_ASSERT_EQUAL(bdev_file_create(&p, err), 0);
	return test_disk_open(d, reactor, name, true);
}

static bool begin_with(bool direct, uint32_t timeout_s)
{
	slow = fuse_disk_mount(SIZE);
	if (!slow)
		return false;
	test_fill(slow->mem, SIZE, 0, 1);
	buf = test_buffer(SIZE + 4096);
	in = test_buffer(SIZE + 4096);
	test_fill(buf, SIZE, 0, 2);
	CU_ASSERT(test_folder(folder, NULL));
	snprintf(path, sizeof(path), "%s/image", folder);
	test_make_file(path, SIZE);
	reactor = test_reactor(0);
	return open_one(&bad, "bad", slow->path, direct, timeout_s, BDEV_BOUNCE_AUTO) &&
	       open_one(&good, "good", path, direct, 0, BDEV_BOUNCE_AUTO);
}

static bool begin(bool direct)
{
	return begin_with(direct, 0);
}

static void close_one(struct test_disk *d, const char *name)
{
	test_disk_close(d);
	test_remove(name);
}

static void end(void)
{
	fuse_disk_hold(slow, 0);
	close_one(&bad, "bad");
	close_one(&good, "good");
	reactor_destroy(reactor);
	fuse_disk_unmount(slow);
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
	free(buf);
	free(in);
}

static void nop(void *arg)
{
}

static void submit_n(void *arg)
{
	unsigned int i, n = *(unsigned int *)arg;

	for (i = 0; i < n; i++)
		bdev_submit(reqs[i].ch, &reqs[i].io);
}

/* What the neighbour does is done, whatever happens beside it. */
static void neighbour_works(char *at)
{
	unsigned int i;

	reactor_call(reactor, nop, NULL);
	for (i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_WRITE, i * 8, 8, at + i * 4096), 0);
		CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_READ, i * 8, 8, at + i * 4096), 0);
		CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_FLUSH, 0, 0, NULL), 0);
		CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_WRITE_ZEROES, i * 8, 8, NULL), 0);
	}
}

/* One I/O of each kind, on a file system that never says that it would have to wait. */
static void reactor_is_free(void)
{
	static const enum bdev_op ops[] = {BDEV_OP_READ, BDEV_OP_WRITE, BDEV_OP_FLUSH};
	unsigned int i, n = 3;

	if (!begin(false))
		return;
	fuse_disk_hold(slow, FUSE_HOLD_READS | FUSE_HOLD_WRITES | FUSE_HOLD_SYNCS);
	for (i = 0; i < n; i++)
		test_req_init(&reqs[i], &bad, ops[i], i * 512, i == 2 ? 0 : 8,
			      i == 2 ? NULL : buf + (size_t)i * 4096);
	reactor_call(reactor, submit_n, &n);
	fuse_disk_wait(slow, 2);
	neighbour_works(in);
	fuse_disk_hold(slow, 0);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(buf, slow->mem, 4096));
	end();
}

/* A flush of one disk is not behind those of another; and many flushes are one. */
static void flushes(void)
{
	unsigned int i, n = 64;

	if (!begin(false))
		return;
	fuse_disk_hold(slow, FUSE_HOLD_SYNCS);
	for (i = 0; i < n; i++)
		test_req_init(&reqs[i], &bad, BDEV_OP_FLUSH, 0, 0, NULL);
	reactor_call(reactor, submit_n, &n);
	fuse_disk_wait(slow, 1);
	neighbour_works(in);
	fuse_disk_hold(slow, 0);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_OK);
	CU_ASSERT(slow->nsyncs <= 3);
	end();
}

static void reads_beside(bool direct, unsigned int n, char *at, char *neighbour)
{
	unsigned int i;

	if (!begin(direct))
		return;
	fuse_disk_hold(slow, FUSE_HOLD_READS);
	for (i = 0; i < n; i++)
		test_req_init(&reqs[i], &bad, BDEV_OP_READ, i % BLOCKS, 1,
			      (at ? at : in) + (size_t)(i % BLOCKS) * 512);
	reactor_call(reactor, submit_n, &n);
	fuse_disk_wait(slow, 1);
	neighbour_works(neighbour ? neighbour : buf);
	fuse_disk_hold(slow, 0);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp((at ? at : in), slow->mem, (n < BLOCKS ? n : BLOCKS) * 512));
	end();
}

/* More than the ring has room for. */
static void many_reads(void)
{
	reads_beside(false, MANY, NULL, NULL);
}

/* More than there are bounce buffers, and the neighbour needs some too. */
static void many_misaligned(void)
{
	char *at = test_buffer(SIZE + 4096), *neighbour = test_buffer(SIZE + 4096);

	reads_beside(true, 400, at + 4, neighbour + 4);
	free(at);
	free(neighbour);
}

static void abandon_fn(void *arg)
{
	CU_ASSERT(bdev_io_abandon(arg));
}

static void cancel_fn(void *arg)
{
	bdev_io_cancel(arg);
}

/* Reads that hang, and those that wait behind them: all at once, and nothing is written later. */
static void abandoned_reads_of(unsigned int n)
{
	unsigned int i;
	char *mine;

	if (!begin(true))
		return;
	mine = test_buffer(n * 512);
	memset(mine, 0x55, n * 512);
	fuse_disk_hold(slow, FUSE_HOLD_READS);
	for (i = 0; i < n; i++)
		test_req_init(&reqs[i], &bad, BDEV_OP_READ, i * 64, 1, mine + (size_t)i * 512);
	reactor_call(reactor, submit_n, &n);
	fuse_disk_wait(slow, 1);
	for (i = 0; i < n; i++) /* of a read no more can be asked than that it does no harm */
		reactor_call(reactor, i % 2 ? abandon_fn : cancel_fn, &reqs[i].io);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(bad.ch->inflight, 0);
	CU_ASSERT(COUNTER_READ(bad.ch->stats.late) > 0);
	/* Nothing is fenced by reads. */
	if (n < 10)
		CU_ASSERT_EQUAL(test_io(&bad, BDEV_OP_WRITE, 8, 8, buf), BDEV_STATUS_OK);
	fuse_disk_hold(slow, 0);
	CU_ASSERT_EQUAL(test_io(&bad, BDEV_OP_READ, 0, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(test_all(mine, n * 512, 0x55));
	free(mine);
	end();
}

static void abandoned_reads(void)
{
	abandoned_reads_of(9);
	abandoned_reads_of(100);
}

/* The channel is put while late parts are under way: the bdev stays until they have ended. */
static void closed_with_late_io(void)
{
	struct bdev *bdev;
	sem_t gone;

	if (!begin(false))
		return;
	sem_init(&gone, 0, 0);
	fuse_disk_hold(slow, FUSE_HOLD_READS | FUSE_HOLD_SYNCS);
	test_req_init(&reqs[0], &bad, BDEV_OP_READ, 0, 8, in);
	test_req_submit(&reqs[0], &bad);
	test_req_init(&reqs[1], &bad, BDEV_OP_FLUSH, 0, 0, NULL);
	test_req_submit(&reqs[1], &bad);
	fuse_disk_wait(slow, 2);
	reactor_call(reactor, abandon_fn, &reqs[0].io);
	reactor_call(reactor, abandon_fn, &reqs[1].io);
	CU_ASSERT_EQUAL(test_req_wait(&reqs[0]), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(test_req_wait(&reqs[1]), BDEV_STATUS_ABORTED);
	bdev = bad.bdev;
	test_disk_close(&bad);
	bdev_remove(bdev, test_removed, &gone);
	neighbour_works(in);
	CU_ASSERT(sem_trywait(&gone) && errno == EAGAIN);
	fuse_disk_hold(slow, 0);
	test_wait(&gone, "removal");
	CU_ASSERT(open_one(&bad, "bad", slow->path, false, 0, BDEV_BOUNCE_AUTO));
	end();
}

/* Newer data is not hit by the write that was answered before it. */
static void late_write_is_fenced(void)
{
	struct test_disk other;
	struct reactor *second;

	if (!begin(true))
		return;
	second = test_reactor(1);
	CU_ASSERT(test_disk_open(&other, second, "bad", true));
	fuse_disk_hold(slow, FUSE_HOLD_WRITES);
	test_req_init(&reqs[0], &bad, BDEV_OP_WRITE, 8, 16, buf);
	test_req_submit(&reqs[0], &bad);
	fuse_disk_wait(slow, 1);
	reactor_call(reactor, abandon_fn, &reqs[0].io);
	CU_ASSERT_EQUAL(test_req_wait(&reqs[0]), BDEV_STATUS_ABORTED);
	/* By another reactor, too. */
	test_req_init(&reqs[1], &other, BDEV_OP_WRITE, 16, 16, buf + 65536);
	test_req_submit(&reqs[1], &other);
	CU_ASSERT_EQUAL(test_io(&bad, BDEV_OP_READ, 100, 1, in), BDEV_STATUS_OK); /* beside it */
	usleep(20000);
	CU_ASSERT_EQUAL(fuse_disk_held(slow), 1);
	CU_ASSERT(sem_trywait(&reqs[1].done) && errno == EAGAIN);
	fuse_disk_hold(slow, 0);
	CU_ASSERT_EQUAL(test_req_wait(&reqs[1]), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&bad, BDEV_OP_READ, 8, 24, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, buf, 8 * 512));
	CU_ASSERT(!memcmp(in + 8 * 512, buf + 65536, 16 * 512));
	test_disk_close(&other);
	end();
	reactor_destroy(second);
}

/* All of the disk. On a machine that stands still the disk hangs once more, but not each time. */
static int all_of_it(enum bdev_op op, char *at)
{
	int i, status = BDEV_STATUS_TIMEOUT;

	for (i = 0; i < 20 && status == BDEV_STATUS_TIMEOUT; i++)
		status = test_io(&bad, op, 0, BLOCKS, at);
	return status;
}

/* The guest is told that its disk hangs, of all that hangs, and the disk is good again later. */
static void timeout(void)
{
	static const enum bdev_op ops[] = {BDEV_OP_READ, BDEV_OP_WRITE, BDEV_OP_FLUSH};
	unsigned int i, n = 60;

	if (!begin_with(true, 1))
		return;
	fuse_disk_hold(slow, FUSE_HOLD_READS | FUSE_HOLD_WRITES | FUSE_HOLD_SYNCS);
	for (i = 0; i < n; i++)
		test_req_init(&reqs[i], &bad, ops[i % 3], i * 16, i % 3 == 2 ? 0 : 8,
			      i % 3 == 2 ? NULL : in + (size_t)i * 4096 + i % 2);
	reactor_call(reactor, submit_n, &n);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_TIMEOUT);
	CU_ASSERT_EQUAL(COUNTER_READ(bad.ch->stats.timeouts), n);
	CU_ASSERT_EQUAL(COUNTER_READ(bad.ch->stats.hangs), 1);
	fuse_disk_hold(slow, 0);
	for (i = 0;
	     i < 2000 && COUNTER_READ(bad.ch->stats.late) != COUNTER_READ(bad.ch->stats.late_ended);
	     i++)
		usleep(10000);
	CU_ASSERT_EQUAL(COUNTER_READ(bad.ch->stats.late), COUNTER_READ(bad.ch->stats.late_ended));
	CU_ASSERT_EQUAL(all_of_it(BDEV_OP_WRITE, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(all_of_it(BDEV_OP_READ, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(buf, in, SIZE));
	for (i = 0; i < 2000 &&
		    COUNTER_READ(bad.ch->stats.hangs) != COUNTER_READ(bad.ch->stats.hangs_ended);
	     i++)
		usleep(10000);
	CU_ASSERT(COUNTER_READ(bad.ch->stats.hangs_ended) >= 1);
	CU_ASSERT_EQUAL(COUNTER_READ(bad.ch->stats.hangs), COUNTER_READ(bad.ch->stats.hangs_ended));
	end();
}

/* All of it through memory of the daemon's: nothing but the copies can be seen of that. */
static void bounce_always(void)
{
	char *at = test_buffer(2 * SIZE);
	struct iovec iov[3] = {
		{at, 512 * 700}, {at + SIZE, 512 * 3}, {at + SIZE + 8192, 512 * 600}};

	if (!begin(true)) {
		free(at);
		return;
	}
	test_disk_close(&good);
	test_remove("good");
	CU_ASSERT(open_one(&good, "good", path, true, 0, BDEV_BOUNCE_ALWAYS));
	CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_WRITE, 0, BLOCKS, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io_iov(&good, BDEV_OP_READ, 5, 1303, iov, 3), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(at, buf + 5 * 512, iov[0].iov_len));
	CU_ASSERT(!memcmp(at + SIZE, buf + 705 * 512, iov[1].iov_len));
	CU_ASSERT(!memcmp(at + SIZE + 8192, buf + 708 * 512, iov[2].iov_len));
	CU_ASSERT_EQUAL(test_io_iov(&good, BDEV_OP_WRITE, 1005, 1303, iov, 3), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_READ, 0, BLOCKS, in), BDEV_STATUS_OK);
	memmove(buf + 1005 * 512, buf + 5 * 512, 1303 * 512);
	CU_ASSERT(!memcmp(in, buf, SIZE));
	CU_ASSERT(COUNTER_READ(good.ch->stats.bounced) >= 4);
	end();
	free(at);
}

static const struct test_case cases[] = {
	{"reactor_is_free", reactor_is_free},
	{"flushes", flushes},
	{"many_reads", many_reads},
	{"many_misaligned", many_misaligned},
	{"abandoned_reads", abandoned_reads},
	{"closed_with_late_io", closed_with_late_io},
	{"late_write_is_fenced", late_write_is_fenced},
	{"timeout", timeout},
	{"bounce_always", bounce_always},
};

TEST_MAIN("file_hang", cases)
