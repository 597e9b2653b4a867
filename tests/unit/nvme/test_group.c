/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: a host that looks at its completion queue only when it is signalled must not miss an
 * entry, whatever the controller saves it; and several reactors.
 */
#include <pthread.h>
#include <semaphore.h>

#include "../asleep.h"
#include "fixture.h"

/*
 * A queue with two threads, as in a guest: one submits, the other is its interrupt handler, which
 * sleeps until the vector's eventfd is signalled, then takes what is there, as Linux does: to the
 * first entry with the old phase, one doorbell, and no second look.
 */
struct traffic {
	struct host_queue *q;
	uint64_t buf, seed;
	uint32_t nsid;
	unsigned int n, depth;
	unsigned int pause_every; /* in commands, on average; 0: never */
	unsigned int pause_max_us;
	sem_t room;
	pthread_t submitter, handler;
	/* The handler's. */
	uint64_t interrupts, empty;
	unsigned int done, wrong;
	/* The ring of the doorbells is shared by both threads of a guest's CPU. */
	pthread_mutex_t lock;
};

static void *submit_all(void *arg)
{
	struct traffic *t = arg;
	unsigned int i;

	for (i = 0; i < t->n; i++) {
		while (sem_wait(&t->room))
			;
		pthread_mutex_lock(&t->lock);
		host_submit(t->q, sqe_rw(nvme_cmd_read, t->nsid, i % 1000, 1, t->buf));
		pthread_mutex_unlock(&t->lock);
		if (t->pause_every && test_random(&t->seed) % t->pause_every == 0)
			test_sleep_ns(test_random(&t->seed) % (t->pause_max_us * NS_PER_US));
	}
	return NULL;
}

static void handle_interrupt(struct traffic *t)
{
	struct host_queue *q = t->q;
	unsigned int taken = 0;
	struct nvme_cqe cqe;

	while (host_take(q, &cqe)) {
		t->wrong += host_status(&cqe) != 0;
		taken++;
	}
	t->interrupts++;
	if (!taken) {
		t->empty++;
		return;
	}
	host_ring_cq(q);
	t->done += taken;
	while (taken--)
		sem_post(&t->room);
}

static void *handle_all(void *arg)
{
	struct traffic *t = arg;
	struct pollfd pfd = {.fd = t->q->h->irq[t->q->qid], .events = POLLIN};
	uint64_t count;

	while (t->done < t->n) {
		if (poll(&pfd, 1, -1) != 1 || read(pfd.fd, &count, sizeof(count)) != sizeof(count))
			continue;
		handle_interrupt(t);
	}
	return NULL;
}

static void start_traffic(struct traffic *t)
{
	sem_init(&t->room, 0, t->depth);
	pthread_mutex_init(&t->lock, NULL);
	pthread_create(&t->handler, NULL, handle_all, t);
	pthread_create(&t->submitter, NULL, submit_all, t);
}

static void end_traffic(struct traffic *t)
{
	pthread_join(t->submitter, NULL);
	pthread_join(t->handler, NULL);
	sem_destroy(&t->room);
	pthread_mutex_destroy(&t->lock);
	CU_ASSERT_EQUAL(t->done, t->n);
	CU_ASSERT_EQUAL(t->wrong, 0);
}

struct shape {
	struct host_params p;
	uint16_t size;
	unsigned int depth, n, pause_every, pause_max_us;
	uint32_t nsid;
};

static void run_shape(const struct shape *s)
{
	struct host *h = host_open(&s->p);
	struct traffic t = {
		.q = host_add_queue(h, 1, s->size, s->size),
		.buf = host_alloc(h, HOST_PAGE),
		.seed = s->size,
		.nsid = s->nsid ? s->nsid : NS_NULL,
		.n = (unsigned int)TEST_ROUNDS(s->n),
		.depth = s->depth,
		.pause_every = s->pause_every,
		.pause_max_us = s->pause_max_us,
	};

	test_watch("a lost interrupt: completions that nobody was told of");
	start_traffic(&t);
	end_traffic(&t);
	test_watch(NULL);
	printf("# idle %llu ns, shadow %d, depth %u: %u commands, %llu interrupts (%llu for "
	       "nothing), %llu tail and %llu head doorbells\n",
	       (unsigned long long)s->p.idle_ns, s->p.shadow, s->depth, t.n,
	       (unsigned long long)t.interrupts, (unsigned long long)t.empty,
	       (unsigned long long)t.q->sq_doorbells, (unsigned long long)t.q->cq_doorbells);
	host_close(h);
}

