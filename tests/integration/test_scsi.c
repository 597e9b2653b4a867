/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-scsi as a driver sees it: requests in all layouts, their responses and used lengths, and
 * task management of what is in flight. Commands in memory take a short way if their buffers are
 * laid out as drivers do, so each thing is done both ways.
 */
#include <linux/virtio_scsi.h>
#include <unistd.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define BS	 512u
#define DATA	 8192u /* room for data of a request */
#define RESP	 ((uint32_t)sizeof(struct virtio_scsi_cmd_resp))
#define REQ	 ((uint32_t)sizeof(struct virtio_scsi_cmd_req))
#define CONTROL	 0
#define REQUESTS 2 /* the first request queue */
#define READ_10	 0x28
#define WRITE_10 0x2a
#define SOME_LBA 64u

static const struct fe_daemon_config config = {
	.cpus = "[0, 1]",
	.bdevs =
		"  - {name: ram0, type: malloc, size: 1MiB, block_size: 512}\n"
		"  - {name: ram1, type: malloc, size: 1MiB, block_size: 512}\n"
		"  - {name: slow0, type: null, size: 1MiB, block_size: 512, latency_us: 60000000}\n",
	.controllers = "  - {name: scsi, type: scsi, queues: 2, targets: [{id: 3, luns: ["
		       "{lun: 0, bdev: ram0}, {lun: 1, bdev: ram1, read_only: true}, "
		       "{lun: 2, bdev: slow0}]}]}\n",
};

/* One request's memory: header, response and data, each on a page of its own. */
struct slot {
	struct virtio_scsi_cmd_req *req;
	struct virtio_scsi_cmd_resp *resp;
	uint8_t *data;
	uint64_t req_gpa, resp_gpa, data_gpa;
};

static struct fe_virtio dev;
static struct fe_vq *q, *control;
static struct slot slots[2];
static uint32_t used_len;

static void slot_init(struct slot *s)
{
	s->req = fe_mem_alloc(&dev.mem, 4096 + DATA, &s->req_gpa);
	s->resp = fe_mem_alloc(&dev.mem, 4096 + DATA, &s->resp_gpa);
	s->data = fe_mem_alloc(&dev.mem, 2 * DATA, &s->data_gpa);
}

static void fill_request(const struct slot *s, unsigned int lun, uint8_t opcode, uint32_t lba,
			 uint16_t n)
{
	memset(s->req, 0, sizeof(*s->req));
	s->req->lun[0] = 1;
	s->req->lun[1] = 3;
	s->req->lun[3] = (uint8_t)lun;
	s->req->tag = (uint64_t)(s - slots) + 77;
	s->req->cdb[0] = opcode;
	s->req->cdb[4] = (uint8_t)(lba >> 8);
	s->req->cdb[5] = (uint8_t)lba;
	s->req->cdb[7] = (uint8_t)(n >> 8);
	s->req->cdb[8] = (uint8_t)n;
	memset(s->resp, 0xee, sizeof(*s->resp));
}

/* The response code, or -errno. */
static int run(const struct slot *s, const struct fe_seg *segs, unsigned int n)
{
	int head = fe_vq_chain(q, segs, n);

	if (head < 0)
		return head;
	fe_vq_submit(q, (uint16_t)head);
	head = fe_vq_wait(q, &used_len, FE_TIMEOUT_MS);
	return head < 0 ? head : s->resp->response;
}

/* Header, data-out, response, data-in, one descriptor each, as drivers lay them out. */
static int plain(const struct slot *s, uint32_t out, uint32_t in)
{
	struct fe_seg segs[4] = {{s->req_gpa, REQ, false}};
	unsigned int n = 1;

	if (out)
		segs[n++] = (struct fe_seg){s->data_gpa, out, false};
	segs[n++] = (struct fe_seg){s->resp_gpa, RESP, true};
	if (in)
		segs[n++] = (struct fe_seg){s->data_gpa, in, true};
	return run(s, segs, n);
}

static int command(unsigned int lun, uint8_t opcode, uint32_t lba, uint16_t n, uint32_t out,
		   uint32_t in)
{
	fill_request(&slots[0], lun, opcode, lba, n);
	return plain(&slots[0], out, in);
}

