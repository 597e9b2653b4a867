/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating and deleting queues, also with I/O in flight; Abort; Asynchronous Event Request. */
#include "fixture.h"

/* --- Create: fields and limits --- */

static void create_cq_table(void)
{
	static const struct {
		uint16_t qid;
		uint32_t entries, cdw11;
		uint64_t offset; /* of the place, in the RAM; or UINT64_MAX: outside */
		uint16_t expected;
	} table[] = {
		{1, 2, 3, 0, 0},
		{HOST_QUEUES, 1024, 3, 0, 0},
		{1, 16, 1, 0, 0}, /* no interrupts */
		{1, 16, HOST_QUEUES << 16 | 3, 0, 0},
		{0, 16, 3, 0, ST_CMD(NVME_SC_QID_INVALID)},
		{HOST_QUEUES + 1, 16, 3, 0, ST_CMD(NVME_SC_QID_INVALID)},
		{0xffff, 16, 3, 0, ST_CMD(NVME_SC_QID_INVALID)},
		{1, 1, 3, 0, ST_CMD(NVME_SC_QUEUE_SIZE)},
		{1, 1025, 3, 0, ST_CMD(NVME_SC_QUEUE_SIZE)},
		{1, 65536, 3, 0, ST_CMD(NVME_SC_QUEUE_SIZE)},
		{1, 16, 2, 0, NVME_SC_INVALID_FIELD}, /* not contiguous */
		{1, 16, (HOST_QUEUES + 1) << 16 | 3, 0, ST_CMD(NVME_SC_INVALID_VECTOR)},
		{1, 16, 0xffff0003, 0, ST_CMD(NVME_SC_INVALID_VECTOR)},
		{1, 16, 3, 4, NVME_SC_PRP_INVALID_OFFSET},
		{1, 16, 3, 2048, NVME_SC_PRP_INVALID_OFFSET},
		{1, 16, 3, UINT64_MAX, NVME_SC_DATA_XFER_ERROR},
		{1, 1024, 3, HOST_RAM - HOST_PAGE, NVME_SC_DATA_XFER_ERROR}, /* over the end */
		{1, 256, 3, HOST_RAM - HOST_PAGE, 0},
	};
	struct host *h = host_open(&(struct host_params){0});
	uint64_t base = h->used;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t gpa = table[i].offset == UINT64_MAX ? 0x1000
			       : table[i].offset >= HOST_RAM / 2
				       ? HOST_GPA + table[i].offset
				       : HOST_GPA + base + table[i].offset;
		struct nvme_sqe sqe = {
			.opcode = nvme_admin_create_cq,
			.prp1 = htole64(gpa),
			.cdw10 = htole32((table[i].entries - 1) << 16 | table[i].qid),
			.cdw11 = htole32(table[i].cdw11),
		};
		uint16_t status = host_admin(h, sqe);

		if (status != table[i].expected)
			printf("# row %zu: %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
		if (!status) {
			CU_ASSERT_EQUAL(host_admin(h, sqe),
					ST_CMD(NVME_SC_QID_INVALID)); /* twice */
			CU_ASSERT_EQUAL(
				host_admin(h, sqe_delete(nvme_admin_delete_cq, table[i].qid)), 0);
		}
	}
	host_close(h);
}

static void create_sq_table(void)
{
	static const struct {
		uint16_t qid, cqid;
		uint32_t entries;
		uint16_t expected;
	} table[] = {
		{1, 1, 2, 0},
		{HOST_QUEUES, 1, 1024, 0},
		{0, 1, 16, ST_CMD(NVME_SC_QID_INVALID)},
		{HOST_QUEUES + 1, 1, 16, ST_CMD(NVME_SC_QID_INVALID)},
		{1, 2, 16, ST_CMD(NVME_SC_CQ_INVALID)}, /* not created */
		{1, 0, 16, 0xffff},			/* the admin queue's: either status */
		{1, HOST_QUEUES + 1, 16, ST_CMD(NVME_SC_QID_INVALID)},
		{1, 0xffff, 16, ST_CMD(NVME_SC_QID_INVALID)},
		{1, 1, 1, ST_CMD(NVME_SC_QUEUE_SIZE)},
		{1, 1, 1025, ST_CMD(NVME_SC_QUEUE_SIZE)},
	};
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = &h->io[1];
	size_t i;

	host_queue_init(q, h, 1, 1024, 16);
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_cq(q)), 0);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct nvme_sqe sqe = {
			.opcode = nvme_admin_create_sq,
			.prp1 = htole64(q->sq_gpa),
			.cdw10 = htole32((table[i].entries - 1) << 16 | table[i].qid),
			.cdw11 = htole32((uint32_t)table[i].cqid << 16 | 1),
		};
		uint16_t status = host_admin(h, sqe);

		if (table[i].expected == 0xffff) {
			CU_ASSERT(status == ST_CMD(NVME_SC_QID_INVALID) ||
				  status == ST_CMD(NVME_SC_CQ_INVALID));
			continue;
		}
		CU_ASSERT_EQUAL(status, table[i].expected);
		if (!status) {
			CU_ASSERT_EQUAL(host_admin(h, sqe), ST_CMD(NVME_SC_QID_INVALID));
			CU_ASSERT_EQUAL(
				host_admin(h, sqe_delete(nvme_admin_delete_sq, table[i].qid)), 0);
		}
	}
	host_close(h);
}

