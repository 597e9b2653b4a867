/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identify, creation and deletion of queues, Doorbell Buffer Config, and what the fields of each
 * admin command may not be (NVMe 1.4, chapter 5).
 */
#include <endian.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512,"
		 " uuid: 00112233-4455-6677-8899-aabbccddeeff}\n"
		 "  - {name: ram1, type: malloc, size: 32MiB, block_size: 4096}\n",
	.controllers =
		"  - {name: nvme0, type: nvme, io_queues: 4, serial: SN-0815, model: A model,"
		" namespaces: [{bdev: ram0}, {bdev: ram1, nsid: 3},"
		" {bdev: ram0, nsid: 200, read_only: true}]}\n"
		"  - {name: nvme1, type: nvme, io_queues: 1, namespaces: [{bdev: ram0}]}\n",
};

enum { IO_QUEUES = 4, NN = 200 };

static struct fe_nvme ctrl;
static struct fe_buf buf;

static bool setup(void)
{
	if (!fe_fixture_open(&ctrl, "nvme0", NULL))
		return false;
	fe_buf_alloc(&ctrl, &buf, 16 * FE_PAGE);
	return true;
}

static int run(struct fe_sqe sqe)
{
	return fe_exec(&ctrl.admin.sq, &sqe, NULL);
}

/* An ASCII field: the text, then spaces up to the end. */
static bool padded(const char *field, size_t len, const char *text)
{
	size_t n = strlen(text), i;

	if (memcmp(field, text, n))
		return false;
	for (i = n; i < len; i++)
		if (field[i] != ' ')
			return false;
	return true;
}

static void test_identify_controller(void)
{
	const struct nvme_id_ctrl *id;

	REQUIRE(setup());
	id = (void *)buf.va;
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	CHECK(padded(id->sn, sizeof(id->sn), "SN-0815"));
	CHECK(padded(id->mn, sizeof(id->mn), "A model"));
	CHECK(id->fr[0] > ' ');
	CHECK_EQ(le32toh(id->ver), 0x10400);
	CHECK(id->mdts >= 8);
	CHECK_EQ(id->sqes, 0x66);
	CHECK_EQ(id->cqes, 0x44);
	CHECK_EQ(le32toh(id->nn), NN);
	CHECK(le16toh(id->oacs) & NVME_CTRL_OACS_DBBUF_CFG);
	CHECK_EQ(le16toh(id->oncs) & 0xd, 0xd); /* compare, DSM, write zeroes */
	CHECK_EQ(le32toh(id->sgls), 2);		/* in dwords */
	CHECK_EQ(le16toh(id->fuses), 0);
	CHECK(strncmp(id->subnqn, "nqn.", 4) == 0);
	CHECK(memchr(id->subnqn, 0, sizeof(id->subnqn)) != NULL);
	/* Reserved fields are 0. */
	CHECK(id->rsvd134[0] == 0 && memcmp(id->rsvd134, id->rsvd134 + 1, 118) == 0);
	CHECK(id->rsvd1024[0] == 0 && memcmp(id->rsvd1024, id->rsvd1024 + 1, 767) == 0);
}

/* Two controllers are two devices: nothing that identifies one is the other's. */
static void test_identities_differ(void)
{
	struct nvme_id_ctrl first, second;

	REQUIRE(setup());
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	memcpy(&first, buf.va, sizeof(first));
	REQUIRE(fe_fixture_open(&ctrl, "nvme1", NULL));
	fe_buf_alloc(&ctrl, &buf, FE_PAGE);
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	memcpy(&second, buf.va, sizeof(second));
	CHECK(memcmp(first.sn, second.sn, sizeof(first.sn)) != 0);
	CHECK(memcmp(first.subnqn, second.subnqn, sizeof(first.subnqn)) != 0);
}

