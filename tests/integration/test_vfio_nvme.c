/* SPDX-License-Identifier: BSD-3-Clause */
/* A controller over vfio-user as VMMs use it: what it says of itself, doorbells, memory,
 * interrupts. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 16MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 16MiB, block_size: 4096}\n",
	.controllers = "  - {name: trapped, type: nvme, transport: vfio-user, io_queues: 3,"
		       " namespaces: [{bdev: ram0}]}\n"
		       "  - {name: mapped, type: nvme, transport: vfio-user, doorbells: mapped,"
		       " namespaces: [{bdev: ram1}]}\n"
		       "  - {name: wide, type: nvme, transport: vfio-user, io_queues: 64,"
		       " namespaces: [{bdev: ram0}]}\n",
};

static const struct fe_nvme_opts vfio = {.vfio = true};
static struct fe_nvme ctrl;
static struct fe_qpair io;
static struct fe_buf buf;

static bool open_io(const char *name)
{
	if (!fe_fixture_open(&ctrl, name, &vfio) || fe_nvme_create_qpair(&ctrl, &io, 1, 64))
		return false;
	fe_buf_alloc(&ctrl, &buf, 1 << 20);
	return true;
}

/* --- what it says of itself --- */

static void negotiation(void)
{
	static const struct {
		uint16_t minor;
		const char *json;
	} table[] = {
		{0, NULL}, /* as SPDK's initiator, which sends no text */
		{1, NULL},
		{7, "{}"},
		{0, "{\"capabilities\":{}}"},
		{0, "{\"capabilities\":{\"max_msg_fds\":8,\"future\":[1,{\"a\":null}]},\"x\":1}"},
		{0, "{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}"},
	};
	const char *path;
	struct fe_vfio v;
	size_t i;

	fe_nvme_close(&ctrl);
	REQUIRE(fe_fixture_daemon());
	path = fe_daemon_socket(&fe_daemon, "trapped");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint32_t n = 0;

		REQUIRE_EQ(fe_vfio_connect(&v, path), 0);
		CHECK_EQ(fe_vfio_version(&v, 0, table[i].minor, table[i].json), 0);
		CHECK_EQ(fe_vfio_vectors(&v, &n), 0);
		CHECK_EQ(n, 4);
		fe_vfio_close(&v);
	}
}

static void infos(void)
{
	uint32_t req[4] = {16}, info[4];
	struct fe_vfio_region_info r;
	unsigned int i;
	int fd;

	REQUIRE(fe_fixture_attach(&ctrl, "trapped", &vfio));
	CHECK_EQ(fe_vfio_call(&ctrl.vfio, FE_VFIO_GET_INFO, req, 16, info, 16), 0);
	CHECK_EQ(info[0], 16);
	CHECK_EQ(info[1], 3); /* resets, PCI */
	CHECK_EQ(info[2], 9);
	CHECK_EQ(info[3], 5);
	for (i = 0; i < 9; i++) {
		uint64_t size = i == FE_BAR0 ? 0x4000 : i == FE_CONFIG ? 4096 : 0;

		CHECK_EQ(fe_vfio_region(&ctrl.vfio, i, sizeof(r), &r, &fd), 0);
		CHECK_EQ(r.size, size);
		CHECK_EQ(r.flags, size ? 3 : 0);
		CHECK_EQ(r.argsz, 32);
		CHECK_EQ(fd, -1);
	}
}

/* The area that may be mapped is told, and its fd sent, only to who has room for it. */
static void mapped_region_info(void)
{
	struct fe_vfio_region_info r;
	int fd;

	REQUIRE(fe_fixture_attach(&ctrl, "mapped", &vfio));
	CHECK_EQ(fe_vfio_region(&ctrl.vfio, FE_BAR0, 32, &r, &fd), 0);
	CHECK_EQ(r.argsz, 64);
	CHECK_EQ(r.flags, 3);
	CHECK_EQ(r.cap_offset, 0);
	CHECK_EQ(fd, -1);
	CHECK_EQ(fe_vfio_region(&ctrl.vfio, FE_BAR0, 64, &r, &fd), 0);
	CHECK_EQ(r.flags, 15);
	CHECK_EQ(r.cap_offset, 32);
	CHECK_EQ(r.cap_id, 1);
	CHECK_EQ(r.nr_areas, 1);
	CHECK_EQ(r.area_offset, 0x1000);
	CHECK_EQ(r.area_size, 0x1000);
	REQUIRE(fd >= 0);
	/* Nobody can take the page away. */
	CHECK_EQ(ftruncate(fd, 0), -1);
	CHECK_EQ(ftruncate(fd, 1 << 20), -1);
	close(fd);
}

