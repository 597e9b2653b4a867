/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller's life: parameters, attach, pause, memory that changes, reset, detach. */
#include <pthread.h>

#include "fixture.h"

/* --- parameters --- */

static void bad_params(void)
{
	static const struct {
		uint32_t io_queues;
		const char *bdev;
		uint32_t nsid;
		size_t nns, nreactors;
		int expected;
	} table[] = {
		{1, "null", 1, 1, 1, 0},
		{VNVME_MAX_IO_QUEUES, "null", 1, 1, 1, 0},
		{1, "null", 1, 0, 1, 0}, /* no namespace: allowed */
		{1, "null", VNVME_MAX_NAMESPACES, 1, 1, 0},
		{0, "null", 1, 1, 1, -EINVAL},
		{VNVME_MAX_IO_QUEUES + 1, "null", 1, 1, 1, -EINVAL},
		{UINT32_MAX, "null", 1, 1, 1, -EINVAL},
		{1, "null", 1, 1, 0, -EINVAL},
		{1, "null", 1, VNVME_MAX_NAMESPACES + 1, 1, -EINVAL},
		{1, "null", 0, 1, 1, -EINVAL},
		{1, "null", VNVME_MAX_NAMESPACES + 1, 1, 1, -EINVAL},
		{1, "null", UINT32_MAX, 1, 1, -EINVAL},
		{1, "nothing", 1, 1, 1, -ENOENT},
	};
	struct reactor *r;
	size_t i;

	log_set_level(LOG_LEVEL_ERROR);
	CU_ASSERT_EQUAL_FATAL(reactor_create(test_cpu(0), &r), 0);
	host_make_bdevs(1000);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct vnvme_ns_params ns = {.bdev = table[i].bdev, .nsid = table[i].nsid};
		struct vnvme_params p = {
			.name = "test",
			.serial = "s",
			.model = "m",
			.io_queues = table[i].io_queues,
			.namespaces = &ns,
			.nnamespaces = table[i].nns,
			.reactors = &r,
			.nreactors = table[i].nreactors,
		};
		struct vnvme_ctrl *ctrl = NULL;
		int rc = vnvme_ctrl_create(&p, &ctrl);

		if (rc != table[i].expected)
			printf("# row %zu: %d\n", i, rc);
		CU_ASSERT_EQUAL(rc, table[i].expected);
		CU_ASSERT_EQUAL(!ctrl, rc != 0);
		vnvme_ctrl_destroy(ctrl);
	}
	host_remove_bdevs();
	CU_ASSERT_PTR_NULL(bdev_find("null")); /* none of them kept it open */
	reactor_destroy(r);
}

/* --- helpers --- */

/* n commands on a namespace, in flight or done when it returns. */
static void submit_n(struct host_queue *q, uint32_t nsid, unsigned int n, uint64_t buf)
{
	while (n--)
		host_put(q, sqe_rw(nvme_cmd_read, nsid, n, 1, buf));
	host_ring_sq(q);
}

static void submit_slow(struct host_queue *q, unsigned int n, uint64_t buf)
{
	submit_n(q, NS_SLOW, n, buf);
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 10000));
}

