/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O queues that change their reactor, under load and in the middle of everything else. */
#include "../mover.h"
#include "fixture.h"

#define ENTRIES 64

static int place_of(const struct host *h, uint16_t qid)
{
	return (int)__atomic_load_n(&h->ctrl->stats[qid].place, __ATOMIC_RELAXED) - 1;
}

/* --- one after the other --- */

static void there_and_back(const struct host_params *p)
{
	struct host *h = host_open(p);
	struct host_queue *q = host_add_queue(h, 1, ENTRIES, ENTRIES);
	uint64_t out = host_alloc(h, HOST_PAGE), in = host_alloc(h, HOST_PAGE);
	int i, bad = 0;

	test_watch("I/O between moves");
	for (i = 0; i < TEST_ROUNDS(60); i++) {
		unsigned int to = (unsigned int)(i + 1) % 2;

		CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[to]), 0);
		CU_ASSERT_EQUAL(place_of(h, 1), reactor_cpu(h->r[to]));
		memset(host_ptr(h, out), i, HOST_PAGE);
		bad += host_run(q, sqe_rw(nvme_cmd_write, NS_RAM, (uint64_t)i * 8, 8, out)) != 0;
		bad += host_run(q, sqe_rw(nvme_cmd_read, NS_RAM, (uint64_t)i * 8, 8, in)) != 0;
		bad += memcmp(host_ptr(h, in), host_ptr(h, out), HOST_PAGE) != 0;
	}
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	host_delete_queue(h, 1);
	CU_ASSERT_EQUAL(place_of(h, 1), QUEUE_NOWHERE);
	host_close(h);
}

/* With idle_ns 0 both sleep after each command, and the right one has to be woken. */
static void wakes_the_right_one(void)
{
	static const struct host_params params[] = {
		{.reactors = 2},
		{.reactors = 2, .shadow = true},
		{.reactors = 2, .shadow = true, .idle_ns = 20 * NS_PER_US},
		{.reactors = 2, .no_kick = true},
		{.reactors = 2, .shadow = true, .idle_ns = REACTOR_NEVER_SLEEP},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		there_and_back(&params[i]);
}

static void refused(void)
{
	struct host *h = host_open(&(struct host_params){.reactors = 2});
	struct reactor *third = NULL;

	CU_ASSERT_EQUAL(reactor_create(test_cpu(0), &third), 0);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[1]), -ENOENT);
	host_add_queue(h, 1, ENTRIES, ENTRIES);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 0, h->r[1]), -ENOENT); /* the admin queue */
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 2, h->r[1]), -ENOENT);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, UINT32_MAX, h->r[1]), -ENOENT);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, third), -EINVAL);
	CU_ASSERT_EQUAL(place_of(h, 1), reactor_cpu(h->r[0]));
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[0]), -EALREADY);
	vnvme_stop(h->ctrl);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[1]), -EAGAIN);
	vnvme_start(h->ctrl);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[1]), 0);
	host_disable(h);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[0]), -ENOENT);
	host_close(h);
	reactor_destroy(third);
}

/* All that feeds a completion queue comes along, and what comes to feed it later goes there. */
static void shared_completion_queue(void)
{
	struct host *h = host_open(&(struct host_params){.reactors = 2, .shadow = true});
	struct host_queue *q = host_add_queue(h, 1, ENTRIES, ENTRIES);
	struct host_queue second, late;
	int i, bad = 0;

	host_queue_init(&second, h, 2, 16, 16);
	host_queue_init(&late, h, 3, 16, 16);
	second.cqid = late.cqid = 1;
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(&second)), 0);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 2, h->r[1]), 0);
	CU_ASSERT_EQUAL(place_of(h, 1), reactor_cpu(h->r[1]));
	CU_ASSERT_EQUAL(place_of(h, 2), reactor_cpu(h->r[1]));
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(&late)), 0);
	CU_ASSERT_EQUAL(place_of(h, 3), reactor_cpu(h->r[1]));
	for (i = 0; i < 5; i++) {
		host_submit(q, sqe_flush(NS_NULL));
		host_submit(&second, sqe_flush(NS_NULL));
		host_submit(&late, sqe_flush(NS_NULL));
	}
	for (i = 0; i < 15; i++) {
		struct nvme_cqe cqe = host_wait(q);

		bad += host_status(&cqe) != 0;
	}
	CU_ASSERT_EQUAL(bad, 0);
	for (i = 3; i > 0; i--)
		CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, (uint16_t)i)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)), 0);
	host_close(h);
}

/* --- with I/O in flight --- */

