/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system under a disk image is frozen while guests write: each reset, unmapping, stop and
 * end is answered all the same, a neighbour notices nothing, and afterwards the data is right.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../frontend/fe_cmd.h"
#include "../frontend/fe_fixture.h"
#include "../frontend/fe_frozen.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define BS    512u
#define BLOCK 4096u /* of the data: what direct I/O takes */

static struct fe_frozen storage;
static char bdevs[1024];
static struct fe_daemon_config config = {
	.bdevs = bdevs,
	.controllers = "  - {name: blk, type: blk, bdev: image, queues: 1}\n"
		       "  - {name: vfio, type: nvme, transport: vfio-user,"
		       " namespaces: [{bdev: image}]}\n"
		       "  - {name: vhost, type: nvme, namespaces: [{bdev: image}]}\n"
		       "  - {name: pinned, type: blk, bdev: pinned, queues: 1}\n"
		       "  - {name: other, type: blk, bdev: ram}\n",
};

static struct fe_virtio dev, other;
static struct fe_vq *other_q;
static struct fe_nvme ctrl;
static struct fe_qpair io;
static struct fe_buf buf;
static uint64_t gpa, other_gpa;
static uint8_t *data;

static void tell_time(const char *what, uint64_t since_ns)
{
	printf("# %s: %.1f s\n", what, (double)(fe_now_ns() - since_ns) / 1e9);
}

/* What was just submitted is with the kernel then; the first write certainly. */
static void wait_for_kernel(void)
{
	fe_sleep_us(100000);
	CHECK(FE_WAIT_FOR(fe_frozen_holds(fe_daemon.pid), FE_TIMEOUT_MS));
}

static struct fe_vq *open_blk(struct fe_virtio *d, const char *name, uint64_t *at)
{
	struct fe_vq *q;

	if (!fe_fixture_daemon() || fe_virtio_open(d, fe_daemon_socket(&fe_daemon, name), 0))
		return NULL;
	data = fe_mem_alloc(&d->mem, 1 << 20, at);
	q = fe_vq_make(d, 0, 32);
	return fe_vq_start(q, 0) ? NULL : q;
}

/* A neighbour is attached before the freeze, and works at any time. */
static bool neighbour_attach(void)
{
	other_q = open_blk(&other, "other", &other_gpa);
	return other_q;
}

static void neighbour_works(void)
{
	uint64_t start = fe_now_ns();

	CHECK_EQ(fe_blk_exec(other_q, VIRTIO_BLK_T_OUT, 0, other_gpa, BS), 0);
	CHECK_EQ(fe_blk_exec(other_q, VIRTIO_BLK_T_IN, 0, other_gpa, BS), 0);
	tell_time("the neighbour's write and read", start);
}

static bool freeze(void)
{
	return CHECK_EQ(fe_frozen_freeze(&storage), 0);
}

static void thaw(void)
{
	CHECK_EQ(fe_frozen_thaw(&storage), 0);
}

/* --- NVMe over vfio-user --- */

static bool open_nvme(const char *name, bool vfio)
{
	const struct fe_nvme_opts opts = {.vfio = vfio};

	if (!fe_fixture_open(&ctrl, name, &opts) || fe_nvme_create_qpair(&ctrl, &io, 1, 64))
		return false;
	fe_buf_alloc(&ctrl, &buf, 1 << 20);
	return true;
}

/* Writes of blocks that differ by the seed; they stay in flight while the storage is frozen. */
static void write_some(uint64_t lba, uint64_t seed)
{
	struct fe_sqe sqe = fe_sqe_rw(1, 1, lba, BLOCK / BS);

	fe_pattern_fill(buf.va, BLOCK, seed);
	fe_buf_prps(&sqe, &buf, 0, BLOCK);
	fe_submit(&io.sq, &sqe);
	wait_for_kernel();
}

static int set_bus_master(bool on)
{
	uint16_t command = PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0);

	return fe_vfio_write(&ctrl.vfio, FE_CONFIG, PCI_COMMAND, sizeof(command), &command);
}