/* Each unit first reports that it was powered on. */
static bool open_scsi(void)
{
	unsigned int lun;

	if (!fe_fixture_daemon() || fe_virtio_open(&dev, fe_daemon_socket(&fe_daemon, "scsi"), 0))
		return false;
	control = fe_vq_make(&dev, CONTROL, 256);
	q = fe_vq_make(&dev, REQUESTS, 64);
	slot_init(&slots[0]);
	slot_init(&slots[1]);
	if (fe_vq_start(control, 0) || fe_vq_start(q, 0))
		return false;
	for (lun = 0; lun < 3; lun++) {
		if (command(lun, READ_10, 0, 1, 0, BS) != VIRTIO_SCSI_S_OK ||
		    slots[0].resp->status != 2 || slots[0].resp->sense[2] != 6)
			return false;
	}
	return true;
}

static bool all_bytes(const void *at, size_t len, uint8_t value)
{
	const uint8_t *p = at;

	while (len--)
		if (*p++ != value)
			return false;
	return true;
}

/* --- data --- */

static void read_and_write(void)
{
	const struct slot *s = &slots[0];
	uint32_t n;

	REQUIRE(open_scsi());
	for (n = 1; n <= DATA / BS; n *= 2) {
		fe_pattern_fill(s->data, n * BS, n);
		CHECK_EQ(command(0, WRITE_10, SOME_LBA, (uint16_t)n, n * BS, 0), 0);
		CHECK(all_bytes(s->resp, RESP, 0));
		CHECK_EQ(used_len, RESP);
		memset(s->data, 0xaa, 2 * DATA);
		CHECK_EQ(command(0, READ_10, SOME_LBA, (uint16_t)n, 0, n * BS), 0);
		CHECK(all_bytes(s->resp, RESP, 0));
		CHECK_EQ(used_len, RESP + n * BS);
		CHECK(all_bytes(s->data + n * BS, DATA, 0xaa));
		fe_pattern_fill(s->data + DATA, n * BS, n);
		CHECK(!memcmp(s->data, s->data + DATA, n * BS));
	}
}

/* Each byte of a response is written: what is in one is not left there. */
static void whole_response(void)
{
	const struct slot *s = &slots[0];
	const struct fe_seg segs[] = {
		{s->req_gpa, REQ, false}, {s->resp_gpa, RESP, true}, {s->data_gpa, BS, true}};
	uint32_t i;

	REQUIRE(open_scsi());
	for (i = 0; i < RESP; i++) {
		fill_request(s, 0, READ_10, 0, 1);
		memset(s->resp, 0, RESP);
		((uint8_t *)s->resp)[i] = 0x80;
		CHECK_EQ(run(s, segs, 3), 0);
		CHECK(all_bytes(s->resp, RESP, 0));
	}
}

/* The same bytes, wherever the descriptors end (VIRTIO 1.2, 2.7.4.1). */
struct layout {
	unsigned int n;
	struct fe_seg segs[4];
};

static void write_layout(const struct slot *s, unsigned int i, const struct layout *l)
{
	fill_request(s, 0, WRITE_10, i * 8, 2);
	memset(s->data, 0x40 + (int)i, 1024);
	memset((uint8_t *)s->req + REQ, 0x40 + (int)i, 1024);
	CHECK_EQ(run(s, l->segs, l->n), 0);
	CHECK(all_bytes(s->resp, RESP, 0));
	CHECK_EQ(used_len, RESP);
}

static void read_layout(const struct slot *s, unsigned int i, const struct layout *l, bool behind)
{
	fill_request(s, 0, READ_10, i * 8, 2);
	memset(s->data, 0xaa, 1024);
	CHECK_EQ(run(s, l->segs, l->n), 0);
	CHECK(all_bytes(s->resp, RESP, 0));
	CHECK_EQ(used_len, RESP + 1024);
	CHECK(all_bytes(behind ? (uint8_t *)s->resp + RESP : s->data, 1024, (uint8_t)(0x40 + i)));
}

