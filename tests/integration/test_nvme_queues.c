/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues: sizes and wraps, many of them, shared completion queues, arbitration, phase bits and
 * interrupts (NVMe 1.4, 4.1, 4.6, 4.13, 7.5).
 */
#include <errno.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

#define IO_QUEUES 64

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: null0, type: null, size: 1TiB, block_size: 512}\n",
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 64,"
		       " namespaces: [{bdev: ram0}, {bdev: null0}]}\n",
};

enum { NS_RAM = 1, NS_NULL = 2 };

static struct fe_nvme ctrl;
static struct fe_qpair qps[IO_QUEUES];
static struct fe_load loads[IO_QUEUES];

static bool open_controller(void)
{
	const struct fe_nvme_opts opts = {.ram_bytes = 128ULL << 20};

	return fe_fixture_open(&ctrl, "nvme0", &opts);
}

static void test_sizes_and_wraps(void)
{
	static const uint32_t sizes[] = {2,   3,   4,	5,   7,	   8,	 15,  16,
					 17,  31,  64,	100, 127,  128,	 255, 256,
					 257, 511, 512, 513, 1000, 1023, 1024};
	size_t i;

	REQUIRE(open_controller());
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t n = sizes[i];
		int err;

		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, n), 0);
		/* Three laps and a bit, so that the phase changes more than once. */
		err = fe_run_flushes(&qps[0], 3 * n + 2, n);
		if (!CHECK_EQ(err, 0))
			printf("# size %u\n", n);
		CHECK_EQ(fe_run_flushes(&qps[0], n, 1), 0);
		REQUIRE_EQ(fe_nvme_delete_qpair(&ctrl, &qps[0]), 0);
	}
}

/* The SQ may be much larger than its CQ, and the other way round. */
static void test_unequal_sizes(void)
{
	static const uint32_t sizes[][2] = {{1024, 2}, {2, 1024}, {64, 3}, {3, 64}, {1024, 1000}};
	size_t i;

	REQUIRE(open_controller());
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		REQUIRE_EQ(fe_nvme_create_cq(&ctrl, &qps[0].cq, 1, sizes[i][1], 1, true), 0);
		REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &qps[0].sq, 1, sizes[i][0], &qps[0].cq), 0);
		CHECK_EQ(fe_run_flushes(&qps[0], 2500, 1000), 0);
		REQUIRE_EQ(fe_nvme_delete_qpair(&ctrl, &qps[0]), 0);
	}
}

/* A completion queue that is full holds completions back, and loses none. */
static void test_full_completion_queue(void)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	bool seen[60] = {false};
	unsigned int i, got = 0;
	struct fe_cqe cqe;

	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_create_cq(&ctrl, &qps[0].cq, 1, 4, 1, true), 0);
	REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &qps[0].sq, 1, 64, &qps[0].cq), 0);
	for (i = 0; i < 60; i++) {
		sqe.cid = (uint16_t)i;
		fe_sq_push(&qps[0].sq, &sqe);
	}
	fe_sq_ring(&qps[0].sq);
	/* Three fit into four slots. */
	CHECK(FE_WAIT_FOR((__atomic_load_n(&qps[0].cq.ring[2].status, __ATOMIC_ACQUIRE) & 1) == 1,
			  FE_TIMEOUT_MS));
	fe_sleep_us(FE_QUIET_MS * 1000);
	CHECK_EQ(qps[0].cq.ring[3].status & 1, 0);
	while (got < 60 && fe_cq_wait(&qps[0].cq, &cqe, FE_TIMEOUT_MS) == 0) {
		REQUIRE(cqe.cid < 60 && !seen[cqe.cid]);
		seen[cqe.cid] = true;
		got++;
	}
	CHECK_EQ(got, 60);
	CHECK_EQ(fe_cq_wait(&qps[0].cq, &cqe, FE_QUIET_MS), -ETIMEDOUT);
}

static bool start_load(unsigned int i, uint32_t nsid, bool verify, unsigned int depth)
{
	loads[i] = (struct fe_load){
		.qp = &qps[i],
		.nsid = nsid,
		.lba = 4096 * i % 65536,
		.nblocks = 8,
		.block_size = 512,
		.depth = depth,
		.verify = verify,
	};
	return fe_load_start(&loads[i]) == 0;
}

/* All 64 pairs exist at once and carry verified I/O; threads serve eight of them at a time. */
static void test_all_queue_pairs(void)
{
	unsigned int i, k;

	REQUIRE(open_controller());
	for (i = 0; i < IO_QUEUES; i++)
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[i], (uint16_t)(i + 1), 32), 0);
	for (i = 0; i < IO_QUEUES; i++)
		CHECK_EQ(fe_run_flushes(&qps[i], 100, 16), 0);
	for (i = 0; i < IO_QUEUES; i += 8) {
		for (k = i; k < i + 8; k++)
			REQUIRE(start_load(k, NS_RAM, true, 8));
		for (k = i; k < i + 8; k++)
			CHECK_EQ(fe_load_wait(&loads[k], 200), 0);
		for (k = i; k < i + 8; k++) {
			fe_load_stop(&loads[k]);
			CHECK_EQ(loads[k].failed, 0);
			CHECK_EQ(loads[k].corrupted, 0);
			CHECK(!loads[k].stalled);
		}
	}
	for (i = 0; i < IO_QUEUES; i++)
		CHECK_EQ(fe_nvme_delete_qpair(&ctrl, &qps[i]), 0);
}

