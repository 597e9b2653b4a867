/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host hears of bdevs that grow, or are removed. */
#include <stdatomic.h>

#include "bdev/drain.h"
#include "fixture.h"
#include "ns_change.h"

static struct nvme_sqe sqe_identify(uint32_t cns, uint32_t nsid, uint64_t gpa)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_identify,
		.nsid = htole32(nsid),
		.prp1 = htole64(gpa),
		.cdw10 = htole32(cns),
	};
}

static struct nvme_sqe sqe_changed_log(uint64_t gpa, bool retain)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_get_log_page,
		.nsid = htole32(NVME_NSID_ALL),
		.prp1 = htole64(gpa),
		.cdw10 = htole32(1023u << 16 | (retain ? 1u << 15 : 0) | NVME_LOG_LID_CHANGED_NS),
	};
}

static struct nvme_sqe sqe_notices(uint32_t config)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_set_features,
		.cdw10 = htole32(NVME_FEAT_FID_ASYNC_EVENT),
		.cdw11 = htole32(config),
	};
}

static void grow(const char *name)
{
	struct bdev *bdev = bdev_find(name);

	CU_ASSERT_EQUAL(bdev_resize(bdev, bdev_nblocks(bdev) + 8), 0);
}

static void wait_for_notice(struct host *h)
{
	struct nvme_cqe cqe = host_wait(&h->admin);

	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	CU_ASSERT_EQUAL(le32toh(cqe.result), NVME_LOG_LID_CHANGED_NS << 16 | 0 << 8 | 2);
}

/* The list has exactly these; 0: no more. */
static bool list_is(struct host *h, uint64_t gpa, bool retain, uint32_t a, uint32_t b)
{
	const uint32_t *list = host_ptr(h, gpa);

	memset(host_ptr(h, gpa), 0xff, HOST_PAGE);
	CU_ASSERT_EQUAL(host_admin(h, sqe_changed_log(gpa, retain)), 0);
	return le32toh(list[0]) == a && le32toh(list[1]) == b && !list[2] && !list[1023];
}

static uint64_t nsze(struct host *h, uint64_t gpa, uint32_t nsid)
{
	const struct nvme_id_ns *id = host_ptr(h, gpa);

	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(0, nsid, gpa)), 0);
	return le64toh(id->nsze);
}

static void resized(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_sqe event = {.opcode = nvme_admin_async_event};
	const struct nvme_id_ctrl *id = host_ptr(h, buf);

	test_watch("a notice");
	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(1, 0, buf)), 0);
	CU_ASSERT_TRUE(le32toh(id->oaes) & NVME_CTRL_OAES_NA);
	host_submit(&h->admin, event);
	grow("null"); /* without having asked for notices */
	settle(h);
	CU_ASSERT_FALSE(host_pending(&h->admin));
	CU_ASSERT_EQUAL(nsze(h, buf, NS_NULL), NULL_BLOCKS + 8);
	CU_ASSERT_TRUE(list_is(h, buf, false, NS_NULL, 0));
	CU_ASSERT_TRUE(list_is(h, buf, false, 0, 0));
	CU_ASSERT_EQUAL(host_admin(h, sqe_notices(NVME_CTRL_OAES_NA)), 0);
	grow("null");
	wait_for_notice(h);
	host_submit(&h->admin, event);
	grow("ram"); /* told when the list has been read */
	settle(h);
	CU_ASSERT_TRUE(list_is(h, buf, true, NS_RAM, NS_NULL));
	CU_ASSERT_FALSE(host_pending(&h->admin));
	CU_ASSERT_EQUAL(nsze(h, buf, NS_NULL), NULL_BLOCKS + 16);
	host_submit(&h->admin, sqe_changed_log(buf, false));
	host_wait(&h->admin);
	host_wait(&h->admin);
	/* A reset ends what was to be told. */
	grow("ram");
	settle(h);
	host_disable(h);
	CU_ASSERT_TRUE(host_enable(h, 16));
	CU_ASSERT_TRUE(list_is(h, buf, false, 0, 0));
	test_watch(NULL);
	host_close(h);
}

