/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and destroying reactors, messages, and pollers that come and go. */
#include <pthread.h>
#include <semaphore.h>

#include "reactor_test.h"

/* --- making --- */

static void create_bad_cpu(void)
{
	static const int cpus[] = {-1, -2147483647 - 1, CPU_SETSIZE, 2147483647};
	struct reactor *r;
	size_t i;

	for (i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		r = NULL;
		CU_ASSERT_EQUAL(reactor_create(cpus[i], &r), -EINVAL);
		CU_ASSERT_PTR_NULL(r);
	}
	/* In range, but not in this machine. */
	if (sysconf(_SC_NPROCESSORS_CONF) < CPU_SETSIZE)
		CU_ASSERT_EQUAL(reactor_create(CPU_SETSIZE - 1, &r), -EINVAL);
}

struct where {
	struct reactor *self;
	int cpu;
};

static void look_around(void *arg)
{
	struct where *w = arg;

	w->self = reactor_self();
	w->cpu = sched_getcpu();
}

static void pinned(void)
{
	int i;

	CU_ASSERT_PTR_NULL(reactor_self());
	for (i = 0; i < 2; i++) {
		struct reactor *r = new_reactor(i);
		struct where w = {0};

		reactor_call(r, look_around, &w);
		CU_ASSERT_PTR_EQUAL(w.self, r);
		CU_ASSERT_EQUAL(w.cpu, test_cpu(i));
		CU_ASSERT_EQUAL(reactor_cpu(r), test_cpu(i));
		CU_ASSERT(reactor_node(r) >= -1);
		reactor_destroy(r);
	}
	reactor_destroy(NULL);
}

/* The numbers of the dead are given again, and there are REACTOR_MAX of them. */
static void ids(void)
{
	enum { N = 20 };
	struct reactor *r[N];
	bool seen[REACTOR_MAX] = {false};
	unsigned int id;
	int i;

	for (i = 0; i < N; i++) {
		r[i] = new_reactor(i);
		id = reactor_id(r[i]);
		CU_ASSERT_FATAL(id < REACTOR_MAX);
		CU_ASSERT_FALSE(seen[id]);
		seen[id] = true;
	}
	id = reactor_id(r[7]);
	reactor_destroy(r[7]);
	r[7] = new_reactor(0);
	CU_ASSERT_EQUAL(reactor_id(r[7]), id);
	for (i = 0; i < N; i++)
		reactor_destroy(r[i]);
}

static void too_many(void)
{
	struct reactor *r[REACTOR_MAX + 1] = {NULL};
	int i, rc = 0;

	for (i = 0; i <= REACTOR_MAX && !rc; i++)
		rc = reactor_create(test_cpu(i), &r[i]);
	CU_ASSERT_EQUAL(i, REACTOR_MAX + 1);
	CU_ASSERT_EQUAL(rc, -ENOSPC);
	CU_ASSERT_PTR_NULL(r[REACTOR_MAX]);
	for (i = 0; i <= REACTOR_MAX; i++)
		reactor_destroy(r[i]);
}

static void create_destroy_often(void)
{
	int i;

	test_watch("reactors come and go");
	for (i = 0; i < TEST_ROUNDS(1000); i++) {
		struct reactor *r = new_reactor(i);

		/* Some are destroyed asleep, some before they ever ran. */
		if (i % 4 == 0)
			reactor_call(r, nothing, NULL);
		reactor_destroy(r);
	}
	test_watch(NULL);
}

/* --- messages --- */

struct note {
	struct reactor_msg msg;
	struct log *log;
	int sender, number;
};

struct log {
	/* Written on the reactor. */
	int last[8];
	int count, out_of_order;
	struct reactor *r;
	int elsewhere; /* messages that ran on another thread */
};

static void take_note(void *arg)
{
	struct note *n = arg;
	struct log *l = n->log;

	if (reactor_self() != l->r)
		l->elsewhere++;
	if (n->number != l->last[n->sender] + 1)
		l->out_of_order++;
	l->last[n->sender] = n->number;
	l->count++;
}

struct sender {
	pthread_t thread;
	struct log *log;
	int id, n;
	struct note *notes;
};