/* I/O that takes long: nothing moves, nobody waits for it, and the queue serves on. */
static void in_flight_for_long(void)
{
	struct host *h = host_open(&(struct host_params){.reactors = 2, .shadow = true});
	struct host_queue *q = host_add_queue(h, 1, ENTRIES, ENTRIES);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_cqe cqe;
	uint16_t slow, fast;

	slow = host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf));
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 20000));
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[1]), -EAGAIN);
	CU_ASSERT_EQUAL(host_count_pending(q), 0); /* not even that waited for it */
	CU_ASSERT_EQUAL(place_of(h, 1), reactor_cpu(h->r[0]));
	fast = host_submit(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
	cqe = host_wait(q);
	CU_ASSERT_EQUAL(le16toh(cqe.cid), fast);
	host_disable(h);
	CU_ASSERT_NOT_EQUAL(slow, fast);
	host_close(h);
}

/* It takes longer than a disk that hangs is waited for, and one after the other ends. */
static void drains_one_by_one(void)
{
	struct host *h = host_open(
		&(struct host_params){.reactors = 2, .shadow = true, .latency_us = 80000});
	struct host_queue *q = host_add_queue(h, 1, ENTRIES, ENTRIES);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	int i, k, rc = -EAGAIN;

	/* The machine may hold us up, but not each time. */
	for (i = 0; i < 40 && rc == -EAGAIN; i++) {
		for (k = 0; k < 10; k++) {
			host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf));
			test_sleep_ns(7 * NS_PER_MS);
		}
		CU_ASSERT_TRUE(test_until(host_all_fetched, q, 20000));
		rc = vnvme_move_queue(h->ctrl, 1, h->r[1]);
		if (!rc) /* all had ended before it went */
			CU_ASSERT_EQUAL(host_count_pending(q), 10);
		for (k = 0; k < 10; k++)
			host_wait(q);
	}
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(place_of(h, 1), reactor_cpu(h->r[1]));
	host_close(h);
}

struct pause {
	pthread_t thread;
	struct host *h;
	atomic_bool over;
};

static void *pause_vm(void *arg)
{
	struct pause *p = arg;

	vnvme_stop(p->h->ctrl);
	atomic_store(&p->over, true);
	return NULL;
}

static void peek_ops(void *arg)
{
	struct pause *p = arg;

	if (reactor_op_busy(&p->h->ctrl->ops))
		p->h = NULL;
}

static bool is_pausing(void *arg)
{
	struct pause look = {.h = ((struct pause *)arg)->h};

	reactor_call(look.h->ctrl->home, peek_ops, &look);
	return !look.h;
}

/* Whether the move came back before the pause was over, which waits for a second. */
static bool move_beside_a_pause(void)
{
	struct host *h = host_open(
		&(struct host_params){.reactors = 2, .shadow = true, .latency_us = 1000000});
	struct host_queue *q = host_add_queue(h, 1, ENTRIES, ENTRIES);
	struct pause p = {.h = h};
	bool before;

	host_add_queue(h, 2, ENTRIES, ENTRIES);
	host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, host_alloc(h, HOST_PAGE)));
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 20000));
	pthread_create(&p.thread, NULL, pause_vm, &p);
	test_until(is_pausing, &p, 1000); /* or it is over already */
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 2, h->r[0]), -EAGAIN);
	before = !atomic_load(&p.over);
	pthread_join(p.thread, NULL);
	vnvme_start(h->ctrl);
	host_wait(q);
	CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 2, h->r[0]), 0);
	host_close(h);
	return before;
}

/* What is queued already may wait for I/O for long: the caller shall not. */
static void not_behind_a_pause(void)
{
	int i;

	/* The machine may hold us up for a second, but not each time. */
	for (i = 0; i < 4 && !move_beside_a_pause(); i++)
		;
	CU_ASSERT(i < 4);
}

/* Completions that find no room go along, and come when there is room. */
static void full_completion_queue(void)
{
	struct host *h = host_open(&(struct host_params){.reactors = 2, .shadow = true});
	struct host_queue *q = host_add_queue(h, 1, ENTRIES, 4);
	int i, bad = 0;

	for (i = 0; i < 20; i++)
		host_put(q, sqe_flush(NS_NULL));
	host_ring_sq(q);
	for (i = 0; i < 20; i++) {
		struct nvme_cqe cqe;

		CU_ASSERT_EQUAL(vnvme_move_queue(h->ctrl, 1, h->r[(i + 1) % 2]), 0);
		cqe = host_wait(q);
		bad += le16toh(cqe.cid) != i || host_status(&cqe);
	}
	CU_ASSERT_EQUAL(bad, 0);
	host_close(h);
}

/* --- at once with everything else --- */

/* Of queues 1 and 2. */
static int move_one(void *arg, unsigned int i)
{
	struct host *h = arg;

	return vnvme_move_queue(h->ctrl, 1 + i / 2 % 2, h->r[i % 2]);
}

