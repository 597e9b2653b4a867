/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop/signals.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ready(void *arg)
{
	struct loop_signals *s = arg;
	struct signalfd_siginfo info;

	if (read(s->source.fd, &info, sizeof(info)) == sizeof(info))
		s->got(s->arg, (int)info.ssi_signo);
}

int loop_signals_watch(struct loop_signals *s, const sigset_t *set)
{
	int rc;

	s->source = (struct loop_source){
		.ready = ready,
		.arg = s,
		.fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK),
	};
	if (s->source.fd < 0)
		return -errno;
	rc = loop_watch(s->loop, &s->source, EPOLLIN);
	if (rc)
		close(s->source.fd);
	return rc;
}

void loop_signals_end(struct loop_signals *s)
{
	loop_watch(s->loop, &s->source, 0);
	close(s->source.fd);
}
