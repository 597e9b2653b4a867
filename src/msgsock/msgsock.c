/* SPDX-License-Identifier: BSD-3-Clause */
#include "msgsock/msgsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"

/* Messages of one peer before the others' turn. */
#define MESSAGES_PER_TURN 8

/* --- sending --- */

/* 1: all of it is sent; 0: the peer has to read first; negative: it is gone. */
static int send_answer(struct msgsock *ms)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};

	while (ms->sent < ms->out_size) {
		struct iovec iov = {ms->out + ms->sent, ms->out_size - ms->sent};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		if (!ms->sent && ms->out_fd >= 0) {
			struct cmsghdr *c = &control.align;

			msg.msg_control = control.buf;
			msg.msg_controllen = sizeof(control.buf);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &ms->out_fd, sizeof(int));
		}
		n = sendmsg(ms->source.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		ms->sent += (uint32_t)n;
	}
	ms->out_size = 0;
	return 1;
}

/* --- receiving --- */

static void close_fd(struct msgsock *ms, int fd)
{
	if (ms->closer)
		fd_closer_close(ms->closer, fd);
	else
		close(fd);
}

void msgsock_close_fds(struct msgsock *ms)
{
	unsigned int i;

	for (i = 0; i < ms->nfds; i++)
		if (ms->fds[i] >= 0)
			close_fd(ms, ms->fds[i]);
	ms->nfds = 0;
}

struct taking {
	struct msgsock *ms;
	bool too_many;
};

static void take_fd(void *arg, int fd)
{
	struct taking *t = arg;
	struct msgsock *ms = t->ms;

	if (ms->nfds < MSGSOCK_MAX_FDS) {
		ms->fds[ms->nfds++] = fd;
	} else {
		close_fd(ms, fd);
		t->too_many = true;
	}
}

/* Takes over what came with the message; false: it is not to be trusted. */
static bool take_fds(struct msgsock *ms, struct msghdr *msg)
{
	struct taking t = {.ms = ms};

	fd_take_passed(msg, take_fd, &t);
	return !t.too_many && !(msg->msg_flags & MSG_CTRUNC);
}

/* Up to `size` bytes; 0: no more at present; negative: it ends, for the reason in *why if any. */
static ssize_t receive_some(struct msgsock *ms, void *data, uint32_t size, const char **why)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FD_PASSED_MAX * sizeof(int))];
	} control;
	struct iovec iov = {data, size};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	do
		n = recvmsg(ms->source.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	if (take_fds(ms, &msg))
		return n;
	*why = "a message with more file descriptors than the protocol has, or than this process "
	       "may open (LimitNOFILE)";
	return -1;
}

/* 1: a message is there as a whole; 0: not yet; negative: it ends. */
static int receive(struct msgsock *ms, const char **why)
{
	const uint32_t head = ms->ops->header_size;

	for (;;) {
		ssize_t n;

		if (ms->received < ms->expected) {
			n = receive_some(ms, ms->in + ms->received, ms->expected - ms->received,
					 why);
			if (n <= 0)
				return (int)n;
			ms->received += (uint32_t)n;
		}
		if (ms->received < ms->expected)
			continue;
		if (ms->received == head) {
			int64_t rest = ms->ops->payload_size(ms->arg, ms->in);

			if (rest < 0 || rest > ms->ops->max_payload)
				return -1;
			ms->expected = head + (uint32_t)rest;
			if (rest)
				continue;
		}
		return 1;
	}
}

static void expect_next(struct msgsock *ms)
{
	msgsock_close_fds(ms);
	ms->received = 0;
	ms->expected = ms->ops->header_size;
	ms->handling = false;
}

/* --- turns --- */

static void on_socket(void *arg);

/* It is read again, and has a turn. */
static void pause_over(void *arg)
{
	struct msgsock *ms = arg;

	if (loop_watch(ms->loop, &ms->source, EPOLLIN))
		ms->ops->gone(ms->arg, "epoll");
	else
		on_socket(ms);
}

