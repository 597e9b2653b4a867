/* SPDX-License-Identifier: BSD-3-Clause */
/* A controller whose disk does not answer is paused, reset and detached. */
#include "../held_disk.h"
#include <pthread.h>

#include "fixture.h"

/* --- a host with that disk --- */

static struct vnvme_ctrl *aside; /* the fixture's own controller, meanwhile */

static struct host *open_held(enum held_manner manner)
{
	static const struct vnvme_ns_params ns = {.bdev = "held", .nsid = 1};
	struct host *h = host_open_off(&(struct host_params){0});
	struct vnvme_params p = {
		.name = "held",
		.serial = "SN4",
		.model = "m",
		.io_queues = HOST_QUEUES,
		.namespaces = &ns,
		.nnamespaces = 1,
		.reactors = h->r,
		.nreactors = 1,
	};

	drain_times = (struct drain_times){300 * NS_PER_MS, 50 * NS_PER_MS, 50 * NS_PER_MS};
	held_create(manner);
	aside = h->ctrl;
	host_detach(h);
	CU_ASSERT_EQUAL_FATAL(vnvme_ctrl_create(&p, &h->ctrl), 0);
	host_attach(h, true);
	CU_ASSERT_TRUE(host_enable(h, 16));
	test_watch("what waits for a disk");
	return h;
}

static void close_held(struct host *h)
{
	host_detach(h);
	test_watch(NULL);
	vnvme_ctrl_destroy(h->ctrl);
	held_remove();
	h->ctrl = aside;
	host_attach(h, true);
	host_close(h);
}

static void hold(struct host_queue *q, unsigned int n)
{
	unsigned int all = held.nheld + n;

	while (n--)
		host_submit(q, sqe_rw(nvme_cmd_read, 1, 0, 1, HOST_GPA + HOST_RAM - HOST_PAGE));
	CU_ASSERT_TRUE(held_wait(all));
}

/* How long it took, in ms. */
static unsigned int time_of(void (*fn)(struct vnvme_ctrl *ctrl), struct host *h)
{
	uint64_t start = time_now_ns();

	fn(h->ctrl);
	return (unsigned int)((time_now_ns() - start) / NS_PER_MS);
}

/* --- pauses --- */

/* Commands that were ended for it are worth a retry, and their queue goes on. */
static void paused(void (*pause)(struct vnvme_ctrl *ctrl), enum held_manner manner)
{
	struct host *h = open_held(manner);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	unsigned int i;

	hold(q, 3);
	CU_ASSERT(time_of(pause, h) >= 300);
	CU_ASSERT_EQUAL(held.nheld, 0);
	if (pause == vnvme_stop)
		vnvme_start(h->ctrl);
	else
		vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
	for (i = 0; i < 3; i++) {
		struct nvme_cqe cqe = host_wait(q);

		CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_ABORT_REQ);
		CU_ASSERT_FALSE(le16toh(cqe.status) >> 1 & NVME_SC_DNR);
	}
	atomic_store(&held.answers, true);
	CU_ASSERT_EQUAL(host_run(q, sqe_flush(1)), 0);
	close_held(h);
}

static void pauses(void)
{
	paused(vnvme_stop, HELD_CANCELLED);
	paused(vnvme_stop, HELD_ABANDONED);
	paused(vnvme_memory_stop, HELD_ABANDONED);
}

static void *release_soon(void *arg)
{
	test_sleep_ns(20 * NS_PER_MS);
	held_release(arg);
	return NULL;
}

static void within_the_grace(void)
{
	struct host *h = open_held(HELD_CANCELLED);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	pthread_t thread;
	unsigned int i;

	drain_times.grace_ns = 60 * NS_PER_SEC;
	hold(q, 3);
	pthread_create(&thread, NULL, release_soon, h->r[0]);
	vnvme_stop(h->ctrl);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(held.cancels, 0);
	vnvme_start(h->ctrl);
	for (i = 0; i < 3; i++) {
		struct nvme_cqe cqe = host_wait(q);

		CU_ASSERT_EQUAL(host_status(&cqe), 0);
	}
	close_held(h);
}

