/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiet groups: an idle controller is looked at in a shorter way, which must see each doorbell, and
 * ends where anything is owed or changed otherwise.
 */
#include "fixture.h"

static struct host *h;
static struct host_queue *q;
static uint64_t buf;

/* A reactor that never sleeps: it is the doorbells that are seen, not the eventfd. */
static void begin(bool shadow)
{
	h = host_open(&(struct host_params){
		.idle_ns = REACTOR_NEVER_SLEEP, .shadow = shadow, .no_kick = true});
	q = host_add_queue(h, 1, 8, 8);
	buf = host_alloc(h, HOST_PAGE);
	test_watch("a controller that should become quiet, or answer");
}

static void end(void)
{
	test_watch(NULL);
	host_close(h);
}

struct look {
	bool quiet;
	uint64_t polls;
};

static void look_fn(void *arg)
{
	struct look *look = arg;

	look->quiet = h->ctrl->groups[0]->quiet;
	look->polls = h->ctrl->sqs[1]->stats->polls;
}

static bool is_quiet(void *arg)
{
	struct look look;

	reactor_call(h->r[0], look_fn, &look);
	return look.quiet;
}

static bool becomes_quiet(void)
{
	return test_until(is_quiet, NULL, 10000);
}

static void read_one(struct host_queue *on)
{
	CU_ASSERT_EQUAL(host_run(on, sqe_rw(nvme_cmd_read, NS_RAM, 0, 1, buf)), 0);
}

static struct nvme_sqe get_features(void)
{
	return (struct nvme_sqe){.opcode = nvme_admin_get_features,
				 .cdw10 = htole32(NVME_FEAT_FID_ARBITRATION)};
}

/* Any queue's doorbell, in the page and in the shadow. */
static void sees_doorbells(void)
{
	int shadow, i;

	for (shadow = 0; shadow < 2; shadow++) {
		begin(shadow);
		for (i = 0; i < 40; i++) { /* several times around the ring */
			CU_ASSERT(becomes_quiet());
			read_one(q);
			CU_ASSERT(becomes_quiet());
			CU_ASSERT_EQUAL(host_admin(h, get_features()), 0);
		}
		end();
	}
}

/* The doorbell of a queue with a shadow that its host has not used yet may still be in the page. */
static void sees_page_and_shadow(void)
{
	uint64_t shadow, eventidx;

	begin(false);
	CU_ASSERT(becomes_quiet());
	shadow = host_alloc(h, HOST_PAGE);
	eventidx = host_alloc(h, HOST_PAGE);
	CU_ASSERT_EQUAL(host_admin(h, sqe_dbbuf(shadow, eventidx)), 0);
	CU_ASSERT(becomes_quiet());
	read_one(q); /* by the page */
	CU_ASSERT(becomes_quiet());
	__atomic_store_n((uint32_t *)host_ptr(h, shadow) + 2, htole32(q->tail), __ATOMIC_RELEASE);
	CU_ASSERT(becomes_quiet());
	h->shadow = shadow;
	h->eventidx = eventidx;
	read_one(q); /* by the shadow */
	end();
}

/* Queues that come and go. */
static void new_queues(void)
{
	int i;

	begin(true);
	for (i = 0; i < 5; i++) {
		CU_ASSERT(becomes_quiet());
		host_add_queue(h, 2, 16, 16);
		CU_ASSERT(becomes_quiet());
		read_one(&h->io[2]);
		CU_ASSERT(becomes_quiet());
		host_delete_queue(h, 2);
		CU_ASSERT(becomes_quiet());
		read_one(q);
	}
	end();
}

/* Completions without room: it is the completion queue's doorbell that counts then. */
static void owed_completions(void)
{
	struct host_queue *small;
	unsigned int i;

	begin(true);
	small = host_add_queue(h, 2, 8, 2);
	for (i = 0; i < 4; i++)
		host_submit(small, sqe_rw(nvme_cmd_read, NS_RAM, 0, 1, buf));
	test_sleep_ns(10 * NS_PER_MS);
	CU_ASSERT_FALSE(is_quiet(NULL));
	for (i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(host_wait(small).status & ~1u, 0);
	CU_ASSERT(becomes_quiet());
	end();
}

/* I/O in flight, whose end nobody rings a doorbell for. */
static void slow_io(void)
{
	h = host_open(&(struct host_params){.idle_ns = REACTOR_NEVER_SLEEP, .latency_us = 50000});
	q = host_add_queue(h, 1, 8, 8);
	buf = host_alloc(h, HOST_PAGE);
	test_watch("a slow I/O");
	host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf));
	test_sleep_ns(10 * NS_PER_MS);
	/* Unless the machine held us up until it had ended. */
	CU_ASSERT(!is_quiet(NULL) || host_pending(q));
	CU_ASSERT_EQUAL(host_wait(q).status & ~1u, 0);
	end();
}

static void raise_fn(void *arg)
{
	vnvme_event_raise(h->ctrl, VNVME_EVENT_SMART, 0, NVME_LOG_LID_SMART);
}

static bool completes(void *arg)
{
	return host_pending(&h->admin);
}

/* An event that home reports: no doorbell, but an interrupt is owed. */
static void event(void)
{
	uint64_t n;

	begin(true);
	host_submit(&h->admin, (struct nvme_sqe){.opcode = nvme_admin_async_event});
	CU_ASSERT(becomes_quiet());
	/* Those of the set-up; there are none where the host took all before it was told. */
	while (read(h->irq[0], &n, sizeof(n)) == sizeof(n))
		;
	reactor_call(h->r[0], raise_fn, NULL);
	CU_ASSERT(test_until(completes, NULL, 10000));
	while (read(h->irq[0], &n, sizeof(n)) != sizeof(n))
		sched_yield();
	CU_ASSERT_EQUAL(host_wait(&h->admin).status & ~1u, 0);
	end();
}

static bool is_fatal(void *arg)
{
	return REG_CSTS(h) & CSTS_FATAL;
}

/* Memory that the VMM took away is noticed without a doorbell. */
static void lost_memory(void)
{
	begin(true);
	CU_ASSERT(becomes_quiet());
	atomic_store(&h->mem.lost, true);
	CU_ASSERT(test_until(is_fatal, NULL, 10000));
	atomic_store(&h->mem.lost, false);
	end();
}

static bool polled_more(void *arg)
{
	struct look look;

	reactor_call(h->r[0], look_fn, &look);
	return look.polls > *(const uint64_t *)arg + 100000;
}

/* The counter of looks goes on, though not at each look. */
static void counts_polls(void)
{
	struct look look;

	begin(true);
	CU_ASSERT(becomes_quiet());
	reactor_call(h->r[0], look_fn, &look);
	CU_ASSERT(test_until(polled_more, &look.polls, 10000));
	end();
}

static const struct test_case cases[] = {
	{"sees_doorbells", sees_doorbells},
	{"sees_page_and_shadow", sees_page_and_shadow},
	{"new_queues", new_queues},
	{"owed_completions", owed_completions},
	{"slow_io", slow_io},
	{"event", event},
	{"lost_memory", lost_memory},
	{"counts_polls", counts_polls},
};

TEST_MAIN("quiet", cases)