static void *send_all(void *arg)
{
	struct sender *s = arg;
	int i;

	for (i = 0; i < s->n; i++) {
		struct note *note = &s->notes[i];

		*note = (struct note){.log = s->log, .sender = s->id, .number = i + 1};
		note->msg = (struct reactor_msg){.fn = take_note, .arg = note};
		reactor_send(s->log->r, &note->msg);
		/* Now and then it falls asleep in between. */
		if (i % 997 == 0)
			test_sleep_ns(100 * NS_PER_US);
	}
	return NULL;
}

static void send_from_threads(int nthreads, int n)
{
	struct log log = {.r = new_reactor(0)};
	struct sender s[8];
	int i;

	test_watch("messages");
	for (i = 0; i < nthreads; i++) {
		s[i] = (struct sender){.log = &log, .id = i, .n = n};
		s[i].notes = calloc((size_t)n, sizeof(struct note));
		pthread_create(&s[i].thread, NULL, send_all, &s[i]);
	}
	for (i = 0; i < nthreads; i++)
		pthread_join(s[i].thread, NULL);
	reactor_call(log.r, nothing, NULL); /* it comes after all of them */
	test_watch(NULL);
	CU_ASSERT_EQUAL(log.count, nthreads * n);
	CU_ASSERT_EQUAL(log.out_of_order, 0);
	CU_ASSERT_EQUAL(log.elsewhere, 0);
	CU_ASSERT(stats_of(log.r).messages >= (uint64_t)log.count);
	reactor_destroy(log.r);
	for (i = 0; i < nthreads; i++)
		free(s[i].notes);
}

static void messages_in_order(void)
{
	send_from_threads(1, 10000);
}

static void messages_from_threads(void)
{
	send_from_threads(8, TEST_ROUNDS(50000));
}

/* A message that is sent again from its own callback: it must not starve what is sent besides. */
struct again {
	struct reactor_msg msg;
	struct reactor *r;
	int left, depth, max_depth;
	sem_t done;
};

static void again_fn(void *arg)
{
	struct again *a = arg;

	a->depth++;
	if (a->depth > a->max_depth)
		a->max_depth = a->depth;
	if (--a->left)
		reactor_send(a->r, &a->msg);
	else
		sem_post(&a->done);
	a->depth--;
}

static void resent_from_callback(void)
{
	struct again a = {.r = new_reactor(0), .left = 100000};

	test_watch("a message that sends itself");
	sem_init(&a.done, 0, 0);
	a.msg = (struct reactor_msg){.fn = again_fn, .arg = &a};
	reactor_send(a.r, &a.msg);
	reactor_call(a.r, nothing, NULL);
	while (sem_wait(&a.done))
		;
	reactor_call(a.r, nothing, NULL);
	test_watch(NULL);
	CU_ASSERT_EQUAL(a.left, 0);
	CU_ASSERT_EQUAL(a.max_depth, 1); /* sent, not called */
	sem_destroy(&a.done);
	reactor_destroy(a.r);
}

/* Freed by its own callback. */
static void free_fn(void *arg)
{
	struct note *n = arg;
	int *count = (int *)(void *)n->log;

	++*count;
	free(n);
}

static void freed_in_callback(void)
{
	struct reactor *r = new_reactor(0);
	int i, count = 0;

	for (i = 0; i < 1000; i++) {
		struct note *n = calloc(1, sizeof(*n));

		n->log = (void *)&count;
		n->msg = (struct reactor_msg){.fn = free_fn, .arg = n};
		reactor_send(r, &n->msg);
	}
	reactor_call(r, nothing, NULL);
	CU_ASSERT_EQUAL(count, 1000);
	reactor_destroy(r);
}

/* On the reactor itself a call is a plain call, also from a message. */
struct nested {
	struct reactor *r;
	int inner;
	bool before_return;
};

static void inner_fn(void *arg)
{
	struct nested *n = arg;

	n->inner++;
}

static void outer_fn(void *arg)
{
	struct nested *n = arg;

	reactor_call(n->r, inner_fn, n);
	n->before_return = n->inner == 1;
}

static void call_to_self(void)
{
	struct nested n = {.r = new_reactor(0)};

	reactor_call(n.r, outer_fn, &n);
	CU_ASSERT_TRUE(n.before_return);
	CU_ASSERT_EQUAL(n.inner, 1);
	reactor_destroy(n.r);
}

