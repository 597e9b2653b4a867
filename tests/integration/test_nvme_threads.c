/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several reactors, polling modes and controllers: verified load from several threads, under each
 * of them and while controllers come, go and stop.
 */
#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

#define BDEVS                                                                                      \
	"  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"                           \
	"  - {name: ram1, type: malloc, size: 64MiB, block_size: 4096}\n"                          \
	"  - {name: file0, type: file, path: @/disk, size: 64MiB, block_size: 512,"                \
	" direct: false, create: true}\n"

static const struct fe_daemon_config config = {
	.cpus = "[0, 1]",
	.bdevs = BDEVS,
	.controllers =
		"  - {name: spread, type: nvme, io_queues: 8, namespaces: [{bdev: ram0},"
		" {bdev: ram1}, {bdev: file0}]}\n"
		"  - {name: first, type: nvme, io_queues: 2, cpus: [0], namespaces: [{bdev: ram0}]}\n"
		"  - {name: second, type: nvme, io_queues: 2, cpus: [1], namespaces: [{bdev: ram0}]}\n"
		"  - {name: asleep, type: nvme, io_queues: 2, poll: interrupt,"
		" namespaces: [{bdev: ram1}]}\n"
		"  - {name: awake, type: nvme, io_queues: 2, poll: busy, namespaces: [{bdev: ram1}]}\n",
};

#define MAX_CTRLS 4
#define MAX_LOADS 8

static struct fe_nvme ctrls[MAX_CTRLS];
static struct fe_qpair qps[MAX_LOADS];
static struct fe_load loads[MAX_LOADS];

/* Where several loads write to one bdev each needs blocks of its own. */
static bool start_load(unsigned int i, struct fe_nvme *n, uint16_t qid, uint32_t nsid,
		       uint32_t block_size)
{
	if (fe_nvme_create_qpair(n, &qps[i], qid, 64))
		return false;
	loads[i] = (struct fe_load){
		.qp = &qps[i],
		.nsid = nsid,
		.lba = i * 8192 / (block_size / 512),
		.nblocks = 8192 / block_size,
		.block_size = block_size,
		.depth = 24,
		.verify = true,
	};
	return fe_load_start(&loads[i]) == 0;
}

static void stop_loads(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		fe_load_stop(&loads[i]);
		CHECK_EQ(loads[i].failed, 0);
		CHECK_EQ(loads[i].corrupted, 0);
		CHECK(!loads[i].stalled);
	}
}

static void close_all(void)
{
	unsigned int i;

	for (i = 0; i < MAX_LOADS; i++)
		fe_load_abandon(&loads[i]);
	for (i = 0; i < MAX_CTRLS; i++)
		fe_nvme_close(&ctrls[i]);
}

/* Six queues of one controller over two reactors, on three kinds of bdev. */
static void test_queues_on_two_reactors(void)
{
	static const uint32_t nsids[] = {1, 2, 3}, block_sizes[] = {512, 4096, 512};
	unsigned int i;

	close_all();
	REQUIRE(fe_fixture_open(&ctrls[0], "spread", NULL));
	CHECK(fe_daemon_thread(&fe_daemon, "reactor-0") > 0);
	CHECK(fe_daemon_thread(&fe_daemon, "reactor-1") > 0);
	for (i = 0; i < 6; i++)
		REQUIRE(start_load(i, &ctrls[0], (uint16_t)(i + 1), nsids[i % 3],
				   block_sizes[i % 3]));
	for (i = 0; i < 6; i++)
		CHECK_EQ(fe_load_wait(&loads[i], 1500), 0);
	stop_loads(6);
}

static void test_shadow_doorbells_on_two_reactors(void)
{
	unsigned int i;

	close_all();
	REQUIRE(fe_fixture_open(&ctrls[0], "spread", NULL));
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrls[0]), 0);
	for (i = 0; i < 6; i++)
		REQUIRE(start_load(i, &ctrls[0], (uint16_t)(i + 1), 1, 512));
	for (i = 0; i < 6; i++)
		CHECK_EQ(fe_load_wait(&loads[i], 1500), 0);
	stop_loads(6);
}

/* Four controllers, on one reactor, the other, both; all on the same two bdevs. */
static void test_several_controllers(void)
{
	static const char *const names[] = {"spread", "first", "second", "asleep"};
	unsigned int i;

	close_all();
	for (i = 0; i < 4; i++) {
		REQUIRE(fe_fixture_open(&ctrls[i], names[i], NULL));
		REQUIRE(start_load(i, &ctrls[i], 1, 1, i == 3 ? 4096 : 512));
	}
	for (i = 0; i < 4; i++)
		CHECK_EQ(fe_load_wait(&loads[i], 1500), 0);
	stop_loads(4);
}

