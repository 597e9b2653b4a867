/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings: sizes, wrapping, full completion queues, shared ones, doorbells and EventIdx. */
#include "fixture.h"

/* Every size from the smallest: each slot of both rings is used several times. */
static void sizes(void)
{
	static const struct {
		uint16_t sq, cq;
	} table[] = {{2, 2},	{2, 3},	      {3, 2},	{3, 3},	  {4, 4},
		     {5, 7},	{7, 5},	      {64, 64}, {63, 65}, {1024, 2},
		     {2, 1024}, {1024, 1024}, {64, 16}, {16, 64}, {1000, 999}};
	struct host *h = host_open(&(struct host_params){.shadow = true});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	size_t t;
	int i;

	for (t = 0; t < ARRAY_SIZE(table); t++) {
		int n = 3 * (table[t].sq > table[t].cq ? table[t].sq : table[t].cq) + 5;
		uint64_t used = h->used;
		struct host_queue *q = host_add_queue(h, 1, table[t].sq, table[t].cq);
		int bad = 0;

		for (i = 0; i < n; i++)
			bad += host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)) != 0;
		CU_ASSERT_EQUAL(bad, 0);
		host_delete_queue(h, 1);
		h->used = used;
	}
	host_close(h);
}

/* --- a completion queue that is full --- */

struct goal {
	struct host_queue *q;
	unsigned int n;
};

static bool goal_reached(void *arg)
{
	const struct goal *g = arg;

	return host_count_pending(g->q) >= g->n;
}

/*
 * Many more commands than the completion queue holds: it gets what fits, one slot stays free, and
 * the rest comes as the host makes room: in the order of completion, none lost, none twice.
 */
static void run_cq_full(const struct host_params *p, uint16_t sq_size, uint16_t cq_size,
			uint32_t nsid)
{
	struct host *h = host_open(p);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct host_queue *q = host_add_queue(h, 1, sq_size, cq_size);
	struct goal g = {.q = q, .n = cq_size - 1u};
	struct nvme_cqe cqe;
	int i, wrong = 0, n = sq_size - 1;

	for (i = 0; i < n; i++)
		host_put(q, sqe_rw(nvme_cmd_read, nsid, 0, 1, buf));
	host_ring_sq(q);
	CU_ASSERT_TRUE(test_until(goal_reached, &g, 5000));
	test_sleep_ns(2 * NS_PER_MS);
	CU_ASSERT_EQUAL(host_count_pending(q), g.n);
	for (i = 0; i < n; i++) {
		cqe = host_wait(q);
		wrong += le16toh(cqe.cid) != i || host_status(&cqe);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_FALSE(host_pending(q));
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
	host_close(h);
}

static void cq_full(void)
{
	static const uint64_t idle[] = {0, 20 * NS_PER_US, REACTOR_NEVER_SLEEP};
	static const struct {
		uint16_t sq, cq;
	} table[] = {{16, 2}, {16, 3}, {16, 4}, {64, 16}, {1024, 7}, {5, 4}};
	size_t i, t;
	int shadow;

	test_watch("a full completion queue");
	for (i = 0; i < ARRAY_SIZE(idle); i++)
		for (shadow = 0; shadow < 2; shadow++)
			for (t = 0; t < ARRAY_SIZE(table); t++) {
				struct host_params p = {.idle_ns = idle[i], .shadow = shadow};

				run_cq_full(&p, table[t].sq, table[t].cq, NS_NULL);
			}
	test_watch(NULL);
}

/* As before, but the completions come late, one by one, from a timer. */
static void cq_full_late(void)
{
	test_watch("a full completion queue with late completions");
	run_cq_full(&(struct host_params){.shadow = true, .latency_us = 2000}, 32, 4, NS_SLOW);
	run_cq_full(&(struct host_params){.latency_us = 2000}, 32, 2, NS_SLOW);
	test_watch(NULL);
}

/* What waits for room is dropped with its submission queue, and the other queue's stays. */
static void cq_full_then_delete(void)
{
	struct host *h = host_open(&(struct host_params){.shadow = true});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct host_queue *q = host_add_queue(h, 1, 16, 4), *second = &h->io[2];
	struct goal g = {.q = q, .n = 3};
	int i, of_first = 0, of_second = 0;
	struct nvme_cqe cqe;

	*second = *q;
	second->qid = 2;
	second->sq_gpa = host_alloc(h, HOST_PAGE);
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(second)), 0);
	for (i = 0; i < 15; i++)
		host_put(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	host_ring_sq(q);
	CU_ASSERT_TRUE(test_until(goal_reached, &g, 5000));
	for (i = 0; i < 5; i++)
		host_put(second, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	host_ring_sq(second);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, 1)), 0);
	while (of_second < 5) {
		cqe = host_wait(q);
		if (le16toh(cqe.sq_id) == 2)
			of_second++;
		else
			of_first++;
	}
	CU_ASSERT(of_first >= 3 && of_first <= 15);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, 2)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)), 0);
	host_close(h);
}

