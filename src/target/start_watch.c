/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * To look at a disk takes as long as that disk likes. A thread says what is waited for, and hears
 * the signals that end the daemon.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "target/target_internal.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/slow_file.h"
#include "util/time.h"

/* When it is said first, and how often from then on. */
#define FIRST_MS 2000
#define AGAIN_MS 10000

struct target_start_watch {
	pthread_t thread;
	sigset_t ends;
	int signal_fd, over_fd;
	uint64_t since_ns;
	struct target_deadline *deadline;
};

static atomic_int heard; /* a signal, or 0 */

bool target_start_cancelled(void)
{
	return atomic_load(&heard);
}

static void say(const struct target_start_watch *w)
{
	unsigned int s = (unsigned int)((time_now_ns() - w->since_ns) / NS_PER_SEC);
	char path[PATH_MAX];

	slow_file_get(path, sizeof(path));
	if (path[0])
		log_write(LOG_LEVEL_WARN,
			  "the start has taken %u s until now: \"%s\", or the file system that has "
			  "it, does not answer",
			  s, path);
	else
		log_write(LOG_LEVEL_WARN, "the start has taken %u s until now", s);
}

/* A second signal ends the process at once: the default action. */
static void end_start(struct target_start_watch *w)
{
	struct signalfd_siginfo info;

	if (read(w->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_write(LOG_LEVEL_INFO, "%s during the start: stopping, within %d s",
		  strsignal((int)info.ssi_signo), TARGET_STOP_SECONDS);
	say(w);
	atomic_store(&heard, (int)info.ssi_signo);
	w->deadline = target_deadline_begin();
	pthread_sigmask(SIG_UNBLOCK, &w->ends, NULL);
}

static void *watch(void *arg)
{
	struct target_start_watch *w = arg;
	struct pollfd fds[] = {{.fd = w->over_fd, .events = POLLIN},
			       {.fd = w->signal_fd, .events = POLLIN}};
	int wait_ms = FIRST_MS;

	/* As long as the main thread has not, there is nothing to be taken down. */
	pthread_sigmask(SIG_BLOCK, &w->ends, NULL);
	for (;;) {
		int n = poll(fds, w->deadline ? 1 : 2, wait_ms);

		if (fds[0].revents)
			return NULL;
		if (n > 0 && fds[1].revents) {
			end_start(w);
		} else if (!n) {
			say(w);
			wait_ms = AGAIN_MS;
		}
	}
}

struct target_start_watch *target_start_watch_begin(void)
{
	struct target_start_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	sigemptyset(&w->ends);
	sigaddset(&w->ends, SIGINT);
	sigaddset(&w->ends, SIGTERM);
	w->since_ns = time_now_ns();
	w->signal_fd = signalfd(-1, &w->ends, SFD_CLOEXEC);
	w->over_fd = eventfd(0, EFD_CLOEXEC);
	if (w->signal_fd >= 0 && w->over_fd >= 0 && !pthread_create(&w->thread, NULL, watch, w)) {
		pthread_setname_np(w->thread, "start");
		return w;
	}
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	if (w->over_fd >= 0)
		close(w->over_fd);
	free(w);
	return NULL;
}

int target_start_watch_end(struct target_start_watch *w, struct target_deadline **deadline)
{
	uint64_t one = 1;

	*deadline = NULL;
	if (!w)
		return 0;
	if (write(w->over_fd, &one, sizeof(one)) < 0)
		log_error("the start's thread cannot be woken: %s", fd_strerror(errno));
	pthread_join(w->thread, NULL);
	close(w->signal_fd);
	close(w->over_fd);
	*deadline = w->deadline;
	free(w);
	return atomic_load(&heard);
}
