/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk that takes 60 s for everything, and guests that reset their devices, lose memory, go away:
 * each is answered long before, and so is the end of the daemon.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_scsi.h>

#include "../frontend/fe_cmd.h"
#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define BS 512u

/* The disk; test_deadlines_stacked.c has another one. */
#ifndef SLOW_BDEVS
#define SLOW_NAME "deadlines"
#define SLOW_BDEVS                                                                                 \
	"  - {name: slow, type: null, size: 1GiB, block_size: 512, latency_us: 60000000}\n"
#endif

/* Of NVMe: the command was aborted by request; it may be tried again. */
#define ABORT_REQUESTED	  0x07
#define INVALID_NAMESPACE 0x400b /* with DNR */

static const struct fe_daemon_config config = {
	.bdevs = SLOW_BDEVS "  - {name: ram, type: malloc, size: 1MiB, block_size: 512}\n",
	.controllers = "  - {name: blk, type: blk, bdev: slow, queues: 2}\n"
		       "  - {name: scsi, type: scsi, queues: 1, targets: [{id: 0, luns: ["
		       "{lun: 0, bdev: slow}]}]}\n"
		       "  - {name: vhost, type: nvme, namespaces: [{bdev: slow}]}\n"
		       "  - {name: vfio, type: nvme, transport: vfio-user,"
		       " namespaces: [{bdev: slow}]}\n"
		       "  - {name: other, type: blk, bdev: ram}\n",
};

static struct fe_virtio dev, other;
static struct fe_nvme ctrl;
static struct fe_qpair io;
static struct fe_buf buf;
static uint64_t gpa;

/* How long what the daemon answered took: for who reads it. FE_TIMEOUT_MS is what fails. */
static void tell_time(const char *what, uint64_t since_ns)
{
	printf("# %s: %.1f s\n", what, (double)(fe_now_ns() - since_ns) / 1e9);
}

/* --- virtio-blk --- */

static struct fe_vq *open_blk(struct fe_virtio *d, const char *name, bool region)
{
	struct fe_vq *q;

	if (!fe_fixture_daemon() || fe_virtio_open(d, fe_daemon_socket(&fe_daemon, name), 0))
		return NULL;
	fe_mem_alloc(&d->mem, 1 << 20, &gpa);
	q = fe_vq_make(d, 0, 32);
	if ((region && fe_virtio_inflight(d, 1, 32)) || fe_vq_start(q, 0))
		return NULL;
	return q;
}

/* What is answered at once stands behind the slow ones: the daemon has taken them all. */
static bool all_fetched(struct fe_vq *q)
{
	return fe_blk_exec(q, VIRTIO_BLK_T_GET_ID, 0, gpa, 20) == 0;
}

static void neighbour_works(void)
{
	struct fe_vq *q = open_blk(&other, "other", false);

	REQUIRE(q);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, gpa, BS), 0);
	fe_virtio_close(&other);
}

/* QEMU resets a device by GET_VRING_BASE. Without an in-flight region the driver is told. */
static void blk_reset(void)
{
	struct fe_vq *q = open_blk(&dev, "blk", false);
	struct fe_vring_state s = {0, 0}, answer = {0};
	struct fe_vhost_msg msg;
	uint64_t start;
	uint16_t base;
	int head;

	REQUIRE(q);
	head = fe_blk_submit(q, VIRTIO_BLK_T_IN, 0, gpa, BS);
	CHECK(all_fetched(q));
	start = fe_now_ns();
	REQUIRE_EQ(fe_vhost_send(&dev.vhost, FE_VHOST_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0),
		   0);
	neighbour_works();
	tell_time("a neighbour's attach and read beside the reset", start);
	REQUIRE_EQ(fe_vhost_recv(&dev.vhost, &msg, FE_TIMEOUT_MS), 0);
	tell_time("virtio-blk, GET_VRING_BASE", start);
	memcpy(&answer, msg.payload, sizeof(answer));
	CHECK_EQ(answer.num, 2);
	CHECK_EQ(fe_vq_poll(q, NULL), head);
	CHECK_EQ(q->status[head], VIRTIO_BLK_S_IOERR);
	/* The device works on. */
	fe_vq_reset(q);
	CHECK_EQ(fe_vq_start(q, 0), 0);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_GET_ID, 0, gpa, 20), 0);
	CHECK_EQ(fe_vq_stop(q, &base), 0);
	fe_virtio_close(&dev);
}

