/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/reactor.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reactor/reactor_internal.h"
#include "util/counter.h"
#include "util/log.h"
#include "util/time.h"

/* A busy reactor looks at the clock for its timers once in so many rounds. */
#define TIMER_CHECK_ROUNDS 16

static __thread struct reactor *self;
static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;
static bool ids_used[REACTOR_MAX];

struct reactor *reactor_self(void)
{
	return self;
}

int reactor_cpu(const struct reactor *r)
{
	return r->cpu;
}

int reactor_node(const struct reactor *r)
{
	return r->node;
}

unsigned int reactor_id(const struct reactor *r)
{
	return r->id;
}

/* A sleep is counted when it ends; while it goes on, the time since then is all that was idle. */
static uint64_t idle_of(const struct reactor *r)
{
	uint64_t zero_ns = atomic_load(&r->idle_zero_ns);

	return zero_ns ? time_now_ns() - zero_ns : COUNTER_READ(r->stats.idle_ns);
}

/* What was told once is not taken back: a look at the clock can come too late for what it is
 * compared with. */
static uint64_t tell_at_least(_Atomic uint64_t *told, uint64_t ns)
{
	uint64_t before = atomic_load(told);

	while (before < ns && !atomic_compare_exchange_weak(told, &before, ns))
		;
	return before < ns ? ns : before;
}

void reactor_get_stats(const struct reactor *r, struct reactor_stats *out)
{
	/* No caller sees anything of what this writes. */
	struct reactor *told = (struct reactor *)(uintptr_t)r;
	uint64_t idle_ns = idle_of(r), age_ns = time_now_ns() - r->started_ns;

	out->rounds = COUNTER_READ(r->stats.rounds);
	out->busy_rounds = COUNTER_READ(r->stats.busy_rounds);
	out->sleeps = COUNTER_READ(r->stats.sleeps);
	out->messages = COUNTER_READ(r->stats.messages);
	out->jobs = COUNTER_READ(r->stats.jobs);
	out->longest_round_ns = COUNTER_READ(r->stats.longest_round_ns);
	out->longest_step_ns = COUNTER_READ(r->stats.longest_step_ns);
	out->idle_ns = tell_at_least(&told->idle_told_ns, idle_ns);
	out->busy_ns = tell_at_least(&told->busy_told_ns, age_ns > idle_ns ? age_ns - idle_ns : 0);
}

/* --- messages --- */

void reactor_send(struct reactor *r, struct reactor_msg *msg)
{
	struct reactor_msg *head = atomic_load_explicit(&r->inbox, memory_order_relaxed);

	do {
		msg->next = head;
	} while (!atomic_compare_exchange_weak(&r->inbox, &head, msg));
	/*
	 * Sequentially consistent, as are the store of `sleeping` and the look at the inbox after
	 * it in reactor_rest(): either the sleeper sees the message, or we see the sleeper.
	 */
	if (atomic_load(&r->sleeping))
		reactor_wake(r);
}

unsigned int reactor_run_messages(struct reactor *r)
{
	struct reactor_msg *msg, *next, *ordered = NULL;
	unsigned int n = 0;

	msg = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire);
	for (; msg; msg = next) {
		next = msg->next;
		msg->next = ordered;
		ordered = msg;
	}
	for (msg = ordered; msg; msg = next, n++) {
		next = msg->next; /* fn may free or send the message again */
		COUNTER_ADD(r->stats.messages, 1);
		r->payer = &r->common;
		msg->fn(msg->arg);
	}
	return n;
}

static inline unsigned int run_messages(struct reactor *r)
{
	if (likely(!atomic_load_explicit(&r->inbox, memory_order_relaxed)))
		return 0;
	return reactor_run_messages(r);
}