static void test_identify_namespace(void)
{
	const struct nvme_id_ns *ns;
	unsigned int lbaf;

	REQUIRE(setup());
	ns = (void *)buf.va;
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS, 1, &buf), 0);
	CHECK_EQ(le64toh(ns->nsze), (64u << 20) / 512);
	CHECK_EQ(le64toh(ns->ncap), (64u << 20) / 512);
	lbaf = ns->flbas & 0xf;
	CHECK(lbaf <= ns->nlbaf);
	CHECK_EQ(ns->lbaf[lbaf].ds, 9);
	CHECK_EQ(ns->lbaf[lbaf].ms, 0);
	CHECK_EQ(ns->nsattr & 1, 0);
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS, 3, &buf), 0);
	CHECK_EQ(le64toh(ns->nsze), (32u << 20) / 4096);
	CHECK_EQ(ns->lbaf[ns->flbas & 0xf].ds, 12);
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS, 200, &buf), 0);
	CHECK_EQ(ns->nsattr & 1, 1); /* write protected */
	/* An inactive one is all zeroes. */
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS, 2, &buf), 0);
	CHECK(buf.va[0] == 0 && memcmp(buf.va, buf.va + 1, FE_PAGE - 1) == 0);
}

static void test_active_namespace_list(void)
{
	const uint32_t *list;

	REQUIRE(setup());
	list = (void *)buf.va;
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0, &buf), 0);
	CHECK_EQ(le32toh(list[0]), 1);
	CHECK_EQ(le32toh(list[1]), 3);
	CHECK_EQ(le32toh(list[2]), 200);
	CHECK_EQ(list[3], 0);
	CHECK_EQ(list[1023], 0);
	/* Those above the given one, whether it exists or not. */
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 2, &buf), 0);
	CHECK_EQ(le32toh(list[0]), 3);
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 200, &buf), 0);
	CHECK_EQ(list[0], 0);
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0xfffffffd, &buf), 0);
	CHECK_EQ(list[0], 0);
}

/* The descriptor with the bdev's UUID is there, and the list ends in bounds. */
static void test_namespace_descriptors(void)
{
	static const uint8_t uuid[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	bool found = false;
	size_t at = 0;

	REQUIRE(setup());
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS_DESC_LIST, 1, &buf), 0);
	while (at + 4 <= FE_PAGE && buf.va[at + 1] != 0) {
		const struct nvme_ns_id_desc *d = (void *)(buf.va + at);

		REQUIRE(at + 4 + d->nidl <= FE_PAGE);
		if (d->nidt == NVME_NIDT_UUID)
			found = d->nidl == 16 && memcmp(d->nid, uuid, 16) == 0;
		at += 4u + d->nidl;
	}
	CHECK(found);
}

static void test_command_set_identify(void)
{
	struct fe_sqe sqe;

	REQUIRE(setup());
	/* CSI in CDW11 31:24 is 0: the NVM command set. */
	CHECK_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CSI_CTRL, 0, &buf), 0);
	CHECK_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CSI_INDEPENDENT_ID_NS, 1, &buf), 0);
	sqe = fe_sqe_identify(NVME_IDENTIFY_CNS_CSI_CTRL, 0, buf.gpa);
	sqe.cdw11 = 2u << 24; /* zoned */
	CHECK_EQ(FE_SC(run(sqe)), NVME_SC_INVALID_FIELD);
}

/* The data may lie at an offset, in two pages that are no neighbours. */
static void test_identify_in_two_pages(void)
{
	struct fe_sqe sqe;

	REQUIRE(setup());
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	sqe = fe_sqe_identify(NVME_IDENTIFY_CNS_CTRL, 0, buf.gpa + 4 * FE_PAGE + 1024);
	sqe.prp2 = buf.gpa + 2 * FE_PAGE;
	CHECK_EQ(run(sqe), 0);
	CHECK(memcmp(buf.va, buf.va + 4 * FE_PAGE + 1024, 3072) == 0);
	CHECK(memcmp(buf.va + 3072, buf.va + 2 * FE_PAGE, 1024) == 0);
}

/* {fields, expected status}. The data pointer is a good one unless prp1 is given. */
struct bad_command {
	const char *what;
	struct fe_sqe sqe;
	int status; /* with DNR added */
	uint64_t prp1;
};

static void expect_all(const struct bad_command *bad, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct fe_sqe sqe = bad[i].sqe;

		sqe.prp1 = bad[i].prp1 ? bad[i].prp1 : sqe.prp1 ? sqe.prp1 : buf.gpa;
		if (!CHECK_EQ(run(sqe), bad[i].status | FE_DNR))
			printf("# %s\n", bad[i].what);
	}
}

