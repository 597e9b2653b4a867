/* SPDX-License-Identifier: BSD-3-Clause */
/* What the layer does for a backend that can't: compare, zeroes by writing, splitting. */
#include "mock_bdev.h"
#include "reactor/reactor.h"
#include "util/util.h"

#define N (MOCK_BYTES / 512)

static struct reactor *reactor;
static struct test_disk disk;
static struct mock *mock;
static char *buf;

static bool begin(struct mock *m)
{
	reactor = test_reactor(0);
	buf = test_buffer(MOCK_BYTES);
	mock = m;
	test_fill(m->mem, MOCK_BYTES, 0, 1);
	memcpy(buf, m->mem, MOCK_BYTES);
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	return test_disk_open(&disk, reactor, m->bdev.name, true);
}

static void end(void)
{
	CU_ASSERT_EQUAL(disk.ch->inflight, 0);
	test_disk_close(&disk);
	test_remove("m");
	reactor_destroy(reactor);
	free(buf);
}

/* That the mock saw `op` on exactly [lba, lba + nblocks), in order, in pieces of at most max. */
static bool covered(uint8_t op, uint64_t lba, uint32_t nblocks, uint32_t max)
{
	unsigned int i;

	for (i = 0; i < mock->nseen; i++) {
		if (mock->seen[i].op != op || mock->seen[i].lba != lba ||
		    mock->seen[i].nblocks > max || mock->seen[i].nblocks > nblocks ||
		    !mock->seen[i].nblocks)
			return false;
		lba += mock->seen[i].nblocks;
		nblocks -= mock->seen[i].nblocks;
	}
	return !nblocks;
}

static void compare(void)
{
	if (!begin(mock_new("m")))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, N, buf), BDEV_STATUS_OK);
	CU_ASSERT(covered(BDEV_OP_READ, 0, N, 256));
	buf[MOCK_BYTES - 1] ^= 1;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, N, buf), BDEV_STATUS_MISCOMPARE);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, N - 1, buf), BDEV_STATUS_OK);
	/* Only users' I/Os count. */
	CU_ASSERT_EQUAL(disk.ch->stats.ios[BDEV_OP_COMPARE], 3);
	CU_ASSERT_EQUAL(disk.ch->stats.ios[BDEV_OP_READ], 0);
	end();
}

static void compare_small_transfers(void)
{
	struct mock *m = mock_new("m");

	m->bdev.limits.max_transfer_bytes = 1024;
	m->bdev.limits.max_segments = 1;
	if (!begin(m))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 3, 2, buf + 3 * 512), BDEV_STATUS_OK);
	mock->nseen = 0;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 3, 101, NULL), BDEV_STATUS_OK);
	CU_ASSERT(covered(BDEV_OP_WRITE, 3, 101, 2));
	CU_ASSERT(test_all(m->mem + 3 * 512, 101 * 512, 0));
	CU_ASSERT(!memcmp(m->mem, buf, 3 * 512));
	CU_ASSERT(!memcmp(m->mem + 104 * 512, buf + 104 * 512, MOCK_BYTES - 104 * 512));
	end();
}

static void compare_read_error(void)
{
	if (!begin(mock_new("m")))
		return;
	mock->answer = BDEV_STATUS_MEDIUM_ERROR;
	mock->fail_after = 3;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, N, buf), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(mock->nseen, 4);
	end();
}

static void zeroes_by_writing(void)
{
	if (!begin(mock_new("m")))
		return;
	CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE_ZEROES, 1, N - 2, NULL, BDEV_IO_FUA), 0);
	CU_ASSERT(covered(BDEV_OP_WRITE, 1, N - 2, 2048));
	CU_ASSERT_EQUAL(mock->seen[0].flags, BDEV_IO_FUA);
	CU_ASSERT(test_all(mock->mem + 512, MOCK_BYTES - 1024, 0));
	CU_ASSERT(!memcmp(mock->mem, buf, 512));
	CU_ASSERT(!memcmp(mock->mem + MOCK_BYTES - 512, buf + MOCK_BYTES - 512, 512));
	mock->answer = BDEV_STATUS_NO_SPACE;
	mock->fail_after = 1;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 0, N, NULL), BDEV_STATUS_NO_SPACE);
	end();
}

