/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers (NVMe 1.4, 3.1): access, reserved bits, and what keeps the controller from starting. */
#include "fixture.h"

static void access_table(void)
{
	static const struct {
		uint32_t offset, size;
		bool ok;
	} table[] = {
		{0, 4, true},
		{0, 8, true},
		{4, 4, true},
		{4, 8, false},
		{0, 0, false},
		{0, 1, false},
		{0, 2, false},
		{0, 3, false},
		{0, 16, false},
		{1, 4, false},
		{2, 4, false},
		{2, 8, false},
		{0xffc, 4, true},
		{0xff8, 8, true},
		{0xffc, 8, false},
		{0x1000, 4, false},
		{0x1000, 8, false},
		{UINT32_MAX, 4, false},
		{UINT32_MAX - 3, 4, false},
		{UINT32_MAX - 7, 8, false},
		{0, UINT32_MAX, false},
		{0x80000000, 4, false},
	};
	struct host *h = host_open_off(&(struct host_params){0});
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		CU_ASSERT_EQUAL(vnvme_reg_read(h->ctrl, table[i].offset, table[i].size, &value),
				table[i].ok ? 0 : -EINVAL);
		if (table[i].offset != NVME_REG_CC)
			CU_ASSERT_EQUAL(vnvme_reg_write(h->ctrl, table[i].offset, table[i].size, 0),
					table[i].ok ? 0 : -EINVAL);
	}
	host_close(h);
}

static void constants(void)
{
	struct host *h = host_open_off(&(struct host_params){0});
	uint64_t cap = vnvme_cap(h->ctrl);

	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CAP, 8), cap);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CAP, 4), (uint32_t)cap);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CAP + 4, 4), cap >> 32);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_VS, 4), vnvme_vs(h->ctrl));
	CU_ASSERT(NVME_CAP_MQES(cap) + 1 >= 1024);
	CU_ASSERT_EQUAL(NVME_CAP_DSTRD(cap), 0);
	CU_ASSERT_EQUAL(NVME_CAP_MPSMIN(cap), 0);
	CU_ASSERT_EQUAL(NVME_CAP_CSS(cap), NVME_CAP_CSS_NVM);
	CU_ASSERT(NVME_CAP_TO(cap) > 0);
	CU_ASSERT_EQUAL(vnvme_io_queues(h->ctrl), HOST_QUEUES);
	CU_ASSERT_EQUAL(vnvme_vectors(h->ctrl), HOST_QUEUES + 1);
	/* Read-only: a write changes nothing. */
	host_set_reg(h, NVME_REG_CAP, 8, 0);
	host_set_reg(h, NVME_REG_VS, 4, 0);
	host_set_reg(h, NVME_REG_CSTS, 4, 0xffffffff);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CAP, 8), cap);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_VS, 4), vnvme_vs(h->ctrl));
	CU_ASSERT_EQUAL(REG_CSTS(h), 0);
	host_close(h);
}

/* What is written, in halves or at once, and what is read back; reserved registers read as 0. */
static void values(void)
{
	static const struct {
		uint32_t offset, size;
		uint64_t write, read;
	} table[] = {
		{NVME_REG_ASQ, 8, 0x123456789abcd000, 0x123456789abcd000},
		{NVME_REG_ACQ, 8, 0xfedcba9876543000, 0xfedcba9876543000},
		{NVME_REG_ASQ, 4, 0x11111000, 0x11111000},
		{NVME_REG_ASQ + 4, 4, 0x22222222, 0x22222222},
		{NVME_REG_ACQ + 4, 4, 0x33333333, 0x33333333},
		{NVME_REG_AQA, 4, 0x00ff003f, 0x00ff003f},
		{NVME_REG_AQA, 4, 0xffffffff, 0x0fff0fff},
		{0x38, 4, 0xffffffff, 0},
		{0x200, 8, UINT64_MAX, 0},
		{0xffc, 4, 0xffffffff, 0},
		{0x20, 4, 0xffffffff, 0}, /* NSSR: not supported */
	};
	struct host *h = host_open_off(&(struct host_params){0});
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		host_set_reg(h, table[i].offset, table[i].size, table[i].write);
		CU_ASSERT_EQUAL(host_reg(h, table[i].offset, table[i].size), table[i].read);
	}
	/* The halves made one value, and the mask registers set and clear bits. */
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_ASQ, 8), 0x2222222211111000);
	host_set_reg(h, NVME_REG_INTMS, 4, 0xf0);
	host_set_reg(h, NVME_REG_INTMS, 4, 0x0f);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_INTMS, 4), 0xff);
	host_set_reg(h, NVME_REG_INTMC, 4, 0x3c);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_INTMC, 4), 0xc3);
	host_close(h);
}

