/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host hears of bdevs that grow, or are removed. */
#include "fixture.h"

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

static void nothing(void *arg)
{
}

/* What was sent to home before has arrived. */
static void settle(const struct host *h)
{
	reactor_call(h->ctrl->home, nothing, NULL);
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

static const struct test_case cases[] = {
	{"resized", resized},
	{"removed", removed},
};

TEST_MAIN("nvme/ns", cases)