static void layouts_of(const struct slot *s)
{
	const uint64_t h = s->req_gpa, r = s->resp_gpa, d = s->data_gpa;
	const struct layout writes[] = {
		{2, {{h, REQ + 1024, false}, {r, RESP, true}}},
		{3, {{h, 20, false}, {h + 20, REQ + 1004, false}, {r, RESP, true}}},
		{4, {{h, REQ, false}, {d, 1024, false}, {r, 50, true}, {r + 50, RESP - 50, true}}},
		{4, {{h, REQ, false}, {d, 100, false}, {d + 100, 924, false}, {r, RESP, true}}},
	};
	const struct layout reads[] = {
		{2, {{h, REQ, false}, {r, RESP + 1024, true}}},
		{3, {{h, REQ, false}, {r, 7, true}, {r + 7, RESP + 1017, true}}},
		{4, {{h, REQ, false}, {r, 50, true}, {r + 50, RESP - 50, true}, {d, 1024, true}}},
		{4, {{h, REQ, false}, {r, RESP, true}, {d, 600, true}, {d + 600, 424, true}}},
	};
	unsigned int i;

	for (i = 0; i < 4; i++)
		write_layout(s, i, &writes[i]);
	for (i = 0; i < 4; i++)
		read_layout(s, i, &reads[i], i < 2);
}

static void layouts(void)
{
	REQUIRE(open_scsi());
	layouts_of(&slots[0]);
}

/* --- what is no plain success --- */

static void residuals_and_errors(void)
{
	const struct slot *s = &slots[0];

	REQUIRE(open_scsi());
	CHECK_EQ(command(0, READ_10, 0, 2, 0, 4096), VIRTIO_SCSI_S_OK);
	CHECK_EQ(s->resp->status, 0);
	CHECK_EQ(s->resp->resid, 4096 - 1024);
	CHECK_EQ(command(0, WRITE_10, 0, 2, 4096, 0), VIRTIO_SCSI_S_OK);
	CHECK_EQ(s->resp->resid, 4096 - 1024);
	CHECK_EQ(command(0, READ_10, 0, 2, 0, 1023), VIRTIO_SCSI_S_OVERRUN);
	CHECK_EQ(command(0, READ_10, 0, 2, 1024, 0), VIRTIO_SCSI_S_OVERRUN);
	CHECK_EQ(command(0, WRITE_10, 0, 2, 0, 1024), VIRTIO_SCSI_S_OVERRUN);
	CHECK_EQ(command(0, READ_10, 2047, 2, 0, 1024), VIRTIO_SCSI_S_OK);
	CHECK_EQ(s->resp->status, 2);
	CHECK_EQ(s->resp->sense_len, 18);
	CHECK_EQ(s->resp->sense[12], 0x21); /* LOGICAL BLOCK ADDRESS OUT OF RANGE */
	CHECK_EQ(s->resp->resid, 1024);
	fill_request(s, 0, READ_10, 0, 2);
	s->req->lun[1] = 4;
	CHECK_EQ(plain(s, 0, 1024), VIRTIO_SCSI_S_BAD_TARGET);
}

static void two_units_in_turn(void)
{
	const struct slot *s = &slots[0];
	unsigned int i;

	REQUIRE(open_scsi());
	memset(s->data, 0x11, BS);
	CHECK_EQ(command(0, WRITE_10, 5, 1, BS, 0), 0);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(command(i % 2, READ_10, 5, 1, 0, BS), 0);
		CHECK_EQ(s->resp->status, 0);
		CHECK(all_bytes(s->data, BS, i % 2 ? 0 : 0x11));
	}
	CHECK_EQ(command(1, WRITE_10, 5, 1, BS, 0), 0);
	CHECK_EQ(s->resp->status, 2);
	CHECK_EQ(s->resp->sense[2], 7); /* DATA PROTECT */
}

/* --- task management --- */

static struct virtio_scsi_ctrl_tmf_resp *tmf_resp;

/* The chain of one that is not submitted yet. */
static int prepare_tmf(uint32_t subtype, unsigned int lun, uint64_t tag)
{
	struct virtio_scsi_ctrl_tmf_req *req;
	struct virtio_scsi_ctrl_tmf_resp *resp;
	struct fe_seg segs[2] = {{.len = sizeof(*req)}, {.len = sizeof(*resp), .write = true}};

	req = fe_mem_alloc(&dev.mem, 4096, &segs[0].gpa);
	resp = fe_mem_alloc(&dev.mem, 4096, &segs[1].gpa);
	*req = (struct virtio_scsi_ctrl_tmf_req){.type = VIRTIO_SCSI_T_TMF, .subtype = subtype};
	req->lun[0] = 1;
	req->lun[1] = 3;
	req->lun[3] = (uint8_t)lun;
	req->tag = tag;
	resp->response = 0xee;
	tmf_resp = resp;
	return fe_vq_chain(control, segs, 2);
}