/* --- resets, and the end --- */

static void resets(void)
{
	struct host *h = open_held(HELD_ABANDONED);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);

	/* The host does not wait for the end of a shutdown. */
	hold(q, 2);
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | 1u << 14);
	CU_ASSERT_TRUE(held_wait(3)); /* its flush */
	host_disable(h);
	CU_ASSERT_EQUAL(held.nheld, 0);
	/* Nor was it enabled at all. */
	host_set_reg(h, NVME_REG_CC, 4, 1u << 14);
	CU_ASSERT_TRUE(held_wait(1));
	vnvme_reset(h->ctrl);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_EQUAL(REG_CSTS(h), 0);
	/* The queue's deletion comes first, and the reset behind it. */
	CU_ASSERT_TRUE(host_enable(h, 16));
	q = host_add_queue(h, 1, 16, 16);
	hold(q, 2);
	host_submit(&h->admin, sqe_delete(nvme_admin_delete_sq, 1));
	host_disable(h);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_TRUE(host_enable(h, 16));
	hold(host_add_queue(h, 1, 16, 16), 2);
	close_held(h);
}

/*
 * A command of many steps, each of which has been done when it is cancelled: the reset does not
 * wait for the others.
 */
static void many_steps(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_dsm_range *ranges = host_ptr(h, buf);
	struct nvme_sqe dsm = {
		.opcode = nvme_cmd_dsm,
		.nsid = htole32(1),
		.prp1 = htole64(buf),
		.cdw10 = htole32(255),
		.cdw11 = htole32(4),
	};
	unsigned int i;

	for (i = 0; i < 256; i++)
		ranges[i] = (struct nvme_dsm_range){.nlb = htole32(1), .slba = htole64(i)};
	held.late_ns = 20 * NS_PER_MS;
	host_submit(q, dsm);
	CU_ASSERT_TRUE(held_wait(1));
	host_disable(h);
	CU_ASSERT(held.submitted < 200);
	close_held(h);
}

static uint64_t jobs_of(const struct reactor *r)
{
	struct reactor_stats stats;

	reactor_get_stats(r, &stats);
	return stats.jobs;
}

/* A full queue is ended in steps, between which the reactor's others have turns. */
static void many_requests(void)
{
	struct host *h = open_held(HELD_ABANDONED);
	struct host_queue *q[2] = {host_add_queue(h, 1, 64, 64), host_add_queue(h, 2, 16, 16)};
	uint64_t jobs = jobs_of(h->r[0]);

	hold(q[0], 50);
	hold(q[1], 3);
	host_disable(h);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_EQUAL(held.cancels, 53);
	CU_ASSERT_EQUAL(held.abandons, 53);
	CU_ASSERT(jobs_of(h->r[0]) - jobs >= 4);
	close_held(h);
}

/* --- I/O that can't be ended --- */

static void tell(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
}

static bool was_told(void *arg)
{
	return atomic_load((atomic_bool *)arg);
}

static bool abandoned_twice(void *arg)
{
	return atomic_load(&held.abandons) >= 2;
}

/* There is no answer while a device may have the guest's memory. */
static void waits_for_a_device(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	atomic_bool told = false;

	hold(q, 1);
	vnvme_reset_begin(h->ctrl, tell, &told);
	CU_ASSERT_TRUE(test_until(abandoned_twice, NULL, 20000));
	CU_ASSERT_FALSE(told);
	held_release(h->r[0]);
	CU_ASSERT_TRUE(test_until(was_told, &told, 20000));
	CU_ASSERT_EQUAL(host_count_pending(q), 0);
	close_held(h);
}

static const struct test_case cases[] = {
	{"pauses", pauses},
	{"within_the_grace", within_the_grace},
	{"resets", resets},
	{"many_steps", many_steps},
	{"many_requests", many_requests},
	{"waits_for_a_device", waits_for_a_device},
};

TEST_MAIN("drain", cases)
