/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"
#include "util/time.h"

struct loop {
	char name[16];
	pthread_t thread;
	int epoll_fd;
	struct loop_source wakeup;
	_Atomic(struct loop_work *) work; /* the newest first */
	struct timer *timers;		  /* the next one first */
	bool quit;
	struct loop_work stop_work;
};

/* --- work of others --- */

void loop_post(struct loop *loop, struct loop_work *work)
{
	struct loop_work *head = atomic_load(&loop->work);
	uint64_t one = 1;

	do
		work->next = head;
	while (!atomic_compare_exchange_weak(&loop->work, &head, work));
	/* Its counter can't get full: it would take 2^64 posts without a wake-up. */
	if (!head && write(loop->wakeup.fd, &one, sizeof(one)) < 0)
		log_error("%s: the thread cannot be woken: %s", loop->name, fd_strerror(errno));
}

static void run_work(void *arg)
{
	struct loop *loop = arg;
	struct loop_work *newest, *oldest = NULL, *next;
	uint64_t count;

	/* Before the list is taken: what is posted behind that writes again. */
	if (read(loop->wakeup.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("%s: eventfd: %s", loop->name, fd_strerror(errno));
	for (newest = atomic_exchange(&loop->work, NULL); newest; newest = next) {
		next = newest->next;
		newest->next = oldest;
		oldest = newest;
	}
	for (; oldest; oldest = next) {
		next = oldest->next;
		oldest->fn(oldest->arg);
	}
}

struct call {
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
	struct loop_work work;
};

static void run_call(void *arg)
{
	struct call *call = arg;

	call->fn(call->arg);
	sem_post(&call->done);
}

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct call call = {.fn = fn, .arg = arg};

	sem_init(&call.done, 0, 0);
	call.work = (struct loop_work){.fn = run_call, .arg = &call};
	loop_post(loop, &call.work);
	while (sem_wait(&call.done) && errno == EINTR)
		;
	sem_destroy(&call.done);
}

/* --- descriptors --- */

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};
	int op = events ? source->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD : EPOLL_CTL_DEL;

	if (events == source->events)
		return 0;
	/* First: when it was added, the thread may look at it at once. */
	source->events = events;
	return epoll_ctl(loop->epoll_fd, op, source->fd, &ev) ? -errno : 0;
}

/* --- timers --- */

void loop_timer_cancel(struct timer *t)
{
	timers_cancel(t);
}

void loop_timer_start(struct loop *loop, struct timer *t, uint64_t delay_ns)
{
	timers_start(&loop->timers, t, delay_ns);
}

static void run_timers(struct loop *loop)
{
	if (loop->timers)
		timers_run(&loop->timers, time_now_ns());
}

static int wait_ms(const struct loop *loop)
{
	return loop->timers ? timers_wait_ms(loop->timers, time_now_ns()) : -1;
}

/* --- running --- */

/*
 * One event at a time: what it leads to may end the watch of any other. The kernel puts a
 * descriptor that is still ready at the end of its list, so that all have their turn.
 */
void loop_run(struct loop *loop)
{
	struct epoll_event ev;

	loop->quit = false;
	while (!loop->quit) {
		struct loop_source *source;

		/* Between the wait and its event nothing may run that ends a watch. */
		run_timers(loop);
		if (loop->quit)
			break;
		if (epoll_wait(loop->epoll_fd, &ev, 1, wait_ms(loop)) != 1)
			continue;
		source = ev.data.ptr;
		source->ready(source->arg);
	}
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}

static void *serve(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int start_thread(struct loop *loop)
{
	int rc = pthread_create(&loop->thread, NULL, serve, loop);

	if (rc)
		return -rc;
	pthread_setname_np(loop->thread, loop->name);
	return 0;
}

int loop_create(const char *name, struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int rc = -ENOMEM;

	if (!loop)
		goto fail;
	snprintf(loop->name, sizeof(loop->name), "%s", name);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wakeup = (struct loop_source){
		.ready = run_work,
		.arg = loop,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	rc = loop->epoll_fd < 0 || loop->wakeup.fd < 0 ? -errno
						       : loop_watch(loop, &loop->wakeup, EPOLLIN);
	if (!rc) {
		*out = loop;
		return 0;
	}
	loop_destroy(loop);
fail:
	log_error("the %s thread has no event loop: %s", name, fd_strerror(-rc));
	return rc;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->wakeup.fd >= 0)
		close(loop->wakeup.fd);
	free(loop);
}

int loop_start(const char *name, struct loop **out)
{
	struct loop *loop;
	int rc = loop_create(name, &loop);

	if (rc)
		return rc;
	rc = start_thread(loop);
	if (rc) {
		log_error("the %s thread cannot start: %s", name, strerror(-rc));
		loop_destroy(loop);
		return rc;
	}
	*out = loop;
	return 0;
}

static void stop(void *arg)
{
	loop_quit(arg);
}

void loop_stop(struct loop *loop)
{
	if (!loop)
		return;
	loop->stop_work = (struct loop_work){.fn = stop, .arg = loop};
	loop_post(loop, &loop->stop_work);
	pthread_join(loop->thread, NULL);
	loop_destroy(loop);
}