/* The backend learns only from trying that it can't, also in the middle of a split. */
static void zeroes_refused_late(void)
{
	struct mock *m = mock_new("m");

	m->bdev.limits.write_zeroes = true;
	m->bdev.limits.max_write_zeroes_bytes = 64 * 512;
	m->refuse_zeroes = true;
	if (!begin(m))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 5, 60, NULL), BDEV_STATUS_OK);
	CU_ASSERT(test_all(m->mem + 5 * 512, 60 * 512, 0));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 100, 10000, NULL), BDEV_STATUS_OK);
	CU_ASSERT(test_all(m->mem + 100 * 512, 10000 * 512, 0));
	CU_ASSERT(!memcmp(m->mem + 65 * 512, buf + 65 * 512, 35 * 512));
	CU_ASSERT(!memcmp(m->mem + 10100 * 512, buf + 10100 * 512, 512));
	end();
}

static void split(void)
{
	struct mock *m = mock_new("m");

	m->bdev.limits.write_zeroes = true;
	m->bdev.limits.max_write_zeroes_bytes = 100 * 512 + 100; /* rounded down to blocks */
	m->bdev.limits.discard_granularity_bytes = 512;
	m->bdev.limits.max_discard_bytes = 1000 * 512;
	if (!begin(m))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 7, 10001, NULL), BDEV_STATUS_OK);
	CU_ASSERT(covered(BDEV_OP_WRITE_ZEROES, 7, 10001, 100));
	CU_ASSERT_EQUAL(mock->nseen, 101);
	mock->nseen = 0;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 0, N, NULL), BDEV_STATUS_OK);
	CU_ASSERT(covered(BDEV_OP_DISCARD, 0, N, 1000));
	mock->nseen = 0;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 1, 1000, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(mock->nseen, 1);
	end();
}

static void cancel_fn(void *arg)
{
	bdev_io_cancel(arg);
}

static void cancel(void)
{
	struct test_req req;

	if (!begin(mock_new("m")))
		return;
	mock->hold = true;
	test_req_init(&req, &disk, BDEV_OP_COMPARE, 0, N, buf);
	test_req_submit(&req, &disk);
	reactor_call(reactor, mock_release_fn, mock); /* one piece of 64 is done */
	CU_ASSERT_EQUAL(mock->nseen, 2);
	reactor_call(reactor, cancel_fn, &req.io);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	end();
}

static void abandon_fn(void *arg)
{
	CU_ASSERT(bdev_io_abandon(arg));
}

