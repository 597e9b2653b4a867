/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "message.h"
#include "tsc.h"

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(STREAM_MAX_FDS * sizeof(int))];
};

int stream_connect(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int sock;

	if (strlen(path) >= sizeof(sun.sun_path))
		return bench_error("%s: too long for a socket's path", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return bench_error("socket: %s", strerror(errno));
	if (connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		bench_error("%s: %s; is the target running, and its socket there?", path,
			    strerror(errno));
		close(sock);
		return -1;
	}
	return sock;
}

pid_t stream_peer(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
}

const char *stream_send(int sock, const void *data, size_t len, const int *fds, unsigned int nfds)
{
	union control control = {0};
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nfds > STREAM_MAX_FDS)
		return "too many file descriptors";
	if (nfds) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return strerror(errno);
	return (size_t)n == len ? NULL : "could be sent only in part";
}

static void keep_first_fd(struct msghdr *msg, int *keep)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (keep && *keep < 0)
				*keep = fd;
			else
				close(fd);
		}
	}
}

const char *stream_receive(int sock, void *buf, size_t len, uint64_t timeout_ns, int *fd)
{
	uint64_t end = tsc_clock_ns() + timeout_ns;
	size_t got = 0;

	while (got < len) {
		union control control;
		struct iovec iov = {(char *)buf + got, len - got};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.buf,
				     .msg_controllen = sizeof(control.buf)};
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n;

		if (tsc_clock_ns() > end)
			return "the target does not answer (--timeout)";
		if (poll(&p, 1, 100) <= 0)
			continue;
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0)
			return "the target has closed the connection";
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return strerror(errno);
		if (n > 0) {
			keep_first_fd(&msg, fd);
			got += (size_t)n;
		}
	}
	return NULL;
}