/* Two reactors throw one message to and fro; each throw may have to wake a CPU. */
#define THROWS 4000

struct ball {
	struct reactor_msg msg;
	struct reactor *r[2];
	int throws, wrong;
	sem_t done;
};

static void throw_fn(void *arg)
{
	struct ball *b = arg;

	if (reactor_self() != b->r[b->throws % 2])
		b->wrong++;
	if (++b->throws == TEST_ROUNDS(THROWS))
		sem_post(&b->done);
	else
		reactor_send(b->r[b->throws % 2], &b->msg);
}

static void between_reactors(void)
{
	struct ball b = {.r = {new_reactor(0), new_reactor(1)}};

	test_watch("two reactors");
	sem_init(&b.done, 0, 0);
	b.msg = (struct reactor_msg){.fn = throw_fn, .arg = &b};
	reactor_send(b.r[0], &b.msg);
	while (sem_wait(&b.done))
		;
	test_watch(NULL);
	CU_ASSERT_EQUAL(b.wrong, 0);
	reactor_destroy(b.r[0]);
	reactor_destroy(b.r[1]);
	sem_destroy(&b.done);
}

/* What was sent before reactor_destroy() still runs. */
static void sent_before_destroy(void)
{
	int i, count;

	for (i = 0; i < 200; i++) {
		struct reactor *r = new_reactor(0);
		struct note *n = calloc(1, sizeof(*n));

		count = 0;
		n->log = (void *)&count;
		n->msg = (struct reactor_msg){.fn = free_fn, .arg = n};
		reactor_send(r, &n->msg);
		reactor_destroy(r);
		CU_ASSERT_EQUAL(count, 1);
	}
}

/* --- pollers --- */

struct counter {
	struct reactor_poller p;
	struct reactor *r;
	struct counter *victim, *child;
	unsigned int calls, remove_at;
	bool removed;
	int after; /* calls after the removal: there must be none */
};

static unsigned int counter_poll(void *arg)
{
	struct counter *c = arg;

	c->calls++;
	if (c->removed)
		c->after++;
	if (c->remove_at && c->calls == c->remove_at) {
		if (c->child)
			reactor_poller_add(c->r, &c->child->p);
		if (c->victim) {
			reactor_poller_remove(c->r, &c->victim->p);
			c->victim->removed = true;
		}
	}
	return 1;
}

static void counter_init(struct counter *c, struct reactor *r)
{
	*c = (struct counter){.r = r};
	c->p = (struct reactor_poller){.name = "counter", .poll = counter_poll, .arg = c};
}

static unsigned int calls_of(struct reactor *r, const struct counter *c)
{
	reactor_call(r, nothing, NULL); /* orders what the reactor wrote before */
	return __atomic_load_n(&c->calls, __ATOMIC_RELAXED);
}

struct adding {
	struct counter *c;
	int n;
};

static void add_all(void *arg)
{
	struct adding *a = arg;
	int i;

	for (i = 0; i < a->n; i++)
		reactor_poller_add(a->c[i].r, &a->c[i].p);
}

static void remove_all(void *arg)
{
	struct adding *a = arg;
	int i;

	for (i = 0; i < a->n; i++)
		if (!a->c[i].removed)
			reactor_poller_remove(a->c[i].r, &a->c[i].p);
}

static void let_run(struct reactor *r, uint64_t rounds)
{
	uint64_t until = stats_of(r).rounds + rounds;

	test_watch("poll rounds");
	while (stats_of(r).rounds < until)
		sched_yield();
	test_watch(NULL);
}

/*
 * More than the table holds at first; each is called, in each round, and none after its removal,
 * which may come in the middle of one: messages have their turn between pollers.
 */
static void many_pollers(void)
{
	enum { N = 100 };
	static struct counter c[N];
	struct reactor *r = new_reactor(0);
	struct adding a = {.c = c, .n = N};
	unsigned int low = ~0u, high = 0, before;
	int i;

	for (i = 0; i < N; i++)
		counter_init(&c[i], r);
	reactor_call(r, add_all, &a);
	let_run(r, 100);
	reactor_call(r, remove_all, &a);
	for (i = 0; i < N; i++) {
		low = c[i].calls < low ? c[i].calls : low;
		high = c[i].calls > high ? c[i].calls : high;
	}
	CU_ASSERT(low >= 100);
	CU_ASSERT(high - low <= 1);
	before = c[0].calls;
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(calls_of(r, &c[0]), before);
	reactor_destroy(r);
}

