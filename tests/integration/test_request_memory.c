/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory that requests make the daemon use: it stays below the limit of the controller, however
 * many requests there are, each of them is done all the same, and what is not used any more is the
 * system's again.
 */
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"
#include "../unit/tools.h"

#define QUEUES	4
#define ENTRIES 1024
#define KIB	1024u
/* The limit is 1 MiB; what else changes meanwhile, such as requests without their lists. */
#define LIMIT_KIB 1024
#define ELSE_KIB  5120

static const struct fe_daemon_config config = {
	.cpus = "[0, 1]",
	.bdevs =
		"  - {name: slow0, type: \"null\", size: 1GiB, block_size: 512, latency_us: 20000}\n",
	.controllers =
		"  - {name: nvme0, type: nvme, io_queues: 4, namespaces: [{bdev: slow0}],"
		" request_memory: 1MiB}\n"
		"  - {name: blk0, type: blk, bdev: slow0, queues: 4, request_memory: 1MiB}\n",
};

/* Resident memory of the daemon. */
static unsigned long rss_kib(void)
{
	unsigned long kib = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)fe_daemon.pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* A sanitizer keeps what was freed. */
static bool below(unsigned long kib)
{
	unsigned long now = rss_kib();

	if (now <= kib || TEST_SLOW)
		return true;
	printf("# resident: %lu KiB, allowed: %lu KiB\n", now, kib);
	return false;
}

/* Memory goes back at the second look at it, half a second later. */
static bool falls_below(unsigned long kib)
{
	uint64_t end = fe_now_ns() + 1000000ull * FE_TIMEOUT_MS;

	while (rss_kib() > kib && !TEST_SLOW && fe_now_ns() < end)
		usleep(10000);
	return below(kib);
}

/* --- NVMe: 1 MiB each, on the same pages --- */

static struct fe_nvme ctrl;
static struct fe_qpair qps[QUEUES];

static void submit_reads(unsigned int q, const struct fe_buf *buf)
{
	unsigned int k;

	for (k = 0; k < ENTRIES - 1; k++) {
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, 1, 2048 * (k % 16), 2048);

		fe_buf_prps(&sqe, buf, 0, 1 << 20);
		sqe.cid = (uint16_t)k;
		fe_sq_push(&qps[q].sq, &sqe);
	}
	fe_sq_ring(&qps[q].sq);
}

static bool take_reads(unsigned int q)
{
	struct fe_cqe cqe;
	unsigned int k;

	for (k = 0; k < ENTRIES - 1; k++)
		if (fe_cq_wait(&qps[q].cq, &cqe, FE_TIMEOUT_MS) || fe_status(&cqe))
			return false;
	return true;
}

static void nvme(void)
{
	const struct fe_nvme_opts opts = {.ram_bytes = 64ULL << 20};
	unsigned long before;
	struct fe_buf buf;
	unsigned int i;

	REQUIRE(fe_fixture_open(&ctrl, "nvme0", &opts));
	fe_buf_alloc(&ctrl, &buf, 1 << 20);
	for (i = 0; i < QUEUES; i++)
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[i], (uint16_t)(i + 1), ENTRIES), 0);
	before = rss_kib();
	for (i = 0; i < QUEUES; i++)
		submit_reads(i, &buf);
	for (i = 0; i < QUEUES; i++) {
		REQUIRE(take_reads(i));
		CHECK(below(before + LIMIT_KIB + ELSE_KIB));
	}
	CHECK(falls_below(before + ELSE_KIB));
	fe_nvme_close(&ctrl);
	CHECK(falls_below(before + ELSE_KIB / 2));
}

/* --- virtio-blk: 200 segments each, by one table for all --- */

#define SEGS 200

static struct fe_virtio dev;
static struct fe_vq *vqs[QUEUES];

/* Header, data on one page again and again, and status. */
static uint64_t make_table(const struct fe_vq *q, uint64_t page_gpa)
{
	uint64_t gpa;
	struct vring_desc *table =
		fe_mem_alloc(&dev.mem, (SEGS + 2) * sizeof(struct vring_desc), &gpa);
	uint16_t i;

	table[0] = (struct vring_desc){q->hdrs_gpa, sizeof(*q->hdrs), VRING_DESC_F_NEXT, 1};
	for (i = 1; i <= SEGS; i++)
		table[i] = (struct vring_desc){
			page_gpa, 4096, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, (uint16_t)(i + 1)};
	table[i] = (struct vring_desc){q->status_gpa, 1, VRING_DESC_F_WRITE, 0};
	q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN};
	q->status[0] = 0xff;
	return gpa;
}

static void submit_all(struct fe_vq *q, uint64_t table_gpa)
{
	uint16_t i;

	for (i = 0; i < ENTRIES; i++) {
		q->desc[i] = (struct vring_desc){table_gpa, (SEGS + 2) * sizeof(struct vring_desc),
						 VRING_DESC_F_INDIRECT, 0};
		fe_vq_submit(q, i);
	}
}

static bool take_all(struct fe_vq *q)
{
	unsigned int i;
	uint32_t len;

	for (i = 0; i < ENTRIES; i++)
		if (fe_vq_wait(q, &len, FE_TIMEOUT_MS) < 0 || len != SEGS * 4096 + 1)
			return false;
	return q->status[0] == VIRTIO_BLK_S_OK;
}

static void blk(void)
{
	uint64_t page_gpa, tables[QUEUES];
	unsigned long before;
	unsigned int i;

	REQUIRE(fe_fixture_daemon());
	REQUIRE_EQ(fe_virtio_open(&dev, fe_daemon_socket(&fe_daemon, "blk0"), FE_VIRTIO_F_INDIRECT),
		   0);
	fe_mem_alloc(&dev.mem, 4096, &page_gpa);
	before = rss_kib();
	for (i = 0; i < QUEUES; i++) {
		vqs[i] = fe_vq_make(&dev, i, ENTRIES);
		tables[i] = make_table(vqs[i], page_gpa);
		REQUIRE_EQ(fe_vq_start(vqs[i], 0), 0);
	}
	for (i = 0; i < QUEUES; i++)
		submit_all(vqs[i], tables[i]);
	for (i = 0; i < QUEUES; i++) {
		REQUIRE(take_all(vqs[i]));
		CHECK(below(before + LIMIT_KIB + ELSE_KIB));
	}
	CHECK(falls_below(before + ELSE_KIB));
	fe_virtio_close(&dev);
	CHECK(falls_below(before + ELSE_KIB / 2));
}

static const struct test_case cases[] = {
	{"nvme", nvme},
	{"blk", blk},
};

FE_TEST_MAIN("request_memory", cases, &config)
