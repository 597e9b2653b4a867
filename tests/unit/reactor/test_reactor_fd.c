/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks for descriptors: which, when, again and again, and not after their removal. */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "reactor/reactor_fd.h"
#include "reactor_test.h"
#include "util/util.h"

struct watch {
	struct reactor_fd f;
	struct reactor *r;
	int fd;
	unsigned int events; /* to watch for */
	int rc;
	bool drains; /* reads what there is */
	bool goes;   /* removes itself, and `other` */
	bool rests;  /* watches for nothing any more */
	struct watch *other;
	atomic_uint calls, seen; /* events */
};

static void called(struct reactor_fd *f, unsigned int events)
{
	struct watch *w = container_of(f, struct watch, f);
	char buf[64];

	CU_ASSERT_PTR_EQUAL(reactor_self(), w->r);
	if (w->drains && events & REACTOR_FD_READ)
		CU_ASSERT(read(w->fd, buf, sizeof(buf)) >= 0);
	if (w->rests)
		CU_ASSERT_EQUAL(reactor_fd_change(w->r, f, 0), 0);
	if (w->goes) {
		reactor_fd_remove(w->r, f);
		if (w->other)
			reactor_fd_remove(w->r, &w->other->f);
	}
	atomic_fetch_or(&w->seen, events);
	atomic_fetch_add(&w->calls, 1);
}

static void add_on_reactor(void *arg)
{
	struct watch *w = arg;

	w->f.fn = called;
	w->rc = reactor_fd_add(w->r, &w->f, w->fd, w->events);
}

static int add(struct watch *w, struct reactor *r, int fd, unsigned int events)
{
	w->r = r;
	w->fd = fd;
	w->events = events;
	reactor_call(r, add_on_reactor, w);
	return w->rc;
}

static void change_on_reactor(void *arg)
{
	struct watch *w = arg;

	w->rc = reactor_fd_change(w->r, &w->f, w->events);
}

static int change(struct watch *w, unsigned int events)
{
	w->events = events;
	reactor_call(w->r, change_on_reactor, w);
	return w->rc;
}

static void remove_on_reactor(void *arg)
{
	struct watch *w = arg;

	reactor_fd_remove(w->r, &w->f);
}

static void take_out(struct watch *w)
{
	reactor_call(w->r, remove_on_reactor, w);
}

static bool was_called(void *arg)
{
	return atomic_load(&((struct watch *)arg)->calls);
}

static bool was_called_often(void *arg)
{
	return atomic_load(&((struct watch *)arg)->calls) >= 10;
}

static void ring(int fd)
{
	uint64_t one = 1;

	CU_ASSERT_EQUAL(write(fd, &one, sizeof(one)), sizeof(one));
}

static unsigned int poll_nothing(void *arg)
{
	return 0;
}

static unsigned int poll_work(void *arg)
{
	return 1;
}

/* --- a reactor that sleeps, one that polls, one that has work --- */

static void told(struct reactor_poller *p)
{
	struct reactor *r = new_reactor(0);
	struct watch w = {.drains = true};
	int fd = eventfd(0, EFD_NONBLOCK);
	unsigned int i;

	if (p)
		add_poller(r, p);
	CU_ASSERT_EQUAL(add(&w, r, fd, REACTOR_FD_READ), 0);
	for (i = 0; i < 50; i++) {
		if (i % 10 == 0)
			test_sleep_ns(2 * NS_PER_MS);
		CU_ASSERT_EQUAL(w.calls, 0);
		ring(fd);
		CU_ASSERT_TRUE(test_until(was_called, &w, 20000));
		w.calls = 0;
	}
	CU_ASSERT_EQUAL(w.seen, REACTOR_FD_READ);
	take_out(&w);
	if (p)
		remove_poller(r, p);
	reactor_destroy(r);
	close(fd);
}

static void asleep(void)
{
	told(NULL);
}

static void polling(void)
{
	struct reactor_poller p = {.poll = poll_nothing, .idle_ns = REACTOR_NEVER_SLEEP};

	told(&p);
}

static void working(void)
{
	struct reactor_poller p = {.poll = poll_work};

	told(&p);
}

/* With a descriptor that nothing happens to it sleeps as well as without. */
static void sleeps(void)
{
	struct reactor *r = new_reactor(0);
	struct watch w = {0};
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t rounds;
	unsigned int i;

	CU_ASSERT_EQUAL(add(&w, r, fd, REACTOR_FD_READ), 0);
	for (i = 0; i < 100; i++) {
		test_sleep_ns(5 * NS_PER_MS);
		rounds = stats_of(r).rounds;
		test_sleep_ns(20 * NS_PER_MS);
		if (stats_of(r).rounds == rounds)
			break;
	}
	CU_ASSERT(i < 100);
	CU_ASSERT_EQUAL(w.calls, 0);
	take_out(&w);
	reactor_destroy(r);
	close(fd);
}

/* --- levels --- */

/* Until it is read: again and again. */
static void again(void)
{
	struct reactor *r = new_reactor(0);
	struct watch w = {0};
	int fd = eventfd(1, EFD_NONBLOCK);
	uint64_t n;

	CU_ASSERT_EQUAL(add(&w, r, fd, REACTOR_FD_READ), 0);
	CU_ASSERT_TRUE(test_until(was_called_often, &w, 20000));
	CU_ASSERT_EQUAL(read(fd, &n, sizeof(n)), sizeof(n));
	take_out(&w);
	w.calls = 0;
	ring(fd);
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(w.calls, 0);
	reactor_destroy(r);
	close(fd);
}