static void client_without_fds(void)
{
	struct fe_vfio_region_info r;
	struct fe_vfio v;
	int fd;

	fe_nvme_close(&ctrl);
	REQUIRE(fe_fixture_daemon());
	REQUIRE_EQ(fe_vfio_connect(&v, fe_daemon_socket(&fe_daemon, "mapped")), 0);
	REQUIRE_EQ(fe_vfio_version(&v, 0, 0, "{\"capabilities\":{\"max_msg_fds\":0}}"), 0);
	CHECK_EQ(fe_vfio_region(&v, FE_BAR0, 64, &r, &fd), 0);
	CHECK_EQ(fd, -1);
	CHECK_EQ(r.flags, 3);
	fe_vfio_close(&v);
}

/* --- I/O --- */

static void io_works(void)
{
	struct fe_sqe flush = fe_sqe_flush(1);
	unsigned int i;

	for (i = 0; i < 20; i++)
		CHECK_EQ(fe_verify(&io.sq, 1, i * 64, 64, ctrl.mapped ? 4096 : 512, &buf, i), 0);
	CHECK_EQ(fe_exec_by_irq(&io, &flush), 0);
}

static void trapped_doorbells(void)
{
	REQUIRE(open_io("trapped"));
	CHECK(!ctrl.mapped);
	io_works();
	CHECK(io.sq.kicks > 0);
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	io_works();
}

static void mapped_doorbells(void)
{
	REQUIRE(open_io("mapped"));
	CHECK(ctrl.mapped);
	io_works();
	CHECK_EQ(io.sq.kicks, 0);
}

/* QEMU takes the mapping away now and then. */
static void mapped_doorbells_by_message(void)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	struct fe_cqe cqe;
	uint32_t tail, i;

	REQUIRE(open_io("mapped"));
	for (i = 0; i < 10; i++) {
		fe_sq_push(&io.sq, &sqe);
		tail = io.sq.tail;
		CHECK_EQ(i % 2 ? fe_vfio_post(&ctrl.vfio, FE_BAR0, 0x1008, 4, &tail)
			       : fe_vfio_write(&ctrl.vfio, FE_BAR0, 0x1008, 4, &tail),
			 0);
		CHECK_EQ(fe_cq_wait(&io.cq, &cqe, FE_TIMEOUT_MS), 0);
	}
}

/* The next client has doorbells of its own: the last one's page is nobody's any more. */
static void old_doorbell_page(void)
{
	struct fe_vfio_region_info r;
	uint32_t *old;
	unsigned int i;
	int fd;

	REQUIRE(fe_fixture_attach(&ctrl, "mapped", &vfio));
	REQUIRE_EQ(fe_vfio_region(&ctrl.vfio, FE_BAR0, 64, &r, &fd), 0);
	old = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x1000);
	REQUIRE(old != MAP_FAILED);
	close(fd);
	REQUIRE(open_io("mapped"));
	for (i = 0; i < 1024; i++)
		old[i] = 5;
	io_works();
	munmap(old, 4096);
}

static void eight_byte_registers(void)
{
	uint64_t asq = 0x123456789000, v = 0;

	REQUIRE(fe_fixture_attach(&ctrl, "trapped", &vfio));
	CHECK_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_ASQ, 8, asq), 0);
	CHECK_EQ(fe_nvme_reg_read(&ctrl, NVME_REG_ASQ, 8, &v), 0);
	CHECK_EQ(v, asq);
	CHECK_EQ(fe_nvme_reg_read(&ctrl, NVME_REG_ASQ + 4, 4, &v), 0);
	CHECK_EQ(v, asq >> 32);
	CHECK_EQ(fe_nvme_reg_read(&ctrl, NVME_REG_ASQ + 1, 1, &v), 0);
	CHECK_EQ(v, 0x90);
}

/* All 64 queue pairs, their eventfds sent 16 at a time. */
static void all_vectors(void)
{
	struct fe_sqe flush = fe_sqe_flush(1);
	unsigned int qid;

	REQUIRE(fe_fixture_open(&ctrl, "wide", &vfio));
	CHECK_EQ(ctrl.info.vectors, 65);
	for (qid = 1; qid <= 64; qid++) {
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, (uint16_t)qid, 8), 0);
		CHECK_EQ(fe_run_flushes(&io, 3, 1), 0);
		CHECK_EQ(fe_exec_by_irq(&io, &flush), 0);
	}
}