static void vfio(void)
{
	const struct fe_mem_region *r;
	uint64_t start;

	REQUIRE(neighbour_attach());
	REQUIRE(open_nvme("vfio", true));
	REQUIRE(freeze());
	write_some(0, 1);
	start = fe_now_ns();
	CHECK_EQ(set_bus_master(false), 0);
	tell_time("vfio-user, Bus Master off", start);
	neighbour_works();
	CHECK_EQ(set_bus_master(true), 0);
	write_some(8, 2);
	r = &ctrl.mem.regions[1];
	start = fe_now_ns();
	CHECK_EQ(fe_vfio_dma_unmap(&ctrl.vfio, r->gpa, r->size), 0);
	tell_time("vfio-user, DMA_UNMAP", start);
	neighbour_works();
	write_some(16, 3);
	start = fe_now_ns();
	CHECK_EQ(fe_nvme_disable(&ctrl), 0);
	tell_time("vfio-user, CC.EN", start);
	neighbour_works();
	thaw();
	fe_nvme_close(&ctrl);
	fe_virtio_close(&other);
}

/*
 * A late write must not overwrite a newer one: the guest resets its controller and writes the same
 * block again.
 */
static void newer_data_wins(void)
{
	struct fe_sqe sqe;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		REQUIRE(open_nvme("vhost", false));
		REQUIRE(freeze());
		write_some(64, 2 * i);
		CHECK_EQ(fe_nvme_disable(&ctrl), 0);
		CHECK_EQ(fe_nvme_enable(&ctrl), 0);
		CHECK_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 64), 0);
		write_some(64, 2 * i + 1);
		thaw();
		CHECK_EQ(fe_cq_wait(&io.cq, &(struct fe_cqe){0}, FE_TIMEOUT_MS), 0);
		sqe = fe_sqe_rw(2, 1, 64, BLOCK / BS);
		memset(buf.va, 0, BLOCK);
		fe_buf_prps(&sqe, &buf, 0, BLOCK);
		CHECK_EQ(fe_exec(&io.sq, &sqe, NULL), 0);
		CHECK(fe_pattern_check(buf.va, BLOCK, 2 * i + 1));
		fe_nvme_close(&ctrl);
	}
}

/* --- virtio-blk --- */

static void blk(void)
{
	struct fe_vq *q;
	uint64_t start;
	uint16_t base;

	REQUIRE(neighbour_attach());
	q = open_blk(&dev, "blk", &gpa);
	REQUIRE(q);
	REQUIRE(freeze());
	fe_blk_submit(q, VIRTIO_BLK_T_OUT, 128, gpa, BLOCK);
	wait_for_kernel();
	start = fe_now_ns();
	CHECK_EQ(fe_vq_stop(q, &base), 0);
	tell_time("virtio-blk, GET_VRING_BASE", start);
	neighbour_works();
	fe_vq_reset(q);
	REQUIRE_EQ(fe_vq_start(q, 0), 0);
	fe_blk_submit(q, VIRTIO_BLK_T_OUT, 136, gpa, BLOCK);
	wait_for_kernel();
	/* As if QEMU was killed; the next one comes at once. */
	start = fe_now_ns();
	fe_virtio_close(&dev);
	q = open_blk(&dev, "blk", &gpa);
	REQUIRE(q);
	tell_time("virtio-blk, a disconnect and the next connection", start);
	neighbour_works();
	thaw();
	CHECK_EQ(fe_blk_verify(q, 128, data, gpa, BLOCK, 7), 0);
	fe_virtio_close(&dev);
	fe_virtio_close(&other);
}

/* --- the guest's memory is with the kernel (bounce: never) --- */

static bool write_pinned(void)
{
	struct fe_vq *q = open_blk(&dev, "pinned", &gpa);

	if (!CHECK(q) || !freeze())
		return false;
	fe_blk_submit(q, VIRTIO_BLK_T_OUT, 128, gpa, BLOCK);
	wait_for_kernel();
	return true;
}

/* There is no answer before the write has ended, and the log says for what it waits. */
static void answer_waits(void)
{
	struct fe_vring_state s = {0, 0};
	struct fe_vhost_msg msg;
	size_t mark;

	REQUIRE(neighbour_attach());
	REQUIRE(write_pinned());
	mark = fe_daemon_log_mark(&fe_daemon);
	CHECK_EQ(fe_vhost_send(&dev.vhost, FE_VHOST_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0), 0);
	CHECK(FE_WAIT_FOR(fe_daemon_log_count(&fe_daemon, mark, "bdev pinned; a device may have"),
			  FE_TIMEOUT_MS));
	CHECK_EQ(fe_vhost_recv(&dev.vhost, &msg, FE_QUIET_MS), -ETIMEDOUT);
	neighbour_works();
	thaw();
	CHECK_EQ(fe_vhost_recv(&dev.vhost, &msg, FE_TIMEOUT_MS), 0);
	CHECK(fe_daemon_logged(&fe_daemon, mark, "have ended, after", NULL));
	fe_virtio_close(&dev);
	fe_virtio_close(&other);
}

