/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring by itself: more operations than fit, cancelling, buffers, sleeping. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../bdev/bdev_test.h"
#include "uring/uring.h"
#include "uring/uring_block.h"

#define OPS 10000

/* A read of a byte from a pipe: it ends when a byte is there, or when it is cancelled. */
struct pipe_op {
	struct uring_op op;
	int fixed; /* the pipe's number in the ring, and 1 */
	int res;
	bool ended;
	void *buf;
	char byte;
};

static struct reactor *reactor;
static struct uring *ring;
static struct uring_user user;
static int fds[2];
static struct pipe_op ops[OPS];
static unsigned int nended;
static sem_t all_ended;
static unsigned int expected;

static void prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
	struct pipe_op *p = (struct pipe_op *)op;

	io_uring_prep_read(sqe, p->fixed ? p->fixed - 1 : fds[0], &p->byte, 1, 0);
	if (p->fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static void done(struct uring_op *op, int res)
{
	struct pipe_op *p = (struct pipe_op *)op;

	if (p->ended) {
		printf("not ok uring - an operation ended twice\n");
		_exit(1);
	}
	p->ended = true;
	p->res = res;
	if (__atomic_add_fetch(&nended, 1, __ATOMIC_RELAXED) == expected)
		sem_post(&all_ended);
}

static void got_buf(struct uring_op *op, void *buf)
{
	((struct pipe_op *)op)->buf = buf;
	uring_start(&user, op);
}

static const struct uring_op_type type = {.prep = prep, .done = done, .got_buf = got_buf};

static void get_fn(void *arg)
{
	*(int *)arg = uring_get(&ring);
	uring_user_init(&user, ring);
}

static void put_fn(void *arg)
{
	uring_user_fini(&user);
	uring_put(ring);
	ring = NULL;
}

static void begin(unsigned int n)
{
	unsigned int i;
	int rc = -1;

	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(pipe2(fds, O_CLOEXEC), 0);
	reactor_call(reactor, get_fn, &rc);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	sem_init(&all_ended, 0, 0);
	nended = 0;
	expected = n;
	for (i = 0; i < n; i++)
		ops[i] = (struct pipe_op){.op.type = &type};
}

static void end(void)
{
	reactor_call(reactor, put_fn, NULL);
	reactor_destroy(reactor);
	close(fds[0]);
	close(fds[1]);
	CU_ASSERT_EQUAL(nended, expected);
}

static void start_fn(void *arg)
{
	unsigned int i;

	for (i = 0; i < expected; i++)
		uring_start(&user, &ops[i].op);
}

/* Who pays in the first one's done(), and of how many others somebody else. */
static struct reactor_share *payer, somebody;
static unsigned int other_payers;

static void naming_done(struct uring_op *op, int res)
{
	if (!payer)
		payer = reactor_payer();
	other_payers += reactor_payer() != payer;
	reactor_set_payer(nended + 1 < expected ? &somebody : payer);
	done(op, res);
}

static unsigned int count_res(int res)
{
	unsigned int i, n = 0;

	for (i = 0; i < expected; i++)
		n += ops[i].res == res;
	return n;
}

/* Bytes that are left in the pipe: a submitted read takes one at once. */
static int left(void)
{
	int n = -1;

	CU_ASSERT_EQUAL(ioctl(fds[0], FIONREAD, &n), 0);
	return n;
}

static void start_burst_fn(void *arg)
{
	unsigned int i;

	for (i = 0; i < expected; i++) {
		CU_ASSERT_EQUAL(left(), i < 3 ? 8 : 5);
		uring_start(&user, &ops[i].op);
	}
	CU_ASSERT_EQUAL(left(), 5);
}

/* Whom a done() names as the payer pays for what it starts, and for no other one. */
static void payers(void)
{
	static const struct uring_op_type naming = {.prep = prep, .done = naming_done};
	unsigned int i;

	begin(8);
	for (i = 0; i < 8; i++)
		ops[i].op.type = &naming;
	CU_ASSERT_EQUAL(write(fds[1], "12345678", 8), 8);
	reactor_call(reactor, start_fn, NULL);
	sem_wait(&all_ended);
	CU_ASSERT_EQUAL(other_payers, 0);
	end();
}

/* An idle disk gets the first three of a burst while the others are prepared. */
static void burst(void)
{
	begin(8);
	CU_ASSERT_EQUAL(write(fds[1], "12345678", 8), 8);
	reactor_call(reactor, start_burst_fn, NULL);
	sem_wait(&all_ended);
	CU_ASSERT_EQUAL(count_res(1), 8);
	CU_ASSERT_EQUAL(left(), 0);
	end();
}

/* Also more than what may be in flight: the rest waits and comes to its turn. */
static void more_than_the_ring(void)
{
	static char bytes[OPS];
	size_t sent = 0;
	ssize_t n;

	begin(OPS);
	reactor_call(reactor, start_fn, NULL);
	CU_ASSERT_EQUAL(__atomic_load_n(&nended, __ATOMIC_RELAXED), 0);
	while (sent < OPS) {
		n = write(fds[1], bytes, OPS - sent);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	CU_ASSERT_EQUAL(sent, OPS);
	test_wait(&all_ended, "the reads");
	CU_ASSERT_EQUAL(count_res(1), OPS);
	end();
}

static void cancel_fn(void *arg)
{
	unsigned int i;

	for (i = 0; i < expected; i++)
		uring_cancel(&ops[i].op);
}

/* Some of them are in the kernel, some have an SQE, some wait for one. */
static void cancel(void)
{
	begin(OPS);
	reactor_call(reactor, start_fn, NULL);
	usleep(20000);
	reactor_call(reactor, cancel_fn, NULL);
	test_wait(&all_ended, "the cancelled reads");
	CU_ASSERT_EQUAL(count_res(-ECANCELED), OPS);
	end();
}

static void start_and_cancel_fn(void *arg)
{
	start_fn(NULL);
	cancel_fn(NULL);
}

static void cancel_at_once(void)
{
	begin(300);
	reactor_call(reactor, start_and_cancel_fn, NULL);
	test_wait(&all_ended, "the cancelled reads");
	CU_ASSERT_EQUAL(count_res(-ECANCELED), 300);
	end();
}

static void reactor_nop(void *arg)
{
}

static unsigned long sleeps(void)
{
	struct reactor_stats stats;

	reactor_get_stats(reactor, &stats);
	return stats.sleeps;
}

/* It sleeps while nothing happens, also behind a cancel, and wakes for each completion. */
static void sleep_and_wake(void)
{
	unsigned int i;
	unsigned long before;

	for (i = 0; i < 20; i++) {
		begin(1);
		reactor_call(reactor, start_fn, NULL);
		usleep(2000);
		before = sleeps();
		usleep(20000);
		CU_ASSERT(sleeps() - before <= 1); /* it slept through, and didn't spin */
		if (i % 2) {
			CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
		} else {
			reactor_call(reactor, cancel_fn, NULL);
		}
		test_wait(&all_ended, "a read");
		CU_ASSERT_EQUAL(ops[0].res, i % 2 ? 1 : -ECANCELED);
		reactor_call(reactor, reactor_nop, NULL);
		usleep(1000);
		before = sleeps();
		usleep(10000);
		CU_ASSERT(sleeps() - before <= 1);
		end();
	}
}

/* What the kernel's table takes, and one more; a slot that was given back is used again. */
static void fill_table_fn(void *arg)
{
	unsigned int *nfiles = arg;
	int i;

	for (i = 0; uring_file_add(ring, fds[0]) == i; i++)
		;
	*nfiles = (unsigned int)i;
	if (!i)
		return;
	CU_ASSERT_EQUAL(uring_file_add(ring, fds[0]), -1);
	uring_file_remove(ring, -1);
	CU_ASSERT_EQUAL(uring_file_add(ring, fds[0]), -1);
	uring_file_remove(ring, i / 2);
	CU_ASSERT_EQUAL(uring_file_add(ring, fds[0]), i / 2);
}

static void empty_table_fn(void *arg)
{
	unsigned int i, *nfiles = arg;

	for (i = 0; i < *nfiles; i++)
		uring_file_remove(ring, (int)i);
}

/* The last slot reads like the fd does, and a removed one not at all. */
static void registered_files(void)
{
	unsigned int nfiles = 0;

	begin(1);
	reactor_call(reactor, fill_table_fn, &nfiles);
	if (nfiles) {
		ops[0].fixed = (int)nfiles;
		reactor_call(reactor, start_fn, NULL);
		CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
		test_wait(&all_ended, "the read of a registered file");
		CU_ASSERT_EQUAL(ops[0].res, 1);
		reactor_call(reactor, empty_table_fn, &nfiles);
		nended = 0;
		ops[0].ended = false;
		reactor_call(reactor, start_fn, NULL);
		test_wait(&all_ended, "the read of a file that is not registered any more");
		CU_ASSERT_EQUAL(ops[0].res, -EBADF);
	} else {
		expected = 0;
		test_skip("this kernel registers no files");
	}
	end();
}

static unsigned int nothing_to_do(void *arg)
{
	return 0;
}

static struct reactor_poller patient = {.name = "patient", .poll = nothing_to_do};

static void patient_add_fn(void *arg)
{
	reactor_poller_add(reactor, &patient);
}

static void patient_remove_fn(void *arg)
{
	reactor_poller_remove(reactor, &patient);
}

static unsigned long rounds(void)
{
	struct reactor_stats stats;

	reactor_get_stats(reactor, &stats);
	return stats.rounds;
}

/* A read that takes so long; the reactor's rounds meanwhile. */
static unsigned long timed_read(unsigned int usec)
{
	unsigned long before;

	nended = 0;
	expected = 1;
	ops[0] = (struct pipe_op){.op.type = &type};
	reactor_call(reactor, start_fn, NULL);
	usleep(100);
	before = rounds();
	usleep(usec);
	before = rounds() - before;
	CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
	test_wait(&all_ended, "a read");
	return before;
}

/* How many of 20 such reads are waited for by polling. */
static unsigned int polled_for(unsigned int usec)
{
	unsigned int i, n = 0;

	for (i = 0; i < 20; i++)
		n += timed_read(usec) > 100;
	return n;
}

static bool polls_when_it_pays(void)
{
	unsigned int i;
	bool good;

	begin(1);
	patient.idle_ns = 2000000;
	reactor_call(reactor, patient_add_fn, NULL);
	good = polled_for(4000) > 15;
	for (i = 0; i < 100; i++)
		timed_read(4000);
	good = polled_for(4000) < 5 && good;
	for (i = 0; i < 100; i++)
		timed_read(0);
	good = polled_for(500) > 15 && good;
	reactor_call(reactor, patient_remove_fn, NULL);
	end();
	return good;
}

/*
 * Reads that mostly take longer than the reactor polls on are not polled for, once that is known;
 * when they get faster, they are again. On a machine that holds threads up, one time of ten.
 */
static void polling_that_pays(void)
{
	bool good = false;
	int i;

	for (i = 0; i < 10 && !good; i++)
		good = polls_when_it_pays();
	CU_ASSERT(good);
}

static void take_bufs_fn(void *arg)
{
	unsigned int i;
	int rc;

	for (i = 0; i < expected; i++) {
		rc = uring_buf_get(&user, &ops[i].op, &ops[i].buf);
		CU_ASSERT(rc == 0 || rc == -EBUSY);
		CU_ASSERT((rc == 0) == (ops[i].buf != NULL));
	}
	CU_ASSERT((uintptr_t)ops[0].buf % URING_BUF_ALIGN == 0);
	memset(ops[0].buf, 1, URING_BUF_BYTES);
	/* One that waits for a buffer is cancelled: at once. */
	uring_cancel(&ops[expected - 1].op);
	CU_ASSERT_EQUAL(ops[expected - 1].res, -ECANCELED);
}

static unsigned int with_buf(unsigned int from, unsigned int to)
{
	unsigned int i, n = 0;

	for (i = from; i < to; i++)
		n += ops[i].buf != NULL;
	return n;
}

struct range {
	unsigned int from, to;
};

static void give_bufs_fn(void *arg)
{
	struct range *range = arg;
	unsigned int i;

	for (i = range->from; i < range->to; i++)
		if (ops[i].buf)
			uring_buf_put(&user, ops[i].buf);
}

/* The buffers that are given back go to those who wait, in their order, who then go on. */
static void buffers(void)
{
	const unsigned int n = 100;
	struct range first = {0, 0}, rest = {0, n};
	unsigned int i;

	begin(n);
	reactor_call(reactor, take_bufs_fn, NULL);
	first.to = rest.from = with_buf(0, n);
	CU_ASSERT_FATAL(first.to > n / 2 && first.to < n - 1);
	CU_ASSERT_EQUAL(with_buf(0, first.to), first.to);
	/* The waiting, and the one that was cancelled. */
	expected = n - first.to;
	reactor_call(reactor, give_bufs_fn, &first);
	CU_ASSERT_EQUAL(with_buf(first.to, n), n - first.to - 1);
	CU_ASSERT_PTR_NULL(ops[n - 1].buf);
	for (i = first.to; i < n - 1; i++)
		CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
	test_wait(&all_ended, "the reads that waited for buffers");
	reactor_call(reactor, give_bufs_fn, &rest);
	end();
}

/* --- an operation that blocks: its memory is only there once another thread has brought it --- */

#define PAGES 64

static int faults;
static char *far_away;

static bool begin_far_away(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};

	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api))
		return false;
	far_away = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	range.range.start = (uintptr_t)far_away;
	range.range.len = PAGES * 4096;
	return far_away != MAP_FAILED && !ioctl(faults, UFFDIO_REGISTER, &range);
}