static void delete_table(void)
{
	static const uint16_t bad[] = {0, 2, HOST_QUEUES, HOST_QUEUES + 1, 0xffff};
	struct host *h = host_open(&(struct host_params){0});
	size_t i;

	host_add_queue(h, 1, 16, 16);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, bad[i])),
				ST_CMD(NVME_SC_QID_INVALID));
		CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, bad[i])),
				ST_CMD(NVME_SC_QID_INVALID));
	}
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)),
			ST_CMD(NVME_SC_INVALID_QUEUE));
	host_delete_queue(h, 1);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, 1)),
			ST_CMD(NVME_SC_QID_INVALID));
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)),
			ST_CMD(NVME_SC_QID_INVALID));
	host_close(h);
}

/* --- Delete with I/O in flight --- */

/* Of commands that would take ten seconds: each ends, once, before the deletion is reported. */
static void delete_in_flight(const struct host_params *p)
{
	struct host *h = host_open(p);
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE), before = time_now_ns();
	bool seen[64] = {false};
	int i, bad = 0;

	for (i = 0; i < 40; i++)
		host_put(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf));
	host_ring_sq(q);
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 10000));
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, 1)), 0);
	CU_ASSERT(time_now_ns() - before < 5 * NS_PER_SEC);
	CU_ASSERT_EQUAL(host_count_pending(q), 40);
	for (i = 0; i < 40; i++) {
		struct nvme_cqe cqe = host_wait(q);
		uint16_t cid = le16toh(cqe.cid);

		bad += cid >= 40 || seen[cid] || host_status(&cqe) != NVME_SC_ABORT_QUEUE;
		seen[cid % 64] = true;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, 1)), 0);
	q = host_add_queue(h, 1, 16, 16);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
	host_close(h);
}

static void delete_with_io(void)
{
	test_watch("a queue deleted with I/O in flight");
	delete_in_flight(&(struct host_params){.idle_ns = 0});
	delete_in_flight(&(struct host_params){.idle_ns = 0, .reactors = 2, .shadow = true});
	delete_in_flight(&(struct host_params){.idle_ns = REACTOR_NEVER_SLEEP, .shadow = true});
	test_watch(NULL);
}

/* Queues that come and go on both reactors, with I/O on others. */
static void create_delete_often(void)
{
	struct host *h = host_open(&(struct host_params){
		.idle_ns = 5 * NS_PER_US,
		.shadow = true,
		.reactors = 2,
	});
	struct host_queue *steady = host_add_queue(h, 1, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE), used = h->used;
	int i, k, bad = 0;

	test_watch("queues that come and go");
	for (i = 0; i < TEST_ROUNDS(300); i++) {
		struct host_queue *q = host_add_queue(h, (uint16_t)(2 + i % 3), 16, 16);

		for (k = 0; k < 10; k++) {
			host_put(q, sqe_rw(nvme_cmd_read, k % 2 ? NS_SLOW : NS_NULL, 0, 1, buf));
			host_put(steady, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf));
		}
		host_ring_sq(steady);
		host_ring_sq(q);
		host_delete_queue(h, q->qid);
		for (k = 0; k < 10; k++) {
			struct nvme_cqe cqe = host_wait(steady);

			bad += host_status(&cqe) != 0;
		}
		h->used = used;
	}
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	host_close(h);
}

/* --- Abort --- */

static struct nvme_sqe sqe_abort(uint16_t sqid, uint16_t cid)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_abort_cmd,
		.cdw10 = htole32((uint32_t)cid << 16 | sqid),
	};
}

