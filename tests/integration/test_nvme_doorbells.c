/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells: the shadow buffers of Doorbell Buffer Config and their EventIdx (NVMe 1.4, 5.7, 7.13),
 * and the polled doorbell page.
 */
#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: null0, type: null, size: 1TiB, block_size: 512}\n",
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 8,"
		       " namespaces: [{bdev: ram0}, {bdev: null0}]}\n"
		       "  - {name: busy0, type: nvme, io_queues: 1, poll: busy,"
		       " namespaces: [{bdev: ram0}, {bdev: null0}]}\n",
};

enum { NS_RAM = 1, NS_NULL = 2 };

static struct fe_nvme ctrl;
static struct fe_qpair qps[8];
static struct fe_load load;

static bool open_controller(void)
{
	return fe_fixture_open(&ctrl, "nvme0", NULL);
}

/* A controller that always polls wants no kick: hardly any doorbell update is one. */
static void test_shadow_doorbells(void)
{
	uint64_t kicks;

	REQUIRE(fe_fixture_open(&ctrl, "busy0", NULL));
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 128), 0);
	CHECK_EQ(fe_run_flushes(&qps[0], 10000, 100), 0);
	load = (struct fe_load){
		.qp = &qps[0], .nsid = NS_NULL, .nblocks = 8, .block_size = 512, .depth = 64};
	REQUIRE_EQ(fe_load_start(&load), 0);
	CHECK_EQ(fe_load_wait(&load, 20000), 0);
	fe_load_stop(&load);
	kicks = qps[0].sq.kicks;
	CHECK(qps[0].sq.rings > 100);
	CHECK(kicks * 10 < qps[0].sq.rings);
	printf("# %llu doorbell updates, %llu kicks\n", (unsigned long long)qps[0].sq.rings,
	       (unsigned long long)kicks);
}

/* After a pause the controller sleeps, and EventIdx has to ask for the kick that wakes it. */
static void test_shadow_wakeup(void)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	unsigned int i;

	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 8), 0);
	for (i = 0; i < 300; i++) {
		REQUIRE_EQ(fe_exec(&qps[0].sq, &sqe, NULL), 0);
		/* From shorter than the polling time up to a certain sleep. */
		fe_sleep_us(i % 100 * 5);
	}
	CHECK(qps[0].sq.kicks > 0);
}

/*
 * The controller only reads the shadow page: a second mapping of the file is compared against what
 * the host wrote, word by word, after load on several queues.
 */
static void test_shadow_page_is_not_written(void)
{
	uint32_t expected[FE_PAGE / 4];
	unsigned int i;

	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	/* A mark in every word that belongs to no queue of ours. */
	for (i = 20; i < FE_PAGE / 4; i++)
		ctrl.shadow[i] = 0xd00d0000u + i;
	memcpy(expected, ctrl.shadow, sizeof(expected));
	for (i = 0; i < 4; i++)
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[i], (uint16_t)(i + 1), 64), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(fe_run_flushes(&qps[i], 1000 + i, 32), 0);
	for (i = 0; i < 4; i++) {
		expected[2 * (i + 1)] = qps[i].sq.tail;
		expected[2 * (i + 1) + 1] = qps[i].cq.head;
	}
	fe_sleep_us(5000);
	CHECK(memcmp(expected, ctrl.shadow, sizeof(expected)) == 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(fe_nvme_delete_qpair(&ctrl, &qps[i]), 0);
	CHECK(memcmp(expected, ctrl.shadow, sizeof(expected)) == 0);
	REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
	CHECK(memcmp(expected, ctrl.shadow, sizeof(expected)) == 0);
}

