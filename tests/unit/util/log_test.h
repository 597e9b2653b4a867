/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_UTIL_LOG_TEST_H
#define TESTS_UNIT_UTIL_LOG_TEST_H

/* stderr is a file meanwhile; what came into it is in `said`. */

#include <fcntl.h>
#include <sys/mman.h>

#include "../tools.h"
#include "util/log.h"

static char said[4 << 20];
static int said_fd, real_stderr;

static inline void listen(void)
{
	fflush(stderr);
	said_fd = memfd_create("log", MFD_CLOEXEC);
	fcntl(said_fd, F_SETFL, O_APPEND); /* a memfd does not lock its position for a write */
	real_stderr = dup(STDERR_FILENO);
	dup2(said_fd, STDERR_FILENO);
}

static inline void listened(void)
{
	ssize_t n;

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	n = pread(said_fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(said_fd);
}

static inline int lines(void)
{
	const char *p;
	int n = 0;

	for (p = said; *p; p++)
		n += *p == '\n';
	return n;
}

#endif