/* Bit 0 of the result: 0, it was aborted. */
static uint32_t abort_result(struct host *h, uint16_t sqid, uint16_t cid)
{
	struct nvme_cqe cqe;

	CU_ASSERT_EQUAL(host_run_cqe(&h->admin, sqe_abort(sqid, cid), &cqe), 0);
	return le32toh(cqe.result);
}

static void aborts(const struct host_params *p)
{
	struct host *h = host_open(p);
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	struct host_queue *second = host_add_queue(h, 2, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	uint16_t cid[3], other;
	struct nvme_cqe cqe;
	int i;

	for (i = 0; i < 3; i++)
		cid[i] = host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf));
	second->cid = 1000;
	other = host_submit(second, sqe_rw(nvme_cmd_write, NS_SLOW, 0, 1, buf));
	CU_ASSERT_TRUE(test_until(host_all_fetched, q, 10000));
	/* Not there: in this queue, in the other one. */
	CU_ASSERT_EQUAL(abort_result(h, 1, 999), 1);
	CU_ASSERT_EQUAL(abort_result(h, 2, cid[1]), 1);
	CU_ASSERT_EQUAL(abort_result(h, 0, cid[1]), 1);
	CU_ASSERT_EQUAL(host_count_pending(q), 0);
	CU_ASSERT_EQUAL(abort_result(h, 1, cid[1]), 0);
	cqe = host_wait(q);
	CU_ASSERT_EQUAL(le16toh(cqe.cid), cid[1]);
	CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_ABORT_REQ);
	CU_ASSERT_EQUAL(abort_result(h, 1, cid[1]), 1); /* gone */
	CU_ASSERT_EQUAL(abort_result(h, 2, other), 0);
	cqe = host_wait(second);
	CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_ABORT_REQ);
	CU_ASSERT_EQUAL(abort_result(h, 1, cid[2]), 0);
	CU_ASSERT_EQUAL(abort_result(h, 1, cid[0]), 0);
	CU_ASSERT_EQUAL(host_count_pending(q), 2);
	/* Queues that are not there. */
	CU_ASSERT_EQUAL(host_admin(h, sqe_abort(3, 0)), NVME_SC_INVALID_FIELD);
	CU_ASSERT_EQUAL(host_admin(h, sqe_abort(HOST_QUEUES + 1, 0)), NVME_SC_INVALID_FIELD);
	CU_ASSERT_EQUAL(host_admin(h, sqe_abort(0xffff, 0)), NVME_SC_INVALID_FIELD);
	host_close(h);
}

static void put_off_looks(void *arg)
{
	struct vnvme_sq *sq = arg;

	sq->pace = (struct pace){.batch = 64, .gap_ns = UINT32_MAX, .last_ns = time_now_ns()};
}

/* What is in the ring is found there, also if the next look would come four seconds later. */
static void abort_of_what_waits(void)
{
	struct host *h = host_open(&(struct host_params){.shadow = true});
	struct host_queue *q = host_add_queue(h, 1, 64, 64);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_cqe cqe;
	uint16_t cid;

	test_watch("Abort of a command that waits for a look");
	reactor_call(h->r[0], put_off_looks, h->ctrl->sqs[1]);
	cid = host_submit(q, sqe_rw(nvme_cmd_read, NS_SLOW, 0, 1, buf));
	CU_ASSERT_EQUAL(abort_result(h, 1, cid), 0);
	cqe = host_wait(q);
	CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_ABORT_REQ);
	test_watch(NULL);
	host_close(h);
}

static void abort_cases(void)
{
	test_watch("Abort");
	aborts(&(struct host_params){.idle_ns = 0});
	aborts(&(struct host_params){.idle_ns = 0, .reactors = 2, .shadow = true});
	test_watch(NULL);
}

/* --- asynchronous events --- */

static struct nvme_sqe sqe_event(void)
{
	return (struct nvme_sqe){.opcode = nvme_admin_async_event};
}

static struct nvme_sqe sqe_set_feature(uint8_t fid, uint32_t value)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_set_features,
		.cdw10 = htole32(fid),
		.cdw11 = htole32(value),
	};
}

static struct nvme_sqe sqe_log(uint8_t lid, uint32_t bytes, uint64_t gpa)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_get_log_page,
		.nsid = htole32(NVME_NSID_ALL),
		.prp1 = htole64(gpa),
		.cdw10 = htole32((bytes / 4 - 1) << 16 | lid),
	};
}