/* The I/O ends, and its memory may go; what is on its way to the disk is nobody's any more. */
static void abandoned_compare(void)
{
	struct test_req *req;
	char *mine = test_buffer(N * 512);

	if (!begin(mock_new("m")))
		return;
	req = malloc(sizeof(*req));
	mock->hold = true;
	test_req_init(req, &disk, BDEV_OP_COMPARE, 0, N, mine);
	test_req_submit(req, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	mock->bdev.ops = &no_cancel_ops;
	reactor_call(reactor, abandon_fn, &req->io);
	CU_ASSERT_EQUAL(test_req_wait(req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(disk.ch->inflight, 0);
	reactor_call(reactor, abandon_fn, &req->io); /* it has ended */
	free(req);
	free(mine);
	/* Nor may the channel go while that lasts; then it does, and nothing else is read. */
	reactor_call(reactor, test_disk_put_channel, &disk);
	CU_ASSERT_EQUAL(mock->nchannels, 1);
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(mock->nchannels, 0);
	CU_ASSERT_EQUAL(mock->nseen, 1);
	test_disk_close(&disk);
	test_remove("m");
	reactor_destroy(reactor);
	free(buf);
}

/* The late write of zeroes must not hit what is written after the answer. */
static void abandoned_write(void)
{
	struct test_req old, overlapping, beside, reader;

	if (!begin(mock_new("m")))
		return;
	mock->hold = true;
	mock->bdev.ops = &no_cancel_ops;
	test_req_init(&old, &disk, BDEV_OP_WRITE_ZEROES, 8, 8, NULL);
	test_req_submit(&old, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	reactor_call(reactor, abandon_fn, &old.io);
	CU_ASSERT_EQUAL(test_req_wait(&old), BDEV_STATUS_ABORTED);
	test_req_init(&overlapping, &disk, BDEV_OP_WRITE, 15, 2, buf);
	test_req_submit(&overlapping, &disk);
	test_req_init(&beside, &disk, BDEV_OP_WRITE, 16, 2, buf);
	test_req_submit(&beside, &disk);
	test_req_init(&reader, &disk, BDEV_OP_READ, 8, 1, buf + 4096);
	test_req_submit(&reader, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 2);
	CU_ASSERT_EQUAL(mock->seen[1].lba, 16);
	/* Who waits at a fence can be cancelled and abandoned. */
	reactor_call(reactor, cancel_fn, &reader.io);
	CU_ASSERT_EQUAL(test_req_wait(&reader), BDEV_STATUS_ABORTED);
	test_req_init(&reader, &disk, BDEV_OP_COMPARE, 8, 1, buf + 4096);
	test_req_submit(&reader, &disk);
	reactor_call(reactor, abandon_fn, &reader.io);
	CU_ASSERT_EQUAL(test_req_wait(&reader), BDEV_STATUS_ABORTED);
	usleep(20000);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	mock->hold = false;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&beside), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_req_wait(&overlapping), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(mock->mem + 15 * 512, buf, 512));
	CU_ASSERT_EQUAL(mock->seen[2].lba, 15);
	end();
}

static void submit_and_abandon(void *arg)
{
	struct test_req *req = arg;

	bdev_submit(req->ch, &req->io);
	CU_ASSERT(bdev_io_abandon(&req->io));
}

/* A bdev whose disk hangs for good tells who waits at the fence as it tells all others. */
static void fence_and_timeout(void)
{
	struct test_req old, late;
	struct mock *m = mock_new("m");

	m->bdev.io_timeout_ns = 20 * NS_PER_MS;
	if (!begin(m))
		return;
	mock->hold = true;
	mock->bdev.ops = &no_cancel_ops;
	test_req_init(&old, &disk, BDEV_OP_WRITE_ZEROES, 8, 8, NULL);
	reactor_call(reactor, submit_and_abandon, &old); /* at once: its own time is short, too */
	CU_ASSERT_EQUAL(test_req_wait(&old), BDEV_STATUS_ABORTED);
	test_req_init(&late, &disk, BDEV_OP_WRITE, 8, 1, buf);
	test_req_submit(&late, &disk);
	CU_ASSERT_EQUAL(test_req_wait(&late), BDEV_STATUS_TIMEOUT);
	reactor_call(reactor, mock_release_fn, mock);
	end();
}

/* --- READ, WRITE and COMPARE in steps --- */

#define STEP 4096u
#define SEGS 300

/* Segments of all lengths that cover a buffer, some of them empty. */
static uint16_t scatter(struct iovec *iov, char *at, size_t len)
{
	uint16_t n = 0;
	size_t part;

	while (len) {
		part = n == SEGS - 1 ? len : min_t(size_t, len, (size_t)n * n * 7 % 30011);
		iov[n++] = (struct iovec){.iov_base = at, .iov_len = part};
		at += part;
		len -= part;
	}
	return n;
}

static struct mock *mock_with_steps(void)
{
	struct mock *m = mock_new("m");

	m->bdev.limits.step_bytes = STEP;
	m->bdev.limits.compare = true;
	return m;
}

static void steps_of(enum bdev_op op, uint32_t nblocks, bool later)
{
	size_t len = (size_t)nblocks * 512;
	struct iovec iov[SEGS], before[SEGS];
	struct test_req req;
	uint16_t n;

	mock->nseen = 0;
	mock->hold = later;
	n = scatter(iov, buf, len);
	memcpy(before, iov, sizeof(iov));
	test_req_init(&req, &disk, op, 3, nblocks, NULL);
	req.io.iov = iov;
	req.io.iovcnt = n;
	test_req_submit(&req, &disk);
	while (later && !__atomic_load_n(&req.ndone, __ATOMIC_ACQUIRE))
		reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_OK);
	mock->hold = false;
	CU_ASSERT(covered((uint8_t)op, 3, nblocks, STEP / 512));
	CU_ASSERT_EQUAL(mock->nseen, (nblocks + STEP / 512 - 1) / (STEP / 512));
	CU_ASSERT(!memcmp(iov, before, n * sizeof(iov[0])));
	CU_ASSERT(!memcmp(mock->mem + 3 * 512, buf, len));
}

/* In pieces of at most the step, with the right data, and the array is as it was. */
static void steps(void)
{
	static const uint32_t lengths[] = {1, 8, 9, 16, 100, 1001};
	size_t i;

	if (!begin(mock_with_steps()))
		return;
	for (i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(buf, 0, MOCK_BYTES);
		steps_of(BDEV_OP_READ, lengths[i / 2], i % 2);
		test_fill(buf, MOCK_BYTES, 0, (unsigned int)i + 2);
		steps_of(BDEV_OP_WRITE, lengths[i / 2], i % 2);
	}
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 3, 1001, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(disk.ch->stats.ios[BDEV_OP_READ], 12);
	end();
}

static void step_fails(void)
{
	if (!begin(mock_with_steps()))
		return;
	mock->fail_after = 2;
	mock->answer = BDEV_STATUS_MEDIUM_ERROR;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 100, buf), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(mock->nseen, 3);
	end();
}

