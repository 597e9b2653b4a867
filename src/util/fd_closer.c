/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/fd_closer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/fd.h"

/* Each may be held up by one descriptor: more than the origins that do that. */
#define THREADS_MAX 4096
#define STACK_BYTES 65536

struct fd_closer {
	atomic_uint pending;
	atomic_uint users; /* the owner, and each descriptor */
};

struct job {
	struct fd_closer *of;
	int fd;
	struct job *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;
static unsigned int threads, idle, waiting_jobs;

static void put(struct fd_closer *c)
{
	if (atomic_fetch_sub(&c->users, 1) == 1)
		free(c);
}

static void *close_all(void *arg)
{
	struct job *job;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first) {
			idle++;
			pthread_cond_wait(&more, &lock);
			idle--;
		}
		job = first;
		first = job->next;
		if (!first)
			last = &first;
		waiting_jobs--;
		pthread_mutex_unlock(&lock);
		close(job->fd);
		atomic_fetch_sub(&job->of->pending, 1);
		put(job->of);
		free(job);
		pthread_mutex_lock(&lock);
	}
	return NULL;
}

/* Another thread unless one is free for each that waits. With the lock; false: there is none. */
static bool have_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool ok;

	if (idle >= waiting_jobs || threads == THREADS_MAX)
		return true;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ok = !pthread_create(&thread, &attr, close_all, NULL);
	pthread_attr_destroy(&attr);
	if (ok) {
		pthread_setname_np(thread, "close");
		threads++;
	}
	return threads;
}

struct fd_closer *fd_closer_create(void)
{
	struct fd_closer *c = calloc(1, sizeof(*c));

	if (c)
		atomic_store(&c->users, 1);
	return c;
}

void fd_closer_destroy(struct fd_closer *c)
{
	if (c)
		put(c);
}

void fd_closer_close(struct fd_closer *c, int fd)
{
	struct job *job = fd_is_eventfd(fd) ? NULL : malloc(sizeof(*job));

	if (!job) {
		close(fd);
		return;
	}
	*job = (struct job){.of = c, .fd = fd};
	atomic_fetch_add(&c->pending, 1);
	atomic_fetch_add(&c->users, 1);
	pthread_mutex_lock(&lock);
	*last = job;
	last = &job->next;
	waiting_jobs++;
	if (have_thread())
		pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
}

unsigned int fd_closer_pending(const struct fd_closer *c)
{
	return atomic_load(&c->pending);
}
