/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller before any I/O: handshake, GET_INFO, registers and their rules (NVMe 1.4, 3.1),
 * the admin queue's configuration, shutdown, reset, stop and start, restart of the session.
 */
#include <errno.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

#define IO_QUEUES 4

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 16MiB, block_size: 512}\n",
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 4, namespaces: [{bdev: ram0}]}\n"
		       "  - {name: nvme1, type: nvme, io_queues: 1, namespaces: [{bdev: ram0}]}\n",
};

static struct fe_nvme ctrl;
static struct fe_qpair io;

static bool attach(void)
{
	return fe_fixture_attach(&ctrl, "nvme0", NULL);
}

static uint64_t reg(uint32_t offset, uint32_t size)
{
	uint64_t v;

	return fe_nvme_reg_read(&ctrl, offset, size, &v) ? ~0ULL : v;
}

/* Whether verified I/O works on a controller that is ready. */
static bool io_works(uint64_t seed)
{
	struct fe_buf buf;

	if (fe_nvme_create_qpair(&ctrl, &io, 1, 16))
		return false;
	fe_buf_alloc(&ctrl, &buf, 8192);
	return fe_verify(&io.sq, 1, 8, 16, 512, &buf, seed) == 0;
}

static void test_get_info(void)
{
	struct vhost_user_nvme_info info;

	REQUIRE(attach());
	CHECK_EQ(ctrl.info.version, VHOST_USER_NVME_VERSION);
	CHECK_EQ(ctrl.info.flags, 0);
	CHECK_EQ(ctrl.info.io_queues, IO_QUEUES);
	CHECK_EQ(ctrl.info.vectors, IO_QUEUES + 1);
	CHECK(ctrl.info.devmem_size >= 2 * FE_PAGE);
	CHECK_EQ(ctrl.info.devmem_size % FE_PAGE, 0);
	CHECK_EQ(ctrl.info.cap, reg(NVME_REG_CAP, 8));
	CHECK_EQ(ctrl.info.vs, reg(NVME_REG_VS, 4));
	/* A front-end of the future gets our version, one of the past none. */
	REQUIRE_EQ(fe_nvme_get_info(&ctrl, 7, &info), 0);
	CHECK_EQ(info.version, VHOST_USER_NVME_VERSION);
	REQUIRE_EQ(fe_nvme_get_info(&ctrl, 0, &info), 0);
	CHECK_EQ(info.version, 0);
}

static void test_capabilities(void)
{
	uint64_t cap;

	REQUIRE(attach());
	cap = reg(NVME_REG_CAP, 8);
	CHECK((cap & 0xffff) >= 1023); /* MQES, 0's based */
	CHECK(cap >> 16 & 1);	       /* CQR: queues are contiguous */
	CHECK_EQ(cap >> 32 & 0xf, 0);  /* DSTRD */
	CHECK(cap >> 37 & 1);	       /* CSS: NVM command set */
	CHECK_EQ(cap >> 48 & 0xf, 0);  /* MPSMIN 4 KiB */
	CHECK(cap >> 24 & 0xff);       /* TO */
	CHECK_EQ(reg(NVME_REG_VS, 4), 0x10400);
	/* As halves, which is how a 32 bit host reads them. */
	CHECK_EQ(reg(NVME_REG_CAP, 4), cap & UINT32_MAX);
	CHECK_EQ(reg(NVME_REG_CAP + 4, 4), cap >> 32);
	CHECK_EQ(reg(NVME_REG_CSTS, 4), 0);
	CHECK_EQ(reg(NVME_REG_CC, 4), 0);
}

static void test_readonly_registers(void)
{
	uint64_t cap;

	REQUIRE(attach());
	cap = reg(NVME_REG_CAP, 8);
	fe_nvme_reg_write(&ctrl, NVME_REG_CAP, 8, 0);
	fe_nvme_reg_write(&ctrl, NVME_REG_VS, 4, 0);
	fe_nvme_reg_write(&ctrl, NVME_REG_CSTS, 4, FE_CSTS_RDY);
	CHECK_EQ(reg(NVME_REG_CAP, 8), cap);
	CHECK_EQ(reg(NVME_REG_VS, 4), 0x10400);
	CHECK_EQ(reg(NVME_REG_CSTS, 4), 0);
}

static void test_wide_registers_by_halves(void)
{
	REQUIRE(attach());
	CHECK_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_ASQ, 4, 0x12345000), 0);
	CHECK_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_ASQ + 4, 4, 0x1), 0);
	CHECK_EQ(reg(NVME_REG_ASQ, 8), 0x112345000ULL);
	CHECK_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_ACQ, 8, 0x987654321000ULL), 0);
	CHECK_EQ(reg(NVME_REG_ACQ, 4), 0x54321000);
	CHECK_EQ(reg(NVME_REG_ACQ + 4, 4), 0x9876);
	CHECK_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_AQA, 4, 0x001f003f), 0);
	CHECK_EQ(reg(NVME_REG_AQA, 4), 0x001f003f);
}