static void take_n(struct host_queue *q, unsigned int n, uint16_t expected)
{
	struct nvme_cqe cqe;
	unsigned int wrong = 0;

	while (n--) {
		cqe = host_wait(q);
		wrong += host_status(&cqe) != expected;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* --- pause --- */

/*
 * When vnvme_stop() returns nothing is in flight, all that was is posted, and no byte of guest
 * memory changes until vnvme_start(), whatever the host submits.
 */
static void pause_and_resume(const struct host_params *p)
{
	struct host *h = host_open(p);
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	struct host_queue *second = host_add_queue(h, 2, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	uint8_t *copy = malloc(HOST_RAM);
	size_t used = 0;
	int i;

	for (i = 0; i < 3; i++) {
		submit_slow(q, 20, buf);
		submit_slow(second, 5, buf);
		vnvme_stop(h->ctrl);
		CU_ASSERT_EQUAL(host_count_pending(q), 20);
		CU_ASSERT_EQUAL(host_count_pending(second), 5);
		submit_n(q, NS_NULL, 7, buf);
		host_submit(&h->admin, sqe_create_sq(&h->io[3])); /* wrong, and not looked at */
		used = h->used;
		memcpy(copy, h->ram, used);
		test_sleep_ns(20 * NS_PER_MS);
		CU_ASSERT_EQUAL(memcmp(copy, h->ram, used), 0);
		vnvme_stop(h->ctrl); /* twice is harmless */
		vnvme_start(h->ctrl);
		take_n(q, 27, 0);
		take_n(second, 5, 0);
		CU_ASSERT(host_status(&(struct nvme_cqe[]){host_wait(&h->admin)}[0]) != 0);
	}
	vnvme_start(h->ctrl); /* without a stop: harmless */
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
	free(copy);
	host_close(h);
}

static void pauses(void)
{
	static const struct host_params table[] = {
		{.idle_ns = 0, .latency_us = 3000, .shadow = true},
		{.idle_ns = REACTOR_NEVER_SLEEP, .latency_us = 3000},
		{.idle_ns = 20 * NS_PER_US, .latency_us = 3000, .shadow = true, .reactors = 2},
	};
	size_t i;

	test_watch("pause and resume");
	for (i = 0; i < ARRAY_SIZE(table); i++)
		pause_and_resume(&table[i]);
	test_watch(NULL);
}

/* --- memory --- */

/* The guest's RAM, with all queues in it, is at another address; the old one must not be touched.
 */
static void move_memory(struct host *h)
{
	uint8_t *old = h->ram;
	uint32_t *old_doorbells = h->doorbells;

	vnvme_memory_stop(h->ctrl);
	h->ram = host_map(HOST_RAM);
	memcpy(h->ram, old, h->used); /* the rest was never touched: that would cost most of all */
	h->doorbells = host_map(HOST_PAGE);
	memcpy(h->doorbells, old_doorbells, HOST_PAGE);
	munmap(old, HOST_RAM);
	munmap(old_doorbells, HOST_PAGE);
	host_give_memory(h);
}

static void memory_moves(const struct host_params *p)
{
	struct host *h = host_open(p);
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	struct host_queue *second = host_add_queue(h, 2, 7, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	int i;

	for (i = 0; i < TEST_ROUNDS(20); i++) {
		submit_slow(q, 20, buf);
		submit_n(second, NS_RAM, 3, buf);
		move_memory(h);
		submit_n(q, NS_NULL, 9, buf);
		take_n(q, 29, 0);
		take_n(second, 3, 0);
		CU_ASSERT_EQUAL(host_admin(h,
					   (struct nvme_sqe){
						   .opcode = nvme_admin_identify,
						   .prp1 = htole64(buf),
						   .cdw10 = htole32(1),
					   }),
				0);
	}
	CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_READY);
	host_close(h);
}

static void memory(void)
{
	static const struct host_params table[] = {
		{.idle_ns = 0, .latency_us = 1000, .shadow = true},
		{.idle_ns = 0, .latency_us = 1000},
		{.idle_ns = REACTOR_NEVER_SLEEP, .latency_us = 1000, .shadow = true},
		{.idle_ns = 5 * NS_PER_US, .latency_us = 1000, .shadow = true, .reactors = 2},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		test_watch("memory that moves");
		memory_moves(&table[i]);
		test_watch(NULL);
	}
}

/* Under load, by a thread of its own: the guest's CPUs do not know of it. */
struct runner {
	pthread_t thread;
	struct host_queue *q;
	uint64_t buf;
	atomic_bool stop;
	atomic_uint done;
	unsigned int wrong;
};

static void *run_commands(void *arg)
{
	struct runner *r = arg;

	while (!atomic_load(&r->stop)) {
		r->wrong += host_run(r->q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, r->buf)) != 0;
		r->done++;
	}
	return NULL;
}

static void changes_under_load(void)
{
	struct host *h = host_open(&(struct host_params){
		.idle_ns = 5 * NS_PER_US,
		.shadow = true,
		.reactors = 2,
	});
	struct runner r[2];
	int i;

	memset(r, 0, sizeof(r));
	test_watch("pauses and memory changes under load");
	for (i = 0; i < 2; i++) {
		r[i].q = host_add_queue(h, (uint16_t)(i + 1), 16, 16);
		r[i].buf = host_alloc(h, HOST_PAGE);
		pthread_create(&r[i].thread, NULL, run_commands, &r[i]);
	}
	for (i = 0; i < TEST_ROUNDS(200) || r[0].done <= 10 || r[1].done <= 10; i++) {
		vnvme_stop(h->ctrl);
		if (i % 2) {
			vnvme_memory_stop(h->ctrl);
			vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
		}
		vnvme_start(h->ctrl);
		vnvme_memory_stop(h->ctrl);
		vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
		test_sleep_ns(100 * NS_PER_US);
	}
	for (i = 0; i < 2; i++) {
		atomic_store(&r[i].stop, true);
		pthread_join(r[i].thread, NULL);
		CU_ASSERT_EQUAL(r[i].wrong, 0);
	}
	test_watch(NULL);
	host_close(h);
}

static bool is_fatal(void *arg)
{
	return REG_CSTS(arg) == (CSTS_READY | CSTS_FATAL);
}

/* A new table without what the controller uses is a fatal error, of this controller. */
static void memory_without(void)
{
	/* What is missing: the admin queues, an I/O queue, the shadow doorbells. */
	int what;

	for (what = 0; what < 3; what++) {
		struct host *h = host_open(&(struct host_params){.shadow = true});
		struct host_queue *q = host_add_queue(h, 1, 64, 64);
		uint64_t gone = what == 0 ? h->admin.sq_gpa : what == 1 ? q->cq_gpa : h->shadow;

		vnvme_memory_stop(h->ctrl);
		guest_mem_clear(&h->mem);
		if (gone > HOST_GPA)
			CU_ASSERT_EQUAL(guest_mem_add(&h->mem, HOST_GPA, gone - HOST_GPA, h->ram),
					0);
		CU_ASSERT_EQUAL(guest_mem_add(&h->mem, gone + HOST_PAGE,
					      HOST_GPA + HOST_RAM - gone - HOST_PAGE,
					      host_ptr(h, gone + HOST_PAGE)),
				0);
		vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
		CU_ASSERT_TRUE(test_until(is_fatal, h, 10000));
		/* A reset, and memory that has it all, mend it. */
		vnvme_memory_stop(h->ctrl);
		host_give_memory(h);
		host_disable(h);
		CU_ASSERT_TRUE(host_enable(h, 16));
		q = host_add_queue(h, 1, 16, 16);
		CU_ASSERT_EQUAL(host_run(q, sqe_flush(NS_RAM)), 0);
		host_close(h);
	}
}

/* The VMM cut the memory off: CSTS.CFS, while the reactor goes on. */
static void memory_lost(void)
{
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = host_add_queue(h, 1, 64, 64);

	atomic_store(&h->mem.lost, true);
	submit_n(q, NS_NULL, 1, HOST_GPA);
	CU_ASSERT_TRUE(test_until(is_fatal, h, 10000));
	host_disable(h);
	CU_ASSERT_FALSE(host_enable(h, 16));
	CU_ASSERT_TRUE(REG_CSTS(h) & CSTS_FATAL);
	host_close(h);
}

/* --- reset --- */

/* I/O that would take ten seconds does not hold up a reset, and posts nothing after it. */
static void reset_with_io(const struct host_params *p, bool by_cc)
{
	struct host *h = host_open(p);
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	struct host_queue *second = host_add_queue(h, 2, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE), before = time_now_ns();
	struct nvme_cqe *ring = host_ptr(h, q->cq_gpa);
	uint64_t irqs = 0;

	submit_slow(q, 30, buf);
	submit_slow(second, 30, buf);
	if (by_cc)
		host_disable(h);
	else
		vnvme_reset(h->ctrl);
	CU_ASSERT(time_now_ns() - before < 5 * NS_PER_SEC);
	CU_ASSERT_EQUAL(REG_CSTS(h), 0);
	if (!by_cc) {
		CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CC, 4), 0);
		CU_ASSERT_EQUAL(host_reg(h, NVME_REG_AQA, 4), 0);
		CU_ASSERT_EQUAL(host_reg(h, NVME_REG_ASQ, 8), 0);
		CU_ASSERT_EQUAL(host_reg(h, NVME_REG_ACQ, 8), 0);
	}
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(ring[0].status, 0);
	CU_ASSERT_EQUAL(host_count_pending(second), 0);
	CU_ASSERT(read(h->irq[1], &irqs, sizeof(irqs)) < 0 || irqs <= 1);
	h->shadow = 0;
	CU_ASSERT_TRUE(host_enable(h, 16));
	q = host_add_queue(h, 1, 8, 8);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
	host_close(h);
}

