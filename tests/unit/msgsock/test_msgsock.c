/* SPDX-License-Identifier: BSD-3-Clause */
/* Framed messages: halves, descriptors, peers that don't read, that are too fast, that lie. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../test.h"
#include "../tools.h"
#include "msgsock/msgsock.h"
#include "util/time.h"
#include "util/util.h"

/* A message: its size behind the header, a command, and that many bytes. */
struct header {
	uint32_t size, command;
};
enum {
	ECHO = 1, /* the payload comes back */
	SILENT,
	LATE, /* answered by answer_late() */
	TAKE, /* takes the first descriptor over */
	END,
};
#define MAX_PAYLOAD 65536u

static struct loop *loop;
static struct msgsock ms;
static struct fd_closer *closer;
static int peer;
static atomic_uint messages, gone, turns, nfds, late;
static atomic_int taken;
static struct session_stats stats;

static int64_t payload_size(void *arg, const void *header)
{
	struct header h;

	memcpy(&h, header, sizeof(h));
	return h.size > MAX_PAYLOAD ? -1 : (int64_t)h.size;
}

static void echo(void)
{
	uint32_t size = ms.received;

	memcpy(ms.out, ms.in, size);
	msgsock_answer(&ms, size, -1);
}

static void on_message(void *arg)
{
	struct header h;

	memcpy(&h, ms.in, sizeof(h));
	atomic_fetch_add(&messages, 1);
	atomic_store(&nfds, ms.nfds);
	switch (h.command) {
	case ECHO:
		echo();
		break;
	case TAKE:
		atomic_store(&taken, ms.fds[0]);
		ms.fds[0] = -1;
		msgsock_next(&ms);
		break;
	case LATE:
		atomic_fetch_add(&late, 1);
		break;
	case END:
		msgsock_close(&ms);
		break;
	default:
		msgsock_next(&ms);
	}
}

static void on_gone(void *arg, const char *why)
{
	atomic_fetch_add(&gone, 1);
	msgsock_close(&ms);
}

static void on_turn_over(void *arg)
{
	atomic_fetch_add(&turns, 1);
}

static const struct msgsock_ops ops = {
	.header_size = sizeof(struct header),
	.max_payload = MAX_PAYLOAD,
	.payload_size = payload_size,
	.message = on_message,
	.gone = on_gone,
	.turn_over = on_turn_over,
};

static void open_ms(void *arg)
{
	CU_ASSERT_EQUAL(msgsock_open(&ms, loop, &ops, NULL, *(int *)arg, closer), 0);
}

static void close_ms(void *arg)
{
	msgsock_close(&ms);
	msgsock_close(&ms); /* harmless */
}

static bool all_closed(void *arg)
{
	return !fd_closer_pending(closer);
}