/* Brings each page that is asked for, after a while. */
static void *bring(void *arg)
{
	struct uffd_msg msg;

	while (read(faults, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_zeropage page = {
			.range = {.start = msg.arg.pagefault.address & ~4095ULL, .len = 4096}};

		usleep(3 * URING_BLOCK_NS / 1000);
		ioctl(faults, UFFDIO_ZEROPAGE, &page);
		if (page.range.start == (uintptr_t)far_away + (PAGES - 1) * 4096)
			break;
	}
	return NULL;
}

static struct uring_user innocent;
static unsigned int nblocked, ninnocent;

static void far_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_write(sqe, fds[1], far_away + (size_t)((struct pipe_op *)op - ops) * 4096, 1,
			    0);
}

static const struct uring_op_type far_type = {.prep = far_prep, .done = done};

static void user_blocked(struct uring_user *u, uint64_t ns)
{
	CU_ASSERT(ns >= URING_BLOCK_NS);
	if (u == &user)
		nblocked++;
	else
		ninnocent++;
}

static void init_users_fn(void *arg)
{
	user.blocked = innocent.blocked = user_blocked;
	uring_user_init(&innocent, ring);
}

static void start_far_fn(void *arg)
{
	static unsigned int ninnocents;
	unsigned int i;

	for (i = 0; i < 3; i++)
		uring_start(&innocent, &ops[PAGES + ninnocents++].op);
	ops[*(unsigned int *)arg].op.type = &far_type;
	uring_start(&user, &ops[*(unsigned int *)arg].op);
}

