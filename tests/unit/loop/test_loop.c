/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop: descriptors in turn, timers in order, work of other threads. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../test.h"
#include "../tools.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "util/time.h"
#include "util/util.h"

static struct loop *loop;

static void begin(void)
{
	CU_ASSERT_EQUAL_FATAL(loop_start("test", &loop), 0);
}

static void nothing(void *arg)
{
}

/* --- work --- */

#define POSTS	100000
#define THREADS 3

struct poster {
	pthread_t thread;
	struct loop_work *work;
	unsigned int *order; /* of the last one that ran */
	bool in_order;
};

struct post {
	struct loop_work work;
	struct poster *of;
	unsigned int number;
};

static void note(void *arg)
{
	struct post *p = arg;

	if (*p->of->order != p->number)
		p->of->in_order = false;
	++*p->of->order;
}

static void *post_all(void *arg)
{
	struct poster *of = arg;
	struct post *posts = calloc(POSTS / THREADS, sizeof(*posts));
	unsigned int i;

	for (i = 0; posts && i < POSTS / THREADS; i++) {
		posts[i] = (struct post){.of = of, .number = i};
		posts[i].work = (struct loop_work){.fn = note, .arg = &posts[i]};
		loop_post(loop, &posts[i].work);
	}
	loop_call(loop, nothing, NULL);
	free(posts);
	return NULL;
}

/* What one thread posts is run in its order, all of it. */
static void work_of_several_threads(void)
{
	struct poster posters[THREADS];
	unsigned int order[THREADS] = {0}, i;

	begin();
	for (i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){.order = &order[i], .in_order = true};
		pthread_create(&posters[i].thread, NULL, post_all, &posters[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(posters[i].thread, NULL);
		CU_ASSERT_EQUAL(order[i], POSTS / THREADS);
		CU_ASSERT_TRUE(posters[i].in_order);
	}
	loop_stop(loop);
}

static void stop_runs_what_was_posted(void)
{
	unsigned int order = 0, i;
	struct poster of = {.order = &order, .in_order = true};
	struct post posts[100];

	begin();
	for (i = 0; i < 100; i++) {
		posts[i] = (struct post){.of = &of, .number = i};
		posts[i].work = (struct loop_work){.fn = note, .arg = &posts[i]};
		loop_post(loop, &posts[i].work);
	}
	loop_stop(loop);
	CU_ASSERT_EQUAL(order, 100);
}

/* --- timers --- */

struct numbered {
	struct timer t;
	unsigned int number;
	uint64_t due_ns;
	bool early;
};

static unsigned int fired[8];
static atomic_uint nfired;

static void fire(void *arg)
{
	struct numbered *t = arg;

	t->early = time_now_ns() < t->due_ns;
	fired[atomic_load(&nfired)] = t->number;
	atomic_fetch_add(&nfired, 1);
}

static struct numbered timers[4];

static void start_timers(void *arg)
{
	static const unsigned int ms[] = {30, 10, 40, 20};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		timers[i] =
			(struct numbered){.number = i, .due_ns = time_now_ns() + ms[i] * NS_PER_MS};
		timers[i].t = (struct timer){.fn = fire, .arg = &timers[i]};
		loop_timer_start(loop, &timers[i].t, ms[i] * NS_PER_MS);
	}
	loop_timer_cancel(&timers[2].t);
	loop_timer_cancel(&timers[2].t); /* harmless */
	/* The first becomes the last. */
	timers[1].due_ns = time_now_ns() + 50 * NS_PER_MS;
	loop_timer_start(loop, &timers[1].t, 50 * NS_PER_MS);
}

static bool were_in_order(void)
{
	static const unsigned int order[] = {3, 0, 1};
	unsigned int i, right = 0;

	atomic_store(&nfired, 0);
	begin();
	loop_call(loop, start_timers, NULL);
	while (atomic_load(&nfired) < 3)
		test_sleep_ns(NS_PER_MS);
	for (i = 0; i < 3; i++) {
		right += fired[i] == order[i];
		CU_ASSERT_FALSE(timers[order[i]].early);
	}
	loop_stop(loop);
	CU_ASSERT_EQUAL(atomic_load(&nfired), 3);
	return right == 3;
}