static void reset_with_io_in_flight(void)
{
	static const struct host_params table[] = {
		{.idle_ns = 0, .shadow = true},
		{.idle_ns = REACTOR_NEVER_SLEEP},
		{.idle_ns = 0, .shadow = true, .reactors = 2},
	};
	size_t i;

	test_watch("a reset with I/O in flight");
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		reset_with_io(&table[i], false);
		reset_with_io(&table[i], true);
	}
	test_watch(NULL);
}

/* The host does not wait for RDY = 0 before it sets EN again. */
static void disable_enable_at_once(void)
{
	struct host *h = host_open(&(struct host_params){.latency_us = 20000});
	uint64_t end;
	int i;

	test_watch("CC.EN 1, 0, 1 without waiting");
	for (i = 0; i < 50; i++) {
		struct host_queue *q = host_add_queue(h, 1, 16, 16);

		submit_n(q, NS_SLOW, 5, HOST_GPA + HOST_RAM - HOST_PAGE);
		h->used = 0;
		host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE & ~1u);
		/* AQA, ASQ and ACQ can only be changed with EN = 0; the queues are the same. */
		host_queue_init(&h->admin, h, 0, 32, 32);
		host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE);
		end = time_now_ns() + 10 * NS_PER_SEC;
		while (!(REG_CSTS(h) & CSTS_READY) && time_now_ns() < end)
			sched_yield();
		CU_ASSERT_EQUAL_FATAL(REG_CSTS(h), CSTS_READY);
		/* RDY may still have been the old one: what is ready now answers. */
		test_sleep_ns(NS_PER_MS);
	}
	test_watch(NULL);
	host_close(h);
}