/* Queue identifiers need neither order nor neighbours, and come back after deletion. */
static void test_queue_identifiers(void)
{
	static const uint16_t ids[] = {64, 1, 33, 7, 63, 2};
	unsigned int i, round;

	REQUIRE(open_controller());
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 6; i++) {
			struct fe_cq *cq = &qps[i].cq;

			/* The SQ's identifier differs from its CQ's. */
			REQUIRE_EQ(fe_nvme_create_cq(&ctrl, cq, ids[i], 8, ids[i], true), 0);
			REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &qps[i].sq, ids[5 - i], 8, cq), 0);
		}
		for (i = 0; i < 6; i++)
			CHECK_EQ(fe_run_flushes(&qps[i], 20, 7), 0);
		for (i = 0; i < 6; i++)
			CHECK_EQ(fe_nvme_delete_qpair(&ctrl, &qps[i]), 0);
	}
}

#define SHARERS 8

static void test_shared_completion_queue(void)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	unsigned int i, k, per_sq[SHARERS + 2] = {0};
	static struct fe_sq sqs[SHARERS];
	struct fe_cqe cqe;

	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_create_cq(&ctrl, &qps[0].cq, 1, 16, 1, true), 0);
	for (i = 0; i < SHARERS; i++)
		REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &sqs[i], (uint16_t)(i + 2), 32, &qps[0].cq), 0);
	/* More commands than the completion queue has room for. */
	for (i = 0; i < SHARERS; i++) {
		for (k = 0; k < 31; k++) {
			sqe.cid = (uint16_t)(i << 8 | k);
			fe_sq_push(&sqs[i], &sqe);
		}
		fe_sq_ring(&sqs[i]);
	}
	for (i = 0; i < SHARERS * 31; i++) {
		REQUIRE_EQ(fe_cq_wait(&qps[0].cq, &cqe, FE_TIMEOUT_MS), 0);
		REQUIRE(cqe.sqid >= 2 && cqe.sqid < SHARERS + 2);
		CHECK_EQ(cqe.cid >> 8, cqe.sqid - 2);
		CHECK_EQ(fe_status(&cqe), 0);
		per_sq[cqe.sqid]++;
	}
	for (i = 0; i < SHARERS; i++)
		CHECK_EQ(per_sq[i + 2], 31);
	/* One of the sharers goes, the others stay. */
	sqe = fe_sqe_delete(nvme_admin_delete_sq, 2);
	CHECK_EQ(fe_exec(&ctrl.admin.sq, &sqe, NULL), 0);
	sqe = fe_sqe_flush(NS_RAM);
	CHECK_EQ(fe_exec(&sqs[1], &sqe, NULL), 0);
	sqe = fe_sqe_delete(nvme_admin_delete_cq, 1);
	CHECK_EQ(FE_SC(fe_exec(&ctrl.admin.sq, &sqe, NULL)), FE_CMD_SPEC(NVME_SC_INVALID_QUEUE));
}

/* Fills the queue with commands and rings. */
static void queue_up(struct fe_sq *sq, unsigned int n)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_NULL);

	while (n-- > 0)
		fe_sq_push(sq, &sqe);
	fe_sq_ring(sq);
}

/*
 * Three queues on one CQ, filled while the controller stands still: the order of the completions is
 * that of the fetches. A single command does not wait behind the others' backlogs, and these share
 * the rest.
 */
static void arbitrate(uint32_t burst_log2)
{
	struct fe_sqe sqe = fe_sqe_set_features(NVME_FEAT_FID_ARBITRATION, 0, burst_log2);
	unsigned int i, run = 0, longest = 0, last = 0, single = 0;
	static struct fe_sq sqs[3];
	struct fe_cqe cqe;

	REQUIRE(open_controller());
	CHECK_EQ(fe_exec(&ctrl.admin.sq, &sqe, NULL), 0);
	REQUIRE_EQ(fe_nvme_create_cq(&ctrl, &qps[0].cq, 1, 512, 1, true), 0);
	for (i = 0; i < 3; i++)
		REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &sqs[i], (uint16_t)(i + 1), 256, &qps[0].cq),
			   0);
	REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_STOP, 0), 0);
	queue_up(&sqs[0], 200);
	queue_up(&sqs[1], 200);
	queue_up(&sqs[2], 1);
	REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
	for (i = 0; i < 401; i++) {
		REQUIRE_EQ(fe_cq_wait(&qps[0].cq, &cqe, FE_TIMEOUT_MS), 0);
		run = cqe.sqid == last ? run + 1 : 1;
		last = cqe.sqid;
		if (run > longest)
			longest = run;
		if (cqe.sqid == 3)
			single = i;
	}
	CHECK(single <= 2u << burst_log2);
	/* A round may begin with the queue that the last one ended with. */
	CHECK(longest <= 2u << burst_log2);
}