static int run_tmf(int head)
{
	if (head < 0)
		return head;
	fe_vq_submit(control, (uint16_t)head);
	head = fe_vq_wait(control, NULL, FE_TIMEOUT_MS);
	return head < 0 ? head : tmf_resp->response;
}

static int tmf(uint32_t subtype, unsigned int lun, uint64_t tag)
{
	return run_tmf(prepare_tmf(subtype, lun, tag));
}

/* A read that takes a minute, unless it is ended. */
static bool start_slow(const struct slot *s)
{
	const struct fe_seg segs[] = {
		{s->req_gpa, REQ, false}, {s->resp_gpa, RESP, true}, {s->data_gpa, BS, true}};
	int head;

	fill_request(s, 2, READ_10, 0, 1);
	head = fe_vq_chain(q, segs, 3);
	if (head < 0)
		return false;
	fe_vq_submit(q, (uint16_t)head);
	return true;
}

static void await_task(uint64_t tag)
{
	uint64_t end = fe_now_ns() + 1000000ull * FE_TIMEOUT_MS;

	while (tmf(VIRTIO_SCSI_T_TMF_QUERY_TASK, 2, tag) != VIRTIO_SCSI_S_FUNCTION_SUCCEEDED &&
	       fe_now_ns() < end)
		usleep(1000);
}

static void abort_in_flight(void)
{
	REQUIRE(open_scsi());
	CHECK(start_slow(&slots[0]) && start_slow(&slots[1]));
	await_task(77);
	await_task(78);
	/* Other units go on meanwhile. */
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 0, 0), VIRTIO_SCSI_S_OK);
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_ABORT_TASK, 2, 77), VIRTIO_SCSI_S_OK);
	CHECK(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(slots[0].resp->response, VIRTIO_SCSI_S_ABORTED);
	CHECK_EQ(slots[1].resp->response, 0xee);
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_QUERY_TASK, 2, 78), VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 2, 0), VIRTIO_SCSI_S_OK);
	CHECK(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(slots[1].resp->response, VIRTIO_SCSI_S_RESET);
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 2, 0), VIRTIO_SCSI_S_OK);
}

/* Reads of 256 KiB, more than a round has time for, and then one of the slow unit: its head. */
static int fill_ring(struct fe_vq *ring, unsigned int n, uint64_t data_gpa)
{
	const struct slot *s = &slots[0], *slow = &slots[1];
	const struct fe_seg fast[] = {
		{s->req_gpa, REQ, false}, {s->resp_gpa, RESP, true}, {data_gpa, 256 << 10, true}};
	const struct fe_seg last[] = {{slow->req_gpa, REQ, false},
				      {slow->resp_gpa, RESP, true},
				      {slow->data_gpa, BS, true}};
	unsigned int i;
	int head = -1;

	fill_request(s, 0, READ_10, 0, (256 << 10) / BS);
	fill_request(slow, 2, READ_10, 0, 1);
	for (i = 0; i <= n; i++) {
		head = fe_vq_chain(ring, i < n ? fast : last, 3);
		if (head < 0)
			return head;
		ring->avail[2 + ((ring->avail_idx + i) & (ring->size - 1))] = (uint16_t)head;
	}
	ring->avail_idx = (uint16_t)(ring->avail_idx + n + 1);
	__atomic_store_n(&ring->avail[1], ring->avail_idx, __ATOMIC_SEQ_CST);
	fe_vq_kick(ring);
	return head;
}

/*
 * A reset ends what the guest had put into its ring before, whether that was taken from it already
 * or not: no command completes after the answer.
 */
static void reset_ends_what_lies_in_the_ring(void)
{
	const unsigned int n = 40;
	struct fe_vq *ring;
	uint64_t data_gpa;
	unsigned int i, k;
	int head, slow, got;
	bool seen;

	REQUIRE(open_scsi());
	ring = fe_vq_make(&dev, REQUESTS + 1, 1024);
	REQUIRE_EQ(fe_vq_start(ring, 0), 0);
	fe_mem_alloc(&dev.mem, 256 << 10, &data_gpa);
	for (i = 0; i < 10; i++) {
		head = prepare_tmf(VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 2, 0);
		slow = fill_ring(ring, n, data_gpa);
		REQUIRE(slow >= 0);
		REQUIRE_EQ(run_tmf(head), VIRTIO_SCSI_S_OK);
		for (k = 0, seen = false; (got = fe_vq_poll(ring, NULL)) >= 0; k++)
			seen |= got == slow;
		REQUIRE(seen);
		for (; k <= n; k++)
			REQUIRE(fe_vq_wait(ring, NULL, FE_TIMEOUT_MS) >= 0);
		/* By the reset, or at once, as the one before is to be reported first. */
		CHECK(slots[1].resp->response == VIRTIO_SCSI_S_RESET || slots[1].resp->status == 2);
	}
}