static void daemon_gives_up(void)
{
	uint64_t start;
	size_t mark;
	int status;

	REQUIRE(write_pinned());
	mark = fe_daemon_log_mark(&fe_daemon);
	start = fe_now_ns();
	kill(fe_daemon.pid, SIGTERM);
	CHECK(fe_vhost_closed(&dev.vhost, FE_TIMEOUT_MS));
	CHECK(FE_WAIT_FOR(fe_daemon_log_count(&fe_daemon, mark, "stopping took longer"),
			  FE_TIMEOUT_MS));
	tell_time("SIGTERM, until the daemon gave up", start);
	thaw();
	CHECK_EQ(waitpid(fe_daemon.pid, &status, 0), fe_daemon.pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	fe_daemon.pid = 0;
	fe_virtio_close(&dev);
	CHECK(fe_fixture_daemon());
}

/* --- the daemon --- */

static bool gone(const char *path)
{
	return access(path, F_OK) && errno == ENOENT;
}

/*
 * In order, with a write that is left to the kernel; the process itself ends when that has ended.
 */
static void daemon_ends(void)
{
	struct fe_vq *q = open_blk(&dev, "blk", &gpa);
	char path[128];
	uint64_t start;
	size_t mark;
	int status;

	REQUIRE(q);
	snprintf(path, sizeof(path), "%s", fe_daemon_socket(&fe_daemon, "blk"));
	REQUIRE(freeze());
	fe_blk_submit(q, VIRTIO_BLK_T_OUT, 128, gpa, BLOCK);
	wait_for_kernel();
	start = fe_now_ns();
	mark = fe_daemon_log_mark(&fe_daemon);
	kill(fe_daemon.pid, SIGTERM);
	CHECK(fe_vhost_closed(&dev.vhost, FE_TIMEOUT_MS));
	tell_time("SIGTERM, until the front-end was left", start);
	CHECK(FE_WAIT_FOR(gone(path), FE_TIMEOUT_MS));
	tell_time("SIGTERM, until the socket was gone", start);
	CHECK(FE_WAIT_FOR(fe_daemon_log_count(&fe_daemon, mark, " stopped"), FE_TIMEOUT_MS));
	tell_time("SIGTERM, until the daemon had stopped", start);
	thaw();
	CHECK_EQ(waitpid(fe_daemon.pid, &status, 0), fe_daemon.pid);
	if (!CHECK_EQ(status, 0))
		fe_daemon_print_log(&fe_daemon, 16384);
	fe_daemon.pid = 0;
	fe_virtio_close(&dev);
	CHECK(fe_fixture_daemon());
}

static const struct test_case cases[] = {
	{"vfio", vfio},
	{"newer_data_wins", newer_data_wins},
	{"blk", blk},
	{"answer_waits", answer_waits},
	{"daemon_ends", daemon_ends},
	{"daemon_gives_up", daemon_gives_up},
};

static void unmount(void)
{
	fe_frozen_unmount(&storage);
}

int main(int argc, char **argv)
{
	char why[128];

	if (!fe_frozen_mount(&storage, 64, why, sizeof(why))) {
		printf("skip frozen - %s\n", why);
		return 77;
	}
	atexit(unmount);
	snprintf(bdevs, sizeof(bdevs),
		 "  - {name: image, type: file, path: %s/disk.img, size: 16MiB, create: true}\n"
		 "  - {name: pinned, type: file, path: %s/pinned.img, size: 16MiB, create: true,"
		 " bounce: never}\n"
		 "  - {name: ram, type: malloc, size: 1MiB, block_size: 512}\n",
		 storage.dir, storage.dir);
	return fe_fixture_main("frozen", cases, sizeof(cases) / sizeof(cases[0]), argc, argv,
			       &config);
}
