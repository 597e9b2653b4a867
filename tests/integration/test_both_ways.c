/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads and writes in memory take a short way, which must do what the long one does. Each kind of
 * controller is there twice: on a disk that has the short way, and on a part of the like, which has
 * only the long one. Their guests do the same, one request at a time, and all that a guest can see
 * must be the same afterwards: its whole memory with rings, data and answers, and its interrupts.
 */
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <unistd.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define BS     512u
#define BLOCKS 8192u /* 4 MiB */
#define DATA   (256u << 10)
#define N(a)   (sizeof(a) / sizeof((a)[0]))

static const struct fe_daemon_config config = {
	.cpus = "[0, 1]",
	.bdevs = "  - {name: now0, type: malloc, size: 4MiB, block_size: 512}\n"
		 "  - {name: ram, type: malloc, size: 4MiB, block_size: 512}\n"
		 "  - {name: later, type: split, base: ram, count: 1}\n",
	.controllers =
		"  - {name: blk-now, type: blk, bdev: now0, queues: 1}\n"
		"  - {name: blk-later, type: blk, bdev: later0, queues: 1}\n"
		"  - {name: ro-now, type: blk, bdev: now0, queues: 1, read_only: true}\n"
		"  - {name: ro-later, type: blk, bdev: later0, queues: 1, read_only: true}\n"
		"  - {name: nvme-now, type: nvme, namespaces: [{bdev: now0}, {bdev: now0, read_only: "
		"true}]}\n"
		"  - {name: nvme-later, type: nvme, namespaces: [{bdev: later0}, {bdev: later0, "
		"read_only: true}]}\n"
		"  - {name: scsi-now, type: scsi, queues: 1, targets: [{id: 0, luns: [{lun: 0, bdev: "
		"now0}, {lun: 1, bdev: now0, read_only: true}]}]}\n"
		"  - {name: scsi-later, type: scsi, queues: 1, targets: [{id: 0, luns: [{lun: 0, "
		"bdev: later0}, {lun: 1, bdev: later0, read_only: true}]}]}\n",
};

/* --- comparing --- */

/* What depends on when the daemon looks, not on what it does. */
struct hole {
	const void *at;
	size_t len;
};

static bool in_hole(const uint8_t *at, const struct hole *holes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (at >= (const uint8_t *)holes[i].at &&
		    at < (const uint8_t *)holes[i].at + holes[i].len)
			return true;
	return false;
}

/* Of the first `nregions` regions, what has been given out. */
static bool same_memory(const struct fe_mem *a, const struct fe_mem *b, size_t nregions,
			const struct hole *holes, size_t nholes, const char *what)
{
	size_t r, i;

	for (r = 0; r < nregions; r++) {
		const uint8_t *pa = a->regions[r].va, *pb = b->regions[r].va;
		uint64_t gpa;

		if (a->regions[r].used != b->regions[r].used)
			return false;
		for (i = 0; i < a->regions[r].used; i++) {
			if (!(i & 4095) && a->regions[r].used - i >= 4096 &&
			    !memcmp(pa + i, pb + i, 4096)) {
				i += 4095;
				continue;
			}
			if (pa[i] == pb[i] || in_hole(pa + i, holes, nholes))
				continue;
			gpa = a->regions[r].gpa + i;
			printf("# %s: GPA 0x%llx: 0x%02x by the short way, 0x%02x by the long one\n",
			       what, (unsigned long long)gpa, pa[i], pb[i]);
			return false;
		}
	}
	return true;
}

/* --- virtio --- */

static struct fe_virtio devs[2];
static uint64_t interrupts[2];
static uint64_t data_gpa, header_gpa;