static void run_shapes(const struct shape *shapes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		run_shape(&shapes[i]);
}

static void no_lost_interrupt(void)
{
	static const struct shape shapes[] = {
		{{.idle_ns = 20 * NS_PER_US, .shadow = true}, 64, 32, 200000, 500, 100, 0},
		{{.idle_ns = REACTOR_NEVER_SLEEP, .shadow = true}, 64, 32, 100000, 1000, 50, 0},
		{{.idle_ns = 0, .shadow = true}, 64, 8, 20000, 50, 100, 0},
	};

	run_shapes(shapes, ARRAY_SIZE(shapes));
}

static void no_lost_interrupt_small_queues(void)
{
	static const struct shape shapes[] = {
		{{.idle_ns = 5 * NS_PER_US, .shadow = true}, 2, 1, 4000, 10, 50, 0},
		{{.idle_ns = 5 * NS_PER_US, .shadow = true}, 3, 2, 8000, 10, 50, 0},
		{{.idle_ns = 5 * NS_PER_US, .shadow = true}, 4, 3, 8000, 10, 50, 0},
		{{.idle_ns = 50 * NS_PER_US, .shadow = true}, 1024, 1000, 100000, 2000, 200, 0},
	};

	run_shapes(shapes, ARRAY_SIZE(shapes));
}

static void no_lost_interrupt_real_doorbells(void)
{
	static const struct shape shapes[] = {
		{{.idle_ns = 5 * NS_PER_US}, 64, 16, 20000, 100, 50, 0},
		{{.idle_ns = 0, .no_kick = true}, 64, 16, 20000, 100, 50, 0},
	};

	run_shapes(shapes, ARRAY_SIZE(shapes));
}

/* Completions that come later, from a timer: after the reactor has armed and slept. */
static void no_lost_interrupt_late(void)
{
	static const struct shape shapes[] = {
		{{.idle_ns = 5 * NS_PER_US, .shadow = true, .latency_us = 50},
		 64,
		 32,
		 20000,
		 100,
		 100,
		 NS_SLOW},
		{{.idle_ns = 0, .shadow = true, .latency_us = 300},
		 64,
		 32,
		 10000,
		 100,
		 100,
		 NS_SLOW},
	};

	run_shapes(shapes, ARRAY_SIZE(shapes));
}

/* Several queues on two reactors, each with its two threads. */
static void run_many(const struct host_params *p, unsigned int n)
{
	enum { QUEUES = 4 };
	struct host *h = host_open(p);
	static struct traffic t[QUEUES];
	uint16_t i;

	test_watch("a lost interrupt with several queues");
	for (i = 0; i < QUEUES; i++)
		t[i] = (struct traffic){
			.q = host_add_queue(h, (uint16_t)(i + 1), 64, 64),
			.buf = host_alloc(h, HOST_PAGE),
			.seed = i,
			.nsid = i % 2 ? NS_RAM : NS_NULL,
			.n = (unsigned int)TEST_ROUNDS((int)n),
			.depth = 16,
			.pause_every = 200,
			.pause_max_us = 50,
		};
	for (i = 0; i < QUEUES; i++)
		start_traffic(&t[i]);
	for (i = 0; i < QUEUES; i++)
		end_traffic(&t[i]);
	test_watch(NULL);
	host_close(h);
}

static void two_reactors(void)
{
	run_many(&(struct host_params){.idle_ns = 20 * NS_PER_US, .shadow = true, .reactors = 2},
		 20000);
}

/* Queues in turn on all reactors; a completion queue is where its submission queues are. */
static void queues_are_spread(void)
{
	struct host *h = host_open(&(struct host_params){.reactors = 2});
	uint16_t i;

	for (i = 1; i <= 4; i++)
		host_add_queue(h, i, 16, 16);
	CU_ASSERT_EQUAL(h->ctrl->groups[0]->ncqs, 3); /* with the admin queue */
	CU_ASSERT_EQUAL(h->ctrl->groups[1]->ncqs, 2);
	for (i = 1; i <= 4; i++)
		CU_ASSERT_PTR_EQUAL(h->ctrl->sqs[i]->group, h->ctrl->cqs[i]->group);
	host_close(h);
}

/* --- interrupts one by one --- */

static uint64_t signals(struct host *h, int vector)
{
	uint64_t n = 0;

	if (read(h->irq[vector], &n, sizeof(n)) != sizeof(n))
		return 0;
	return n;
}

