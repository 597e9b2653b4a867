/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that writes the log. It alone ever waits for who reads stderr; a reader that stops
 * stops this thread, the ring fills, and from then on lines are lost.
 */
#include "util/log_thread.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/log_ring.h"
#include "util/time.h"
#include "util/util.h"

#define STOP_PARTS     20 /* that LOG_STOP_MS is waited in */
#define STOP_PARTS_MAX 100
#define TEXTS_MAX      4 /* texts of many lines that wait, as they may be large */

static struct log_ring ring;
static pthread_t thread;
static sem_t work, ended;
static atomic_bool running, stopping;
static atomic_int asleep; /* the thread, or nearly: who takes it to 0 wakes it */
static atomic_uint texts;
static atomic_ullong lines, lost;
static _Thread_local bool is_thread, is_main;

void log_thread_wake(void)
{
	/* Pairs with nap(): either it sees what was published before, or this sees it asleep. */
	full_barrier();
	if (atomic_load(&running) && atomic_exchange(&asleep, 0))
		sem_post(&work);
}

bool log_thread_is_other(void)
{
	return atomic_load(&running) && !is_main;
}

bool log_thread_line(int level, const char *fmt, va_list ap)
{
	struct log_record *rec;

	/* What the thread itself says is written at once: it must not wait for itself. */
	if (!atomic_load(&running) || is_thread)
		return false;
	rec = log_ring_begin(&ring);
	if (!rec)
		return true;
	clock_gettime(CLOCK_REALTIME, &rec->when);
	rec->level = level;
	vsnprintf(rec->text, sizeof(rec->text), fmt, ap);
	log_ring_publish(rec);
	log_thread_wake();
	return true;
}

bool log_thread_text(char *text, size_t len)
{
	struct log_record *rec = NULL;

	if (!atomic_load(&running))
		return false;
	if (atomic_fetch_add(&texts, 1) < TEXTS_MAX)
		rec = log_ring_begin(&ring);
	else
		__atomic_add_fetch(&ring.lost, 1, __ATOMIC_RELAXED);
	if (!rec) {
		atomic_fetch_sub(&texts, 1);
		free(text);
		return true;
	}
	rec->block = text;
	rec->len = len;
	log_ring_publish(rec);
	log_thread_wake();
	return true;
}

/* --- the thread --- */

static void count(bool written)
{
	atomic_fetch_add(written ? &lines : &lost, 1);
}

static void tell_lost(uint64_t n)
{
	char text[96];
	struct timespec now;

	if (!n)
		return;
	atomic_fetch_add(&lost, n);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, sizeof(text), "log: %" PRIu64 " line%s lost: who reads stderr was too slow",
		 n, n == 1 ? "" : "s");
	log_put_line(LOG_LEVEL_WARN, &now, text);
}

static void write_record(struct log_record *rec)
{
	tell_lost(rec->lost);
	if (!rec->block) {
		count(log_put_line(rec->level, &rec->when, rec->text));
		return;
	}
	count(log_put(rec->block, rec->len));
	free(rec->block);
	atomic_fetch_sub(&texts, 1);
}

static void write_all(void)
{
	struct log_record *rec;

	while ((rec = log_ring_peek(&ring))) {
		write_record(rec);
		log_ring_pop(&ring);
	}
	tell_lost(log_ring_take_lost(&ring));
}

/* Until somebody says something; a second at most if there is something to tell later. */
static void nap(bool short_one)
{
	struct timespec until;

	atomic_store(&asleep, 1);
	full_barrier(); /* pairs with log_thread_wake() */
	/* If it is 0 by now, somebody is about to post, and the wait is short. */
	if ((log_ring_peek(&ring) || atomic_load(&stopping)) && atomic_exchange(&asleep, 0))
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	/* A signal or a post too many: one more look at an empty ring. */
	if (short_one)
		sem_timedwait(&work, &until);
	else
		sem_wait(&work);
	atomic_store(&asleep, 0);
}

static void *log_main(void *arg)
{
	bool more = false;

	is_thread = true;
	while (!atomic_load(&stopping)) {
		write_all();
		more = log_limit_report(time_now_ns(), false);
		nap(more);
	}
	write_all();
	log_limit_report(time_now_ns(), true);
	sem_post(&ended);
	return arg;
}

/* --- start and end --- */

/* A child of fork() has no such thread. */
static void in_child(void)
{
	atomic_store(&running, false);
}

/*
 * What was said before the fault is what one wants to read after it: the thread is given 200 ms to
 * write it. Uses nothing but nanosleep(2), raise(3) and atomics.
 */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	const struct timespec ms = {.tv_nsec = NS_PER_MS};
	int i;

	for (i = 0; i < 200 && !is_thread && atomic_load(&running) && !log_ring_is_empty(&ring);
	     i++)
		nanosleep(&ms, NULL);
	/* A fault of our own happens again on return, in its place, and a core shows that. */
	if (info->si_code <= 0)
		raise(sig);
}

static void catch_faults(void)
{
	static const int faults[] = {SIGABRT, SIGSEGV, SIGILL, SIGFPE};
	struct sigaction sa = {.sa_sigaction = on_fault,
			       .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER)};
	struct sigaction old;
	size_t i;

	sigemptyset(&sa.sa_mask);
	/* A sanitizer has handlers of its own. */
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		if (!sigaction(faults[i], NULL, &old) && !(old.sa_flags & SA_SIGINFO) &&
		    old.sa_handler == SIG_DFL)
			sigaction(faults[i], &sa, NULL);
}

int log_start(void)
{
	static bool once;
	sigset_t all, before;
	int rc;

	is_main = true;
	log_ring_init(&ring);
	atomic_store(&stopping, false);
	atomic_store(&asleep, 0);
	atomic_store(&texts, 0);
	sem_init(&work, 0, 0);
	sem_init(&ended, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, log_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return -rc;
	pthread_setname_np(thread, "log");
	atomic_store(&running, true);
	if (!once) {
		pthread_atfork(NULL, NULL, in_child);
		atexit(log_stop);
		catch_faults();
	}
	once = true;
	return 0;
}

/* Whether the thread ended within a part of LOG_STOP_MS. */
static bool wait_for_end(void)
{
	struct timespec until;
	int rc;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOG_STOP_MS / STOP_PARTS * (long)NS_PER_MS;
	until.tv_sec += until.tv_nsec / (long)NS_PER_SEC;
	until.tv_nsec %= (long)NS_PER_SEC;
	while ((rc = sem_timedwait(&ended, &until)) && errno == EINTR)
		;
	return !rc;
}

void log_stop(void)
{
	uint64_t written = log_ring_written(&ring), now;
	int idle = 0, all = 0;
	bool over = false;

	if (!atomic_load(&running) || atomic_exchange(&stopping, true))
		return;
	log_thread_wake();
	/* In parts, so that a process that was frozen meanwhile has not waited all of its time. */
	while (!over && idle < STOP_PARTS && all++ < STOP_PARTS_MAX) {
		over = wait_for_end();
		now = log_ring_written(&ring);
		idle = now == written ? idle + 1 : 0;
		written = now;
	}
	/* Not in time: the process ends without what is left, and this thread with it. */
	if (!over)
		return;
	/* From here on, as before log_start(); what others say meanwhile may stay in the ring. */
	atomic_store(&running, false);
	pthread_join(thread, NULL);
}

void log_get_stats(struct log_stats *out)
{
	out->lines = atomic_load(&lines);
	out->lost = atomic_load(&lost) + __atomic_load_n(&ring.lost, __ATOMIC_RELAXED);
	out->left_out = log_limit_left_out();
}