static void test_interrupt_mask_registers(void)
{
	REQUIRE(attach());
	/* INTMS sets, INTMC clears; with MSI-X they must not be used, but must not hurt. */
	fe_nvme_reg_write(&ctrl, NVME_REG_INTMS, 4, 0xffffffff);
	fe_nvme_reg_write(&ctrl, NVME_REG_INTMC, 4, 0xffffffff);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	CHECK(io_works(1));
}

static void test_bad_register_access(void)
{
	static const struct {
		uint32_t offset, size;
	} bad[] = {
		{0x1000, 4}, {0xffc, 8}, {0xffffffff, 4}, {0xfffffffc, 8}, {0, 0},	{0, 1},
		{0, 2},	     {0, 3},	 {0, 16},	  {0, UINT32_MAX}, {0x1004, 8},
	};
	uint64_t v;
	size_t i;

	REQUIRE(attach());
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(fe_nvme_reg_read(&ctrl, bad[i].offset, bad[i].size, &v), -EACCES);
		CHECK_EQ(v, ~0ULL);
		CHECK_EQ(fe_nvme_reg_write(&ctrl, bad[i].offset, bad[i].size, 1), -EACCES);
	}
	/* Reserved ones read as 0; the session is still there. */
	CHECK_EQ(reg(0xf00, 4), 0);
	CHECK_EQ(reg(NVME_REG_CSTS, 4), 0);
}

static void test_enable_disable(void)
{
	int i;

	REQUIRE(attach());
	for (i = 0; i < 20; i++) {
		REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
		CHECK_EQ(fe_nvme_csts(&ctrl), FE_CSTS_RDY);
		CHECK_EQ(reg(NVME_REG_CC, 4), fe_nvme_cc_enabled());
		REQUIRE(io_works((uint64_t)i));
		REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
		CHECK_EQ(fe_nvme_csts(&ctrl), 0);
		/* A controller reset keeps the admin queue's registers (3.1.5). */
		CHECK_EQ(reg(NVME_REG_ASQ, 8), ctrl.admin.sq.gpa);
		CHECK_EQ(reg(NVME_REG_ACQ, 8), ctrl.admin.cq.gpa);
	}
}

/* What the admin queue's registers or CC may not be: RDY stays 0 and CFS tells. */
static void test_bad_enable(void)
{
	const uint32_t good = fe_nvme_cc_enabled();
	struct {
		const char *what;
		uint32_t aqa, cc;
		uint64_t asq, acq;
	} bad[] = {
		{"AQA.ASQS 0", 0x001f0000, good, 0, 0},
		{"AQA.ACQS 0", 0x0000001f, good, 0, 0},
		{"ASQ outside memory", 0x001f001f, good, 0x7000000000ULL, 0},
		{"ACQ outside memory", 0x001f001f, good, 0, 0x7000000000ULL},
		{"ASQ across the end of memory", 0x0fff0fff, good, (32ULL << 20) - 4096, 0},
		{"ASQ at the end of the address space", 0x0fff0fff, good, ~0xfffULL, 0},
		{"ACQ at the end of the address space", 0x0fff0fff, good, 0, ~0xfffULL},
		{"CC.MPS 8 KiB", 0x001f001f, good | 1 << 7, 0, 0},
		{"CC.MPS 128 MiB", 0x001f001f, good | 15 << 7, 0, 0},
		{"CC.CSS reserved", 0x001f001f, good | 1 << 4, 0, 0},
		{"CC.CSS reserved, 5", 0x001f001f, good | 5 << 4, 0, 0},
		{"CC.AMS weighted round robin", 0x001f001f, good | 1 << 11, 0, 0},
		{"CC.AMS vendor specific", 0x001f001f, good | 7 << 11, 0, 0},
	};
	size_t i;

	REQUIRE(attach());
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t mark = fe_daemon_log_mark(&fe_daemon);
		uint32_t csts;

		fe_nvme_reg_write(&ctrl, NVME_REG_AQA, 4, bad[i].aqa);
		fe_nvme_reg_write(&ctrl, NVME_REG_ASQ, 8,
				  bad[i].asq ? bad[i].asq : ctrl.admin.sq.gpa);
		fe_nvme_reg_write(&ctrl, NVME_REG_ACQ, 8,
				  bad[i].acq ? bad[i].acq : ctrl.admin.cq.gpa);
		CHECK_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_CC, 4, bad[i].cc), 0);
		csts = fe_nvme_csts(&ctrl);
		if (!CHECK_EQ(csts & (FE_CSTS_RDY | FE_CSTS_CFS), FE_CSTS_CFS))
			printf("# with %s\n", bad[i].what);
		/* The first few; later ones fall to the limit for floods. */
		if (i < 5)
			CHECK(fe_daemon_logged(&fe_daemon, mark, "nvme0", NULL));
		/* CC.EN = 0 is the way out. */
		REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
		CHECK_EQ(fe_nvme_csts(&ctrl), 0);
	}
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	CHECK(io_works(3));
}