/* If the loop stands still while it starts them, their order is another; but not each time. */
static void timers_in_order(void)
{
	int i;

	for (i = 0; i < 5 && !were_in_order(); i++)
		;
	CU_ASSERT(i < 5);
}

/* --- descriptors --- */

struct watched {
	struct loop_source source;
	atomic_uint seen;
};

static void see(void *arg)
{
	struct watched *w = arg;

	atomic_fetch_add(&w->seen, 1);
}

static struct watched always, once;

static void end_watches(void *arg)
{
	loop_watch(loop, &always.source, 0);
	loop_watch(loop, &once.source, 0);
}

/* A descriptor that is always ready keeps nobody else from its turn, nor timers nor work. */
static void turns(void)
{
	always.source = (struct loop_source){.ready = see, .arg = &always, .fd = eventfd(1, 0)};
	once.source = (struct loop_source){.ready = see, .arg = &once, .fd = eventfd(1, 0)};
	atomic_store(&nfired, 0);
	begin();
	CU_ASSERT_EQUAL(loop_watch(loop, &always.source, EPOLLIN), 0);
	while (!atomic_load(&always.seen))
		test_sleep_ns(NS_PER_MS);
	CU_ASSERT_EQUAL(loop_watch(loop, &once.source, EPOLLIN), 0);
	while (!atomic_load(&once.seen))
		test_sleep_ns(NS_PER_MS);
	loop_call(loop, start_timers, NULL);
	while (atomic_load(&nfired) < 3)
		test_sleep_ns(NS_PER_MS);
	loop_call(loop, end_watches, NULL);
	loop_stop(loop);
	close(always.source.fd);
	close(once.source.fd);
}

/* --- without a thread --- */

static void quit(void *arg)
{
	loop_quit(loop);
}

static void *post_quit(void *arg)
{
	loop_post(loop, arg);
	return NULL;
}

/* On this thread: what was posted before, timers, and the end; and once more. */
static void run_here(void)
{
	struct loop_work early = {.fn = fire, .arg = &timers[0]}, end = {.fn = quit};
	struct timer last = {.fn = quit};
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(loop_create("here", &loop), 0);
	atomic_store(&nfired, 0);
	loop_post(loop, &early);
	start_timers(NULL);
	loop_timer_start(loop, &last, 60 * NS_PER_MS);
	loop_run(loop);
	CU_ASSERT_EQUAL(atomic_load(&nfired), 4);
	CU_ASSERT_EQUAL(fired[0], 0);
	CU_ASSERT(fired[1] == 3 || fired[1] == 0); /* as above */
	pthread_create(&thread, NULL, post_quit, &end);
	loop_run(loop);
	pthread_join(thread, NULL);
	loop_destroy(loop);
}

static int got[4];
static unsigned int ngot;

static void got_signal(void *arg, int sig)
{
	if (ngot < 4)
		got[ngot] = sig;
	if (++ngot == 2)
		loop_quit(loop);
}

/* Those of the set, sent before and while it is run; not after the end of the watch. */
static void signals(void)
{
	struct loop_signals s = {.got = got_signal};
	const struct timespec none = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	CU_ASSERT_EQUAL_FATAL(loop_create("here", &loop), 0);
	s.loop = loop;
	CU_ASSERT_EQUAL_FATAL(loop_signals_watch(&s, &set), 0);
	raise(SIGUSR2);
	raise(SIGUSR1);
	loop_run(loop);
	CU_ASSERT_EQUAL(ngot, 2);
	CU_ASSERT_EQUAL(got[0] + got[1], SIGUSR1 + SIGUSR2);
	loop_signals_end(&s);
	raise(SIGUSR1);
	CU_ASSERT_EQUAL(sigtimedwait(&set, NULL, &none), SIGUSR1);
	CU_ASSERT_EQUAL(ngot, 2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	loop_destroy(loop);
}

static const struct test_case cases[] = {
	{"work_of_several_threads", work_of_several_threads},
	{"stop_runs_what_was_posted", stop_runs_what_was_posted},
	{"timers_in_order", timers_in_order},
	{"turns", turns},
	{"run_here", run_here},
	{"signals", signals},
};

TEST_MAIN("loop", cases)
