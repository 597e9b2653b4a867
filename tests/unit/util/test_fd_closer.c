/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors that others close: at once, late, and without the one who gave them. */
#include "util/fd_closer.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../test.h"
#include "../tools.h"

static bool nothing_pending(void *arg)
{
	return !fd_closer_pending(arg);
}

static bool three_pending(void *arg)
{
	return fd_closer_pending(arg) == 3;
}

/* The other end sees it. */
static bool hung_up(void *arg)
{
	struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

#define MANY 50

static void closes(void)
{
	struct fd_closer *c = fd_closer_create();
	int ends[MANY][2], i;

	for (i = 0; i < MANY; i++) {
		CU_ASSERT_EQUAL_FATAL(pipe(ends[i]), 0);
		fd_closer_close(c, ends[i][1]);
	}
	for (i = 0; i < MANY; i++) {
		CU_ASSERT_TRUE(test_until(hung_up, &ends[i][0], 20000));
		close(ends[i][0]);
	}
	CU_ASSERT_TRUE(test_until(nothing_pending, c, 20000));
	fd_closer_destroy(c);
}

/* An eventfd does not wait for anybody, and there may be many: no thread is needed. */
static void eventfds_at_once(void)
{
	struct fd_closer *c = fd_closer_create();
	int fd = eventfd(0, EFD_CLOEXEC);

	fd_closer_close(c, fd);
	CU_ASSERT_EQUAL(fd_closer_pending(c), 0);
	CU_ASSERT(close(fd) < 0);
	fd_closer_destroy(c);
}

/* A TCP socket with data that nobody takes, whose close waits for that; and its other end. */
static int lingering(int *peer)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct linger linger = {.l_onoff = 1, .l_linger = 120};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static char data[65536];
	int idle = 0;

	CU_ASSERT_FALSE_FATAL(bind(listener, (struct sockaddr *)&addr, len) ||
			      listen(listener, 1) ||
			      getsockname(listener, (struct sockaddr *)&addr, &len) ||
			      connect(fd, (struct sockaddr *)&addr, len));
	*peer = accept(listener, NULL, NULL);
	close(listener);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	/* What was sent may still be on its way, and make room. */
	while (idle < 5) {
		if (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0) {
			idle = 0;
			continue;
		}
		idle++;
		test_sleep_ns(2 * NS_PER_MS);
	}
	return fd;
}

/* Each holds a thread up; the others' are closed all the same, and so are its owner's next. */
static void late_ones(void)
{
	struct fd_closer *bad = fd_closer_create(), *good = fd_closer_create();
	int peers[3], ends[2], i;

	for (i = 0; i < 3; i++)
		fd_closer_close(bad, lingering(&peers[i]));
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	fd_closer_close(good, ends[1]);
	CU_ASSERT_TRUE(test_until(nothing_pending, good, 20000));
	CU_ASSERT_TRUE(hung_up(&ends[0]));
	close(ends[0]);
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	fd_closer_close(bad, ends[1]);
	CU_ASSERT_TRUE(test_until(hung_up, &ends[0], 20000));
	close(ends[0]);
	CU_ASSERT_TRUE(test_until(three_pending, bad, 20000)); /* it is counted after it */
	for (i = 0; i < 3; i++)
		close(peers[i]);
	CU_ASSERT_TRUE(test_until(nothing_pending, bad, 20000));
	fd_closer_destroy(bad);
	fd_closer_destroy(good);
}

/* The owner goes before its descriptors. */
static void owner_goes(void)
{
	struct fd_closer *c = fd_closer_create();
	int peer, fd = lingering(&peer), ends[2];

	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	fd_closer_close(c, fd);
	fd_closer_close(c, ends[1]);
	fd_closer_destroy(c);
	fd_closer_destroy(NULL);
	CU_ASSERT_TRUE(test_until(hung_up, &ends[0], 20000));
	close(ends[0]);
	close(peer);
	/* Its thread may still be at it when the process ends: it has all that it needs. */
	test_sleep_ns(10000000);
}

static const struct test_case cases[] = {
	{"closes", closes},
	{"eventfds_at_once", eventfds_at_once},
	{"late_ones", late_ones},
	{"owner_goes", owner_goes},
};

TEST_MAIN("fd_closer", cases)