struct two {
	struct test_req large, small;
	int large_done; /* when the small one was */
	unsigned int pieces;
};

static void small_done(struct test_req *req)
{
	struct two *two = container_of(req, struct two, small);

	two->large_done = two->large.ndone;
	two->pieces = mock->nseen;
}

static void submit_two(void *arg)
{
	struct two *two = arg;

	bdev_submit(disk.ch, &two->large.io);
	bdev_submit(disk.ch, &two->small.io);
}

/* What is as large as the disk does not hold up what comes after it. */
static void small_beside_large(void)
{
	static struct two two;

	if (!begin(mock_with_steps()))
		return;
	test_req_init(&two.large, &disk, BDEV_OP_READ, 0, N, buf);
	test_req_init(&two.small, &disk, BDEV_OP_READ, 7, 1, buf);
	two.small.after = small_done;
	reactor_call(reactor, submit_two, &two);
	CU_ASSERT_EQUAL(test_req_wait(&two.small), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_req_wait(&two.large), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(two.large_done, 0);
	CU_ASSERT_EQUAL(two.pieces, 2);
	end();
}

static void submit_and_cancel(void *arg)
{
	struct two *two = arg;

	bdev_submit(disk.ch, &two->large.io);
	bdev_io_cancel(&two->large.io);
}

/* Between two pieces it ends at once; within one, after it. */
static void cancel_steps(void)
{
	static struct two two;

	if (!begin(mock_with_steps()))
		return;
	test_req_init(&two.large, &disk, BDEV_OP_READ, 0, N, buf);
	reactor_call(reactor, submit_and_cancel, &two);
	CU_ASSERT_EQUAL(two.large.ndone, 1);
	CU_ASSERT_EQUAL(test_req_wait(&two.large), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(mock->nseen, 1);
	mock->hold = true;
	test_req_init(&two.large, &disk, BDEV_OP_READ, 0, N, buf);
	reactor_call(reactor, submit_and_cancel, &two);
	CU_ASSERT_EQUAL(test_req_wait(&two.large), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	CU_ASSERT_EQUAL(mock->ncancels, 1);
	end();
}

/* --- */

#define MANY 100

static void submit_many(void *arg)
{
	struct test_req *reqs = arg;
	int i;

	for (i = 0; i < MANY; i++)
		bdev_submit(disk.ch, &reqs[i].io);
}

/* More than the layer works on at once: the others wait their turn, or are cancelled waiting. */
static void more_than_the_pool(void)
{
	static struct test_req reqs[MANY];
	int i, rounds = 0;

	if (!begin(mock_new("m")))
		return;
	mock->hold = true;
	for (i = 0; i < MANY; i++)
		test_req_init(&reqs[i], &disk, BDEV_OP_COMPARE, i, 1, buf + (i + i % 2) * 512);
	reactor_call(reactor, submit_many, reqs);
	CU_ASSERT(mock->nheld > 0 && mock->nheld < 50);
	CU_ASSERT_EQUAL(disk.ch->inflight, MANY);
	for (i = 60; i < MANY; i++)
		reactor_call(reactor, cancel_fn, &reqs[i].io);
	CU_ASSERT_EQUAL(disk.ch->inflight, 60);
	while (mock->nheld && rounds++ < MANY)
		reactor_call(reactor, mock_release_fn, mock);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), i >= 60 ? BDEV_STATUS_ABORTED
							 : i % 2 ? BDEV_STATUS_MISCOMPARE
								 : BDEV_STATUS_OK);
	end();
}

/* --- several users --- */

static unsigned int no_work(void *arg)
{
	(void)arg;
	return 0;
}

static struct user {
	struct reactor_poller poller;
	struct test_req reqs[MANY];
	unsigned int n; /* that it submits */
} users[3];

static void add_users(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		users[i].poller = (struct reactor_poller){.name = "user", .poll = no_work};
		reactor_poller_add(reactor, &users[i].poller);
	}
}