static void test_arbitration(void)
{
	arbitrate(0);
	arbitrate(2);
	arbitrate(5);
}

static void test_interrupts(void)
{
	struct fe_sqe features = fe_sqe_get_features(NVME_FEAT_FID_NUM_QUEUES, 0, 0);
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	struct fe_cqe cqe;
	unsigned int i;

	REQUIRE(open_controller());
	for (i = 0; i < 4; i++)
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[i], (uint16_t)(i + 1), 16), 0);
	/* Of what came before, there is one at most: completions that were polled need none. */
	fe_nvme_irqs(&ctrl, 0, 0);
	fe_submit(&ctrl.admin.sq, &features);
	CHECK(fe_nvme_irqs(&ctrl, 0, FE_TIMEOUT_MS) > 0);
	REQUIRE_EQ(fe_cq_wait(&ctrl.admin.cq, &cqe, FE_TIMEOUT_MS), 0);
	fe_cq_ring(&ctrl.admin.cq);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(fe_nvme_irqs(&ctrl, i + 1, 0), 0);
		fe_submit(&qps[i].sq, &sqe);
		CHECK(fe_nvme_irqs(&ctrl, i + 1, FE_TIMEOUT_MS) > 0);
		/* The completion is there when the interrupt comes. */
		CHECK(fe_cq_poll(&qps[i].cq, &cqe));
		fe_cq_ring(&qps[i].cq);
	}
	for (i = 1; i < 5; i++)
		CHECK_EQ(fe_nvme_irqs(&ctrl, i, 0), 0);
}

static void test_interrupts_disabled(void)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	unsigned int i;

	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_create_cq(&ctrl, &qps[0].cq, 1, 16, 1, false), 0);
	REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &qps[0].sq, 1, 16, &qps[0].cq), 0);
	for (i = 0; i < 50; i++)
		CHECK_EQ(fe_exec(&qps[0].sq, &sqe, NULL), 0);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 1, FE_QUIET_MS), 0);
}

/* Several completion queues on one vector. */
static void test_shared_vector(void)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	struct fe_cqe cqe;
	unsigned int i;

	REQUIRE(open_controller());
	for (i = 0; i < 3; i++) {
		struct fe_cq *cq = &qps[i].cq;

		REQUIRE_EQ(fe_nvme_create_cq(&ctrl, cq, (uint16_t)(i + 1), 16, 2, true), 0);
		REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &qps[i].sq, (uint16_t)(i + 1), 16, cq), 0);
	}
	for (i = 0; i < 3; i++) {
		fe_submit(&qps[i].sq, &sqe);
		CHECK(fe_nvme_irqs(&ctrl, 2, FE_TIMEOUT_MS) > 0);
		CHECK_EQ(fe_cq_wait(&qps[i].cq, &cqe, FE_TIMEOUT_MS), 0);
	}
	CHECK_EQ(fe_nvme_irqs(&ctrl, 1, 0) + fe_nvme_irqs(&ctrl, 3, 0), 0);
}

/* Sleeps on the interrupt after each batch: an interrupt that does not come hangs this. */
static void test_no_lost_interrupt(void)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	struct fe_cqe cqe;
	unsigned int i, k;

	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 64), 0);
	for (i = 0; i < 3000; i++) {
		unsigned int batch = 1 + i % 17, got = 0;

		for (k = 0; k < batch; k++)
			fe_sq_push(&qps[0].sq, &sqe);
		fe_sq_ring(&qps[0].sq);
		while (got < batch) {
			REQUIRE(fe_nvme_irqs(&ctrl, 1, FE_TIMEOUT_MS) > 0);
			while (fe_cq_poll(&qps[0].cq, &cqe))
				got++;
			fe_cq_ring(&qps[0].cq);
		}
		if (i % 64 == 0)
			fe_sleep_us(300); /* long enough for the daemon to fall asleep */
	}
}

static const struct test_case cases[] = {
	{"sizes_and_wraps", test_sizes_and_wraps},
	{"unequal_sizes", test_unequal_sizes},
	{"full_completion_queue", test_full_completion_queue},
	{"all_queue_pairs", test_all_queue_pairs},
	{"queue_identifiers", test_queue_identifiers},
	{"shared_completion_queue", test_shared_completion_queue},
	{"arbitration", test_arbitration},
	{"interrupts", test_interrupts},
	{"interrupts_disabled", test_interrupts_disabled},
	{"shared_vector", test_shared_vector},
	{"no_lost_interrupt", test_no_lost_interrupt},
};

FE_TEST_MAIN("nvme_queues", cases, &config)