#define OUTSIDE	    0x7000000000ULL
#define ID(cns, id) fe_sqe_identify(cns, id, 0)

static void test_bad_identify(void)
{
	const struct bad_command bad[] = {
		{"namespace 0", ID(0, 0), NVME_SC_INVALID_NS, 0},
		{"namespace beyond NN", ID(0, NN + 1), NVME_SC_INVALID_NS, 0},
		{"namespace fffffffeh", ID(0, 0xfffffffe), NVME_SC_INVALID_NS, 0},
		{"all namespaces, without namespace management", ID(0, NVME_NSID_ALL),
		 NVME_SC_INVALID_NS, 0},
		{"list after fffffffeh", ID(2, 0xfffffffe), NVME_SC_INVALID_NS, 0},
		{"list after ffffffffh", ID(2, NVME_NSID_ALL), NVME_SC_INVALID_NS, 0},
		{"descriptors of namespace 0", ID(3, 0), NVME_SC_INVALID_NS, 0},
		{"descriptors beyond NN", ID(3, NN + 1), NVME_SC_INVALID_NS, 0},
		{"descriptors of an inactive one", ID(3, 2), NVME_SC_INVALID_FIELD, 0},
		{"CNS 4", ID(4, 0), NVME_SC_INVALID_FIELD, 0},
		{"CNS 10h, without namespace management", ID(0x10, 0), NVME_SC_INVALID_FIELD, 0},
		{"CNS 80h", ID(0x80, 0), NVME_SC_INVALID_FIELD, 0},
		{"CNS ffh", ID(0xff, 0), NVME_SC_INVALID_FIELD, 0},
		{"data outside memory", ID(1, 0), NVME_SC_DATA_XFER_ERROR, OUTSIDE},
		{"data at the end of the address space", ID(1, 0), NVME_SC_DATA_XFER_ERROR,
		 ~0xfffULL},
		{"data in the device memory", ID(1, 0), NVME_SC_DATA_XFER_ERROR,
		 VHOST_USER_NVME_DEVMEM_GPA},
	};

	REQUIRE(setup());
	expect_all(bad, sizeof(bad) / sizeof(bad[0]));
}

#define CQ(qid, entries, gpa)	    fe_sqe_create_cq(qid, entries, gpa, 1, true)
#define SQ(qid, entries, gpa, cqid) fe_sqe_create_sq(qid, entries, gpa, cqid)

static struct fe_sqe with_cdw11(struct fe_sqe sqe, uint32_t cdw11)
{
	sqe.cdw11 = cdw11;
	return sqe;
}