static void fini_users_fn(void *arg)
{
	uring_user_fini(&innocent);
}

/* Whose operations make the reactor sleep when it submits them: they, and not others, are told. */
static void blocking(void)
{
	unsigned int i, last = PAGES - 1;
	pthread_t thread;

	if (!begin_far_away()) {
		test_skip("userfaultfd: %s", strerror(errno));
		return;
	}
	begin(PAGES + 4 * 3);
	expected = 4 + 4 * 3;
	pthread_create(&thread, NULL, bring, NULL);
	reactor_call(reactor, init_users_fn, NULL);
	CU_ASSERT_EQUAL(write(fds[1], "0123456789ab", 12), 12);
	for (i = 0; i < 3; i++)
		reactor_call(reactor, start_far_fn, &i);
	reactor_call(reactor, start_far_fn, &last);
	test_wait(&all_ended, "the writes");
	pthread_join(thread, NULL);
	CU_ASSERT(nblocked > 0);
	CU_ASSERT_EQUAL(ninnocent, 0);
	reactor_call(reactor, fini_users_fn, NULL);
	user.blocked = NULL;
	end();
	munmap(far_away, PAGES * 4096);
	close(faults);
}

static void probe(void)
{
	int rc = uring_probe();

	CU_ASSERT_EQUAL(rc, 0);
}

static const struct test_case cases[] = {
	{"probe", probe},
	{"burst", burst},
	{"payers", payers},
	{"more_than_the_ring", more_than_the_ring},
	{"cancel", cancel},
	{"cancel_at_once", cancel_at_once},
	{"sleep_and_wake", sleep_and_wake},
	{"registered_files", registered_files},
	{"polling_that_pays", polling_that_pays},
	{"buffers", buffers},
	{"blocking", blocking},
};

TEST_MAIN("uring", cases)
