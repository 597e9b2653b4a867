/* SPDX-License-Identifier: BSD-3-Clause */
/* As much of everything as a controller promises. */
#include <endian.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

#define NS(n) "{bdev: ram0, nsid: " #n "}, "
#define NS10(t)                                                                                    \
	NS(t##0) NS(t##1) NS(t##2) NS(t##3) NS(t##4) NS(t##5) NS(t##6) NS(t##7) NS(t##8) NS(t##9)
#define QUEUES	 64
#define ENTRIES	 1024
#define GUEST_MB 8u

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 64MiB, block_size: 4096}\n",
	/* 50 in a row, and the highest number of all. */
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 64, namespaces: [" NS10(1) NS10(2)
		NS10(3) NS10(4) NS10(5) "{bdev: ram1, nsid: 256}]}\n",
};

static struct fe_nvme ctrl;
static struct fe_qpair qps[QUEUES];

static void test_many_namespaces(void)
{
	const uint32_t *list;
	struct fe_buf buf;
	uint32_t i;

	REQUIRE(fe_fixture_open_io(&ctrl, "nvme0", &qps[0], 64));
	fe_buf_alloc(&ctrl, &buf, FE_PAGE);
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0, &buf), 0);
	list = (void *)buf.va;
	for (i = 0; i < 50; i++)
		CHECK_EQ(le32toh(list[i]), 10 + i);
	CHECK_EQ(le32toh(list[50]), 256);
	CHECK_EQ(list[51], 0);
	for (i = 10; i < 60; i++)
		CHECK_EQ(fe_verify(&qps[0].sq, i, i * 8, 8, 512, &buf, i), 0);
	CHECK_EQ(fe_verify(&qps[0].sq, 256, 0, 1, 4096, &buf, 9), 0);
	CHECK_EQ(fe_rw(&qps[0].sq, nvme_cmd_read, 255, 0, 8, 512, &buf),
		 NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(fe_rw(&qps[0].sq, nvme_cmd_read, 257, 0, 8, 512, &buf),
		 NVME_SC_INVALID_NS | FE_DNR);
}

/* All queues, all as long as they can be, all full at once. */
static void test_all_queues_full(void)
{
	const struct fe_nvme_opts opts = {.ram_bytes = 64ULL << 20};
	struct fe_sqe sqe = fe_sqe_flush(10);
	struct fe_cqe cqe;
	unsigned int i, k;

	REQUIRE(fe_fixture_open(&ctrl, "nvme0", &opts));
	for (i = 0; i < QUEUES; i++)
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[i], (uint16_t)(i + 1), ENTRIES), 0);
	for (i = 0; i < QUEUES; i++) {
		for (k = 0; k < ENTRIES - 1; k++) {
			sqe.cid = (uint16_t)k;
			fe_sq_push(&qps[i].sq, &sqe);
		}
		fe_sq_ring(&qps[i].sq);
	}
	for (i = 0; i < QUEUES; i++) {
		for (k = 0; k < ENTRIES - 1; k++) {
			REQUIRE_EQ(fe_cq_wait(&qps[i].cq, &cqe, FE_TIMEOUT_MS), 0);
			REQUIRE_EQ(fe_status(&cqe), 0);
			REQUIRE_EQ(cqe.sqid, i + 1);
		}
	}
	for (i = 0; i < QUEUES; i++)
		CHECK_EQ(fe_exec_by_irq(&qps[i], &sqe), 0);
}

/* Seven regions of RAM, each with a transfer that touches all of them. */
static void test_seven_memory_regions(void)
{
	uint64_t pages[56], gpa, list_gpa;
	uint8_t *va[56];
	uint64_t *list;
	struct fe_sqe sqe;
	unsigned int i;

	fe_nvme_close(&ctrl);
	fe_nvme_init(&ctrl);
	REQUIRE_EQ(fe_nvme_connect(&ctrl, fe_daemon_socket(&fe_daemon, "nvme0")), 0);
	REQUIRE_EQ(fe_nvme_make_memory(&ctrl, NULL), 0);
	/* The device memory stays the last. */
	for (i = 0; i < 5; i++) {
		size_t last = ctrl.mem.nregions;
		struct fe_mem_region r;

		REQUIRE(fe_mem_add(&ctrl.mem, (8ULL + i) << 30, GUEST_MB << 20) >= 0);
		r = ctrl.mem.regions[last];
		ctrl.mem.regions[last] = ctrl.mem.regions[last - 1];
		ctrl.mem.regions[last - 1] = r;
	}
	REQUIRE_EQ(ctrl.mem.nregions, 8);
	REQUIRE_EQ(fe_vhost_set_mem_table(&ctrl.vhost, &ctrl.mem), 0);
	REQUIRE_EQ(fe_nvme_send_vectors(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[0], 1, 16), 0);
	for (i = 0; i < 56; i++) {
		va[i] = fe_mem_alloc_in(&ctrl.mem, i % 7, FE_PAGE, FE_PAGE, &pages[i]);
		REQUIRE(va[i] != NULL);
		fe_pattern_fill(va[i], FE_PAGE, i);
	}
	/* The list itself lies in the last one. */
	list = fe_mem_alloc_in(&ctrl.mem, 6, FE_PAGE, FE_PAGE, &list_gpa);
	REQUIRE(list != NULL);
	sqe = fe_sqe_rw(nvme_cmd_write, 256, 0, 56);
	fe_prp_build(&sqe, pages, 56, 0, list, list_gpa, 0);
	REQUIRE_EQ(fe_exec(&qps[0].sq, &sqe, NULL), 0);
	for (i = 0; i < 56; i++)
		memset(va[i], 0, FE_PAGE);
	sqe.opc = nvme_cmd_read;
	REQUIRE_EQ(fe_exec(&qps[0].sq, &sqe, NULL), 0);
	for (i = 0; i < 56; i++)
		CHECK(fe_pattern_check(va[i], FE_PAGE, i));
	/* And a queue in it. */
	REQUIRE(fe_mem_alloc_in(&ctrl.mem, 6, ENTRIES * 16, FE_PAGE, &gpa) != NULL);
	sqe = fe_sqe_create_cq(2, ENTRIES, gpa, 2, true);
	CHECK_EQ(fe_exec(&ctrl.admin.sq, &sqe, NULL), 0);
}

static const struct test_case cases[] = {
	{"many_namespaces", test_many_namespaces},
	{"all_queues_full", test_all_queues_full},
	{"seven_memory_regions", test_seven_memory_regions},
};

FE_TEST_MAIN("nvme_limits", cases, &config)
