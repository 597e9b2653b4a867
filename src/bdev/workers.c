/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/workers.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "util/cpu_use.h"
#include "util/util.h"

#define STACK_BYTES (128u << 10)
/* On a reactor's CPU the reactor comes first, which has all guests to serve. */
#define SHARING_NICE 10
/*
 * After so much work in a row that waited for nothing, no more of it goes on at a time than there
 * are CPUs for: the rest would only wait for a CPU, and take it from others.
 */
#define QUICK_AFTER 64
#define QUICK_MIN   2

struct worker {
	struct workers *workers; /* the reactor's */
	struct worker *next_idle;
	sem_t turn;
	atomic_bool sending; /* it is about to touch the reactor, or just does */
	struct work *work;   /* handed over by `turn`; NULL: the end */
	bool shares_cpu;     /* with the reactor, which may be gone before the thread has begun */
};

/* --- making them --- */

static sem_t asked;
static unsigned int quick_max; /* at a time, of work that waits for nothing */
static _Atomic(struct workers *) asking;
static _Atomic(struct workers_apart *) apart;

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

/* How often the thread has gone to sleep. */
static long sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nvcsw;
}

static void run(struct work *work)
{
	long before = sleeps();

	work->run(work);
	work->waited = sleeps() != before;
}

static void *work_on(void *arg)
{
	struct worker *worker = arg;
	struct work *work;

	if (worker->shares_cpu)
		setpriority(PRIO_PROCESS, 0, SHARING_NICE); /* this thread's */
	for (;;) {
		wait_for(&worker->turn);
		work = worker->work;
		if (!work)
			break;
		run(work);
		/* The worker may have its next work, and `work` be gone, before this returns. */
		atomic_store(&worker->sending, true);
		reactor_send(worker->workers->reactor, &work->msg);
		atomic_store(&worker->sending, false);
	}
	sem_destroy(&worker->turn);
	free(worker);
	return NULL;
}

/* Signals are the main thread's; the CPUs are the main thread's as well. */
static int make_thread(void *(*fn)(void *arg), void *arg, const char *name)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc)
		return -rc;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	if (!rc)
		pthread_setname_np(thread, name);
	return -rc;
}

static void make_for(struct workers *workers)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker) {
		worker->workers = workers;
		/* The thread will use the CPUs that this one does. */
		worker->shares_cpu = cpu_use_includes(reactor_cpu(workers->reactor));
		sem_init(&worker->turn, 0, 0);
	}
	if (worker && make_thread(work_on, worker, "bdev-worker")) {
		sem_destroy(&worker->turn);
		free(worker);
		worker = NULL;
	}
	workers->made = worker;
	atomic_store(&workers->sending, true);
	reactor_send(workers->reactor, &workers->made_msg);
	atomic_store(&workers->sending, false);
}

static void *run_apart(void *arg)
{
	const struct workers_apart *a = arg;

	a->fn(a->arg); /* which frees it */
	return NULL;
}

/* It can't be given up, nor done here, where all others would wait for its disk. */
static void make_apart(struct workers_apart *a)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	while (make_thread(run_apart, a, "bdev-close"))
		nanosleep(&pause, NULL);
}

static void *make_on(void *arg)
{
	struct workers_apart *a, *after;
	struct workers *workers, *next;

	for (;;) {
		wait_for(&asked);
		for (workers = atomic_exchange(&asking, NULL); workers; workers = next) {
			next = workers->next_asking;
			make_for(workers);
		}
		for (a = atomic_exchange(&apart, NULL); a; a = after) {
			after = a->next;
			make_apart(a);
		}
	}
	return NULL;
}

static int start_maker(void)
{
	sigset_t all, old;
	pthread_t thread;
	int rc;

	if (sem_init(&asked, 0, 0))
		return -errno;
	quick_max = cpu_use_count() > QUICK_MIN ? cpu_use_count() : QUICK_MIN;
	/* Inherited by the workers. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, make_on, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return -rc;
	pthread_setname_np(thread, "bdev-workers");
	pthread_detach(thread);
	return 0;
}

int workers_start_maker(void)
{
	static pid_t started; /* threads don't survive a fork(), which tests do */
	int rc = 0;

	if (started == getpid())
		return 0;
	rc = start_maker();
	if (!rc)
		started = getpid();
	return rc;
}

void workers_run_apart(struct workers_apart *a, void (*fn)(void *arg), void *arg)
{
	a->fn = fn;
	a->arg = arg;
	a->next = atomic_load(&apart);
	while (!atomic_compare_exchange_weak(&apart, &a->next, a))
		;
	sem_post(&asked);
}

