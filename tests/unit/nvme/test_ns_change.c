/* SPDX-License-Identifier: BSD-3-Clause */
/* A namespace goes while its disk does not answer. */
#include "../held_disk.h"

#include <pthread.h>

#include "fixture.h"
#include "ns_change.h"

#define NS_HELD 7

static struct drain_times usual;

/* With that disk as one more namespace, and a queue pair. */
static struct host *open_held(enum held_manner manner)
{
	struct host *h =
		host_open(&(struct host_params){.max_namespaces = 8, .latency_us = 300000});

	usual = drain_times;
	drain_times = (struct drain_times){50 * NS_PER_MS, 50 * NS_PER_MS, 50 * NS_PER_MS};
	held_create(manner);
	CU_ASSERT_EQUAL(add(h, NS_HELD, "held"), 0);
	host_add_queue(h, 1, 64, 64);
	test_watch("a disk that does not answer");
	return h;
}

static void close_held(struct host *h)
{
	test_watch(NULL);
	host_close(h);
	held_remove();
	drain_times = usual;
}

static void hold(struct host_queue *q, unsigned int n)
{
	unsigned int all = held.nheld + n;

	while (n--)
		host_submit(q,
			    sqe_rw(nvme_cmd_read, NS_HELD, 0, 1, HOST_GPA + HOST_RAM - HOST_PAGE));
	CU_ASSERT_TRUE(held_wait(all));
}

static bool abandoned(void *arg)
{
	return atomic_load(&held.abandons) >= *(unsigned int *)arg;
}

/* I/O that can't be ended early is tried once in each stage, not at each look; more than a step. */
static void tried_once_in_a_stage(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q = &h->io[1];
	unsigned int i, n = 50;
	unsigned int cancels, abandons, seconds;
	struct nvme_cqe cqe;
	struct change c;
	uint64_t began;

	hold(q, n);
	began = time_now_ns();
	CU_ASSERT_EQUAL(begin_removal(h, &c, NS_HELD), 0);
	CU_ASSERT_TRUE(test_until(abandoned, &n, 20000));
	test_sleep_ns(200 * NS_PER_MS);
	cancels = atomic_load(&held.cancels);
	abandons = atomic_load(&held.abandons);
	/* A loaded machine may come to the seconds that are tried in again. */
	seconds = (unsigned int)((time_now_ns() - began) / NS_PER_SEC);
	CU_ASSERT(cancels >= n && cancels <= (4 + seconds) * n);
	CU_ASSERT(abandons <= (3 + seconds) * n);
	CU_ASSERT_FALSE(atomic_load(&c.ended));
	held_release(h->r[0]);
	for (i = 0; i < n; i++) {
		cqe = host_wait(q);
		CU_ASSERT_EQUAL(host_status(&cqe), 0);
	}
	end_removal(&c);
	close_held(h);
}

/* A removal that has to wait for its turn leaves the I/O that comes meanwhile its whole grace. */
static void grace_from_the_closing(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q = host_add_queue(h, 2, 16, 16);
	struct nvme_cqe cqe;
	struct change c;

	drain_times.grace_ns = 1500 * NS_PER_MS;
	hold(&h->io[1], 1);
	/* Waits for the disk, and the removal for it. */
	host_submit(&h->admin, sqe_delete(nvme_admin_delete_sq, 1));
	CU_ASSERT_TRUE(test_until(host_all_fetched, &h->admin, 20000));
	CU_ASSERT_EQUAL(begin_removal(h, &c, NS_SLOW), 0);
	settle(h);
	test_sleep_ns(drain_times.grace_ns + 100 * NS_PER_MS);
	host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, HOST_GPA + HOST_RAM - HOST_PAGE));
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 20000));
	held_release(h->r[0]);
	cqe = host_wait(q);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	end_removal(&c);
	cqe = host_wait(&h->admin);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	close_held(h);
}

/* --- beside a shutdown, and what else waits for I/O --- */

#define CC_SHUTDOWN   (1u << 14)
#define SHST_COMPLETE (2u << 2)

static bool shut_down(void *arg)
{
	return (host_reg(arg, NVME_REG_CSTS, 4) & CSTS_SHST) == SHST_COMPLETE;
}

/* The flush of a shutdown is ended, too, and the shutdown goes on without that namespace. */
static void at_shutdown(void)
{
	struct host *h = open_held(HELD_CANCELLED);

	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | CC_SHUTDOWN);
	CU_ASSERT_TRUE(held_wait(1));
	CU_ASSERT_EQUAL(take(h, NS_HELD), 0);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_EQUAL(held.cancels, 1);
	CU_ASSERT_TRUE(test_until(shut_down, h, 20000));
	close_held(h);
}

