/* SPDX-License-Identifier: BSD-3-Clause */
/* Eventfds that others share: signalled, and never waited for twice. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reactor_test.h"

#define FULL (UINT64_MAX - 1)

struct signal_call {
	struct reactor *r;
	int fd, rc;
	atomic_bool *wary;
};

static void signal_fn(void *arg)
{
	struct signal_call *c = arg;

	c->rc = reactor_signal(c->r, c->fd, c->wary);
}

static int signal_on(struct reactor *r, int fd, atomic_bool *wary)
{
	struct signal_call c = {.r = r, .fd = fd, .wary = wary};

	reactor_call(r, signal_fn, &c);
	return c.rc;
}

static uint64_t count_of(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void counts(void)
{
	struct reactor *r = new_reactor(0);
	int fd = eventfd(0, EFD_NONBLOCK);
	atomic_bool wary = false;
	unsigned int i;

	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(signal_on(r, fd, &wary), 0);
	CU_ASSERT_EQUAL(count_of(fd), 5);
	CU_ASSERT_FALSE(wary);
	/* By the kernel: more than its queue has places, as each is done at once. */
	wary = true;
	for (i = 0; i < 300; i++)
		CU_ASSERT_EQUAL(signal_on(r, fd, &wary), 0);
	CU_ASSERT_EQUAL(count_of(fd), 300);
	close(fd);
	reactor_destroy(r);
}

static void full_counter(void)
{
	struct reactor *r = new_reactor(0);
	uint64_t full = FULL;
	int fd = eventfd(0, EFD_NONBLOCK);
	atomic_bool wary = false;

	CU_ASSERT_EQUAL(write(fd, &full, sizeof(full)), sizeof(full));
	CU_ASSERT_EQUAL(signal_on(r, fd, &wary), 0);
	CU_ASSERT_FALSE(wary);
	close(fd);
	reactor_destroy(r);
}

static void blocks_once(void)
{
	struct reactor *r = new_reactor(0);
	struct reactor_watchdog *w = NULL;
	uint64_t full = FULL;
	int fd = eventfd(0, 0);
	atomic_bool wary = false;
	unsigned int i;

	CU_ASSERT_EQUAL(reactor_watchdog_start(&r, 1, &w), 0);
	CU_ASSERT_EQUAL(write(fd, &full, sizeof(full)), sizeof(full));
	CU_ASSERT_EQUAL(signal_on(r, fd, &wary), -EINTR);
	CU_ASSERT_TRUE(wary);
	/* Without the watchdog nothing would end one that blocks. */
	reactor_watchdog_stop(w);
	for (i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(signal_on(r, fd, &wary), 0);
	close(fd);
	reactor_destroy(r);
}

static void no_eventfd(void)
{
	struct reactor *r = new_reactor(0);
	int fds[2];
	atomic_bool wary = true;

	CU_ASSERT_EQUAL(pipe(fds), 0);
	CU_ASSERT_EQUAL(signal_on(r, fds[1], &wary), -EINVAL);
	CU_ASSERT_EQUAL(signal_on(r, -1, &wary), -EBADF);
	close(fds[0]);
	close(fds[1]);
	reactor_destroy(r);
}

static const struct test_case cases[] = {
	{"counts", counts},
	{"full_counter", full_counter},
	{"blocks_once", blocks_once},
	{"no_eventfd", no_eventfd},
};

TEST_MAIN("reactor/signal", cases)