/* ASQ and ACQ: bits 11:0 are reserved, so an unaligned address is no address at all. */
static void test_unaligned_admin_queue(void)
{
	uint64_t asq;

	REQUIRE(attach());
	fe_nvme_reg_write(&ctrl, NVME_REG_ASQ, 8, ctrl.admin.sq.gpa | 0x123);
	asq = reg(NVME_REG_ASQ, 8);
	if (asq == ctrl.admin.sq.gpa)
		return; /* the reserved bits were not stored */
	fe_nvme_reg_write(&ctrl, NVME_REG_AQA, 4, 0x001f001f);
	fe_nvme_reg_write(&ctrl, NVME_REG_ACQ, 8, ctrl.admin.cq.gpa);
	fe_nvme_reg_write(&ctrl, NVME_REG_CC, 4, fe_nvme_cc_enabled());
	CHECK_EQ(fe_nvme_csts(&ctrl) & (FE_CSTS_RDY | FE_CSTS_CFS), FE_CSTS_CFS);
}

/*
 * CC.IOSQES and IOCQES may be set later than CC.EN (7.6.1 wants them before I/O queues are made):
 * enabling works, and creating an I/O queue with a wrong size is what fails, or CFS is set.
 */
static void test_bad_entry_sizes(void)
{
	static const uint32_t sizes[] = {0x00000000, 0x00450000, 0x00470000, 0x00360000,
					 0x00ff0000};
	size_t i;

	REQUIRE(attach());
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int status = 0;

		REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
		REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
		fe_cq_reset(&ctrl.admin.cq);
		fe_sq_reset(&ctrl.admin.sq);
		memset(ctrl.doorbells, 0, FE_PAGE);
		fe_nvme_reg_write(&ctrl, NVME_REG_CC, 4, 1 | sizes[i]);
		if (!(fe_nvme_csts(&ctrl) & FE_CSTS_CFS))
			status = fe_nvme_create_qpair(&ctrl, &io, 1, 16);
		if (!CHECK(status > 0 || (fe_nvme_csts(&ctrl) & FE_CSTS_CFS)))
			printf("# with CC %#x\n", 1 | sizes[i]);
		REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
	}
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	CHECK(io_works(4));
}

static void shutdown_with(uint32_t shn)
{
	uint32_t cc = fe_nvme_cc_enabled();

	REQUIRE(attach());
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	REQUIRE(io_works(5));
	CHECK_EQ(FE_CSTS_SHST(fe_nvme_csts(&ctrl)), 0);
	REQUIRE_EQ(fe_nvme_reg_write(&ctrl, NVME_REG_CC, 4, cc | shn << 14), 0);
	CHECK(FE_WAIT_FOR(FE_CSTS_SHST(fe_nvme_csts(&ctrl)) == 2, FE_TIMEOUT_MS));
	/* And back to life by a reset. */
	REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	CHECK_EQ(FE_CSTS_SHST(fe_nvme_csts(&ctrl)), 0);
	CHECK(io_works(6));
}

static void test_normal_shutdown(void)
{
	shutdown_with(1);
}

static void test_abrupt_shutdown(void)
{
	shutdown_with(2);
}

/* PCI reset: all as after power-on. */
static void test_nvme_reset(void)
{
	REQUIRE(attach());
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	REQUIRE(io_works(7));
	REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_RESET, 0), 0);
	CHECK_EQ(reg(NVME_REG_CC, 4), 0);
	CHECK_EQ(reg(NVME_REG_CSTS, 4), 0);
	CHECK_EQ(reg(NVME_REG_AQA, 4), 0);
	CHECK_EQ(reg(NVME_REG_ASQ, 8), 0);
	CHECK_EQ(reg(NVME_REG_ACQ, 8), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	CHECK(io_works(8));
}

/* What a VMM does around pausing the guest: commands that it submits meanwhile wait, none is lost.
 */