struct signal_wait {
	struct host *h;
	int vector;
	uint64_t got;
};

static bool got_signal(void *arg)
{
	struct signal_wait *w = arg;

	w->got += signals(w->h, w->vector);
	return w->got > 0;
}

static uint64_t await_signal(struct host *h, int vector, unsigned int ms)
{
	struct signal_wait w = {.h = h, .vector = vector};

	test_until(got_signal, &w, ms);
	return w.got;
}

/*
 * While the host has not consumed what the last interrupt told of there is no other, but for one
 * after a long time; when it has, and more is there, there is one.
 */
static void deferred(void)
{
	struct host *h = host_open(&(struct host_params){
		.idle_ns = REACTOR_NEVER_SLEEP,
		.shadow = true,
	});
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE), told;
	struct nvme_cqe cqe;
	int i;

	signals(h, 1);
	host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	CU_ASSERT_EQUAL(await_signal(h, 1, 5000), 1);
	for (i = 0; i < 10; i++) {
		host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
		test_sleep_ns(20 * NS_PER_US);
	}
	told = signals(h, 1);
	CU_ASSERT(told <= 2); /* the handler has not come by */
	CU_ASSERT_TRUE(host_take(q, &cqe));
	host_ring_cq(q); /* one consumed, and ten are there */
	told += await_signal(h, 1, 5000);
	CU_ASSERT(told >= 1 && told <= 3);
	test_sleep_ns(5 * NS_PER_MS);
	while (host_take(q, &cqe))
		;
	host_ring_cq(q);
	signals(h, 1);
	CU_ASSERT_EQUAL(await_signal(h, 1, 30), 0);
	host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	CU_ASSERT_EQUAL(await_signal(h, 1, 5000), 1);
	host_close(h);
}

/*
 * What was held back is sent before the reactor sleeps: it would not see the head move, and a
 * handler that had looked just before the entry came would not look again.
 */
static void deferred_until_sleep(void)
{
	static const uint64_t idle[] = {0, 200 * NS_PER_US};
	size_t i;
	int k;

	for (i = 0; i < ARRAY_SIZE(idle); i++) {
		struct host *h =
			host_open(&(struct host_params){.idle_ns = idle[i], .shadow = true});
		struct host_queue *q = host_add_queue(h, 1, 64, 64);
		uint64_t buf = host_alloc(h, HOST_PAGE);

		signals(h, 1);
		for (k = 0; k < 5; k++) {
			host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
			/* None of them is consumed. */
			CU_ASSERT(await_signal(h, 1, 5000) >= 1);
		}
		host_close(h);
	}
}

/* A queue without interrupts, and a vector that others have. */
static void masked_and_other_vector(void)
{
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = &h->io[1];
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_sqe sqe;

	host_queue_init(q, h, 1, 16, 16);
	sqe = sqe_create_cq(q);
	sqe.cdw11 = htole32(1u << 16 | 1); /* IEN is 0 */
	CU_ASSERT_EQUAL(host_admin(h, sqe), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(q)), 0);
	signals(h, 1);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
	CU_ASSERT_EQUAL(await_signal(h, 1, 20), 0);
	host_delete_queue(h, 1);
	host_queue_init(q, h, 1, 16, 16);
	sqe = sqe_create_cq(q);
	sqe.cdw11 = htole32(5u << 16 | 3);
	CU_ASSERT_EQUAL(host_admin(h, sqe), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(q)), 0);
	signals(h, 5);
	host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	CU_ASSERT(await_signal(h, 5, 5000) >= 1);
	CU_ASSERT_EQUAL(signals(h, 1), 0);
	host_close(h);
}

/* The eventfds are changed under load: nothing is lost, as a new one is signalled at once. */
static void irq_changes(void)
{
	struct host *h = host_open(&(struct host_params){.idle_ns = 5 * NS_PER_US, .shadow = true});
	struct traffic t = {
		.q = host_add_queue(h, 1, 64, 64),
		.buf = host_alloc(h, HOST_PAGE),
		.nsid = NS_NULL,
		.n = (unsigned int)TEST_ROUNDS(30000),
		.depth = 16,
		.pause_every = 100,
		.pause_max_us = 50,
	};
	int i;

	test_watch("interrupts whose eventfds are changed");
	start_traffic(&t);
	for (i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL(vnvme_set_irq(h->ctrl, 1, i % 3 ? dup(h->irq[1]) : -1), 0);
		test_sleep_ns(500 * NS_PER_US);
	}
	CU_ASSERT_EQUAL(vnvme_set_irq(h->ctrl, 1, dup(h->irq[1])), 0);
	end_traffic(&t);
	test_watch(NULL);
	CU_ASSERT_EQUAL(vnvme_set_irq(h->ctrl, IRQ_VECTORS, dup(h->irq[1])), -EINVAL);
	CU_ASSERT_EQUAL(vnvme_set_irq(h->ctrl, UINT32_MAX, -1), -EINVAL);
	host_close(h);
}