/* The admin queue of a running controller can't be moved. */
static void while_enabled(void)
{
	struct host *h = host_open(&(struct host_params){0});

	host_set_reg(h, NVME_REG_ASQ, 8, 0);
	host_set_reg(h, NVME_REG_ACQ, 8, 0);
	host_set_reg(h, NVME_REG_AQA, 4, 0);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_ASQ, 8), h->admin.sq_gpa);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_ACQ, 8), h->admin.cq_gpa);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_AQA, 4), 31u << 16 | 31);
	/* And neither can the command set or the page size. */
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE | 0x70 | 0x780 | 0x3800);
	CU_ASSERT_EQUAL(host_reg(h, NVME_REG_CC, 4), CC_ENABLE);
	CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_READY);
	CU_ASSERT_EQUAL(host_admin(h, (struct nvme_sqe){.opcode = 0xff}), NVME_SC_INVALID_OPCODE);
	host_close(h);
}

/* CC, AQA, ASQ, ACQ; one of them is wrong each time: CSTS.CFS, and mended by CC.EN = 0. */
static void enable_table(void)
{
	struct host *h = host_open_off(&(struct host_params){0});
	uint64_t a = host_alloc(h, 65536 * 4), last = HOST_GPA + HOST_RAM - HOST_PAGE;
	const uint64_t sq = a, cq = a + 65536 * 2;
	const struct {
		uint32_t cc, aqa;
		uint64_t asq, acq;
		bool ok;
	} table[] = {
		{CC_ENABLE, 0x001f001f, sq, cq, true},
		{CC_ENABLE, 0x00010001, sq, cq, true},
		{CC_ENABLE, 0x03ff03ff, sq, cq, true},
		{1, 0x001f001f, sq, cq, true}, /* entry sizes may come later */
		{CC_ENABLE, 0x003f003f, last, cq, true},
		{CC_ENABLE, 0x00ff001f, sq, last, true},
		{CC_ENABLE, 0x00000000, sq, cq, false},
		{CC_ENABLE, 0x0000001f, sq, cq, false},
		{CC_ENABLE, 0x001f0000, sq, cq, false},
		{CC_ENABLE, 0x001f001f, sq + 8, cq, false},
		{CC_ENABLE, 0x001f001f, sq, cq + 2048, false},
		{CC_ENABLE, 0x001f001f, 0, cq, false},
		{CC_ENABLE, 0x001f001f, sq, 0, false},
		{CC_ENABLE, 0x001f001f, HOST_GPA + HOST_RAM, cq, false},
		{CC_ENABLE, 0x001f001f, sq, UINT64_MAX & ~4095ull, false},
		{CC_ENABLE, 0x00400040, last, cq, false}, /* a command too many */
		{CC_ENABLE, 0x0100001f, sq, last, false},
		{CC_ENABLE | 1 << 7, 0x001f001f, sq, cq, false}, /* 8 KiB pages */
		{CC_ENABLE | 0xf << 7, 0x001f001f, sq, cq, false},
		{CC_ENABLE | 1 << 4, 0x001f001f, sq, cq, false}, /* a command set */
		{CC_ENABLE | 7 << 4, 0x001f001f, sq, cq, false},
		{CC_ENABLE | 1 << 11, 0x001f001f, sq, cq, false}, /* arbitration */
		{0x00450001, 0x001f001f, sq, cq, false},	  /* 32 byte commands */
		{0x00560001, 0x001f001f, sq, cq, false},	  /* 32 byte completions */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		host_set_reg(h, NVME_REG_AQA, 4, table[i].aqa);
		host_set_reg(h, NVME_REG_ASQ, 8, table[i].asq);
		host_set_reg(h, NVME_REG_ACQ, 8, table[i].acq);
		host_set_reg(h, NVME_REG_CC, 4, table[i].cc);
		if (!!(REG_CSTS(h) & CSTS_READY) != table[i].ok)
			printf("# row %zu: CSTS %x\n", i, REG_CSTS(h));
		CU_ASSERT_EQUAL(REG_CSTS(h), table[i].ok ? CSTS_READY : CSTS_FATAL);
		host_disable(h);
	}
	h->used = 0;
	CU_ASSERT_TRUE(host_enable(h, 32));
	CU_ASSERT_EQUAL(host_admin(h, (struct nvme_sqe){.opcode = 0xff}), NVME_SC_INVALID_OPCODE);
	host_close(h);
}

/* Enabled before the VMM has shared memory. */
static void enable_without_memory(void)
{
	struct host *h = host_open_off(&(struct host_params){0});

	vnvme_memory_stop(h->ctrl);
	CU_ASSERT_FALSE(host_enable(h, 16));
	CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_FATAL);
	host_give_memory(h);
	CU_ASSERT_EQUAL(REG_CSTS(h), CSTS_FATAL);
	host_disable(h);
	CU_ASSERT_TRUE(host_enable(h, 16));
	host_close(h);
}

static const struct test_case cases[] = {
	{"access_table", access_table},
	{"constants", constants},
	{"values", values},
	{"while_enabled", while_enabled},
	{"enable_table", enable_table},
	{"enable_without_memory", enable_without_memory},
};

TEST_MAIN("regs", cases)