/* A socket: writable at once, readable when something came, and so until it is watched for. */
static void changes(void)
{
	struct reactor *r = new_reactor(0);
	struct watch w = {0};
	int s[2];

	CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	CU_ASSERT_EQUAL(add(&w, r, s[0], 0), 0);
	CU_ASSERT_EQUAL(write(s[1], "x", 1), 1);
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(w.calls, 0);
	CU_ASSERT_EQUAL(change(&w, REACTOR_FD_WRITE), 0);
	CU_ASSERT_TRUE(test_until(was_called, &w, 20000));
	CU_ASSERT_EQUAL(w.seen, REACTOR_FD_WRITE);
	CU_ASSERT_EQUAL(change(&w, 0), 0);
	w.calls = w.seen = 0;
	CU_ASSERT_EQUAL(change(&w, REACTOR_FD_READ), 0);
	CU_ASSERT_TRUE(test_until(was_called, &w, 20000));
	CU_ASSERT_EQUAL(w.seen, REACTOR_FD_READ);
	CU_ASSERT_EQUAL(change(&w, REACTOR_FD_READ | REACTOR_FD_WRITE), 0);
	w.calls = w.seen = 0;
	CU_ASSERT_TRUE(test_until(was_called, &w, 20000));
	CU_ASSERT_EQUAL(w.seen, REACTOR_FD_READ | REACTOR_FD_WRITE);
	take_out(&w);
	reactor_destroy(r);
	close(s[0]);
	close(s[1]);
}

/* Watched for nothing, it costs nothing, whatever the other side does. */
static void hang_up(void)
{
	struct reactor *r = new_reactor(0);
	struct watch w = {.rests = true};
	int s[2];

	CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	CU_ASSERT_EQUAL(add(&w, r, s[0], REACTOR_FD_READ), 0);
	close(s[1]);
	CU_ASSERT_TRUE(test_until(was_called, &w, 20000));
	CU_ASSERT_EQUAL(w.seen, REACTOR_FD_READ | REACTOR_FD_ERROR);
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(w.calls, 1);
	take_out(&w);
	reactor_destroy(r);
	close(s[0]);
}

/* --- removal in a callback --- */

/* The argument: two of them. */
static void change_both(void *arg)
{
	struct watch *w = arg;

	change_on_reactor(&w[0]);
	change_on_reactor(&w[1]);
}

static bool either_called(void *arg)
{
	struct watch *w = arg;

	return w[0].calls || w[1].calls;
}

/* Of two that are found together, the first removes the other, which is not told then. */
static void removes_the_other(void)
{
	struct reactor *r = new_reactor(0);
	struct watch w[2] = {{.goes = true}, {.goes = true}};
	int fd[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		fd[i] = eventfd(1, EFD_NONBLOCK);
		w[i].other = &w[1 - i];
		CU_ASSERT_EQUAL(add(&w[i], r, fd[i], 0), 0);
	}
	w[0].events = w[1].events = REACTOR_FD_READ;
	reactor_call(r, change_both, w);
	CU_ASSERT_TRUE(test_until(either_called, w, 20000));
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(w[0].calls + w[1].calls, 1);
	take_out(&w[0]);
	take_out(&w[1]);
	reactor_destroy(r);
	close(fd[0]);
	close(fd[1]);
}

struct many {
	struct reactor *r;
	struct watch w[40];
	unsigned int added;
};

static void add_all(void *arg)
{
	struct many *m = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m->w); i++) {
		m->w[i].f.fn = called;
		m->w[i].r = m->r;
		m->added += !reactor_fd_add(m->r, &m->w[i].f, m->w[i].fd, REACTOR_FD_READ);
	}
}

static bool all_called(void *arg)
{
	struct many *m = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m->w); i++)
		if (!m->w[i].calls)
			return false;
	return true;
}

/* More than one look finds, none of which is ever read: each has its turns. */
static void many_take_turns(void)
{
	static struct many m;
	unsigned int i;

	memset(&m, 0, sizeof(m));
	m.r = new_reactor(0);
	for (i = 0; i < ARRAY_SIZE(m.w); i++)
		m.w[i].fd = eventfd(1, EFD_NONBLOCK);
	reactor_call(m.r, add_all, &m);
	CU_ASSERT_EQUAL(m.added, ARRAY_SIZE(m.w));
	CU_ASSERT_TRUE(test_until(all_called, &m, 20000));
	for (i = 0; i < ARRAY_SIZE(m.w); i++) {
		take_out(&m.w[i]);
		close(m.w[i].fd);
	}
	reactor_destroy(m.r);
}

/* --- what cannot be --- */

static void refused(void)
{
	struct reactor *r = new_reactor(0);
	struct watch w = {0}, twice = {0};
	int fd = eventfd(0, EFD_NONBLOCK), file = open("/proc/self/exe", O_RDONLY);

	CU_ASSERT_EQUAL(add(&w, r, -1, REACTOR_FD_READ), -EBADF);
	CU_ASSERT_EQUAL(add(&w, r, file, REACTOR_FD_READ), -EPERM);
	take_out(&w); /* harmless */
	CU_ASSERT_EQUAL(add(&w, r, fd, REACTOR_FD_READ), 0);
	CU_ASSERT_EQUAL(add(&twice, r, fd, REACTOR_FD_READ), -EEXIST);
	take_out(&w);
	take_out(&w);
	CU_ASSERT_EQUAL(add(&twice, r, fd, REACTOR_FD_READ), 0);
	take_out(&twice);
	reactor_destroy(r);
	close(fd);
	close(file);
}

static const struct test_case cases[] = {
	{"asleep", asleep},
	{"polling", polling},
	{"working", working},
	{"sleeps", sleeps},
	{"again", again},
	{"changes", changes},
	{"hang_up", hang_up},
	{"removes_the_other", removes_the_other},
	{"many_take_turns", many_take_turns},
	{"refused", refused},
};

TEST_MAIN("reactor/reactor_fd", cases)