/* --- shutdown, with a bdev whose flush takes its time --- */

#define LAG_NS (50 * NS_PER_MS)

struct lag {
	struct bdev bdev;
	struct timer timer;
	struct bdev_io *flush;
	atomic_int flushes;
};

static void lag_over(void *arg)
{
	struct lag *lag = arg;

	atomic_fetch_add(&lag->flushes, 1);
	bdev_io_complete(lag->flush, BDEV_STATUS_OK);
}

static void lag_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	struct lag *lag = container_of(ch->bdev, struct lag, bdev);

	if (io->op != BDEV_OP_FLUSH) {
		bdev_io_complete(io, BDEV_STATUS_OK);
		return;
	}
	lag->flush = io;
	reactor_timer_start(ch->reactor, &lag->timer, LAG_NS);
}

static void lag_destroy(struct bdev *bdev)
{
}

static const struct bdev_ops lag_ops = {
	.type = "lag",
	.submit = lag_submit,
	.destroy = lag_destroy,
};

/* A host whose only namespace it is; the fixture's controller waits aside, in *aside. */
static struct host *open_lagging(struct lag *lag, struct vnvme_ctrl **aside)
{
	static const struct vnvme_ns_params ns = {.bdev = "lag", .nsid = 1};
	struct host *h = host_open_off(&(struct host_params){0});
	struct vnvme_params p = {
		.name = "lagging",
		.serial = "SN3",
		.model = "m",
		.io_queues = HOST_QUEUES,
		.namespaces = &ns,
		.nnamespaces = 1,
		.reactors = h->r,
		.nreactors = 1,
	};