/* An idle controller leaves its reactor asleep, in each mode but the busy one. */
static void idle_sleeps(void)
{
	static const uint64_t idle[] = {0, 50 * NS_PER_US};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(idle); i++) {
		struct host *h =
			host_open(&(struct host_params){.idle_ns = idle[i], .shadow = true});
		struct host_queue *q = host_add_queue(h, 1, 64, 64);

		host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, host_alloc(h, HOST_PAGE)));
		CU_ASSERT(stays_asleep(h->r[0], 100));
		host_close(h);
	}
}

/* --- interrupt coalescing (feature 08h) --- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void set_feature(struct host *h, uint32_t fid, uint32_t value)
{
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_set_features, .cdw10 = htole32(fid), .cdw11 = htole32(value)};

	CU_ASSERT_EQUAL(host_admin(h, sqe), 0);
}

/* Waits for the queue's interrupt; how many were sent. */
static uint64_t wait_irq(const struct host_queue *q)
{
	struct pollfd pfd = {.fd = q->h->irq[q->qid], .events = POLLIN};
	uint64_t count = 0;

	CU_ASSERT_EQUAL(poll(&pfd, 1, -1), 1);
	CU_ASSERT_EQUAL(read(pfd.fd, &count, sizeof(count)), sizeof(count));
	return count;
}

/* Less entries than the threshold wait for the time; as many do not, and have one interrupt. */
static void coalescing(void)
{
	const uint32_t time_ms = 20, threshold = 4;
	struct host *h =
		host_open(&(struct host_params){.idle_ns = REACTOR_NEVER_SLEEP, .shadow = true});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE), start;
	unsigned int i;

	test_watch("a coalesced interrupt");
	set_feature(h, NVME_FEAT_FID_IRQ_COALESCE, time_ms * 10 << 8 | (threshold - 1));
	start = now_ns();
	host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	CU_ASSERT_EQUAL(wait_irq(q), 1);
	CU_ASSERT(now_ns() - start >= time_ms * 1000000u);
	CU_ASSERT_EQUAL(host_status(&(struct nvme_cqe){.status = host_wait(q).status}), 0);
	/* Four in one batch. */
	for (i = 0; i < threshold; i++)
		host_put(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	host_ring_sq(q);
	CU_ASSERT_EQUAL(wait_irq(q), 1);
	CU_ASSERT_EQUAL(host_count_pending(q), threshold);
	for (i = 0; i < threshold; i++)
		host_wait(q);
	/* Not for this vector, and not for the admin queue. */
	set_feature(h, NVME_FEAT_FID_IRQ_COALESCE, 0xffff);
	set_feature(h, NVME_FEAT_FID_IRQ_CONFIG, 1u << 16 | q->qid);
	CU_ASSERT_EQUAL(atomic_load(&h->ctrl->irq_coalescing[q->qid]), 0);
	CU_ASSERT_EQUAL(atomic_load(&h->ctrl->irq_coalescing[2]), 0xffff);
	host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	wait_irq(q);
	test_watch(NULL);
	host_close(h);
}

static const struct test_case cases[] = {
	{"no_lost_interrupt", no_lost_interrupt},
	{"no_lost_interrupt_small_queues", no_lost_interrupt_small_queues},
	{"no_lost_interrupt_real_doorbells", no_lost_interrupt_real_doorbells},
	{"no_lost_interrupt_late", no_lost_interrupt_late},
	{"two_reactors", two_reactors},
	{"queues_are_spread", queues_are_spread},
	{"deferred", deferred},
	{"deferred_until_sleep", deferred_until_sleep},
	{"masked_and_other_vector", masked_and_other_vector},
	{"irq_changes", irq_changes},
	{"idle_sleeps", idle_sleeps},
	{"coalescing", coalescing},
};

TEST_MAIN("group", cases)