/* --- interrupts --- */

static int trigger(uint32_t flags, uint32_t start, uint32_t count, const uint8_t *bools)
{
	struct {
		struct fe_vfio_irq_set s;
		uint8_t data[16];
	} m = {.s = {20, flags | 1u << 5, 2, start, count}};

	if (bools)
		memcpy(m.data, bools, count);
	return fe_vfio_call(&ctrl.vfio, FE_VFIO_SET_IRQS, &m, bools ? 20 + count : 20, NULL, 0);
}

static void loopback(void)
{
	static const uint8_t bools[] = {1, 0, 1};

	REQUIRE(fe_fixture_attach(&ctrl, "trapped", &vfio));
	CHECK_EQ(trigger(1, 2, 1, NULL), 0);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 2, FE_TIMEOUT_MS), 1);
	CHECK_EQ(trigger(2, 1, 3, bools), 0);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 1, FE_TIMEOUT_MS), 1);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 3, FE_TIMEOUT_MS), 1);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 2, 0), 0);
	/* None, from 0 on: all of them go. */
	CHECK_EQ(trigger(1, 0, 0, NULL), 0);
	CHECK_EQ(trigger(1, 0, 4, NULL), 0);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 1, 0), 0);
}

/* While a vector has no eventfd its interrupt is kept; QEMU enables MSI-X that way. */
static void vector_without_eventfd(void)
{
	REQUIRE(open_io("trapped"));
	CHECK_EQ(fe_vfio_set_vectors(&ctrl.vfio, 1, 1, NULL), 0);
	CHECK_EQ(fe_run_flushes(&io, 1, 1), 0);
	CHECK_EQ(fe_nvme_irqs(&ctrl, 1, FE_QUIET_MS), 0);
	{
		struct fe_sqe sqe = fe_sqe_flush(1);

		fe_submit(&io.sq, &sqe);
	}
	CHECK(FE_WAIT_FOR(((volatile struct fe_cqe *)io.cq.ring)[io.cq.head].status & 1,
			  FE_TIMEOUT_MS));
	CHECK_EQ(fe_vfio_set_vectors(&ctrl.vfio, 1, 1, &ctrl.call_fds[1]), 0);
	CHECK(fe_nvme_irqs(&ctrl, 1, FE_TIMEOUT_MS) > 0);
}

/* --- memory --- */

/* As after memory hot-plug: 200 regions, data in each. */
static void many_regions(void)
{
	int fd = memfd_create("more", MFD_CLOEXEC);
	uint8_t *va;
	unsigned int i;

	REQUIRE(open_io("trapped"));
	REQUIRE_EQ(ftruncate(fd, 200 * 8192), 0);
	va = mmap(NULL, 200 * 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(va != MAP_FAILED);
	for (i = 0; i < 200; i++) {
		uint64_t iova = ((i * 37ull) % 200 + 100) << 30;
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, 1, i * 16, 16);

		REQUIRE_EQ(fe_vfio_dma_map(&ctrl.vfio, iova, 8192, i * 8192, 3, fd), 0);
		fe_pattern_fill(va + i * 8192, 8192, i);
		sqe.prp1 = iova;
		sqe.prp2 = iova + 4096;
		REQUIRE_EQ(fe_exec(&io.sq, &sqe, NULL), 0);
	}
	memset(va, 0, 200 * 8192);
	for (i = 0; i < 200; i++) {
		uint64_t iova = ((i * 37ull) % 200 + 100) << 30;
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, 1, i * 16, 16);

		sqe.prp1 = iova;
		sqe.prp2 = iova + 4096;
		REQUIRE_EQ(fe_exec(&io.sq, &sqe, NULL), 0);
		CHECK(fe_pattern_check(va + i * 8192, 8192, i));
		if (i % 2)
			CHECK_EQ(fe_vfio_dma_unmap(&ctrl.vfio, iova, 8192), 0);
	}
	munmap(va, 200 * 8192);
	close(fd);
}

/* --- resets and sessions --- */