	memset(lag, 0, sizeof(*lag));
	strcpy(lag->bdev.name, "lag");
	lag->bdev.block_size = 512;
	lag->bdev.nblocks = 1000;
	lag->bdev.limits = (struct bdev_limits){.buffer_align = 1, .write_cache = true};
	lag->bdev.ops = &lag_ops;
	lag->timer.fn = lag_over;
	lag->timer.arg = lag;
	CU_ASSERT_EQUAL_FATAL(bdev_register(&lag->bdev), 0);
	*aside = h->ctrl;
	host_detach(h);
	CU_ASSERT_EQUAL_FATAL(vnvme_ctrl_create(&p, &h->ctrl), 0);
	host_attach(h, true);
	return h;
}

static void close_lagging(struct host *h, struct vnvme_ctrl *aside)
{
	host_detach(h);
	vnvme_ctrl_destroy(h->ctrl);
	bdev_remove(bdev_find("lag"), NULL, NULL);
	h->ctrl = aside;
	host_attach(h, true);
	host_close(h);
}

/* A reset while the flush is in flight: it waits, and what comes after it is as after power-on. */
static void reset_in_shutdown(void)
{
	struct vnvme_ctrl *aside;
	struct lag lag;
	struct host *h;
	int enabled;

	test_watch("a reset while a shutdown flushes");
	for (enabled = 0; enabled < 2; enabled++) {
		h = open_lagging(&lag, &aside);
		if (enabled)
			CU_ASSERT_TRUE(host_enable(h, 16));
		host_set_reg(h, NVME_REG_CC, 4, (enabled ? CC_ENABLE : 0) | 1u << 14);
		vnvme_reset(h->ctrl);
		CU_ASSERT_EQUAL(atomic_load(&lag.flushes), 1);
		CU_ASSERT_EQUAL(REG_CSTS(h), 0);
		test_sleep_ns(2 * LAG_NS);
		CU_ASSERT_EQUAL(REG_CSTS(h), 0);
		CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CC, 4), 0);
		CU_ASSERT_TRUE(host_enable(h, 16));
		/* The front-end goes away in the middle of one. */
		host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | 1u << 14);
		close_lagging(h, aside);
		CU_ASSERT_EQUAL(atomic_load(&lag.flushes), 2);
	}
	test_watch(NULL);
}

static bool shutdown_complete(void *arg)
{
	return (REG_CSTS(arg) & CSTS_SHST) == 8;
}

/* CSTS.SHST is complete when the flush is; from then on the memory is the host's again. */
static void shutdown(void)
{
	uint8_t *copy = malloc(HOST_RAM);
	struct vnvme_ctrl *aside;
	struct host_queue *q;
	struct lag lag;
	struct host *h;
	size_t used;

	test_watch("a shutdown");
	h = open_lagging(&lag, &aside);
	CU_ASSERT_TRUE(host_enable(h, 32));
	host_use_shadow(h);
	q = host_add_queue(h, 1, 16, 16);
	submit_n(q, 1, 3, host_alloc(h, HOST_PAGE));
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | 1u << 14);
	CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_READY | 4);
	CU_ASSERT_EQUAL(atomic_load(&lag.flushes), 0);
	CU_ASSERT_TRUE(test_until(shutdown_complete, h, 10000));
	CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_READY | 8);
	CU_ASSERT_EQUAL(atomic_load(&lag.flushes), 1);
	submit_n(q, 1, 3, HOST_GPA);
	used = h->used;
	memcpy(copy, h->ram, used);
	test_sleep_ns(20 * NS_PER_MS);
	CU_ASSERT_EQUAL(memcmp(copy, h->ram, used), 0);
	host_disable(h);
	CU_ASSERT_TRUE(host_enable(h, 16));
	test_watch(NULL);
	free(copy);
	close_lagging(h, aside);
}