static void begin(void)
{
	int pair[2];

	atomic_store(&messages, 0);
	atomic_store(&gone, 0);
	atomic_store(&late, 0);
	atomic_store(&taken, -1);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CU_ASSERT_EQUAL(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	peer = pair[1];
	CU_ASSERT_EQUAL_FATAL(loop_start("test", &loop), 0);
	closer = fd_closer_create();
	CU_ASSERT_PTR_NOT_NULL_FATAL(closer);
	loop_call(loop, open_ms, &pair[0]);
}

static void end(void)
{
	loop_call(loop, close_ms, NULL);
	loop_stop(loop);
	close(peer);
	CU_ASSERT_TRUE(test_until(all_closed, NULL, 20000));
	fd_closer_destroy(closer);
}

static void wait_until(atomic_uint *what, unsigned int n)
{
	uint64_t until = time_now_ns() + 20 * NS_PER_SEC;

	while (atomic_load(what) < n && time_now_ns() < until)
		test_sleep_ns(NS_PER_MS / 5);
	CU_ASSERT_TRUE(atomic_load(what) >= n);
}

static void put(const void *data, size_t len, const int *fds, unsigned int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(64 * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	}
	CU_ASSERT_EQUAL(sendmsg(peer, &msg, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(uint32_t command)
{
	struct header h = {.size = 0, .command = command};

	put(&h, sizeof(h), NULL, 0);
}

static bool answered(const void *data, size_t len)
{
	static char buf[sizeof(struct header) + MAX_PAYLOAD];

	return recv(peer, buf, len, MSG_WAITALL) == (ssize_t)len && !memcmp(buf, data, len);
}

/* Cut anywhere; several at once. */
static void halves(void)
{
	struct {
		struct header h;
		char text[8];
	} msg[2] = {{{8, ECHO}, "first"}, {{8, ECHO}, "second"}};
	const uint8_t *p = (const uint8_t *)msg;
	size_t cut;

	begin();
	for (cut = 1; cut < sizeof(msg); cut++) {
		put(p, cut, NULL, 0);
		if (cut % 3)
			test_sleep_ns(NS_PER_MS);
		put(p + cut, sizeof(msg) - cut, NULL, 0);
		CU_ASSERT_TRUE(answered(msg, sizeof(msg)));
	}
	CU_ASSERT_EQUAL(atomic_load(&messages), 2 * (sizeof(msg) - 1));
	CU_ASSERT_TRUE(atomic_load(&turns) > 0);
	end();
}

/* For loop_call(): what the loop was at is done. */
static void turn_over(void *arg)
{
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	int fd;

	CU_ASSERT_TRUE(test_until(all_closed, NULL, 20000));
	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* They belong to their message, and are closed with it unless they were taken. */
static void descriptors(void)
{
	struct header h = {0, SILENT};
	int fd = eventfd(0, EFD_CLOEXEC), fds[32];
	unsigned int before, i;

	for (i = 0; i < 32; i++)
		fds[i] = fd;
	begin();
	before = open_fds();
	put(&h, sizeof(h), fds, 3);
	wait_until(&messages, 1);
	CU_ASSERT_EQUAL(atomic_load(&nfds), 3);
	say(SILENT);
	wait_until(&messages, 2);
	CU_ASSERT_EQUAL(atomic_load(&nfds), 0);
	CU_ASSERT_EQUAL(open_fds(), before);
	h.command = TAKE;
	put(&h, sizeof(h), fds, 2);
	wait_until(&messages, 3);
	say(SILENT);
	wait_until(&messages, 4);
	CU_ASSERT_EQUAL(open_fds(), before + 1);
	close(atomic_load(&taken));
	/* Of half a message. */
	put(&h, 4, fds, 16);
	test_sleep_ns(20 * NS_PER_MS);
	loop_call(loop, close_ms, NULL);
	CU_ASSERT_EQUAL(open_fds(), before - 1); /* and the socket's */
	end();
	/* More than a message may have. */
	begin();
	put(&h, sizeof(h), fds, 17);
	wait_until(&gone, 1);
	loop_call(loop, turn_over, NULL);
	CU_ASSERT_EQUAL(open_fds(), before - 1);
	end();
	close(fd);
}

static void answer_late(void *arg)
{
	echo();
}

/* While one is being handled nothing more is read. */
static void late_answers(void)
{
	struct header h = {0, LATE};

	begin();
	say(LATE);
	say(LATE);
	wait_until(&late, 1);
	test_sleep_ns(20 * NS_PER_MS);
	CU_ASSERT_EQUAL(atomic_load(&messages), 1);
	loop_call(loop, answer_late, NULL);
	wait_until(&late, 2);
	loop_call(loop, answer_late, NULL);
	CU_ASSERT_TRUE(answered(&h, sizeof(h)));
	CU_ASSERT_TRUE(answered(&h, sizeof(h)));
	end();
}

/* Who does not read answers is not read from either, and goes on where it stopped. */
static void unread_answers(void)
{
	static struct {
		struct header h;
		char data[MAX_PAYLOAD];
	} msg = {.h = {MAX_PAYLOAD, ECHO}};
	unsigned int sent, seen, i;
	const uint8_t *p = (const uint8_t *)&msg;
	ssize_t n, part = 0;

	for (i = 0; i < MAX_PAYLOAD; i++)
		msg.data[i] = (char)(i * 7);
	begin();
	for (sent = 0;; sent++) {
		unsigned int tries = 0;

		for (part = 0; part < (ssize_t)sizeof(msg) && tries < 50; part += n) {
			n = send(peer, p + part, sizeof(msg) - (size_t)part, MSG_DONTWAIT);
			if (n < 0) {
				n = 0;
				tries++;
				test_sleep_ns(NS_PER_MS);
			}
		}
		if (part < (ssize_t)sizeof(msg))
			break;
	}
	wait_until(&messages, 1);
	seen = atomic_load(&messages);
	CU_ASSERT_TRUE(seen > 0 && seen <= sent);
	for (i = 0; i < sent; i++)
		CU_ASSERT_TRUE(answered(&msg, sizeof(msg)));
	put(p + part, sizeof(msg) - (size_t)part, NULL, 0);
	CU_ASSERT_TRUE(answered(&msg, sizeof(msg)));
	CU_ASSERT_EQUAL(atomic_load(&gone), 0);
	end();
}

static void set_limit(void *arg)
{
	msgsock_limit(&ms, 100, &stats);
}

/* What exceeds the rate waits, and is not lost. */
static void rate(void)
{
	static struct header all[150];
	uint64_t start = time_now_ns();
	unsigned int i;

	for (i = 0; i < 150; i++)
		all[i] = (struct header){0, SILENT};
	begin();
	loop_call(loop, set_limit, NULL);
	put(all, sizeof(all), NULL, 0); /* at once: else they may be slow enough */
	wait_until(&messages, 150);
	CU_ASSERT_TRUE(time_now_ns() - start >= 400 * NS_PER_MS);
	CU_ASSERT_TRUE(__atomic_load_n(&stats.messages_delayed, __ATOMIC_RELAXED) > 0);
	CU_ASSERT_EQUAL(__atomic_load_n(&stats.messages, __ATOMIC_RELAXED), 150);
	end();
}

static void ends(void)
{
	struct header h = {MAX_PAYLOAD + 1, ECHO};

	begin();
	put(&h, sizeof(h), NULL, 0);
	wait_until(&gone, 1);
	end();
	begin();
	put(&h, 3, NULL, 0);
	close(peer);
	wait_until(&gone, 1);
	peer = -1;
	end();
	begin();
	say(END);
	wait_until(&messages, 1);
	CU_ASSERT_EQUAL(recv(peer, &h, 1, 0), 0);
	CU_ASSERT_EQUAL(atomic_load(&gone), 0);
	end();
}

static const struct test_case cases[] = {
	{"halves", halves},
	{"descriptors", descriptors},
	{"late_answers", late_answers},
	{"unread_answers", unread_answers},
	{"rate", rate},
	{"ends", ends},
};

TEST_MAIN("msgsock", cases)