/* --- several submission queues on one completion queue --- */

static void shared_cq(void)
{
	enum { N = 4, EACH = 500 };
	struct host *h = host_open(&(struct host_params){.shadow = true});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct host_queue *cq = host_add_queue(h, 1, 16, 8);
	unsigned int next[N + 1] = {0}, done[N + 1] = {0}, wrong = 0, total = 0;
	uint16_t k, head[N + 1] = {0};

	test_watch("a shared completion queue");
	for (k = 2; k <= N; k++) {
		h->io[k] = (struct host_queue){
			.h = h,
			.qid = k,
			.cqid = 1,
			.sq_size = (uint16_t)(3 * k),
			.sq_gpa = host_alloc(h, HOST_PAGE),
		};
		CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(&h->io[k])), 0);
	}
	while (total < N * EACH) {
		struct nvme_cqe cqe;

		for (k = 1; k <= N; k++) {
			struct host_queue *q = &h->io[k];

			while (next[k] < EACH && next[k] - done[k] < q->sq_size - 1u) {
				host_put(q, sqe_rw(nvme_cmd_read, NS_NULL, k, 1, buf));
				next[k]++;
			}
			host_ring_sq(q);
		}
		cqe = host_wait(cq);
		k = le16toh(cqe.sq_id);
		CU_ASSERT_FATAL(k >= 1 && k <= N);
		/* Each queue's own order, and its head moves on to what was fetched. */
		wrong += le16toh(cqe.cid) != done[k] || host_status(&cqe);
		head[k] = le16toh(cqe.sq_head);
		wrong += head[k] >= h->io[k].sq_size;
		done[k]++;
		total++;
	}
	test_watch(NULL);
	CU_ASSERT_EQUAL(wrong, 0);
	for (k = 1; k <= N; k++) {
		CU_ASSERT_EQUAL(done[k], EACH);
		CU_ASSERT_EQUAL(head[k], h->io[k].tail);
	}
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)),
			ST_CMD(NVME_SC_INVALID_QUEUE));
	for (k = 1; k <= N; k++)
		CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, k)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)), 0);
	host_close(h);
}

/* --- EventIdx --- */

struct load {
	struct host_queue *q;
	uint64_t buf, seed;
	unsigned int batch; /* at most so many commands per doorbell */
	unsigned int depth; /* ... and in flight; 0: what the queue holds */
	unsigned int pause; /* a pause of random length once in so many batches; 0: never */
};

/* n commands: a batch is submitted, then some or all of what completed is taken. */
static void run_load(struct load *l, unsigned int n)
{
	struct host_queue *q = l->q;
	unsigned int sent = 0, done = 0, room = l->depth ? l->depth : q->sq_size - 1u, wrong = 0;
	uint16_t first = q->cid;

	while (done < n) {
		unsigned int batch = 1 + test_random(&l->seed) % l->batch;
		struct nvme_cqe cqe;

		while (batch-- && sent < n && sent - done < room) {
			host_put(q, sqe_rw(nvme_cmd_read, NS_NULL, sent % 1000, 1, l->buf));
			sent++;
		}
		host_ring_sq(q);
		if (l->pause && test_random(&l->seed) % l->pause == 0)
			test_sleep_ns(test_random(&l->seed) % (100 * NS_PER_US));
		do {
			cqe = host_wait(q);
			wrong += le16toh(cqe.cid) != (uint16_t)(first + done);
			done++;
		} while (done < sent && (sent == n || sent - done == room || host_pending(q)));
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static const uint16_t queue_sizes[] = {2, 3, 4, 64, 1024};

static void no_lost_doorbell(uint64_t idle_ns, unsigned int n, unsigned int pause)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(queue_sizes); i++) {
		struct host_params p = {.idle_ns = idle_ns, .shadow = true};
		struct host *h = host_open(&p);
		uint16_t size = queue_sizes[i];
		struct load l = {
			.q = host_add_queue(h, 1, size, size),
			.buf = host_alloc(h, HOST_PAGE),
			.seed = size,
			.batch = size > 32 ? 32 : size,
			.pause = pause,
		};

		test_watch("a lost doorbell: the queue is not looked at");
		run_load(&l, n);
		test_watch(NULL);
		printf("# idle %llu ns, %u entries: %u commands, %llu tail and %llu head doorbells\n",
		       (unsigned long long)idle_ns, size, n, (unsigned long long)l.q->sq_doorbells,
		       (unsigned long long)l.q->cq_doorbells);
		host_close(h);
	}
}