static void removed(void)
{
	struct host *h = host_open(&(struct host_params){.latency_us = 1000});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	const uint32_t *active = host_ptr(h, buf);
	struct nvme_sqe flush = sqe_flush(NVME_NSID_ALL);
	struct nvme_sqe read = {
		.opcode = nvme_cmd_read,
		.nsid = htole32(NS_NULL),
		.prp1 = htole64(buf),
	};

	test_watch("a notice");
	CU_ASSERT_EQUAL(host_admin(h, sqe_notices(NVME_CTRL_OAES_NA)), 0);
	CU_ASSERT_EQUAL(host_run(q, read), 0);
	host_submit(&h->admin, (struct nvme_sqe){.opcode = nvme_admin_async_event});
	bdev_remove(bdev_find("null"), NULL, NULL);
	wait_for_notice(h);
	CU_ASSERT_TRUE(list_is(h, buf, false, NS_NULL, 0));
	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(2, 0, buf)), 0);
	CU_ASSERT(le32toh(active[0]) == NS_RAM && le32toh(active[1]) == NS_SLOW && !active[2]);
	CU_ASSERT_EQUAL(nsze(h, buf, NS_NULL), 0);
	CU_ASSERT_EQUAL(host_run(q, read) & ST_MASK, NVME_SC_INVALID_FIELD);
	read.nsid = htole32(NS_RAM);
	CU_ASSERT_EQUAL(host_run(q, read), 0);
	CU_ASSERT_EQUAL(host_run(q, flush), 0); /* of all that there are */
	test_watch(NULL);
	host_close(h);
	CU_ASSERT_PTR_NULL(bdev_find("null"));
}

/* --- namespaces that come and go --- */

static bool active_is(struct host *h, uint64_t gpa, const uint32_t *ids, size_t n)
{
	const uint32_t *list = host_ptr(h, gpa);
	bool same = true;
	size_t i;

	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(2, 0, gpa)), 0);
	for (i = 0; i < n; i++)
		same = same && le32toh(list[i]) == ids[i];
	return same && !list[n];
}

/* Ids, Identify, I/O and notices; the same id at once on another bdev. */
static void come_and_go(void)
{
	struct host *h = host_open(&(struct host_params){.reactors = 2, .max_namespaces = 8});
	static const uint32_t before[] = {1, 2, 3}, with[] = {1, 2, 3, 7}, without[] = {1, 3, 7};
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const struct nvme_id_ctrl *id = host_ptr(h, buf);
	struct host_queue *q = host_add_queue(h, 1, 16, 16), *q2 = host_add_queue(h, 2, 16, 16);

	test_watch("a namespace that comes");
	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(1, 0, buf)), 0);
	CU_ASSERT_EQUAL(le32toh(id->nn), 8);
	CU_ASSERT_TRUE(active_is(h, buf, before, 3));
	CU_ASSERT_EQUAL(read_ns(q, 7, buf), NVME_SC_INVALID_FIELD);
	CU_ASSERT_EQUAL(read_ns(q, 9, buf), NVME_SC_INVALID_NS);
	CU_ASSERT_EQUAL(host_admin(h, sqe_notices(NVME_CTRL_OAES_NA)), 0);
	host_submit(&h->admin, (struct nvme_sqe){.opcode = nvme_admin_async_event});
	CU_ASSERT_EQUAL(add(h, 7, "ram"), 0);
	wait_for_notice(h);
	CU_ASSERT_TRUE(list_is(h, buf, false, 7, 0));
	CU_ASSERT_TRUE(active_is(h, buf, with, 4));
	CU_ASSERT_EQUAL(nsze(h, buf, 7), RAM_BLOCKS);
	CU_ASSERT_EQUAL(read_ns(q, 7, buf), 0);
	CU_ASSERT_EQUAL(read_ns(q2, 7, buf), 0);
	grow("ram");
	settle(h);
	CU_ASSERT_TRUE(list_is(h, buf, false, NS_RAM, 7));
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, 7, RAM_BLOCKS, 1, buf)), 0);
	host_submit(&h->admin, (struct nvme_sqe){.opcode = nvme_admin_async_event});
	CU_ASSERT_EQUAL(take(h, NS_NULL), 0);
	wait_for_notice(h);
	CU_ASSERT_TRUE(list_is(h, buf, false, NS_NULL, 0));
	CU_ASSERT_TRUE(active_is(h, buf, without, 3));
	CU_ASSERT_EQUAL(nsze(h, buf, NS_NULL), 0);
	CU_ASSERT_EQUAL(read_ns(q, NS_NULL, buf), NVME_SC_INVALID_FIELD);
	CU_ASSERT_EQUAL(read_ns(q2, NS_NULL, buf), NVME_SC_INVALID_FIELD);
	CU_ASSERT_EQUAL(host_run(q, sqe_flush(NVME_NSID_ALL)), 0);
	CU_ASSERT_EQUAL(add(h, NS_NULL, "ram"), 0);
	CU_ASSERT_EQUAL(nsze(h, buf, NS_NULL), RAM_BLOCKS + 8);
	CU_ASSERT_EQUAL(read_ns(q, NS_NULL, buf), 0);
	test_watch(NULL);
	host_close(h);
}