static void check_bad_create_cq(void)
{
	const uint32_t max = 1024;
	const struct bad_command bad[] = {
		{"id 0", CQ(0, 16, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"id in use", CQ(1, 16, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"id beyond the last", CQ(IO_QUEUES + 1, 16, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID),
		 0},
		{"id ffffh", CQ(0xffff, 16, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"size 1", CQ(2, 1, 0), FE_CMD_SPEC(NVME_SC_QUEUE_SIZE), 0},
		{"size above MQES", CQ(2, max + 1, 0), FE_CMD_SPEC(NVME_SC_QUEUE_SIZE), 0},
		{"size 65536", CQ(2, 65536, 0), FE_CMD_SPEC(NVME_SC_QUEUE_SIZE), 0},
		{"vector beyond the last", fe_sqe_create_cq(2, 16, 0, IO_QUEUES + 1, true),
		 FE_CMD_SPEC(NVME_SC_INVALID_VECTOR), 0},
		{"vector 2048", fe_sqe_create_cq(2, 16, 0, 2048, true),
		 FE_CMD_SPEC(NVME_SC_INVALID_VECTOR), 0},
		{"vector ffffh", fe_sqe_create_cq(2, 16, 0, 0xffff, true),
		 FE_CMD_SPEC(NVME_SC_INVALID_VECTOR), 0},
		{"not contiguous", with_cdw11(CQ(2, 16, 0), 1 << 16), NVME_SC_INVALID_FIELD, 0},
		{"not aligned to a page", CQ(2, 16, 0), NVME_SC_PRP_INVALID_OFFSET, 0x10010},
	};

	REQUIRE_EQ(ctrl.info.cap & 0xffff, max - 1);
	expect_all(bad, sizeof(bad) / sizeof(bad[0]));
}

static void check_bad_create_sq(void)
{
	const uint32_t max = 1024;
	const struct bad_command bad[] = {
		{"id 0", SQ(0, 16, 0, 1), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"id in use", SQ(1, 16, 0, 1), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"id beyond the last", SQ(IO_QUEUES + 1, 16, 0, 1),
		 FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"id ffffh", SQ(0xffff, 16, 0, 1), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"size 1", SQ(2, 1, 0, 1), FE_CMD_SPEC(NVME_SC_QUEUE_SIZE), 0},
		{"size above MQES", SQ(2, max + 1, 0, 1), FE_CMD_SPEC(NVME_SC_QUEUE_SIZE), 0},
		{"size 65536", SQ(2, 65536, 0, 1), FE_CMD_SPEC(NVME_SC_QUEUE_SIZE), 0},
		{"CQ 0", SQ(2, 16, 0, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ beyond the last", SQ(2, 16, 0, IO_QUEUES + 1),
		 FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ ffffh", SQ(2, 16, 0, 0xffff), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ that does not exist", SQ(2, 16, 0, 2), FE_CMD_SPEC(NVME_SC_CQ_INVALID), 0},
		{"not contiguous", with_cdw11(SQ(2, 16, 0, 1), 1 << 16), NVME_SC_INVALID_FIELD, 0},
		{"not aligned to a page", SQ(2, 16, 0, 1), NVME_SC_PRP_INVALID_OFFSET, 0x10010},
	};

	expect_all(bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_bad_queue_creation(void)
{
	struct fe_qpair qp;
	struct fe_sqe sqe = fe_sqe_flush(1);

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qp, 1, 16), 0);
	check_bad_create_cq();
	check_bad_create_sq();
	/* Nothing of it has harmed the pair that exists, or left another behind. */
	CHECK_EQ(fe_exec(&qp.sq, &sqe, NULL), 0);
	CHECK_EQ(fe_nvme_create_qpair(&ctrl, &qp, 2, 16), 0);
}

/* Memory that isn't there, or only partly: refused, with the address in the log. */
static void test_queue_memory(void)
{
	const uint64_t ram_end = 32ULL << 20; /* fe_nvme_open()'s default */
	const uint64_t bad[] = {OUTSIDE, ram_end, ram_end - FE_PAGE, ~0xfffULL,
				VHOST_USER_NVME_DEVMEM_GPA};
	struct fe_qpair qp;
	size_t i;

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qp, 1, 16), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!CHECK(FE_SC(run(CQ(2, 1024, bad[i]))) != 0))
			printf("# CQ at %#llx\n", (unsigned long long)bad[i]);
		if (!CHECK(FE_SC(run(SQ(2, 1024, bad[i], 1))) != 0))
			printf("# SQ at %#llx\n", (unsigned long long)bad[i]);
	}
	/* The very last page of a region is fine. */
	CHECK_EQ(run(CQ(2, 256, ram_end - FE_PAGE)), 0);
	CHECK_EQ(run(SQ(2, 64, ram_end - FE_PAGE, 2)), 0);
}

static void test_delete_rules(void)
{
	const uint8_t del_cq = nvme_admin_delete_cq, del_sq = nvme_admin_delete_sq;
	const struct bad_command bad[] = {
		{"SQ 0", fe_sqe_delete(del_sq, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ 0", fe_sqe_delete(del_cq, 0), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"SQ that does not exist", fe_sqe_delete(del_sq, 2),
		 FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ that does not exist", fe_sqe_delete(del_cq, 2),
		 FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"SQ beyond the last", fe_sqe_delete(del_sq, IO_QUEUES + 1),
		 FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ ffffh", fe_sqe_delete(del_cq, 0xffff), FE_CMD_SPEC(NVME_SC_QID_INVALID), 0},
		{"CQ with a live SQ", fe_sqe_delete(del_cq, 1), FE_CMD_SPEC(NVME_SC_INVALID_QUEUE),
		 0},
	};
	struct fe_qpair qp;
	struct fe_sqe sqe = fe_sqe_flush(1);

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qp, 1, 16), 0);
	expect_all(bad, sizeof(bad) / sizeof(bad[0]));
	CHECK_EQ(fe_exec(&qp.sq, &sqe, NULL), 0);
	REQUIRE_EQ(fe_nvme_delete_qpair(&ctrl, &qp), 0);
	CHECK_EQ(FE_SC(run(fe_sqe_delete(del_sq, 1))), FE_CMD_SPEC(NVME_SC_QID_INVALID));
}

static void test_bad_doorbell_buffers(void)
{
	const uint64_t gpas[][2] = {
		{1, 0},	      {0, 1},	    {0x800, 0},	    {0, 0xffc},
		{OUTSIDE, 0}, {0, OUTSIDE}, {~0xfffULL, 0}, {0, ~0xfffULL},
	};
	struct fe_qpair qp;
	struct fe_sqe sqe = fe_sqe_flush(1);
	size_t i;

	REQUIRE(setup());
	for (i = 0; i < sizeof(gpas) / sizeof(gpas[0]); i++) {
		uint64_t a = gpas[i][0] >= FE_PAGE ? gpas[i][0] : buf.gpa + gpas[i][0];
		uint64_t b = gpas[i][1] >= FE_PAGE ? gpas[i][1] : buf.gpa + FE_PAGE + gpas[i][1];

		if (!CHECK_EQ(run(fe_sqe_dbbuf(a, b)), NVME_SC_INVALID_FIELD | FE_DNR))
			printf("# %#llx, %#llx\n", (unsigned long long)a, (unsigned long long)b);
	}
	/* Real doorbells still work, and so do shadows in the end. */
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qp, 1, 16), 0);
	CHECK_EQ(fe_exec(&qp.sq, &sqe, NULL), 0);
	CHECK_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	CHECK_EQ(fe_run_flushes(&qp, 50, 8), 0);
}