static void no_lost_doorbell_interrupt(void)
{
	no_lost_doorbell(0, (unsigned int)TEST_ROUNDS(10000), 50);
}

static void no_lost_doorbell_adaptive(void)
{
	no_lost_doorbell(5 * NS_PER_US, (unsigned int)TEST_ROUNDS(20000), 20);
}

/*
 * EventIdx of a reactor that is awake trails its head, by half a queue at most: with no more than a
 * quarter in flight no doorbell is due. There is one still if the host is held up between storing a
 * tail and reading EventIdx, and the controller has come past it meanwhile. A completion queue's
 * head is looked at more rarely.
 */
static void no_doorbells_while_busy(void)
{
	const unsigned int n = (unsigned int)TEST_ROUNDS(50000);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(queue_sizes); i++) {
		struct host_params p = {.idle_ns = REACTOR_NEVER_SLEEP, .shadow = true};
		struct host *h = host_open(&p);
		uint16_t size = queue_sizes[i];
		struct load l = {
			.q = host_add_queue(h, 1, size, size),
			.buf = host_alloc(h, HOST_PAGE),
			.seed = size,
			.batch = size / 8 ? size / 8 : 1,
			.depth = size / 4 ? size / 4 : 1,
		};

		test_watch("a busy queue");
		run_load(&l, n);
		test_watch(NULL);
		printf("# busy, %u entries: %u commands, %llu tail and %llu head doorbells\n", size,
		       n, (unsigned long long)l.q->sq_doorbells,
		       (unsigned long long)l.q->cq_doorbells);
		if (size >= 64)
			CU_ASSERT(l.q->sq_doorbells <= n / 100);
		CU_ASSERT(l.q->cq_doorbells <= 2ull * n / size + 2 || size < 64);
		host_close(h);
	}
}

/* One command at a time: as good as none, but for the smallest queues. */
static void no_doorbells_at_depth_1(void)
{
	size_t i;
	int k;

	for (i = 0; i < ARRAY_SIZE(queue_sizes); i++) {
		struct host_params p = {.idle_ns = REACTOR_NEVER_SLEEP, .shadow = true};
		struct host *h = host_open(&p);
		uint64_t buf = host_alloc(h, HOST_PAGE);
		struct host_queue *q = host_add_queue(h, 1, queue_sizes[i], queue_sizes[i]);

		for (k = 0; k < 3000; k++)
			host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
		if (queue_sizes[i] >= 64) {
			CU_ASSERT(q->sq_doorbells <= 30);
			CU_ASSERT(q->cq_doorbells <= 30);
		}
		printf("# busy at depth 1, %u entries: %llu tail and %llu head doorbells\n",
		       queue_sizes[i], (unsigned long long)q->sq_doorbells,
		       (unsigned long long)q->cq_doorbells);
		host_close(h);
	}
}

/* The controller never writes the shadow page, nor EventIdx of queues that are not there. */
static void pages_are_respected(void)
{
	struct host *h = host_open(&(struct host_params){.shadow = true});
	uint32_t *shadow = host_ptr(h, h->shadow), *eventidx = host_ptr(h, h->eventidx);
	struct load l = {.buf = host_alloc(h, HOST_PAGE), .seed = 1, .batch = 8, .pause = 10};
	int i, bad = 0;

	/* The first are the admin queue's: a change would be a doorbell. */
	for (i = 4; i < 1024; i++) {
		shadow[i] = htole32(0xdead0000u + (uint32_t)i);
		eventidx[i] = htole32(0xbeef0000u + (uint32_t)i);
	}
	l.q = host_add_queue(h, 1, 16, 16);
	run_load(&l, 1000);
	CU_ASSERT_EQUAL(le32toh(shadow[2]), l.q->tail);
	CU_ASSERT_EQUAL(le32toh(shadow[3]), l.q->head);
	CU_ASSERT_EQUAL(shadow[0], 0);
	CU_ASSERT_EQUAL(shadow[1], 0);
	for (i = 4; i < 1024; i++) {
		bad += shadow[i] != htole32(0xdead0000u + (uint32_t)i);
		bad += eventidx[i] != htole32(0xbeef0000u + (uint32_t)i);
	}
	CU_ASSERT_EQUAL(bad, 0);
	host_close(h);
}

/* Without shadows every doorbell is a real one; and with mapped doorbells nobody is signalled. */
static void real_doorbells(void)
{
	static const struct host_params table[] = {
		{.idle_ns = 0},
		{.idle_ns = 10 * NS_PER_US},
		{.idle_ns = REACTOR_NEVER_SLEEP},
		{.idle_ns = 0, .no_kick = true},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct host *h = host_open(&table[i]);
		struct load l = {
			.q = host_add_queue(h, 1, 16, 16),
			.buf = host_alloc(h, HOST_PAGE),
			.seed = 1,
			.batch = 8,
			.pause = 50,
		};

		test_watch("real doorbells");
		run_load(&l, (unsigned int)TEST_ROUNDS(5000));
		test_watch(NULL);
		host_close(h);
	}
}