static void remove_users(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(users); i++)
		reactor_poller_remove(reactor, &users[i].poller);
}

static void submit_users(void *arg)
{
	struct user *user = arg;
	unsigned int i;

	reactor_set_payer(&user->poller.share);
	for (i = 0; i < user->n; i++)
		bdev_submit(disk.ch, &user->reqs[i].io);
}

static void submit_as(struct user *user, unsigned int n)
{
	unsigned int i;

	user->n = n;
	for (i = 0; i < n; i++)
		test_req_init(&user->reqs[i], &disk, BDEV_OP_COMPARE, i, 1, buf + (size_t)i * 512);
	reactor_call(reactor, submit_users, user);
}

static unsigned int done_of(const struct user *user)
{
	unsigned int i, n = 0;

	for (i = 0; i < user->n; i++)
		n += __atomic_load_n(&user->reqs[i].ndone, __ATOMIC_ACQUIRE) != 0;
	return n;
}

static unsigned int bad_of(struct user *user, int status)
{
	unsigned int i, bad = 0;

	for (i = 0; i < user->n; i++)
		bad += test_req_wait(&user->reqs[i]) != status;
	return bad;
}

/* What one user has begun, and what of it waits, does not keep the others from beginning. */
static void each_user_begins(void)
{
	unsigned int i;

	if (!begin(mock_new("m")))
		return;
	mock->hold = true;
	reactor_call(reactor, add_users, NULL);
	submit_as(&users[0], MANY);
	CU_ASSERT_EQUAL(mock->nheld, 16);
	submit_as(&users[1], 1);
	submit_as(&users[2], 3);
	CU_ASSERT_EQUAL(mock->nheld, 18);
	/* One after the other of the third's, though the first one's never end. */
	for (i = 0; i < 3; i++) {
		struct bdev_io *last = mock->held[mock->nheld - 1];

		CU_ASSERT_EQUAL(mock->nheld, 18);
		CU_ASSERT_EQUAL(last->lba, i);
		mock->nheld--;
		reactor_call(reactor, mock_do_fn, last);
	}
	CU_ASSERT_EQUAL(bad_of(&users[2], BDEV_STATUS_OK), 0);
	CU_ASSERT_EQUAL(done_of(&users[0]) + done_of(&users[1]), 0);
	mock->hold = false;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(bad_of(&users[0], BDEV_STATUS_OK), 0);
	CU_ASSERT_EQUAL(bad_of(&users[1], BDEV_STATUS_OK), 0);
	reactor_call(reactor, remove_users, NULL);
	end();
}