/* Front-ends come and go, some in the middle of things. */
static void attach_detach(void)
{
	struct host *h = host_open_off(&(struct host_params){
		.reactors = 2, .latency_us = 3000, /* vnvme_stop() waits for it */
	});
	int i;

	test_watch("front-ends that come and go");
	for (i = 0; i < 60; i++) {
		struct host_queue *q;

		if (i % 6 > 0)
			CU_ASSERT_TRUE(host_enable(h, 16));
		if (i % 6 > 1) {
			q = host_add_queue(h, 1, 16, 16);
			submit_n(q, i % 6 > 2 ? NS_SLOW : NS_NULL, 10, host_alloc(h, HOST_PAGE));
		}
		if (i % 6 > 3)
			vnvme_stop(h->ctrl);
		if (i % 6 > 4)
			vnvme_memory_stop(h->ctrl);
		host_detach(h);
		host_attach(h, i % 2);
		CU_ASSERT_EQUAL(REG_CSTS(h), 0);
		CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CC, 4), 0);
	}
	test_watch(NULL);
	CU_ASSERT_TRUE(host_enable(h, 16));
	host_close(h);
}

/* All that home does, at once with what guests do: commands that are operations, and pauses. */
struct churn {
	pthread_t thread;
	struct host *h;
	uint64_t pages[2];
	atomic_bool stop;
	unsigned int rounds;
};

static void *churn_admin(void *arg)
{
	struct churn *c = arg;
	struct host *h = c->h;
	struct host_queue *q = &h->io[1];
	struct nvme_sqe abort = {.opcode = nvme_admin_abort_cmd, .cdw10 = htole32(1)};
	unsigned int i;

	host_queue_init(q, h, 1, 16, 16);
	while (!atomic_load(&c->stop) || c->rounds <= 10) {
		/* Without waiting for each. */
		host_submit(&h->admin, sqe_dbbuf(c->pages[0], c->pages[1]));
		host_submit(&h->admin, sqe_create_cq(q));
		for (i = 0; i < 2; i++)
			host_wait(&h->admin);
		host_submit(&h->admin, sqe_create_sq(q));
		host_wait(&h->admin);
		host_submit(&h->admin, abort);
		host_submit(&h->admin, sqe_dbbuf(c->pages[1], c->pages[0]));
		host_submit(&h->admin, sqe_delete(nvme_admin_delete_sq, 1));
		for (i = 0; i < 3; i++)
			host_wait(&h->admin);
		host_submit(&h->admin, sqe_delete(nvme_admin_delete_cq, 1));
		host_wait(&h->admin);
		c->rounds++;
	}
	return NULL;
}

static void operations_and_pauses(void)
{
	struct host *h = host_open(&(struct host_params){.idle_ns = 5 * NS_PER_US, .reactors = 2});
	struct churn c = {.h = h, .pages = {host_alloc(h, HOST_PAGE), host_alloc(h, HOST_PAGE)}};
	uint64_t end = time_now_ns() + NS_PER_SEC;
	unsigned int pauses_done = 0;

	test_watch("a pause and an admin command that wait for each other");
	pthread_create(&c.thread, NULL, churn_admin, &c);
	while (time_now_ns() < end || pauses_done <= 10) {
		vnvme_stop(h->ctrl);
		vnvme_start(h->ctrl);
		vnvme_memory_stop(h->ctrl);
		vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
		pauses_done++;
	}
	atomic_store(&c.stop, true);
	pthread_join(c.thread, NULL);
	test_watch(NULL);
	printf("# %u rounds of admin commands, %u pauses\n", c.rounds, pauses_done);
	host_close(h);
}

static const struct test_case cases[] = {
	{"bad_params", bad_params},
	{"pauses", pauses},
	{"memory", memory},
	{"changes_under_load", changes_under_load},
	{"memory_without", memory_without},
	{"memory_lost", memory_lost},
	{"reset_with_io_in_flight", reset_with_io_in_flight},
	{"disable_enable_at_once", disable_enable_at_once},
	{"reset_in_shutdown", reset_in_shutdown},
	{"shutdown", shutdown},
	{"attach_detach", attach_detach},
	{"operations_and_pauses", operations_and_pauses},
};

TEST_MAIN("ctrl", cases)
