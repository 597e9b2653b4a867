/* SPDX-License-Identifier: BSD-3-Clause */
/* A controller whose disk does not answer is paused, reset and detached. */
#include "../held_disk.h"
#include <pthread.h>

#include "fixture.h"

/* --- a host with that disk --- */

static struct vnvme_ctrl *aside; /* the fixture's own controller, meanwhile */

static struct host *open_held_on(unsigned int reactors, enum held_manner manner)
{
	static const struct vnvme_ns_params ns = {.bdev = "held", .nsid = 1};
	struct host *h = host_open_off(&(struct host_params){.reactors = reactors});
	struct vnvme_params p = {
		.name = "held",
		.serial = "SN4",
		.model = "m",
		.io_queues = HOST_QUEUES,
		.namespaces = &ns,
		.nnamespaces = 1,
		.reactors = h->r,
		.nreactors = reactors,
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

static struct host *open_held(enum held_manner manner)
{
	return open_held_on(1, manner);
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

static struct nvme_sqe sqe_deallocate(struct host *h, unsigned int nranges)
{
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_dsm_range *ranges = host_ptr(h, buf);
	unsigned int i;

	for (i = 0; i < nranges; i++)
		ranges[i] = (struct nvme_dsm_range){.nlb = htole32(1), .slba = htole64(i)};
	return (struct nvme_sqe){
		.opcode = nvme_cmd_dsm,
		.nsid = htole32(1),
		.prp1 = htole64(buf),
		.cdw10 = htole32(nranges - 1),
		.cdw11 = htole32(4),
	};
}

/*
 * A command of many steps, each of which has been done when it is cancelled: the reset does not
 * wait for the others.
 */
static void many_steps(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);

	held.late_ns = 100 * NS_PER_MS; /* all together more than we may stand still */
	host_submit(q, sqe_deallocate(h, 256));
	CU_ASSERT_TRUE(held_wait(1));
	host_disable(h);
	CU_ASSERT(held.submitted < 200);
	close_held(h);
}

static bool cancelled_once(void *arg)
{
	return atomic_load(&held.cancels) >= 1;
}

/* Nobody has aborted the commands of other queues than the one that is deleted. */
static void others_go_on(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q[2] = {host_add_queue(h, 1, 16, 16), host_add_queue(h, 2, 16, 16)};
	struct nvme_cqe cqe;

	hold(q[0], 1);
	host_submit(q[1], sqe_deallocate(h, 2));
	CU_ASSERT_TRUE(held_wait(2));
	host_submit(&h->admin, sqe_delete(nvme_admin_delete_sq, 1));
	CU_ASSERT_TRUE(test_until(cancelled_once, NULL, 20000));
	/* The last one first: the other queue's ranges, and then what the deletion waits for. */
	held_release(h->r[0]);
	cqe = host_wait(q[1]);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	cqe = host_wait(&h->admin);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	CU_ASSERT_EQUAL(held.submitted, 3);
	close_held(h);
}

/* --- shutdowns --- */

#define CC_SHUTDOWN   (1u << 14)
#define SHST_OCCURS   (1u << 2)
#define SHST_COMPLETE (2u << 2)

static bool shut_down(void *arg)
{
	return (REG_CSTS((struct host *)arg) & CSTS_SHST) == SHST_COMPLETE;
}

/* What a pause does not let be flushed is flushed after it, and complete no sooner. */
static void paused_shutdown(void)
{
	struct host *h = open_held(HELD_CANCELLED);

	drain_times.grace_ns = 20 * NS_PER_MS;
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | CC_SHUTDOWN);
	CU_ASSERT_TRUE(held_wait(1));
	vnvme_stop(h->ctrl);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_EQUAL(REG_CSTS(h) & CSTS_SHST, SHST_OCCURS);
	vnvme_memory_stop(h->ctrl);
	vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
	CU_ASSERT_EQUAL(held.nheld, 0); /* paused still */
	vnvme_start(h->ctrl);
	CU_ASSERT_TRUE(held_wait(1));
	CU_ASSERT_EQUAL(REG_CSTS(h) & CSTS_SHST, SHST_OCCURS);
	held_release(h->r[0]);
	CU_ASSERT_TRUE(test_until(shut_down, h, 20000));
	close_held(h);
}

/* A reset ends it for good, enabled or not; the next one begins anew. */
static void paused_shutdown_is_reset(void)
{
	struct host *h = open_held(HELD_CANCELLED);

	drain_times.grace_ns = 20 * NS_PER_MS;
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | CC_SHUTDOWN);
	CU_ASSERT_TRUE(held_wait(1));
	vnvme_stop(h->ctrl);
	host_disable(h);
	host_set_reg(h, NVME_REG_CC, 4, CC_SHUTDOWN);
	CU_ASSERT_TRUE(held_wait(1));
	vnvme_memory_stop(h->ctrl);
	vnvme_reset(h->ctrl);
	vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
	vnvme_start(h->ctrl);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_EQUAL(REG_CSTS(h), 0);
	CU_ASSERT_TRUE(host_enable(h, 16));
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | CC_SHUTDOWN);
	CU_ASSERT_TRUE(held_wait(1));
	held_release(h->r[0]);
	CU_ASSERT_TRUE(test_until(shut_down, h, 20000));
	close_held(h);
}

static bool abandoned_often(void *arg)
{
	return atomic_load(&held.abandons) >= 3;
}

/*
 * Deleting a queue does not keep a shutdown from flushing, and an Abort that waits for another
 * reactor's I/O holds it up: what it waits for is none of its own then.
 */
static void shutdown_beside_an_abort(void)
{
	struct host *h = open_held_on(2, HELD_NEVER);
	struct host_queue *q[2] = {host_add_queue(h, 1, 16, 16), host_add_queue(h, 2, 16, 16)};
	uint16_t cid;

	drain_times = (struct drain_times){NS_PER_MS, NS_PER_MS, NS_PER_MS};
	hold(q[0], 1);
	cid = host_submit(q[1], sqe_rw(nvme_cmd_read, 1, 0, 1, HOST_GPA));
	CU_ASSERT_TRUE(held_wait(2));
	host_submit(&h->admin, (struct nvme_sqe){.opcode = nvme_admin_abort_cmd,
						 .cdw10 = htole32((uint32_t)cid << 16 | 2)});
	CU_ASSERT_TRUE(test_until(cancelled_once, NULL, 20000));
	host_submit(&h->admin, sqe_delete(nvme_admin_delete_sq, 1));
	CU_ASSERT_TRUE(test_until(abandoned_often, NULL, 20000));
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | CC_SHUTDOWN);
	CU_ASSERT_TRUE(held_wait(3)); /* its flush */
	reactor_call(h->r[0], held_release_own, NULL);
	/* Looked at, and logged, while nothing of the home group is in flight but the Abort. */
	test_sleep_ns(700 * NS_PER_MS);
	CU_ASSERT_EQUAL(REG_CSTS(h) & CSTS_SHST, SHST_OCCURS);
	reactor_call(h->r[1], held_release_own, NULL);
	CU_ASSERT_TRUE(test_until(shut_down, h, 20000));
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
	/* Between two steps the machine may stand still until the next stage, which begins anew. */
	CU_ASSERT(held.cancels >= 53);
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
	{"others_go_on", others_go_on},
	{"paused_shutdown", paused_shutdown},
	{"paused_shutdown_is_reset", paused_shutdown_is_reset},
	{"shutdown_beside_an_abort", shutdown_beside_an_abort},
};

TEST_MAIN("drain", cases)