/* Whether the peer has to wait because it is too fast. */
static bool pause_if_too_fast(struct msgsock *ms)
{
	uint64_t early = ms->rate.per_second ? rate_early(&ms->rate, time_now_ns()) : 0;

	if (ms->closer && fd_closer_pending(ms->closer) > FD_CLOSER_MOST)
		early = NS_PER_MS;
	if (!early)
		return false;
	if (ms->stats)
		COUNTER_ADD(ms->stats->messages_delayed, 1);
	loop_watch(ms->loop, &ms->source, 0);
	/* Not for each message: a fiftieth of a second's worth at a time. */
	loop_timer_start(ms->loop, &ms->pause, early + NS_PER_SEC / 50);
	return true;
}

/* False: nothing more is to be read now. */
static bool handle_one(struct msgsock *ms)
{
	const char *why = NULL;
	int rc;

	if (!ms->received && pause_if_too_fast(ms))
		return false;
	rc = receive(ms, &why);
	if (rc < 0)
		ms->ops->gone(ms->arg, why);
	if (rc <= 0)
		return false;
	if (ms->stats)
		COUNTER_ADD(ms->stats->messages, 1);
	if (ms->rate.per_second)
		rate_charge(&ms->rate, time_now_ns());
	ms->handling = true;
	ms->ops->message(ms->arg);
	if (!msgsock_is_open(ms))
		return false;
	if (ms->handling)
		loop_watch(ms->loop, &ms->source, 0); /* until it has ended */
	return !ms->handling && !ms->out_size;
}

static void on_socket(void *arg)
{
	struct msgsock *ms = arg;
	unsigned int i;

	if (ms->out_size) {
		int rc = send_answer(ms);

		if (rc < 0)
			ms->ops->gone(ms->arg, NULL);
		if (rc <= 0)
			return;
		loop_watch(ms->loop, &ms->source, EPOLLIN);
	}
	ms->in_turn = true;
	for (i = 0; i < MESSAGES_PER_TURN && handle_one(ms); i++)
		;
	ms->in_turn = false;
	if (msgsock_is_open(ms) && !ms->handling && ms->ops->turn_over)
		ms->ops->turn_over(ms->arg);
}

void msgsock_next(struct msgsock *ms)
{
	expect_next(ms);
	if (!ms->in_turn)
		loop_timer_start(ms->loop, &ms->pause, 0);
}

void msgsock_answer(struct msgsock *ms, uint32_t size, int out_fd)
{
	int rc;

	ms->out_size = size;
	ms->out_fd = out_fd;
	ms->sent = 0;
	expect_next(ms);
	rc = send_answer(ms);
	if (rc < 0)
		ms->ops->gone(ms->arg, NULL);
	else if (!rc)
		loop_watch(ms->loop, &ms->source, EPOLLOUT);
	else if (!ms->in_turn)
		loop_timer_start(ms->loop, &ms->pause, 0);
}

/* --- the beginning and the end --- */

int msgsock_open(struct msgsock *ms, struct loop *loop, const struct msgsock_ops *ops, void *arg,
		 int fd, struct fd_closer *closer)
{
	int rc;

	*ms = (struct msgsock){
		.loop = loop,
		.ops = ops,
		.arg = arg,
		.source = {.ready = on_socket, .arg = ms, .fd = fd},
		.pause = {.fn = pause_over, .arg = ms},
		.expected = ops->header_size,
		.out_fd = -1,
		.closer = closer,
	};
	ms->in = malloc(ops->header_size + ops->max_payload);
	ms->out = malloc(ops->header_size + ops->max_payload);
	rc = ms->in && ms->out ? loop_watch(loop, &ms->source, EPOLLIN) : -ENOMEM;
	if (rc) {
		ms->source.fd = -1;
		msgsock_close(ms);
	}
	return rc;
}

void msgsock_limit(struct msgsock *ms, uint64_t per_second, struct session_stats *stats)
{
	ms->rate.per_second = per_second;
	ms->rate.at_once_ns = NS_PER_SEC / 10;
	ms->stats = stats;
}

void msgsock_close(struct msgsock *ms)
{
	loop_timer_cancel(&ms->pause);
	if (ms->in)
		msgsock_close_fds(ms);
	if (ms->in && ms->source.fd >= 0) {
		loop_watch(ms->loop, &ms->source, 0);
		shutdown(ms->source.fd, SHUT_RDWR); /* the peer is not to wait for the close */
		close_fd(ms, ms->source.fd);
	}
	ms->source.fd = -1;
	free(ms->in);
	free(ms->out);
	ms->in = ms->out = NULL;
}

int msgsock_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}