static void test_bad_opcodes_and_flags(void)
{
	static const uint8_t opcs[] = {0x03, 0x07, 0x0b, 0x0d, 0x10, 0x11, 0x14, 0x15,
				       0x18, 0x19, 0x1a, 0x1c, 0x1d, 0x1e, 0x20, 0x7f,
				       0x80, 0x81, 0x82, 0x84, 0x86, 0xc0, 0xff};
	struct fe_sqe sqe;
	unsigned int flags;
	size_t i;

	REQUIRE(setup());
	for (i = 0; i < sizeof(opcs); i++) {
		sqe = (struct fe_sqe){.opc = opcs[i], .prp1 = buf.gpa};
		if (!CHECK_EQ(run(sqe), NVME_SC_INVALID_OPCODE | FE_DNR))
			printf("# opcode %#x\n", opcs[i]);
	}
	for (flags = 1; flags < 4; flags++) {
		sqe = fe_sqe_identify(1, 0, buf.gpa);
		sqe.flags = (uint8_t)flags;
		CHECK_EQ(run(sqe), NVME_SC_INVALID_FIELD | FE_DNR);
		sqe.flags = (uint8_t)(flags << 6);
		CHECK_EQ(run(sqe), NVME_SC_INVALID_FIELD | FE_DNR);
	}
}

static const struct test_case cases[] = {
	{"identify_controller", test_identify_controller},
	{"identities_differ", test_identities_differ},
	{"identify_namespace", test_identify_namespace},
	{"active_namespace_list", test_active_namespace_list},
	{"namespace_descriptors", test_namespace_descriptors},
	{"command_set_identify", test_command_set_identify},
	{"identify_in_two_pages", test_identify_in_two_pages},
	{"bad_identify", test_bad_identify},
	{"bad_queue_creation", test_bad_queue_creation},
	{"queue_memory", test_queue_memory},
	{"delete_rules", test_delete_rules},
	{"bad_doorbell_buffers", test_bad_doorbell_buffers},
	{"bad_opcodes_and_flags", test_bad_opcodes_and_flags},
};

FE_TEST_MAIN("nvme_admin", cases, &config)