static void refusals(void)
{
	struct host *h = host_open(&(struct host_params){.max_namespaces = 8});
	struct change c;

	test_watch("refusals");
	CU_ASSERT_EQUAL(add(h, 0, "ram"), -EINVAL);
	CU_ASSERT_EQUAL(add(h, 9, "ram"), -EINVAL);
	CU_ASSERT_EQUAL(add(h, NS_RAM, "ram"), -EEXIST);
	CU_ASSERT_EQUAL(add(h, 7, "none"), -ENOENT);
	CU_ASSERT_EQUAL(take(h, 7), -ENOENT);
	CU_ASSERT_EQUAL(begin_add(h, &c, 7, "ram"), 0);
	CU_ASSERT_EQUAL(take(h, 7), -EBUSY);
	CU_ASSERT_EQUAL(add(h, 7, "null"), -EEXIST);
	wait_for(&c);
	CU_ASSERT_EQUAL(vnvme_ns_add_end(c.ns), 0);
	CU_ASSERT_EQUAL(take(h, 7), 0);
	/* Without a host, and while one has not enabled it. */
	host_disable(h);
	CU_ASSERT_EQUAL(add(h, 7, "ram"), 0);
	host_detach(h);
	CU_ASSERT_EQUAL(take(h, 7), 0);
	CU_ASSERT_EQUAL(add(h, 8, "ram"), 0);
	host_attach(h, true);
	CU_ASSERT_EQUAL(take(h, NS_SLOW), 0);
	test_watch(NULL);
	host_close(h);
}

static void end_grace(void *arg)
{
	drain_times.grace_ns = 0;
}

/* The guest's I/O that takes long: the removal waits, cancels it, and ends; nobody else notices. */
static void in_flight(void)
{
	struct drain_times usual = drain_times;
	struct host *h = host_open(&(struct host_params){.reactors = 2, .latency_us = 60000000});
	uint64_t buf = host_alloc(h, 2 * HOST_PAGE);
	struct host_queue *q = host_add_queue(h, 1, 64, 64), *q2 = host_add_queue(h, 2, 16, 16);
	struct nvme_cqe cqe;
	struct change c;
	unsigned int i;

	test_watch("I/O of a namespace that goes");
	drain_times.grace_ns = 60 * NS_PER_SEC;
	for (i = 0; i < 40; i++)
		host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, i, 1, buf));
	host_submit(q2, sqe_rw(nvme_cmd_read, NS_SLOW, i, 1, buf));
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 20000));
	CU_ASSERT_TRUE(test_until(host_all_fetched, q2, 20000));
	CU_ASSERT_EQUAL(begin_removal(h, &c, NS_SLOW), 0);
	settle(h);
	/* In the grace: other disks, and queues that come and go, do not wait for it. */
	CU_ASSERT_EQUAL(read_ns(q2, NS_RAM, buf), 0);
	host_add_queue(h, 3, 16, 16);
	host_delete_queue(h, 3);
	CU_ASSERT_FALSE(atomic_load(&c.ended));
	CU_ASSERT_EQUAL(host_run(q2, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf)),
			NVME_SC_INVALID_FIELD);
	CU_ASSERT_FALSE(host_pending(q));
	reactor_call(h->ctrl->home, end_grace, NULL);
	for (i = 0; i < 40; i++) {
		cqe = host_wait(q);
		CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_INVALID_FIELD);
	}
	cqe = host_wait(q2);
	CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_INVALID_FIELD);
	end_removal(&c);
	CU_ASSERT_EQUAL(add(h, NS_SLOW, "null"), 0);
	CU_ASSERT_EQUAL(read_ns(q, NS_SLOW, buf), 0);
	drain_times = usual;
	test_watch(NULL);
	host_close(h);
}

static const struct test_case cases[] = {
	{"resized", resized},	{"removed", removed},	  {"come_and_go", come_and_go},
	{"refusals", refusals}, {"in_flight", in_flight},
};

TEST_MAIN("nvme/ns", cases)