static void check_as_new(void)
{
	uint64_t v;
	uint16_t command;

	CHECK_EQ(fe_nvme_reg_read(&ctrl, NVME_REG_CC, 4, &v), 0);
	CHECK_EQ(v, 0);
	CHECK_EQ(fe_nvme_reg_read(&ctrl, NVME_REG_ASQ, 8, &v), 0);
	CHECK_EQ(v, 0);
	CHECK_EQ(fe_nvme_csts(&ctrl), 0);
	CHECK_EQ(fe_vfio_read(&ctrl.vfio, FE_CONFIG, PCI_COMMAND, 2, &command), 0);
	CHECK_EQ(command, 0);
}

static void resets(void)
{
	uint16_t flr = 0x8000;
	int i;

	for (i = 0; i < 2; i++) {
		REQUIRE(open_io("trapped"));
		CHECK_EQ(i ? fe_vfio_write(&ctrl.vfio, FE_CONFIG, 0x68, 2, &flr)
			   : fe_vfio_call(&ctrl.vfio, FE_VFIO_RESET, NULL, 0, NULL, 0),
			 0);
		check_as_new();
		/* Memory and eventfds are still there. */
		REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
		REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 64), 0);
		io_works();
	}
}

static void next_session(void)
{
	REQUIRE(open_io("trapped"));
	fe_nvme_close(&ctrl);
	ctrl.over_vfio = true;
	REQUIRE_EQ(fe_nvme_connect(&ctrl, fe_daemon_socket(&fe_daemon, "trapped")), 0);
	check_as_new();
}

/* Without Bus Master Enable no command is fetched; with it all that wait are. */
static void bus_master(void)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	struct fe_cqe cqe;
	uint8_t command = 2;

	REQUIRE(open_io("trapped"));
	CHECK_EQ(fe_vfio_write(&ctrl.vfio, FE_CONFIG, PCI_COMMAND, 1, &command), 0);
	fe_submit(&io.sq, &sqe);
	CHECK_EQ(fe_cq_wait(&io.cq, &cqe, FE_QUIET_MS), -ETIMEDOUT);
	command = 6;
	CHECK_EQ(fe_vfio_write(&ctrl.vfio, FE_CONFIG, PCI_COMMAND, 1, &command), 0);
	CHECK_EQ(fe_cq_wait(&io.cq, &cqe, FE_TIMEOUT_MS), 0);
}

/* SPDK's initiator is told a folder, and connects to "cntrl" in it. */
static void socket_in_a_folder(void)
{
	static const struct fe_daemon_config folder = {
		.bdevs = "  - {name: ram0, type: malloc, size: 1MiB}\n",
		.controllers = "  - {name: spdk, type: nvme, transport: vfio-user,"
			       " doorbells: mapped, socket_layout: folder, namespaces:"
			       " [{bdev: ram0}]}\n",
	};
	struct fe_daemon d;
	struct fe_nvme n = {0};
	char dir[sizeof(d.dir)];

	REQUIRE_EQ(fe_daemon_start(&d, &folder), 0);
	/* Starting waits for "spdk", which is there before the socket in it. */
	CHECK_EQ(fe_daemon_wait_socket(&d, "spdk/cntrl", FE_TIMEOUT_MS), 0);
	CHECK_EQ(fe_nvme_open(&n, fe_daemon_socket(&d, "spdk/cntrl"), &vfio), 0);
	fe_nvme_close(&n);
	snprintf(dir, sizeof(dir), "%s", d.dir);
	CHECK_EQ(fe_daemon_stop(&d), 0);
	/* The folder went with the daemon: else the one around it could not be removed. */
	CHECK(access(dir, F_OK) != 0);
}

static const struct test_case cases[] = {
	{"negotiation", negotiation},
	{"infos", infos},
	{"mapped_region_info", mapped_region_info},
	{"client_without_fds", client_without_fds},
	{"trapped_doorbells", trapped_doorbells},
	{"mapped_doorbells", mapped_doorbells},
	{"mapped_doorbells_by_message", mapped_doorbells_by_message},
	{"old_doorbell_page", old_doorbell_page},
	{"eight_byte_registers", eight_byte_registers},
	{"all_vectors", all_vectors},
	{"loopback", loopback},
	{"vector_without_eventfd", vector_without_eventfd},
	{"many_regions", many_regions},
	{"resets", resets},
	{"next_session", next_session},
	{"bus_master", bus_master},
	{"socket_in_a_folder", socket_in_a_folder},
};

FE_TEST_MAIN("vfio_nvme", cases, &config)