/* One more than AERL allows; and each of them can be aborted, and goes with a reset. */
static void event_limit(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct nvme_cqe cqe;
	uint16_t cid[VNVME_AERL], i;

	for (i = 0; i < VNVME_AERL; i++)
		cid[i] = host_submit(&h->admin, sqe_event());
	CU_ASSERT_EQUAL(host_admin(h, sqe_event()), ST_CMD(NVME_SC_ASYNC_LIMIT));
	host_submit(&h->admin, sqe_abort(0, cid[3]));
	cqe = host_wait(&h->admin);
	CU_ASSERT_EQUAL(le16toh(cqe.cid), cid[3]);
	CU_ASSERT_EQUAL(host_status(&cqe), NVME_SC_ABORT_REQ);
	cqe = host_wait(&h->admin);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	CU_ASSERT_EQUAL(le32toh(cqe.result), 0);
	host_submit(&h->admin, sqe_event()); /* there is room for one again */
	CU_ASSERT_EQUAL(host_admin(h, sqe_event()), ST_CMD(NVME_SC_ASYNC_LIMIT));
	/* Neither a pause nor a reset waits for them. */
	test_watch("requests for events, and a pause");
	vnvme_stop(h->ctrl);
	vnvme_start(h->ctrl);
	host_disable(h);
	test_watch(NULL);
	CU_ASSERT_TRUE(host_enable(h, 16));
	CU_ASSERT_EQUAL(host_admin(h, sqe_set_feature(NVME_FEAT_FID_ARBITRATION, 0)), 0);
	host_close(h);
}

/* As many as the queue holds, on the smallest admin queue: the other commands still work. */
static void events_and_small_queue(void)
{
	struct host *h = host_open_off(&(struct host_params){0});
	int i;

	CU_ASSERT_TRUE(host_enable(h, 2));
	for (i = 0; i < VNVME_AERL; i++) {
		host_submit(&h->admin, sqe_event());
		CU_ASSERT_TRUE(test_until(host_all_fetched, &h->admin, 5000));
	}
	CU_ASSERT_EQUAL(host_admin(h, sqe_set_feature(NVME_FEAT_FID_ARBITRATION, 0)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_event()), ST_CMD(NVME_SC_ASYNC_LIMIT));
	host_close(h);
}

/* An event is told once, and again only when its log page has been read. */
static void event_masking(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct host_queue *admin = &h->admin;
	struct nvme_cqe cqe;
	int i;

	host_add_queue(h, 1, 16, 16);
	for (i = 0; i < 3; i++)
		host_submit(admin, sqe_event());
	CU_ASSERT_TRUE(test_until(host_all_fetched, admin, 5000));
	host_doorbell(h, 2, 999); /* Error status, invalid doorbell value */
	cqe = host_wait(admin);
	CU_ASSERT_EQUAL(host_status(&cqe), 0);
	CU_ASSERT_EQUAL(le32toh(cqe.result), NVME_LOG_LID_ERROR << 16 | 1 << 8 | 0);
	host_doorbell(h, 2, 998);
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_FALSE(host_pending(admin));
	/* With Retain Asynchronous Event it stays masked. */
	cqe.cid = 0;
	{
		struct nvme_sqe sqe = sqe_log(NVME_LOG_LID_ERROR, 64, buf);

		sqe.cdw10 |= htole32(1u << 15);
		CU_ASSERT_EQUAL(host_admin(h, sqe), 0);
	}
	test_sleep_ns(2 * NS_PER_MS);
	CU_ASSERT_FALSE(host_pending(admin));
	/* Read: what came meanwhile is told, with or after the answer. */
	host_submit(admin, sqe_log(NVME_LOG_LID_ERROR, 64, buf));
	for (i = 0; i < 2; i++) {
		cqe = host_wait(admin);
		CU_ASSERT_EQUAL(host_status(&cqe), 0);
	}
	/* A temperature threshold below the temperature, if the host wants to hear of it. */
	CU_ASSERT_EQUAL(host_admin(h, sqe_set_feature(NVME_FEAT_FID_TEMP_THRESH, 200)), 0);
	test_sleep_ns(2 * NS_PER_MS);
	CU_ASSERT_FALSE(host_pending(admin));
	host_submit(admin, sqe_set_feature(NVME_FEAT_FID_ASYNC_EVENT, 0xff));
	for (i = 0; i < 2; i++) {
		cqe = host_wait(admin);
		CU_ASSERT_EQUAL(host_status(&cqe), 0);
		if (cqe.result)
			CU_ASSERT_EQUAL(le32toh(cqe.result), NVME_LOG_LID_SMART << 16 | 1 << 8 | 1);
	}
	CU_ASSERT_FALSE(host_pending(admin));
	host_close(h);
}