/* --- work --- */

static bool is_quick(const struct workers *workers)
{
	return workers->nquick == QUICK_AFTER;
}

static unsigned int busy_max(const struct workers *workers)
{
	return is_quick(workers) ? min_t(unsigned int, quick_max, workers->max) : workers->max;
}

static void ask(struct workers *workers)
{
	struct workers *first = atomic_load(&asking);

	if (workers->asked || workers->n >= busy_max(workers))
		return;
	workers->asked = true;
	workers->owner->hold(workers);
	do
		workers->next_asking = first;
	while (!atomic_compare_exchange_weak(&asking, &first, workers));
	sem_post(&asked);
}

static void hand_over(struct worker *worker, struct work *work)
{
	if (work)
		work->worker = worker;
	worker->work = work;
	sem_post(&worker->turn);
}

static void remove_waiting(struct workers *workers, struct work *work)
{
	*work->prevp = work->next;
	if (work->next)
		work->next->prevp = work->prevp;
	else
		workers->last = work->prevp;
}

static void add_idle(struct workers *workers, struct worker *worker)
{
	worker->next_idle = workers->idle;
	workers->idle = worker;
	workers->nidle++;
}

/* What waits, to those that are idle, as many as there may be. */
static void give_out(struct workers *workers)
{
	while (workers->first && workers->idle && workers_busy(workers) < busy_max(workers)) {
		struct worker *worker = workers->idle;
		struct work *work = workers->first;

		workers->idle = worker->next_idle;
		workers->nidle--;
		workers->spare = min_t(unsigned int, workers->spare, workers->nidle);
		remove_waiting(workers, work);
		hand_over(worker, work);
	}
	if (workers->first && !workers->idle) {
		workers->spare = 0;
		ask(workers);
	}
}

static void take_made(void *arg)
{
	struct workers *workers = arg;

	workers->asked = false;
	if (workers->made) {
		workers->n++;
		add_idle(workers, workers->made);
		give_out(workers);
	} else if (!workers->n && workers->first) {
		workers->owner->none(workers);
	}
	workers->owner->put(workers); /* may be the end of `workers` */
}

static void end_work(void *arg)
{
	struct work *work = arg;
	struct workers *workers = work->workers;

	add_idle(workers, work->worker);
	work->worker = NULL;
	workers->ended = true;
	if (work->waited)
		workers->nquick = 0;
	else if (!is_quick(workers))
		workers->nquick++;
	give_out(workers);
	work->done(work);
}

void workers_init(struct workers *workers, struct reactor *r, unsigned int max,
		  const struct workers_owner *owner)
{
	*workers = (struct workers){.reactor = r, .max = max, .owner = owner};
	workers->last = &workers->first;
	workers->made_msg = (struct reactor_msg){.fn = take_made, .arg = workers};
}

void work_start(struct workers *workers, struct work *work)
{
	work->workers = workers;
	work->msg = (struct reactor_msg){.fn = end_work, .arg = work};
	work->worker = NULL;
	work->next = NULL;
	work->prevp = workers->last;
	*workers->last = work;
	workers->last = &work->next;
	give_out(workers);
}

bool work_stop(struct work *work)
{
	if (work->worker)
		return false;
	remove_waiting(work->workers, work);
	return true;
}

/*
 * A worker whose last work has been seen to be done may still be on its way out of reactor_send():
 * a few instructions, but it needs the reactor for them.
 */
static void wait_for_senders(const struct workers *workers)
{
	const struct worker *worker;

	for (worker = workers->idle; worker; worker = worker->next_idle)
		while (atomic_load(&worker->sending))
			sched_yield();
	while (atomic_load(&workers->sending))
		sched_yield();
}

static void end_idle(struct workers *workers, unsigned int n)
{
	struct worker *worker;

	for (; n && (worker = workers->idle); n--) {
		workers->idle = worker->next_idle;
		workers->nidle--;
		workers->n--;
		hand_over(worker, NULL);
	}
}

void workers_trim(struct workers *workers)
{
	wait_for_senders(workers);
	end_idle(workers, workers->spare);
	workers->spare = workers->nidle;
}

void workers_look(struct workers *workers)
{
	if (!workers->ended && workers->first) {
		workers->nquick = 0;
		give_out(workers);
	}
	workers->ended = false;
}

void workers_fini(struct workers *workers)
{
	wait_for_senders(workers);
	end_idle(workers, workers->nidle);
}