/* Who came first with many does not come first with all of them. */
static void users_have_turns(void)
{
	unsigned int i;

	if (!begin(mock_new("m")))
		return;
	mock->hold = true;
	reactor_call(reactor, add_users, NULL);
	submit_as(&users[0], MANY);
	submit_as(&users[1], 40);
	submit_as(&users[2], 20);
	for (i = 0; i < 4; i++)
		reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT(done_of(&users[1]) >= 16 && done_of(&users[1]) < 40);
	CU_ASSERT(done_of(&users[2]) >= 16);
	CU_ASSERT(done_of(&users[0]) >= 16 + 16 && done_of(&users[0]) < MANY);
	/* Some of those that wait are cancelled: the first, the last, and between. */
	for (i = 0; i < MANY; i += 3)
		reactor_call(reactor, cancel_fn, &users[0].reqs[i].io);
	reactor_call(reactor, cancel_fn, &users[1].reqs[39].io);
	for (i = 0; mock->nheld && i < MANY; i++)
		reactor_call(reactor, mock_release_fn, mock);
	for (i = 0; i < MANY; i++)
		test_req_wait(&users[0].reqs[i]);
	CU_ASSERT_EQUAL(test_req_wait(&users[1].reqs[39]), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(bad_of(&users[2], BDEV_STATUS_OK), 0);
	users[1].n = 39;
	CU_ASSERT_EQUAL(bad_of(&users[1], BDEV_STATUS_OK), 0);
	reactor_call(reactor, remove_users, NULL);
	end();
}

static void put_in_done(struct test_req *req)
{
	bdev_channel_put(disk.ch);
	disk.ch = NULL;
}

static void nothing(void *arg)
{
}

/* The last user may put the channel in done(), while the emulation is on the stack. */
static void channel_put_in_done(void)
{
	struct test_req req;

	if (!begin(mock_new("m")))
		return;
	test_req_init(&req, &disk, BDEV_OP_COMPARE, 0, 1000, buf);
	req.after = put_in_done;
	test_req_submit(&req, &disk);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_OK);
	reactor_call(reactor, nothing, NULL); /* it may have been in the middle of done() */
	CU_ASSERT_EQUAL(mock->nchannels, 0);
	test_disk_close(&disk);
	test_remove("m");
	reactor_destroy(reactor);
	free(buf);
}

static const struct test_case cases[] = {
	{"compare", compare},
	{"compare_small_transfers", compare_small_transfers},
	{"compare_read_error", compare_read_error},
	{"zeroes_by_writing", zeroes_by_writing},
	{"zeroes_refused_late", zeroes_refused_late},
	{"split", split},
	{"cancel", cancel},
	{"abandoned_compare", abandoned_compare},
	{"abandoned_write", abandoned_write},
	{"fence_and_timeout", fence_and_timeout},
	{"steps", steps},
	{"step_fails", step_fails},
	{"small_beside_large", small_beside_large},
	{"cancel_steps", cancel_steps},
	{"more_than_the_pool", more_than_the_pool},
	{"each_user_begins", each_user_begins},
	{"users_have_turns", users_have_turns},
	{"channel_put_in_done", channel_put_in_done},
};

TEST_MAIN("bdev_emu", cases)