/* --- values that are no index --- */

/* They are ignored, and the queue goes on with the next one that is valid. */
static void bad_doorbells(void)
{
	static const uint32_t values[] = {16, 17, 0x10000, 0x10001, 0x7fffffff, UINT32_MAX};
	int shadow;
	size_t i;

	for (shadow = 0; shadow < 2; shadow++) {
		struct host *h = host_open(&(struct host_params){.shadow = shadow});
		uint64_t buf = host_alloc(h, HOST_PAGE);
		struct host_queue *q = host_add_queue(h, 1, 16, 16);

		for (i = 0; i < ARRAY_SIZE(values); i++) {
			host_doorbell(h, 2, values[i]);
			host_doorbell(h, 3, values[i]);
			test_sleep_ns(NS_PER_MS);
			CU_ASSERT_FALSE(host_pending(q));
			CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_READY);
			/* A head beyond what was posted. */
			host_doorbell(h, 3, (q->head + 1u) % 16);
			host_doorbell(h, 2, q->tail);
			host_doorbell(h, 3, q->head);
			CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
		}
		host_close(h);
	}
}

struct looks {
	struct host *h;
	int64_t paid;
};

#define LOOKS 8

/* On the reactor: at each look the doorbell has another value. */
static void look_again(void *arg)
{
	struct looks *l = arg;
	struct vnvme_sq *sq = l->h->ctrl->sqs[1];
	struct reactor_share *share = &sq->group->poller.share;
	uint32_t i;

	l->paid = reactor_share_left(share);
	for (i = 0; i < LOOKS; i++) {
		host_doorbell(l->h, 2, 100 + i);
		vnvme_sq_poll(sq, 64);
	}
	l->paid -= reactor_share_left(share);
}

/* Telling of them takes longer than a request, so it has a price, too. */
static void bad_doorbells_are_paid(void)
{
	struct host *h = host_open(&(struct host_params){.shadow = true});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	struct looks l = {.h = h};

	reactor_call(h->r[0], look_again, &l);
	CU_ASSERT(l.paid >= LOOKS * REACTOR_REQUEST_UNITS);
	host_doorbell(h, 2, q->tail);
	CU_ASSERT_EQUAL(host_run(q, sqe_flush(NS_NULL)), 0);
	host_close(h);
}

/* The host is told once of each, be it a tail or a head, also while nothing else is going on. */
static void bad_doorbell_events(void)
{
	static const uint64_t idle_ns[] = {0, REACTOR_NEVER_SLEEP};
	const uint32_t error_log = 1u << 16, invalid_value = 1 << 8; /* type 0: error */
	unsigned int k;

	for (k = 0; k < 8; k++) {
		struct host *h = host_open(
			&(struct host_params){.idle_ns = idle_ns[k & 1], .shadow = k & 2});
		struct host_queue *q = host_add_queue(h, 1, 16, 16);
		struct nvme_cqe cqe;

		host_submit(&h->admin, (struct nvme_sqe){.opcode = nvme_admin_async_event});
		test_sleep_ns(2 * NS_PER_MS);
		host_doorbell(h, k & 4 ? 3 : 2, 999);
		/* A shadow that is written during a sleep is seen at its end. */
		host_real_doorbell(h, 1, h->admin.head);
		cqe = host_wait(&h->admin);
		CU_ASSERT_EQUAL(le32toh(cqe.result), error_log | invalid_value);
		host_doorbell(h, 2, q->tail);
		host_doorbell(h, 3, q->head);
		CU_ASSERT_EQUAL(host_run(q, sqe_flush(NS_NULL)), 0);
		host_close(h);
	}
}

static const struct test_case cases[] = {
	{"sizes", sizes},
	{"cq_full", cq_full},
	{"cq_full_late", cq_full_late},
	{"cq_full_then_delete", cq_full_then_delete},
	{"shared_cq", shared_cq},
	{"no_lost_doorbell_interrupt", no_lost_doorbell_interrupt},
	{"no_lost_doorbell_adaptive", no_lost_doorbell_adaptive},
	{"no_doorbells_while_busy", no_doorbells_while_busy},
	{"no_doorbells_at_depth_1", no_doorbells_at_depth_1},
	{"pages_are_respected", pages_are_respected},
	{"real_doorbells", real_doorbells},
	{"bad_doorbells", bad_doorbells},
	{"bad_doorbells_are_paid", bad_doorbells_are_paid},
	{"bad_doorbell_events", bad_doorbell_events},
};

TEST_MAIN("queue", cases)