/* What happens while nobody asks waits for the next request. */
static void event_before_request(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct nvme_cqe cqe;

	host_add_queue(h, 1, 16, 16);
	host_doorbell(h, 2, 999);
	test_sleep_ns(5 * NS_PER_MS);
	host_submit(&h->admin, sqe_event());
	cqe = host_wait(&h->admin);
	CU_ASSERT_EQUAL(le32toh(cqe.result), NVME_LOG_LID_ERROR << 16 | 1 << 8 | 0);
	host_close(h);
}

static void raise_event(void *arg)
{
	vnvme_event_raise(arg, VNVME_EVENT_ERROR, 1, NVME_LOG_LID_ERROR);
}

/* What another reactor reports while the VM is paused, or has no memory, waits for its end. */
static void event_while_paused(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_cqe cqe;
	int i;

	for (i = 0; i < 2; i++) {
		host_submit(&h->admin, sqe_event());
		CU_ASSERT_TRUE(test_until(host_all_fetched, &h->admin, 5000));
		if (i)
			vnvme_memory_stop(h->ctrl);
		else
			vnvme_stop(h->ctrl);
		reactor_call(h->r[0], raise_event, h->ctrl);
		test_sleep_ns(2 * NS_PER_MS);
		CU_ASSERT_FALSE(host_pending(&h->admin));
		if (i)
			vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
		else
			vnvme_start(h->ctrl);
		cqe = host_wait(&h->admin);
		CU_ASSERT_EQUAL(le32toh(cqe.result), NVME_LOG_LID_ERROR << 16 | 1 << 8 | 0);
		CU_ASSERT_EQUAL(host_admin(h, sqe_log(NVME_LOG_LID_ERROR, 64, buf)), 0);
	}
	host_close(h);
}

/* --- Doorbell Buffer Config --- */

static void dbbuf_table(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t a = host_alloc(h, HOST_PAGE), b = host_alloc(h, HOST_PAGE);
	const struct {
		uint64_t prp1, prp2;
		bool ok;
	} table[] = {
		{a, b, true},
		{b, a, true},
		{a, a, false},
		{a + 4, b, false},
		{a, b + 2048, false},
		{0, b, false},
		{a, 0, false},
		{HOST_GPA + HOST_RAM, b, false},
		{a, HOST_GPA + HOST_RAM, false},
		{UINT64_MAX - 4095, b, false},
		{a, b, true},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t status = host_admin(h, sqe_dbbuf(table[i].prp1, table[i].prp2));

		CU_ASSERT_EQUAL(!status, table[i].ok);
		if (!table[i].ok)
			CU_ASSERT(status == NVME_SC_INVALID_FIELD ||
				  status == NVME_SC_PRP_INVALID_OFFSET ||
				  status == NVME_SC_DATA_XFER_ERROR);
	}
	host_close(h);
}

/* For queues that are at work already: where they are counts, and goes on in the shadow. */
static void dbbuf_for_running_queues(void)
{
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	int i, round, bad = 0;

	test_watch("shadow doorbells for queues at work");
	for (round = 0; round < 10; round++) {
		uint64_t shadow = host_alloc(h, HOST_PAGE), eventidx = host_alloc(h, HOST_PAGE);
		uint32_t *page = host_ptr(h, shadow);

		for (i = 0; i < 5; i++)
			bad += host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)) != 0;
		page[2] = htole32(q->tail); /* as the doorbells stand */
		page[3] = htole32(q->head);
		CU_ASSERT_EQUAL(host_admin(h, sqe_dbbuf(shadow, eventidx)), 0);
		h->shadow = shadow;
		h->eventidx = eventidx;
		for (i = 0; i < 100; i++)
			bad += host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)) != 0;
	}
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_FALSE(host_pending(q));
	host_close(h);
}

static const struct test_case cases[] = {
	{"create_cq_table", create_cq_table},
	{"create_sq_table", create_sq_table},
	{"delete_table", delete_table},
	{"delete_with_io", delete_with_io},
	{"create_delete_often", create_delete_often},
	{"abort_cases", abort_cases},
	{"abort_of_what_waits", abort_of_what_waits},
	{"event_limit", event_limit},
	{"events_and_small_queue", events_and_small_queue},
	{"event_masking", event_masking},
	{"event_before_request", event_before_request},
	{"event_while_paused", event_while_paused},
	{"dbbuf_table", dbbuf_table},
	{"dbbuf_for_running_queues", dbbuf_for_running_queues},
};

TEST_MAIN("admin_queue", cases)