struct call {
	struct reactor_msg msg;
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static void call_run(void *arg)
{
	struct call *call = arg;

	call->fn(call->arg);
	sem_post(&call->done);
}

void reactor_call(struct reactor *r, void (*fn)(void *arg), void *arg)
{
	struct call call = {.fn = fn, .arg = arg};

	if (r == self) {
		fn(arg);
		return;
	}
	call.msg = (struct reactor_msg){.fn = call_run, .arg = &call};
	sem_init(&call.done, 0, 0);
	reactor_send(r, &call.msg);
	while (sem_wait(&call.done) && errno == EINTR)
		;
	sem_destroy(&call.done);
}

/* --- pollers --- */

void reactor_poller_add(struct reactor *r, struct reactor_poller *p)
{
	if (r->npollers == r->pollers_size) {
		unsigned int size = r->pollers_size ? 2 * r->pollers_size : 16;
		struct reactor_poller **bigger =
			realloc(r->pollers, size * sizeof(struct reactor_poller *));

		if (!bigger) {
			log_error("reactor %d: out of memory for a poller", r->cpu);
			abort(); /* a queue that is never polled is a hung guest */
		}
		r->pollers = bigger;
		r->pollers_size = size;
	}
	p->armed = false;
	p->waits = false;
	p->idle_looks = 0;
	p->index = r->npollers;
	r->pollers[r->npollers++] = p;
	r->idle_since_ns = 0;
	reactor_share_join(r, &p->share);
	reactor_shares_weigh(r);
}

void reactor_poller_remove(struct reactor *r, struct reactor_poller *p)
{
	r->pollers[p->index] = NULL;
	r->pollers_changed = true;
	reactor_share_leave(r, &p->share);
	reactor_shares_weigh(r);
}

/* Between rounds, when nobody is iterating over the slots. */
static void compact_pollers(struct reactor *r)
{
	unsigned int from, to = 0;

	for (from = 0; from < r->npollers; from++) {
		if (!r->pollers[from])
			continue;
		r->pollers[to] = r->pollers[from];
		r->pollers[to]->index = to;
		to++;
	}
	r->npollers = to;
	r->pollers_changed = false;
}

/*
 * A poller that has found nothing so many times in a row is looked at in every fourth round only
 * while others have work: idle guests are many, and shall not slow down the busy ones.
 */
#define LAZY_LOOKS  256
#define LAZY_ROUNDS 4

static unsigned int run_pollers(struct reactor *r)
{
	bool all = r->rounds_left-- == 0;
	unsigned int i, n, work = 0;

	if (all)
		r->rounds_left = LAZY_ROUNDS - 1;
	/* The count is read anew each time: a callback may add or remove pollers. */
	for (i = 0; i < r->npollers; i++) {
		struct reactor_poller *p = r->pollers[i];

		if (unlikely(!p) || (p->idle_looks >= LAZY_LOOKS && !all))
			continue;
		r->payer = &p->share;
		n = p->poll(p->arg);
		work += n;
		if (likely(r->pollers[i] == p)) /* it is still there */
			p->idle_looks = n ? 0 : min_t(unsigned int, p->idle_looks + 1, LAZY_LOOKS);
		/* Not behind all the others' work: who sends them waits. */
		if (n)
			work += run_messages(r);
	}
	r->payer = &r->common;
	if (!work)
		r->rounds_left = 0;
	if (unlikely(r->pollers_changed))
		compact_pollers(r);
	return work;
}

/* --- the thread --- */

void reactor_no_polling_on(struct reactor *r)
{
	r->slow_rounds = 2;
}

static void worked(struct reactor *r)
{
	uint64_t busy = r->stats.busy_rounds;

	COUNTER_ADD(r->stats.busy_rounds, 1);
	if (unlikely(busy % REACTOR_SAMPLE_ROUNDS == 0) &&
	    busy % REACTOR_SAMPLE_EVERY <= REACTOR_SAMPLE_ROUNDS)
		reactor_sample(r, (unsigned int)(busy % REACTOR_SAMPLE_EVERY));
	r->quiet_since_ns = 0;
	if (likely(!r->slow_rounds))
		r->idle_since_ns = 0;
	else
		r->slow_rounds--;
}

static void run(struct reactor *r)
{
	while (!r->stop) {
		unsigned int work = run_messages(r) + run_pollers(r), steps = 0;

		if (unlikely(r->working))
			steps = reactor_run_jobs(r);
		work += steps;
		r->round++;
		COUNTER_ADD(r->stats.rounds, 1);
		if (unlikely(r->timers) &&
		    (!work || steps || r->stats.rounds % TIMER_CHECK_ROUNDS == 0))
			work += reactor_timers_run(r, time_now_ns());
		if (likely(work)) {
			worked(r);
			continue;
		}
		r->slow_rounds = 0;
		r->sample_ns = 0;
		reactor_rest(r, time_now_ns());
	}
}

static void *reactor_main(void *arg)
{
	struct reactor *r = arg;

	self = r;
	if (numa_available() >= 0)
		numa_set_localalloc();
	run(r);
	return NULL;
}

static int take_id(void)
{
	int id;

	pthread_mutex_lock(&ids_lock);
	for (id = 0; id < REACTOR_MAX && ids_used[id]; id++)
		;
	if (id < REACTOR_MAX)
		ids_used[id] = true;
	pthread_mutex_unlock(&ids_lock);
	return id < REACTOR_MAX ? id : -ENOSPC;
}

static void give_id(unsigned int id)
{
	pthread_mutex_lock(&ids_lock);
	ids_used[id] = false;
	pthread_mutex_unlock(&ids_lock);
}

static int start_thread(struct reactor *r)
{
	pthread_attr_t attr;
	char name[16];
	cpu_set_t cpus;
	int rc;

	r->started_ns = time_now_ns();
	CPU_ZERO(&cpus);
	CPU_SET(r->cpu, &cpus);
	pthread_attr_init(&attr);
	rc = pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	if (!rc)
		rc = pthread_create(&r->thread, &attr, reactor_main, r);
	pthread_attr_destroy(&attr);
	if (rc)
		return -rc;
	snprintf(name, sizeof(name), "reactor-%d", r->cpu);
	pthread_setname_np(r->thread, name);
	return 0;
}

int reactor_create(int cpu, struct reactor **out)
{
	struct reactor *r;
	int rc, id;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	reactor_signal_init();
	id = take_id();
	if (id < 0)
		return id;
	r = zalloc_aligned(sizeof(*r));
	if (!r) {
		give_id((unsigned int)id);
		return -ENOMEM;
	}
	r->cpu = cpu;
	r->id = (unsigned int)id;
	reactor_shares_init(r);
	r->node = numa_available() >= 0 ? numa_node_of_cpu(cpu) : -1;
	rc = reactor_sleep_init(r);
	if (rc)
		goto free_reactor;
	rc = start_thread(r);
	if (rc)
		goto fini_sleep;
	*out = r;
	return 0;

fini_sleep:
	reactor_sleep_fini(r);
free_reactor:
	give_id(r->id);
	free(r);
	return rc;
}

static void stop_run(void *arg)
{
	struct reactor *r = arg;

	r->stop = true;
}

void reactor_destroy(struct reactor *r)
{
	struct reactor_msg msg = {.fn = stop_run, .arg = r};

	if (!r)
		return;
	reactor_send(r, &msg);
	pthread_join(r->thread, NULL);
	reactor_sleep_fini(r);
	give_id(r->id);
	free(r->pollers);
	free(r);
}