/* One controller's life goes up and down while another has load on the same reactors. */
static void test_neighbours_do_not_notice(void)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	unsigned int round;

	close_all();
	REQUIRE(fe_fixture_open(&ctrls[0], "spread", NULL));
	REQUIRE(start_load(0, &ctrls[0], 1, 1, 512));
	REQUIRE(start_load(1, &ctrls[0], 2, 3, 512));
	for (round = 0; round < 20; round++) {
		struct fe_qpair qp;

		REQUIRE(fe_fixture_open(&ctrls[1], "second", NULL));
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrls[1], &qp, 1, 8), 0);
		CHECK_EQ(fe_exec(&qp.sq, &sqe, NULL), 0);
		if (round % 3 == 0)
			CHECK_EQ(fe_nvme_control(&ctrls[1], VHOST_USER_NVME_RESET, 0), 0);
		if (round % 3 == 1)
			CHECK_EQ(fe_nvme_control(&ctrls[1], VHOST_USER_NVME_STOP, 0), 0);
		CHECK_EQ(fe_load_wait(&loads[0], 20), 0);
	}
	stop_loads(2);
}

/* Each stop really stops all reactors' queues, and each start really starts them. */
static void test_stop_and_start_on_two_reactors(void)
{
	unsigned int i, round;

	close_all();
	REQUIRE(fe_fixture_open(&ctrls[0], "spread", NULL));
	for (i = 0; i < 4; i++)
		REQUIRE(start_load(i, &ctrls[0], (uint16_t)(i + 1), 1 + i % 3,
				   i % 3 == 1 ? 4096 : 512));
	for (round = 0; round < 20; round++) {
		static struct fe_cqe before[4][64];

		REQUIRE_EQ(fe_nvme_control(&ctrls[0], VHOST_USER_NVME_STOP, 0), 0);
		for (i = 0; i < 4; i++)
			memcpy(before[i], qps[i].cq.ring, sizeof(before[i]));
		fe_sleep_us(1000);
		for (i = 0; i < 4; i++)
			CHECK(memcmp(before[i], qps[i].cq.ring, sizeof(before[i])) == 0);
		REQUIRE_EQ(fe_nvme_control(&ctrls[0], VHOST_USER_NVME_START, 0), 0);
		for (i = 0; i < 4; i++)
			CHECK_EQ(fe_load_wait(&loads[i], 30), 0);
	}
	stop_loads(4);
}

/*
 * Pauses of all lengths between commands, so that each meets the reactor polling, going to sleep,
 * or asleep; the answer is awaited by interrupt.
 */
static void pauses(const char *controller, bool shadow)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	struct fe_cqe cqe;
	unsigned int i;

	close_all();
	REQUIRE(fe_fixture_open(&ctrls[0], controller, NULL));
	if (shadow)
		REQUIRE_EQ(fe_nvme_enable_shadow(&ctrls[0]), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrls[0], &qps[0], 1, 16), 0);
	for (i = 0; i < 500; i++) {
		fe_submit(&qps[0].sq, &sqe);
		REQUIRE(fe_nvme_irqs(&ctrls[0], 1, FE_TIMEOUT_MS) > 0);
		REQUIRE(fe_cq_poll(&qps[0].cq, &cqe));
		fe_cq_ring(&qps[0].cq);
		fe_sleep_us(i % 150);
	}
}

static void test_interrupt_mode(void)
{
	pauses("asleep", false);
	pauses("asleep", true);
}

static void test_adaptive_mode(void)
{
	pauses("first", false);
	pauses("first", true);
}

static void test_busy_mode(void)
{
	pauses("awake", false);
	pauses("awake", true);
}

static const struct test_case cases[] = {
	{"queues_on_two_reactors", test_queues_on_two_reactors},
	{"shadow_doorbells_on_two_reactors", test_shadow_doorbells_on_two_reactors},
	{"several_controllers", test_several_controllers},
	{"neighbours_do_not_notice", test_neighbours_do_not_notice},
	{"stop_and_start_on_two_reactors", test_stop_and_start_on_two_reactors},
	{"interrupt_mode", test_interrupt_mode},
	{"adaptive_mode", test_adaptive_mode},
	{"busy_mode", test_busy_mode},
};

FE_TEST_MAIN("nvme_threads", cases, &config)
