/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/log.h"
#include "util/util.h"

void fd_take_passed(struct msghdr *msg, void (*fn)(void *arg, int fd), void *arg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const uint8_t *data = CMSG_DATA(c);
		size_t i, n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(int),
			       sizeof(int)); /* it may not be aligned */
			fn(arg, fd);
		}
	}
}

bool fd_is_eventfd(int fd)
{
	static const char kind[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(kind)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target));
	return n == (ssize_t)sizeof(kind) - 1 && !memcmp(target, kind, sizeof(kind) - 1);
}

/*
 * Only these have seals. No other call may come before: fstat() and fstatfs() ask the file system,
 * and one of NFS or FUSE answers when it likes.
 */
bool fd_is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static int socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

bool fd_is_unix_pair(int fd)
{
	struct sockaddr_un peer;
	socklen_t len = sizeof(peer);

	return socket_option(fd, SO_DOMAIN) == AF_UNIX &&
	       socket_option(fd, SO_TYPE) == SOCK_STREAM &&
	       !getpeername(fd, (struct sockaddr *)&peer, &len) &&
	       len == offsetof(struct sockaddr_un, sun_path);
}

/* --- how many --- */

static struct rlimit limits(void)
{
	struct rlimit l = {0};

	getrlimit(RLIMIT_NOFILE, &l);
	return l;
}

void fd_raise_limit(void)
{
	struct rlimit l = limits();

	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

void fd_reserve_table(void)
{
	int last = (int)min_t(uint64_t, fd_limit(), FD_TABLE_SIZE) - 1;
	int fd = eventfd(0, EFD_CLOEXEC); /* which needs no file system */
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, last);

	if (high < 0)
		log_debug("the table of open files gets no room for %d in advance: %s", last + 1,
			  strerror(errno));
	/* The table keeps its size. */
	if (high >= 0)
		close(high);
	if (fd >= 0)
		close(fd);
}

uint64_t fd_limit(void)
{
	return limits().rlim_cur;
}

uint64_t fd_limit_hard(void)
{
	return limits().rlim_max;
}

const char *fd_strerror(int err)
{
	static _Thread_local char text[256];
	char buf[128];
	const char *what = strerror_r(err, buf, sizeof(buf));

	if (err == EMFILE)
		snprintf(text, sizeof(text),
			 "%s: the process may have %" PRIu64 " (RLIMIT_NOFILE); raise its hard "
			 "limit (LimitNOFILE= of a systemd unit, ulimit -Hn), or use fewer "
			 "controllers or queues",
			 what, fd_limit());
	else if (err == ENFILE)
		snprintf(text, sizeof(text),
			 "%s: all processes together have as many as there may be; raise "
			 "fs.file-max (sysctl)",
			 what);
	else
		snprintf(text, sizeof(text), "%s", what);
	return text;
}