/* Every command is answered once, in order where the bdev keeps order, with the right data. */
static void load(const struct host_params *p, uint32_t nsid, unsigned int rounds)
{
	struct host *h = host_open(p);
	struct host_queue *q[2] = {host_add_queue(h, 1, ENTRIES, ENTRIES),
				   host_add_queue(h, 2, ENTRIES, ENTRIES)};
	uint64_t buf = host_alloc(h, (size_t)HOST_PAGE * 32);
	unsigned int i, k, n, bad = 0;
	struct mover m;

	test_watch("I/O while its queues move");
	mover_start(&m, move_one, h);
	for (i = 0; i < rounds || (m.moved < 20 && i < 100 * rounds); i++) {
		bool seen[2][32] = {{false}};
		uint16_t first[2] = {q[0]->cid, q[1]->cid};

		for (k = 0; k < 2; k++) {
			for (n = 0; n < 32; n++)
				host_put(q[k],
					 sqe_rw(nvme_cmd_read, nsid, n, 1, buf + n * HOST_PAGE));
			host_ring_sq(q[k]);
		}
		for (n = 0; n < 64; n++) {
			struct nvme_cqe cqe = host_wait(q[n % 2]);
			uint16_t at = (uint16_t)(le16toh(cqe.cid) - first[n % 2]);

			bad += host_status(&cqe) || at >= 32 || seen[n % 2][at % 32];
			seen[n % 2][at % 32] = true;
		}
	}
	mover_stop(&m);
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(host_count_pending(q[0]) + host_count_pending(q[1]), 0);
	CU_ASSERT(m.moved > 0);
	host_close(h);
}

static void under_load(void)
{
	load(&(struct host_params){.reactors = 2, .shadow = true, .idle_ns = 5 * NS_PER_US}, NS_RAM,
	     TEST_ROUNDS(400));
	load(&(struct host_params){.reactors = 2, .idle_ns = REACTOR_NEVER_SLEEP}, NS_NULL,
	     TEST_ROUNDS(200));
	load(&(struct host_params){.reactors = 2, .shadow = true}, NS_NULL, TEST_ROUNDS(200));
	load(&(struct host_params){.reactors = 2, .shadow = true, .latency_us = 300}, NS_SLOW,
	     TEST_ROUNDS(100));
	load(&(struct host_params){.reactors = 2, .latency_us = 2000}, NS_SLOW, TEST_ROUNDS(50));
}

/* Queues come and go, are aborted, reset, paused and lose their memory while they move. */
static void churn(struct host *h, unsigned int i)
{
	struct nvme_sqe abort = {.opcode = nvme_admin_abort_cmd, .cdw10 = htole32(1)};
	struct host_queue *q = &h->io[1];
	uint64_t used = h->used, buf = host_alloc(h, HOST_PAGE);

	host_add_queue(h, 1, 16, 16);
	host_submit(q, sqe_rw(nvme_cmd_read, i % 2 ? NS_SLOW : NS_NULL, 0, 1, buf));
	if (i % 3 == 0)
		host_submit(&h->admin, abort);
	if (i % 5 == 0) {
		vnvme_stop(h->ctrl);
		vnvme_memory_stop(h->ctrl);
		vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
		vnvme_start(h->ctrl);
	}
	if (i % 3 == 0)
		host_wait(&h->admin);
	if (i % 4 == 3) {
		host_disable(h);
		h->used = used;
		CU_ASSERT_TRUE(host_enable(h, 16));
	} else {
		host_delete_queue(h, 1);
		h->used = used;
	}
}

static void with_everything_else(void)
{
	struct host *h = host_open(
		&(struct host_params){.reactors = 2, .idle_ns = 5 * NS_PER_US, .latency_us = 3000});
	uint64_t end = time_now_ns() + NS_PER_SEC;
	unsigned int i;
	struct mover m;

	test_watch("moves, and all else that home does");
	mover_start(&m, move_one, h);
	for (i = 0; (time_now_ns() < end && i < 4000) || i < 20; i++) /* each keeps some memory */
		churn(h, i);
	mover_stop(&m);
	test_watch(NULL);
	printf("# %u rounds\n", i);
	host_close(h);
}

static const struct test_case cases[] = {
	{"wakes_the_right_one", wakes_the_right_one},
	{"refused", refused},
	{"shared_completion_queue", shared_completion_queue},
	{"in_flight_for_long", in_flight_for_long},
	{"drains_one_by_one", drains_one_by_one},
	{"not_behind_a_pause", not_behind_a_pause},
	{"full_completion_queue", full_completion_queue},
	{"under_load", under_load},
	{"with_everything_else", with_everything_else},
};

TEST_MAIN("move", cases)