static bool open_both(const char *now, const char *later, unsigned int queue)
{
	const char *const names[2] = {now, later};

	if (!fe_fixture_daemon())
		return false;
	for (int i = 0; i < 2; i++) {
		struct fe_virtio *dev = &devs[i];

		if (fe_virtio_open(dev, fe_daemon_socket(&fe_daemon, names[i]), 0))
			return false;
		fe_mem_alloc(&dev->mem, DATA, &data_gpa);
		fe_mem_alloc(&dev->mem, 4096, &header_gpa);
		fe_vq_make(dev, queue, 64);
		if (fe_vq_start(&dev->q[queue], 0))
			return false;
		interrupts[i] = 0;
	}
	return true;
}

static uint64_t take_interrupts(unsigned int i, unsigned int queue)
{
	uint64_t n = 0;

	if (read(devs[i].q[queue].call_fd, &n, sizeof(n)) == sizeof(n))
		interrupts[i] += n;
	return interrupts[i];
}

/* The device's wish for notifications is its own. */
static bool same_virtio(unsigned int queue, const char *what)
{
	const struct fe_vq *q = &devs[0].q[queue];
	const struct hole holes[] = {{&q->used->flags, sizeof(q->used->flags)},
				     {&q->used->ring[q->size], sizeof(uint16_t)}};

	return same_memory(&devs[0].mem, &devs[1].mem, 2, holes, N(holes), what);
}

static void close_both(unsigned int queue)
{
	CHECK(FE_WAIT_FOR(take_interrupts(0, queue) == take_interrupts(1, queue) && interrupts[0],
			  FE_TIMEOUT_MS));
	fe_virtio_close(&devs[0]);
	fe_virtio_close(&devs[1]);
}

static void fill(uint64_t gpa, size_t len, uint64_t seed)
{
	for (int i = 0; i < 2; i++)
		fe_pattern_fill(fe_mem_at(&devs[i].mem, gpa, len), len, seed);
}

/* --- virtio-blk --- */

struct blk_row {
	const char *what;
	uint32_t type;
	uint64_t sector;
	uint32_t offset, len; /* of the buffer */
};

static const struct blk_row blk_rows[] = {
	{"write", VIRTIO_BLK_T_OUT, 0, 0, 4096},
	{"read", VIRTIO_BLK_T_IN, 0, 0, 4096},
	{"a sector", VIRTIO_BLK_T_OUT, 77, 0, 512},
	{"a sector at an odd address", VIRTIO_BLK_T_OUT, 78, 1, 512},
	{"reading these", VIRTIO_BLK_T_IN, 76, 3, 2048},
	{"a step", VIRTIO_BLK_T_OUT, 1000, 0, 65536},
	{"more than a step", VIRTIO_BLK_T_OUT, 2000, 0, 65536 + 512},
	{"reading a step", VIRTIO_BLK_T_IN, 1000, 512, 65536},
	{"reading more than that", VIRTIO_BLK_T_IN, 1999, 0, 131072},
	{"the last sector", VIRTIO_BLK_T_OUT, BLOCKS - 1, 0, 512},
	{"one beyond it", VIRTIO_BLK_T_OUT, BLOCKS, 0, 512},
	{"reading half beyond it", VIRTIO_BLK_T_IN, BLOCKS - 1, 0, 1024},
	{"the largest sector", VIRTIO_BLK_T_IN, UINT64_MAX, 0, 512},
	{"a sector whose bytes overflow", VIRTIO_BLK_T_OUT, UINT64_MAX >> 9, 0, 512},
	{"half a sector", VIRTIO_BLK_T_OUT, 5, 0, 256},
	{"reading half a sector", VIRTIO_BLK_T_IN, 5, 0, 256},
	{"flush", VIRTIO_BLK_T_FLUSH, 0, 0, 0},
	{"without data", VIRTIO_BLK_T_IN, 0, 0, 0},
	{"an unknown type", 77, 0, 0, 512},
	{"reading all of a part", VIRTIO_BLK_T_IN, 0, 0, DATA},
};