/* With one it finds nothing changed, as nobody knows that it was no pause. */
static void blk_pause(void)
{
	struct fe_vq *q = open_blk(&dev, "blk", true);
	uint64_t start;
	uint16_t base = 0;

	REQUIRE(q);
	fe_blk_submit(q, VIRTIO_BLK_T_IN, 0, gpa, BS);
	fe_blk_submit(q, VIRTIO_BLK_T_OUT, 8, gpa, BS);
	CHECK(all_fetched(q));
	start = fe_now_ns();
	REQUIRE_EQ(fe_vq_stop(q, &base), 0);
	tell_time("virtio-blk, GET_VRING_BASE with an in-flight region", start);
	CHECK_EQ(base, 3);
	CHECK_EQ(q->used->idx, 1);
	CHECK_EQ(fe_vq_start(q, base), 0);
	CHECK_EQ(fe_vq_wait(q, NULL, 200), -ETIMEDOUT); /* it was taken again */
	fe_virtio_close(&dev);
}

static void blk_memory(void)
{
	struct fe_vq *q = open_blk(&dev, "blk", false);
	uint64_t start;

	REQUIRE(q);
	fe_blk_submit(q, VIRTIO_BLK_T_IN, 0, gpa, BS);
	CHECK(all_fetched(q));
	start = fe_now_ns();
	CHECK_EQ(fe_vhost_set_mem_table(&dev.vhost, &dev.mem), 0);
	tell_time("virtio-blk, SET_MEM_TABLE", start);
	CHECK_EQ(q->used->idx, 1); /* it was taken again */
	start = fe_now_ns();
	fe_virtio_close(&dev);
	q = open_blk(&dev, "blk", false);
	REQUIRE(q);
	tell_time("virtio-blk, a disconnect and the next connection", start);
	fe_virtio_close(&dev);
}

/* --- virtio-scsi --- */

struct scsi_cmd {
	struct virtio_scsi_cmd_req req;
	struct virtio_scsi_cmd_resp resp;
	uint8_t data[BS];
};

/* READ(10) of one block of a LUN; returns its head. */
static int scsi_read(struct fe_vq *q, struct scsi_cmd *cmd, uint64_t cmd_gpa, uint8_t lun)
{
	const struct fe_seg segs[] = {
		{cmd_gpa, sizeof(cmd->req), false},
		{cmd_gpa + offsetof(struct scsi_cmd, resp), sizeof(cmd->resp), true},
		{cmd_gpa + offsetof(struct scsi_cmd, data), BS, true},
	};
	int head;

	memset(cmd, 0, sizeof(*cmd));
	cmd->req.lun[0] = 1;
	cmd->req.lun[2] = 0x40;
	cmd->req.lun[3] = lun;
	cmd->req.cdb[0] = 0x28;
	cmd->req.cdb[8] = 1;
	memset(&cmd->resp, 0xee, sizeof(cmd->resp));
	head = fe_vq_chain(q, segs, 3);
	if (head >= 0)
		fe_vq_submit(q, (uint16_t)head);
	return head;
}

static void scsi_reset(void)
{
	uint64_t cmd_gpa[2], start;
	struct scsi_cmd *cmd[2];
	struct fe_vq *q;
	uint16_t base;
	int head, i;

	REQUIRE(fe_fixture_daemon());
	REQUIRE_EQ(fe_virtio_open(&dev, fe_daemon_socket(&fe_daemon, "scsi"), 0), 0);
	for (i = 0; i < 2; i++)
		cmd[i] = fe_mem_alloc(&dev.mem, sizeof(*cmd[i]), &cmd_gpa[i]);
	q = fe_vq_make(&dev, 2, 16);
	REQUIRE_EQ(fe_vq_start(q, 0), 0);
	/* The first one is told that the device was powered on. */
	head = scsi_read(q, cmd[0], cmd_gpa[0], 0);
	REQUIRE(head >= 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), head);
	head = scsi_read(q, cmd[0], cmd_gpa[0], 0);
	REQUIRE(head >= 0);
	/* One of a LUN that is not there is answered at once: the daemon has taken both. */
	i = scsi_read(q, cmd[1], cmd_gpa[1], 9);
	REQUIRE_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), i);
	start = fe_now_ns();
	REQUIRE_EQ(fe_vq_stop(q, &base), 0);
	tell_time("virtio-scsi, GET_VRING_BASE", start);
	CHECK_EQ(fe_vq_poll(q, NULL), head);
	CHECK_EQ(cmd[0]->resp.response, VIRTIO_SCSI_S_RESET);
	fe_virtio_close(&dev);
}