#define CROWD 100

/* More at once than go on at a time, while tasks are in flight that they end: all are answered. */
static void many_at_once(void)
{
	static const uint32_t subtypes[] = {VIRTIO_SCSI_T_TMF_QUERY_TASK_SET,
					    VIRTIO_SCSI_T_TMF_ABORT_TASK,
					    VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET};
	const struct virtio_scsi_ctrl_tmf_resp *resps[CROWD];
	unsigned int i;
	int heads[CROWD];

	REQUIRE(open_scsi());
	CHECK(start_slow(&slots[0]) && start_slow(&slots[1]));
	for (i = 0; i < CROWD; i++) {
		heads[i] = prepare_tmf(subtypes[i % 3], 2, 77);
		REQUIRE(heads[i] >= 0);
		resps[i] = tmf_resp;
	}
	for (i = 0; i < CROWD; i++)
		fe_vq_submit(control, (uint16_t)heads[i]);
	for (i = 0; i < CROWD; i++)
		REQUIRE(fe_vq_wait(control, NULL, FE_TIMEOUT_MS) >= 0);
	for (i = 0; i < CROWD; i++)
		CHECK(resps[i]->response == VIRTIO_SCSI_S_OK ||
		      resps[i]->response == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	for (i = 0; i < 2; i++)
		CHECK(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 2, 0), VIRTIO_SCSI_S_OK);
}

/* The next command on the unit reports the reset, also one that would take the short way. */
static void reset_is_reported(void)
{
	const struct slot *s = &slots[0];

	REQUIRE(open_scsi());
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0), VIRTIO_SCSI_S_OK);
	CHECK_EQ(command(0, READ_10, 0, 1, 0, BS), 0);
	CHECK_EQ(s->resp->status, 2);
	CHECK_EQ(s->resp->sense[12], 0x29);
	CHECK_EQ(command(0, READ_10, 0, 1, 0, BS), 0);
	CHECK_EQ(s->resp->status, 0);
}

/* Types that the standard does not have, with and without room for an answer: nothing stops. */
static void unknown_control_requests(void)
{
	static const uint32_t types[] = {3, 0x100, UINT32_MAX};
	struct fe_seg segs[2] = {{.len = 24}, {.len = 5, .write = true}};
	uint32_t *req, len;
	uint8_t *resp;
	unsigned int i;
	int head;

	REQUIRE(open_scsi());
	req = fe_mem_alloc(&dev.mem, 4096, &segs[0].gpa);
	resp = fe_mem_alloc(&dev.mem, 4096, &segs[1].gpa);
	for (i = 0; i < 6; i++) {
		*req = types[i / 2];
		memset(resp, 0xee, 5);
		head = fe_vq_chain(control, segs, i % 2 ? 1 : 2);
		REQUIRE(head >= 0);
		fe_vq_submit(control, (uint16_t)head);
		REQUIRE_EQ(fe_vq_wait(control, &len, FE_TIMEOUT_MS), head);
		CHECK_EQ(len, i % 2 ? 0 : 1);
		CHECK_EQ(resp[0], i % 2 ? 0xee : VIRTIO_SCSI_S_FUNCTION_REJECTED);
		CHECK_EQ(resp[1], 0xee);
	}
	CHECK_EQ(tmf(VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 0, 0), VIRTIO_SCSI_S_OK);
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test_case cases[] = {
	CASE(read_and_write),	 CASE(whole_response),
	CASE(layouts),		 CASE(residuals_and_errors),
	CASE(two_units_in_turn), CASE(abort_in_flight),
	CASE(reset_is_reported), CASE(reset_ends_what_lies_in_the_ring),
	CASE(many_at_once),	 CASE(unknown_control_requests),
};

FE_TEST_MAIN("scsi", cases, &config)
