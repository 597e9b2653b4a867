/* SPDX-License-Identifier: BSD-3-Clause */
#include "msgsock/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/log.h"

#define FIRST_FD 3

enum state {
	FREE,
	TAKEN,
	CLOSED,
};

static int count = -1; /* not looked at yet */
static enum state *states;

static long number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (!text || !*text)
		return -1;
	n = strtol(text, &end, 10);
	return *end ? -1 : n;
}

/* They are for the process that the variable names, and for nobody that this one starts. */
static void look(void)
{
	long n = number_of("LISTEN_FDS");
	int fd;

	count = 0;
	if (n > 0 && n < 65536 && number_of("LISTEN_PID") == getpid())
		states = calloc((size_t)n, sizeof(*states));
	if (states)
		count = (int)n;
	for (fd = FIRST_FD; fd < FIRST_FD + count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
}

/* Where it listens; false: it is no listening stream socket with a path. */
static bool path_of(int fd, char *path, size_t size)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr), optlen = sizeof(int);
	int listening = 0, type = 0;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) || addr.sun_family != AF_UNIX ||
	    len <= offsetof(struct sockaddr_un, sun_path) || !addr.sun_path[0] ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &optlen) || !listening ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &optlen) || type != SOCK_STREAM)
		return false;
	snprintf(path, size, "%.*s", (int)sizeof(addr.sun_path), addr.sun_path);
	return true;
}

int passed_socket_take(const char *path)
{
	char there[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	int i;

	if (count < 0)
		look();
	for (i = 0; i < count; i++) {
		int fd = FIRST_FD + i;

		if (states[i] != FREE || !path_of(fd, there, sizeof(there)) || strcmp(there, path))
			continue;
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
			continue;
		states[i] = TAKEN;
		return fd;
	}
	return -1;
}

void passed_socket_give_back(int fd)
{
	states[fd - FIRST_FD] = FREE;
}

void passed_sockets_finish(void)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	int i;

	if (count < 0)
		look();
	for (i = 0; i < count; i++) {
		int fd = FIRST_FD + i;

		if (states[i] != FREE)
			continue;
		if (!path_of(fd, path, sizeof(path)))
			snprintf(path, sizeof(path), "nothing that can be used");
		log_warn(
			"descriptor %d was passed as a listening socket, and no controller has its "
			"path (%s): it is closed; its ListenStream= must be the controller's "
			"socket, in socket_dir",
			fd, path);
		close(fd);
		states[i] = CLOSED;
	}
}