static void blk_on(const char *now, const char *later)
{
	size_t i;

	REQUIRE(open_both(now, later, 0));
	for (i = 0; i < N(blk_rows); i++) {
		const struct blk_row *row = &blk_rows[i];
		int rc[2];

		fill(data_gpa, DATA, i);
		for (int k = 0; k < 2; k++)
			rc[k] = fe_blk_exec(&devs[k].q[0], row->type, row->sector,
					    data_gpa + row->offset, row->len);
		CHECK_EQ(rc[0], rc[1]);
		CHECK(rc[0] >= 0);
		REQUIRE(same_virtio(0, row->what));
	}
	close_both(0);
}

static void blk(void)
{
	blk_on("blk-now", "blk-later");
}

static void blk_read_only(void)
{
	blk_on("ro-now", "ro-later");
}

/* --- virtio-scsi --- */

#define REQUESTS 2 /* the first request queue */
#define REQ	 ((uint32_t)sizeof(struct virtio_scsi_cmd_req))
#define RESP	 ((uint32_t)sizeof(struct virtio_scsi_cmd_resp))
#define RESP_AT	 512 /* in the page of the header */

struct scsi_row {
	const char *what;
	uint8_t lun;
	uint8_t cdb[16];
	uint32_t out, in;
};

static const struct scsi_row scsi_rows[] = {
	{"power on", 0, {0x28, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 512},
	{"power on of the other", 1, {0x28, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 512},
	{"WRITE (10)", 0, {0x2a, 0, 0, 0, 0, 9, 0, 0, 8}, 4096, 0},
	{"READ (10)", 0, {0x28, 0, 0, 0, 0, 9, 0, 0, 8}, 0, 4096},
	{"WRITE (10) with FUA", 0, {0x2a, 0x08, 0, 0, 0, 20, 0, 0, 1}, 512, 0},
	{"READ (10) with DPO", 0, {0x28, 0x10, 0, 0, 0, 20, 0, 0, 1}, 0, 512},
	{"READ (6)", 0, {0x08, 0, 0, 9, 8}, 0, 4096},
	{"WRITE (6)", 0, {0x0a, 0, 0, 40, 1}, 512, 0},
	{"READ (12)", 0, {0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 0, 4096},
	{"WRITE (12)", 0, {0xaa, 0, 0, 0, 0, 50, 0, 0, 0, 8}, 4096, 0},
	{"READ (16)", 0, {0x88, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 0, 4096},
	{"WRITE (16)", 0, {0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 128}, 65536, 0},
	{"more than a step", 0, {0x88, 0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 129}, 0, 66048},
	{"no block", 0, {0x28, 0, 0, 0, 0, 9, 0, 0, 0}, 0, 512},
	{"more room than data", 0, {0x28, 0, 0, 0, 0, 9, 0, 0, 1}, 0, 4096},
	{"less room than data", 0, {0x28, 0, 0, 0, 0, 9, 0, 0, 8}, 0, 512},
	{"less data than said", 0, {0x2a, 0, 0, 0, 0, 9, 0, 0, 8}, 512, 0},
	{"data the wrong way", 0, {0x2a, 0, 0, 0, 0, 9, 0, 0, 1}, 0, 512},
	{"the last block", 0, {0x2a, 0, 0, 0, 0x1f, 0xff, 0, 0, 1}, 512, 0},
	{"one beyond it", 0, {0x2a, 0, 0, 0, 0x20, 0, 0, 0, 1}, 512, 0},
	{"the largest block", 0, {0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1}, 0, 512},
	{"protection", 0, {0x28, 0x20, 0, 0, 0, 9, 0, 0, 1}, 0, 512},
	{"a control byte", 0, {0x28, 0, 0, 0, 0, 9, 0, 0, 1, 4}, 0, 512},
	{"group number", 0, {0x28, 0, 0, 0, 0, 9, 3, 0, 1}, 0, 512},
	{"reading what can't be written", 1, {0x28, 0, 0, 0, 0, 9, 0, 0, 8}, 0, 4096},
	{"writing it", 1, {0x2a, 0, 0, 0, 0, 9, 0, 0, 8}, 4096, 0},
	{"no such LUN", 7, {0x28, 0, 0, 0, 0, 9, 0, 0, 8}, 0, 4096},
	{"TEST UNIT READY", 0, {0}, 0, 0},
};

static void scsi_exec(struct fe_virtio *dev, const struct scsi_row *row, uint64_t tag)
{
	struct fe_seg segs[4] = {{header_gpa, REQ, false}};
	uint8_t *page = fe_mem_at(&dev->mem, header_gpa, 4096);
	struct virtio_scsi_cmd_req *req = (void *)page;
	unsigned int n = 1;
	uint32_t len = 0;
	int head;

	memset(page, 0xee, 4096);
	memset(req, 0, sizeof(*req));
	req->lun[0] = 1;
	req->lun[3] = row->lun;
	req->tag = tag;
	memcpy(req->cdb, row->cdb, sizeof(row->cdb));
	if (row->out)
		segs[n++] = (struct fe_seg){data_gpa, row->out, false};
	segs[n++] = (struct fe_seg){header_gpa + RESP_AT, RESP, true};
	if (row->in)
		segs[n++] = (struct fe_seg){data_gpa, row->in, true};
	head = fe_vq_chain(&dev->q[REQUESTS], segs, n);
	CHECK(head >= 0);
	fe_vq_submit(&dev->q[REQUESTS], (uint16_t)head);
	CHECK_EQ(fe_vq_wait(&dev->q[REQUESTS], &len, FE_TIMEOUT_MS), head);
}

static void scsi(void)
{
	size_t i;

	REQUIRE(open_both("scsi-now", "scsi-later", REQUESTS));
	for (i = 0; i < N(scsi_rows); i++) {
		fill(data_gpa, DATA, i);
		for (int k = 0; k < 2; k++)
			scsi_exec(&devs[k], &scsi_rows[i], i);
		REQUIRE(same_virtio(REQUESTS, scsi_rows[i].what));
	}
	close_both(REQUESTS);
}

/* --- NVMe --- */

struct nvme_row {
	const char *what;
	uint8_t opc;
	uint32_t nsid;
	uint64_t lba;
	uint32_t nblocks;
	uint32_t offset; /* of the data in its buffer */
	/* Put into the entry as it is, unless 0. */
	uint32_t cdw12;
	uint64_t prp1, prp2;
	uint8_t flags;
};

#define READ  nvme_cmd_read
#define WRITE nvme_cmd_write

static const struct nvme_row nvme_rows[] = {
	{"write", WRITE, 1, 0, 8, 0, 0, 0, 0, 0},
	{"read", READ, 1, 0, 8, 0, 0, 0, 0, 0},
	{"a block", WRITE, 1, 77, 1, 512, 0, 0, 0, 0},
	{"two pages", WRITE, 1, 80, 16, 0, 0, 0, 0, 0},
	{"from the middle of a page on", READ, 1, 76, 16, 2048, 0, 0, 0, 0},
	{"a list of pages", WRITE, 1, 100, 64, 0, 0, 0, 0, 0},
	{"a step", READ, 1, 90, 128, 0, 0, 0, 0, 0},
	{"more than a step", READ, 1, 90, 129, 0, 0, 0, 0, 0},
	{"all of the buffer", WRITE, 1, 1000, DATA / BS, 0, 0, 0, 0, 0},
	{"the last block", WRITE, 1, BLOCKS - 1, 1, 0, 0, 0, 0, 0},
	{"one beyond it", WRITE, 1, BLOCKS, 1, 0, 0, 0, 0, 0},
	{"half beyond it", READ, 1, BLOCKS - 1, 2, 0, 0, 0, 0, 0},
	{"the largest block", READ, 1, UINT64_MAX, 1, 0, 0, 0, 0, 0},
	{"FUA", WRITE, 1, 5, 1, 0, 1u << 30, 0, 0, 0},
	{"a limited retry", READ, 1, 5, 1, 0, 1u << 31, 0, 0, 0},
	{"a directive", WRITE, 1, 5, 1, 0, 1u << 20, 0, 0, 0},
	{"protection", READ, 1, 5, 1, 0, 1u << 29, 0, 0, 0},
	{"namespace 0", READ, 0, 5, 1, 0, 0, 0, 0, 0},
	{"a namespace that is not there", READ, 3, 5, 1, 0, 0, 0, 0, 0},
	{"all namespaces", READ, 0xffffffff, 5, 1, 0, 0, 0, 0, 0},
	{"reading what can't be written", READ, 2, 5, 8, 0, 0, 0, 0, 0},
	{"writing it", WRITE, 2, 5, 8, 0, 0, 0, 0, 0},
	{"PRP1 at an odd address", READ, 1, 5, 1, 0, 0, 0x1001, 0, 0},
	{"PRP1 outside of memory", READ, 1, 5, 1, 0, 0, 1ULL << 40, 0, 0},
	{"PRP2 outside of memory", READ, 1, 5, 16, 0, 0, 0, 1ULL << 40, 0},
	{"PRP2 with an offset", WRITE, 1, 5, 16, 0, 0, 0, 0x2200, 0},
	{"fused", READ, 1, 5, 1, 0, 0, 0, 0, 1},
	{"flush", nvme_cmd_flush, 1, 0, 1, 0, 0, 0, 0, 0},
	{"an unknown operation", 0x7f, 1, 0, 1, 0, 0, 0, 0, 0},
};

static struct fe_nvme nvmes[2];
static struct fe_qpair pairs[2];
static struct fe_buf bufs[2];

static int nvme_exec(unsigned int k, const struct nvme_row *row)
{
	struct fe_sqe sqe = fe_sqe_rw(row->opc, row->nsid, row->lba, row->nblocks);

	fe_buf_prps(&sqe, &bufs[k], row->offset, (size_t)row->nblocks * BS);
	sqe.cdw12 |= row->cdw12;
	if (row->prp1)
		sqe.prp1 = row->prp1;
	if (row->prp2)
		sqe.prp2 = row->prp2;
	sqe.flags = row->flags;
	return fe_exec_by_irq(&pairs[k], &sqe);
}

static void nvme(void)
{
	static const char *const names[2] = {"nvme-now", "nvme-later"};
	size_t i, nregions;

	for (int k = 0; k < 2; k++) {
		REQUIRE(fe_fixture_open_io(&nvmes[k], names[k], &pairs[k], 64));
		fe_buf_alloc(&nvmes[k], &bufs[k], DATA);
	}
	/* Not the device memory. */
	nregions = nvmes[0].mem.nregions - !nvmes[0].over_vfio;
	for (i = 0; i < N(nvme_rows); i++) {
		const struct nvme_row *row = &nvme_rows[i];
		int rc[2];

		for (int k = 0; k < 2; k++)
			fe_pattern_fill(bufs[k].va, DATA, i);
		for (int k = 0; k < 2; k++)
			rc[k] = nvme_exec(k, row);
		CHECK_EQ(rc[0], rc[1]);
		CHECK(rc[0] >= 0);
		REQUIRE(same_memory(&nvmes[0].mem, &nvmes[1].mem, nregions, NULL, 0, row->what));
	}
	fe_nvme_close(&nvmes[0]);
	fe_nvme_close(&nvmes[1]);
}

static const struct test_case cases[] = {
	{"blk", blk},
	{"blk_read_only", blk_read_only},
	{"scsi", scsi},
	{"nvme", nvme},
};

FE_TEST_MAIN("both_ways", cases, &config)