/* Doorbell Buffer Config may come when queues exist and have already moved. */
static void test_shadow_for_existing_queues(void)
{
	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 16), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[1], 2, 16), 0);
	CHECK_EQ(fe_run_flushes(&qps[0], 21, 8), 0);
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	CHECK_EQ(fe_run_flushes(&qps[0], 100, 8), 0);
	CHECK_EQ(fe_run_flushes(&qps[1], 100, 8), 0);
	/* A second one replaces the first. */
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	CHECK_EQ(fe_run_flushes(&qps[0], 100, 8), 0);
	CHECK_EQ(fe_run_flushes(&qps[1], 100, 8), 0);
}

/* A controller reset takes the shadows away: real doorbells count again. */
static void test_shadow_ends_with_reset(void)
{
	REQUIRE(open_controller());
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 16), 0);
	CHECK_EQ(fe_run_flushes(&qps[0], 21, 8), 0);
	REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 16), 0);
	CHECK_EQ(fe_run_flushes(&qps[0], 100, 8), 0);
}

/* doorbells=mapped: there is never a kick, the controller has to look by itself. */
static void test_mapped_doorbells(void)
{
	const struct fe_nvme_opts opts = {.mapped = true};
	unsigned int i;

	fe_nvme_close(&ctrl);
	REQUIRE_EQ(fe_nvme_attach(&ctrl, fe_daemon_socket(&fe_daemon, "nvme0"), &opts), 0);
	REQUIRE_EQ(fe_vhost_set_vring_kick(&ctrl.vhost, 0, -1), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 16), 0);
	for (i = 0; i < 20; i++) {
		CHECK_EQ(fe_run_flushes(&qps[0], 50, 8), 0);
		fe_sleep_us(1000);
	}
	CHECK(fe_daemon_logged(&fe_daemon, 0, "nvme0", "doorbell"));
}

/*
 * The host's handler has taken the first completion and is about to write the head, when the second
 * one is posted. Its interrupt may wait for that head, but not beyond the controller's falling
 * asleep.
 */
static void late_completion(const char *controller, bool ring_head)
{
	struct fe_sqe sqe = fe_sqe_flush(NS_RAM);
	struct fe_cqe cqe;
	unsigned int i;

	REQUIRE(fe_fixture_open(&ctrl, controller, NULL));
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 16), 0);
	for (i = 0; i < 20; i++) {
		const struct fe_cqe *second;

		fe_submit(&qps[0].sq, &sqe);
		REQUIRE(fe_nvme_irqs(&ctrl, 1, FE_TIMEOUT_MS) > 0);
		REQUIRE(fe_cq_poll(&qps[0].cq, &cqe));
		second = &qps[0].cq.ring[qps[0].cq.head];
		fe_submit(&qps[0].sq, &sqe);
		CHECK(FE_WAIT_FOR((__atomic_load_n(&second->status, __ATOMIC_ACQUIRE) & 1) ==
					  qps[0].cq.phase,
				  FE_TIMEOUT_MS));
		fe_sleep_us(i * 20);
		if (ring_head)
			fe_cq_ring(&qps[0].cq);
		REQUIRE(fe_nvme_irqs(&ctrl, 1, FE_TIMEOUT_MS) > 0);
		REQUIRE(fe_cq_poll(&qps[0].cq, &cqe));
		fe_cq_ring(&qps[0].cq);
	}
}

static void test_interrupt_of_late_completion(void)
{
	late_completion("nvme0", false);
	late_completion("nvme0", true);
	late_completion("busy0", true);
}

static const struct test_case cases[] = {
	{"shadow_doorbells", test_shadow_doorbells},
	{"shadow_wakeup", test_shadow_wakeup},
	{"shadow_page_is_not_written", test_shadow_page_is_not_written},
	{"shadow_for_existing_queues", test_shadow_for_existing_queues},
	{"shadow_ends_with_reset", test_shadow_ends_with_reset},
	{"interrupt_of_late_completion", test_interrupt_of_late_completion},
	{"mapped_doorbells", test_mapped_doorbells},
};

FE_TEST_MAIN("nvme_doorbells", cases, &config)