/* {who of three removes whom} in a callback; in the same round the others are still called once. */
static void removed_in_callback(void)
{
	static const struct {
		int by, victim;
	} table[] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {2, 2}};
	size_t t;
	int i;

	for (t = 0; t < sizeof(table) / sizeof(table[0]); t++) {
		struct reactor *r = new_reactor(0);
		struct counter c[3];
		struct adding a = {.c = c, .n = 3};

		for (i = 0; i < 3; i++)
			counter_init(&c[i], r);
		c[table[t].by].victim = &c[table[t].victim];
		c[table[t].by].remove_at = 10;
		reactor_call(r, add_all, &a);
		let_run(r, 50);
		reactor_call(r, remove_all, &a);
		for (i = 0; i < 3; i++) {
			CU_ASSERT_EQUAL(c[i].after, 0);
			if (i != table[t].victim)
				CU_ASSERT(c[i].calls >= 50);
		}
		/* In its tenth round a victim behind its remover is not called any more. */
		CU_ASSERT_EQUAL(c[table[t].victim].calls, table[t].victim > table[t].by ? 9 : 10);
		reactor_destroy(r);
	}
}

/* One adds another and removes itself, in a chain: the table is changed while it is walked. */
static void added_in_callback(void)
{
	enum { N = 200 };
	static struct counter c[N];
	struct reactor *r = new_reactor(0);
	int i;

	for (i = 0; i < N; i++) {
		counter_init(&c[i], r);
		c[i].remove_at = 3;
		c[i].child = i + 1 < N ? &c[i + 1] : NULL;
		c[i].victim = i + 1 < N ? &c[i] : NULL;
	}
	add_poller(r, &c[0].p);
	let_run(r, 3 * N + 10);
	remove_poller(r, &c[N - 1].p);
	for (i = 0; i < N - 1; i++) {
		CU_ASSERT_EQUAL(c[i].calls, 3);
		CU_ASSERT_EQUAL(c[i].after, 0);
	}
	CU_ASSERT(c[N - 1].calls > 3);
	reactor_destroy(r);
}

/* Removed and added again in one message, between two rounds or two pollers of one. */
static void readd_fn(void *arg)
{
	struct counter *c = arg;

	reactor_poller_remove(c->r, &c->p);
	reactor_poller_add(c->r, &c->p);
	reactor_poller_remove(c->r, &c->p);
	reactor_poller_add(c->r, &c->p);
}

static void readded(void)
{
	struct reactor *r = new_reactor(0);
	struct counter c, other;
	unsigned int calls;
	uint64_t rounds;
	enum { N = 1000 };
	int i;

	counter_init(&c, r);
	counter_init(&other, r);
	add_poller(r, &c.p);
	add_poller(r, &other.p);
	for (i = 0; i < N; i++)
		reactor_call(r, readd_fn, &c);
	let_run(r, 100);
	remove_poller(r, &c.p);
	remove_poller(r, &other.p);
	calls = c.calls;
	rounds = stats_of(r).rounds;
	/* Once in a round, or once more as it was added behind its turn; not twice for each time.
	 */
	CU_ASSERT(calls >= 100 && calls <= rounds + 1 + N);
	CU_ASSERT(other.calls <= rounds + 1);
	reactor_destroy(r);
}

static const struct test_case cases[] = {
	{"create_bad_cpu", create_bad_cpu},
	{"pinned", pinned},
	{"ids", ids},
	{"too_many", too_many},
	{"create_destroy_often", create_destroy_often},
	{"messages_in_order", messages_in_order},
	{"messages_from_threads", messages_from_threads},
	{"resent_from_callback", resent_from_callback},
	{"freed_in_callback", freed_in_callback},
	{"call_to_self", call_to_self},
	{"between_reactors", between_reactors},
	{"sent_before_destroy", sent_before_destroy},
	{"many_pollers", many_pollers},
	{"removed_in_callback", removed_in_callback},
	{"added_in_callback", added_in_callback},
	{"readded", readded},
};

TEST_MAIN("reactor", cases)
