/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing to eventfds that a VMM shares. They are non-blocking when we get them, but that is a
 * property of the open file, which the VMM can change back; with a full counter the write then
 * blocks, and with it all guests of the reactor. A signal without SA_RESTART gets the reactor out,
 * once: the next ones of that owner are left to the kernel.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "reactor/reactor_internal.h"

#define WATCHDOG_SIGNAL SIGUSR2

static void ignore(int sig)
{
}

/* Once is enough; the handler does nothing but interrupt. */
void reactor_signal_init(void)
{
	struct sigaction sa = {.sa_handler = ignore};

	sigemptyset(&sa.sa_mask);
	sigaction(WATCHDOG_SIGNAL, &sa, NULL);
}

/* Only this thread writes the count: no read-modify-write is needed. */
static void next_signal(struct reactor *r)
{
	unsigned int n = atomic_load_explicit(&r->signals, memory_order_relaxed);

	atomic_store_explicit(&r->signals, n + 1, memory_order_relaxed);
}

/*
 * A request of Linux AIO that is done at once: our own eventfd can be written to. Its completion
 * signals the other one inside the kernel, as a device's would, which never waits: at a full
 * counter it does nothing. Some ten times the cost of a write, so it is for those who have made one
 * block.
 */
static int signal_by_kernel(struct reactor *r, int fd)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)r->event_fd,
		.aio_buf = POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *list[] = {&cb};
	struct timespec now = {0};
	struct io_event done[4];
	long rc = 1;

	if (!r->aio && syscall(SYS_io_setup, 64, &r->aio) < 0)
		return -errno;
	if (syscall(SYS_io_submit, r->aio, 1, list) < 0)
		rc = -errno;
	syscall(SYS_io_getevents, r->aio, 0, 4, done, &now);
	return rc < 0 ? (int)rc : 0;
}

void reactor_signal_fini(struct reactor *r)
{
	if (r->aio)
		syscall(SYS_io_destroy, r->aio);
}

int reactor_signal(struct reactor *r, int fd, atomic_bool *wary)
{
	uint64_t one = 1;
	int rc;

	if (atomic_load_explicit(wary, memory_order_relaxed))
		return signal_by_kernel(r, fd);
	next_signal(r);
	rc = write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
	next_signal(r);
	if (rc == -EINTR)
		atomic_store_explicit(wary, true, memory_order_relaxed);
	return rc == -EAGAIN ? 0 : rc;
}

/* --- the watchdog --- */

#define WATCH_INTERVAL_NS 100000000L

struct reactor_watchdog {
	struct reactor *const *reactors;
	size_t n;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static void look_at(struct reactor *r)
{
	unsigned int now = atomic_load_explicit(&r->signals, memory_order_relaxed);

	if (now & 1 && now == r->signals_seen)
		pthread_kill(r->thread, WATCHDOG_SIGNAL);
	r->signals_seen = now;
}

static void next_interval(struct timespec *until)
{
	clock_gettime(CLOCK_REALTIME, until);
	until->tv_nsec += WATCH_INTERVAL_NS;
	until->tv_sec += until->tv_nsec / 1000000000L;
	until->tv_nsec %= 1000000000L;
}

static void *watch(void *arg)
{
	struct reactor_watchdog *w = arg;
	struct timespec until;
	size_t i;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		next_interval(&until);
		pthread_cond_timedwait(&w->wake, &w->lock, &until);
		for (i = 0; i < w->n; i++)
			look_at(w->reactors[i]);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int reactor_watchdog_start(struct reactor *const *reactors, size_t n, struct reactor_watchdog **out)
{
	struct reactor_watchdog *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->reactors = reactors;
	w->n = n;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	rc = pthread_create(&w->thread, NULL, watch, w);
	if (rc) {
		free(w);
		return -rc;
	}
	pthread_setname_np(w->thread, "watchdog");
	*out = w;
	return 0;
}

void reactor_watchdog_stop(struct reactor_watchdog *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