/* --- NVMe --- */

static bool open_nvme(const char *name, bool vfio)
{
	const struct fe_nvme_opts opts = {.vfio = vfio};

	if (!fe_fixture_open(&ctrl, name, &opts) || fe_nvme_create_qpair(&ctrl, &io, 1, 64))
		return false;
	fe_buf_alloc(&ctrl, &buf, 1 << 20);
	return true;
}

/* A read of the slow disk, and when this returns the daemon has taken it. */
static void read_one(void)
{
	struct fe_sqe sqe = fe_sqe_rw(2, 1, 0, 1);
	struct fe_cqe cqe;

	fe_buf_prps(&sqe, &buf, 0, BS);
	fe_submit(&io.sq, &sqe);
	/* One of a namespace that is not there is answered at once. */
	sqe.nsid = 99;
	fe_submit(&io.sq, &sqe);
	CHECK_EQ(fe_cq_wait(&io.cq, &cqe, FE_TIMEOUT_MS), 0);
	CHECK_EQ(fe_status(&cqe), INVALID_NAMESPACE);
}

static void check_aborted(void)
{
	struct fe_cqe cqe;

	CHECK_EQ(fe_cq_wait(&io.cq, &cqe, FE_TIMEOUT_MS), 0);
	CHECK_EQ(fe_status(&cqe), ABORT_REQUESTED);
}

static void vhost_stop_and_reset(void)
{
	uint64_t start;

	REQUIRE(open_nvme("vhost", false));
	read_one();
	start = fe_now_ns();
	CHECK_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_STOP, 0), 0);
	tell_time("vhost-user NVMe, STOP", start);
	CHECK_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
	check_aborted();
	read_one();
	start = fe_now_ns();
	CHECK_EQ(fe_nvme_disable(&ctrl), 0);
	tell_time("vhost-user NVMe, CC.EN", start);
	fe_nvme_close(&ctrl);
}

static int set_bus_master(bool on)
{
	uint16_t command = PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0);

	return fe_vfio_write(&ctrl.vfio, FE_CONFIG, PCI_COMMAND, sizeof(command), &command);
}

static void vfio_bus_master(void)
{
	uint64_t start;

	REQUIRE(open_nvme("vfio", true));
	read_one();
	start = fe_now_ns();
	CHECK_EQ(set_bus_master(false), 0);
	tell_time("vfio-user NVMe, Bus Master off", start);
	CHECK_EQ(set_bus_master(true), 0);
	check_aborted();
	fe_nvme_close(&ctrl);
}

static void vfio_unmap(void)
{
	const struct fe_mem_region *r;
	uint64_t start;

	REQUIRE(open_nvme("vfio", true));
	r = &ctrl.mem.regions[1];
	read_one();
	start = fe_now_ns();
	CHECK_EQ(fe_vfio_dma_unmap(&ctrl.vfio, r->gpa, r->size), 0);
	tell_time("vfio-user NVMe, DMA_UNMAP", start);
	check_aborted();
	read_one();
	start = fe_now_ns();
	fe_nvme_close(&ctrl);
	REQUIRE(open_nvme("vfio", true));
	tell_time("vfio-user NVMe, a disconnect and the next connection", start);
	fe_nvme_close(&ctrl);
}

/* --- the daemon --- */

/* The last case: everything is in flight. */
static void daemon_ends(void)
{
	struct fe_vq *q = open_blk(&dev, "blk", true);
	uint64_t start;

	REQUIRE(q);
	fe_blk_submit(q, VIRTIO_BLK_T_IN, 0, gpa, BS);
	REQUIRE(open_nvme("vfio", true));
	read_one();
	start = fe_now_ns();
	CHECK_EQ(fe_daemon_stop(&fe_daemon), 0);
	tell_time("SIGTERM", start);
	/* Whoever serves it next will read it. */
	CHECK_EQ(q->used->idx, 0);
	fe_virtio_close(&dev);
	fe_nvme_close(&ctrl);
	CHECK(fe_fixture_daemon());
}

static const struct test_case cases[] = {
	{"blk_reset", blk_reset},     {"blk_pause", blk_pause},
	{"blk_memory", blk_memory},   {"scsi_reset", scsi_reset},
	{"vfio_unmap", vfio_unmap},   {"vhost_stop_and_reset", vhost_stop_and_reset},
	{"daemon_ends", daemon_ends}, {"vfio_bus_master", vfio_bus_master},
};

FE_TEST_MAIN(SLOW_NAME, cases, &config)