static void *release_soon(void *arg)
{
	test_sleep_ns(200 * NS_PER_MS);
	held_release(arg);
	return NULL;
}

/* Waits for the disk, as the removal does; both end when it answers. */
static void beside(struct host *h, void (*fn)(struct host *h))
{
	unsigned int n = 3;
	pthread_t thread;
	struct change c;

	hold(&h->io[1], n);
	CU_ASSERT_EQUAL(begin_removal(h, &c, NS_HELD), 0);
	CU_ASSERT_TRUE(test_until(abandoned, &n, 20000));
	pthread_create(&thread, NULL, release_soon, h->r[0]);
	fn(h);
	CU_ASSERT_EQUAL(held.nheld, 0);
	pthread_join(thread, NULL);
	end_removal(&c);
}

static void reset(struct host *h)
{
	vnvme_reset(h->ctrl);
}

static void beside_a_reset(void)
{
	struct host *h = open_held(HELD_NEVER);

	beside(h, reset);
	CU_ASSERT_TRUE(host_enable(h, 16));
	CU_ASSERT_EQUAL(read_ns(host_add_queue(h, 1, 16, 16), NS_HELD, HOST_GPA),
			NVME_SC_INVALID_FIELD);
	close_held(h);
}

static void stop(struct host *h)
{
	vnvme_stop(h->ctrl);
}

static void beside_a_stop(void)
{
	struct host *h = open_held(HELD_NEVER);
	struct host_queue *q = &h->io[1];
	struct nvme_cqe cqe;
	unsigned int i;

	beside(h, stop);
	vnvme_start(h->ctrl);
	for (i = 0; i < 3; i++) {
		cqe = host_wait(q);
		CU_ASSERT_EQUAL(host_status(&cqe), 0);
	}
	CU_ASSERT_EQUAL(read_ns(q, NS_HELD, HOST_GPA), NVME_SC_INVALID_FIELD);
	close_held(h);
}

static void beside_a_detach(void)
{
	struct host *h = open_held(HELD_NEVER);

	beside(h, host_detach);
	host_attach(h, true);
	CU_ASSERT_TRUE(host_enable(h, 16));
	CU_ASSERT_EQUAL(read_ns(host_add_queue(h, 1, 16, 16), NS_HELD, HOST_GPA),
			NVME_SC_INVALID_FIELD);
	close_held(h);
}

/* --- the volatile write cache --- */

static bool has_write_cache(struct host *h)
{
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const struct nvme_id_ctrl *id = host_ptr(h, buf);
	struct nvme_sqe identify = {
		.opcode = nvme_admin_identify,
		.prp1 = htole64(buf),
		.cdw10 = htole32(1),
	};

	CU_ASSERT_EQUAL(host_admin(h, identify), 0);
	return id->vwc & 1;
}

/* Whether a write of the host is to be on stable media when it ends. */
static bool writes_through(struct host *h)
{
	struct host_queue *q = &h->io[1];
	struct nvme_cqe cqe;
	bool fua;

	host_submit(q, sqe_rw(nvme_cmd_write, NS_HELD, 0, 1, HOST_GPA + HOST_RAM - HOST_PAGE));
	CU_ASSERT_TRUE_FATAL(held_wait(1));
	fua = held.held[0]->flags & BDEV_IO_FUA;
	held_release(h->r[0]);
	cqe = host_wait(q);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	return fua;
}

/* A host that was told that there is none does not flush; it is asked again when it enables. */
static void cache_that_comes(void)
{
	struct host *h = open_held(HELD_NEVER);

	CU_ASSERT_FALSE(has_write_cache(h));
	CU_ASSERT_TRUE(writes_through(h));
	host_disable(h);
	CU_ASSERT_TRUE(host_enable(h, 16));
	host_add_queue(h, 1, 16, 16);
	CU_ASSERT_TRUE(has_write_cache(h));
	CU_ASSERT_FALSE(writes_through(h));
	close_held(h);
}

static const struct test_case cases[] = {
	{"tried_once_in_a_stage", tried_once_in_a_stage},
	{"grace_from_the_closing", grace_from_the_closing},
	{"cache_that_comes", cache_that_comes},
	{"at_shutdown", at_shutdown},
	{"beside_a_reset", beside_a_reset},
	{"beside_a_stop", beside_a_stop},
	{"beside_a_detach", beside_a_detach},
};

TEST_MAIN("nvme/ns_change", cases)