static void test_stop_and_start(void)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	struct fe_cqe cqe;
	int i;

	REQUIRE(attach());
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	REQUIRE(io_works(9));
	for (i = 0; i < 5; i++) {
		uint16_t cid;

		REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_STOP, 0), 0);
		cid = fe_submit(&io.sq, &sqe);
		CHECK_EQ(fe_cq_wait_cid(&io.sq, cid, &cqe, FE_QUIET_MS), -ETIMEDOUT);
		REQUIRE_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
		REQUIRE_EQ(fe_cq_wait_cid(&io.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
		CHECK_EQ(fe_status(&cqe), 0);
	}
	/* Stopped twice, started twice: the same as once. */
	CHECK_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_STOP, 0), 0);
	CHECK_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_STOP, 0), 0);
	CHECK_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
	CHECK_EQ(fe_nvme_control(&ctrl, VHOST_USER_NVME_START, 0), 0);
	CHECK_EQ(fe_exec(&io.sq, &sqe, NULL), 0);
}

/* The VMM goes away and comes back: a new session finds a controller as after power-on. */
static void test_reconnect(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		REQUIRE(attach());
		CHECK_EQ(reg(NVME_REG_CC, 4), 0);
		CHECK_EQ(fe_nvme_csts(&ctrl), 0);
		REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
		CHECK(io_works((uint64_t)i));
		fe_nvme_close(&ctrl);
	}
}

static void test_smallest_and_largest_admin_queue(void)
{
	static const uint16_t entries[] = {2, 3, 4095, 4096};
	size_t i, k;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct fe_nvme_opts opts = {.admin_entries = entries[i]};
		struct fe_buf buf;

		REQUIRE(fe_fixture_open(&ctrl, "nvme0", &opts));
		fe_buf_alloc(&ctrl, &buf, FE_PAGE);
		for (k = 0; k < 50; k++)
			REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	}
}

static void test_second_controller(void)
{
	static struct fe_nvme other;
	struct fe_qpair qp;
	struct fe_buf buf;

	REQUIRE(fe_fixture_open_io(&ctrl, "nvme0", &io, 16));
	REQUIRE_EQ(fe_nvme_open(&other, fe_daemon_socket(&fe_daemon, "nvme1"), NULL), 0);
	CHECK_EQ(other.info.io_queues, 1);
	REQUIRE_EQ(fe_nvme_create_qpair(&other, &qp, 1, 16), 0);
	fe_buf_alloc(&other, &buf, 4096);
	/* They share the disk: what one writes the other reads. */
	CHECK_EQ(fe_verify(&qp.sq, 1, 100, 8, 512, &buf, 77), 0);
	fe_buf_alloc(&ctrl, &buf, 4096);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 1, 100, 8, 512, &buf), 0);
	CHECK(fe_pattern_check(buf.va, 4096, 77));
	fe_nvme_close(&other);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 1, 100, 8, 512, &buf), 0);
}

static void test_no_descriptor_leak(void)
{
	int before, i;

	fe_nvme_close(&ctrl);
	CHECK(FE_WAIT_FOR(fe_daemon_open_fds(&fe_daemon) > 0, 1000));
	fe_sleep_us(100000);
	before = fe_daemon_open_fds(&fe_daemon);
	for (i = 0; i < 10; i++) {
		REQUIRE(attach());
		REQUIRE_EQ(fe_vhost_set_mem_table(&ctrl.vhost, &ctrl.mem), 0);
		REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
		fe_nvme_close(&ctrl);
	}
	CHECK(FE_WAIT_FOR(fe_daemon_open_fds(&fe_daemon) <= before, FE_TIMEOUT_MS));
}

static const struct test_case cases[] = {
	{"get_info", test_get_info},
	{"capabilities", test_capabilities},
	{"readonly_registers", test_readonly_registers},
	{"wide_registers_by_halves", test_wide_registers_by_halves},
	{"interrupt_mask_registers", test_interrupt_mask_registers},
	{"bad_register_access", test_bad_register_access},
	{"enable_disable", test_enable_disable},
	{"bad_enable", test_bad_enable},
	{"unaligned_admin_queue", test_unaligned_admin_queue},
	{"bad_entry_sizes", test_bad_entry_sizes},
	{"normal_shutdown", test_normal_shutdown},
	{"abrupt_shutdown", test_abrupt_shutdown},
	{"nvme_reset", test_nvme_reset},
	{"stop_and_start", test_stop_and_start},
	{"reconnect", test_reconnect},
	{"smallest_and_largest_admin_queue", test_smallest_and_largest_admin_queue},
	{"second_controller", test_second_controller},
	{"no_descriptor_leak", test_no_descriptor_leak},
};

FE_TEST_MAIN("nvme_controller", cases, &config)
