/* SPDX-License-Identifier: BSD-3-Clause */
/* Identify (NVMe 1.4, 5.15), Get Log Page (5.14), Get and Set Features (5.21): fields and refusals.
 */
#include "fixture.h"

static struct nvme_sqe sqe_identify(uint32_t cns, uint32_t nsid, uint32_t cdw11, uint64_t gpa)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_identify,
		.nsid = htole32(nsid),
		.prp1 = htole64(gpa),
		.cdw10 = htole32(cns),
		.cdw11 = htole32(cdw11),
	};
}

/* --- Identify --- */

static void identify_table(void)
{
	static const struct {
		uint32_t cns, nsid, cdw11;
		uint16_t expected;
	} table[] = {
		{0x01, 0, 0, 0},
		{0x00, NS_RAM, 0, 0},
		{0x00, NS_SLOW, 0, 0},
		{0x00, 0, 0, NVME_SC_INVALID_NS},
		{0x00, NS_SLOW + 1, 0, NVME_SC_INVALID_NS},
		{0x00, UINT32_MAX, 0, NVME_SC_INVALID_NS},
		{0x02, 0, 0, 0},
		{0x02, 100, 0, 0},
		{0x02, 0xfffffffd, 0, 0},
		{0x02, 0xfffffffe, 0, NVME_SC_INVALID_NS},
		{0x02, 0xffffffff, 0, NVME_SC_INVALID_NS},
		{0x03, NS_RAM, 0, 0},
		{0x03, 0, 0, NVME_SC_INVALID_NS},
		{0x03, UINT32_MAX, 0, NVME_SC_INVALID_NS},
		{0x06, 0, 0, 0},
		{0x06, 0, 1u << 24, NVME_SC_INVALID_FIELD}, /* a command set that is not there */
		{0x06, 0, 0xffu << 24, NVME_SC_INVALID_FIELD},
		{0x08, NS_RAM, 0, 0},
		{0x08, 0, 0, NVME_SC_INVALID_NS},
		{0x04, 0, 0, NVME_SC_INVALID_FIELD},
		{0x10, 0, 0, NVME_SC_INVALID_FIELD},
		{0x13, 0, 0, NVME_SC_INVALID_FIELD},
		{0xff, 0, 0, NVME_SC_INVALID_FIELD},
	};
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	uint8_t *data = host_ptr(h, buf);
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t status;

		memset(data, 0xa5, HOST_PAGE);
		status = host_admin(h,
				    sqe_identify(table[i].cns, table[i].nsid, table[i].cdw11, buf));
		if (status != table[i].expected)
			printf("# row %zu: %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
		/* All 4096 bytes are written, or none. */
		for (k = 0; k < HOST_PAGE && data[k] == 0xa5; k++)
			;
		CU_ASSERT_EQUAL(k == HOST_PAGE, status != 0);
		CU_ASSERT_EQUAL(data[HOST_PAGE - 1], status ? 0xa5 : 0);
	}
	host_close(h);
}

static bool padded(const char *field, size_t size, const char *text)
{
	size_t n = strlen(text), i;

	for (i = n; i < size; i++)
		if (field[i] != ' ')
			return false;
	return !memcmp(field, text, n);
}

static void controller(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const struct nvme_id_ctrl *id = host_ptr(h, buf);

	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(1, 0, 0, buf)), 0);
	CU_ASSERT_TRUE(padded(id->sn, sizeof(id->sn), "SN1"));
	CU_ASSERT_TRUE(padded(id->mn, sizeof(id->mn), "a model"));
	CU_ASSERT_TRUE(padded(id->fr, sizeof(id->fr), SB_VERSION));
	CU_ASSERT(id->mdts >= 8); /* 1 MiB */
	CU_ASSERT_EQUAL(le16toh(id->cntlid), 1);
	CU_ASSERT_EQUAL(le32toh(id->ver), vnvme_vs(h->ctrl));
	CU_ASSERT_TRUE(le16toh(id->oacs) & NVME_CTRL_OACS_DBBUF_CFG);
	CU_ASSERT_EQUAL(id->aerl, VNVME_AERL - 1);
	CU_ASSERT_EQUAL(id->sqes, 0x66);
	CU_ASSERT_EQUAL(id->cqes, 0x44);
	CU_ASSERT_EQUAL(le32toh(id->nn), NS_SLOW);
	CU_ASSERT_EQUAL(le16toh(id->oncs) & (NVME_CTRL_ONCS_COMPARE | NVME_CTRL_ONCS_DSM |
					     NVME_CTRL_ONCS_WRITE_ZEROES),
			NVME_CTRL_ONCS_COMPARE | NVME_CTRL_ONCS_DSM | NVME_CTRL_ONCS_WRITE_ZEROES);
	CU_ASSERT_EQUAL(le16toh(id->fuses), 0);
	CU_ASSERT_EQUAL(id->npss, 0);
	CU_ASSERT_EQUAL(le32toh(id->sgls), 2);
	CU_ASSERT(strnlen(id->subnqn, sizeof(id->subnqn)) < 224);
	CU_ASSERT_EQUAL(strncmp(id->subnqn, "nqn.", 4), 0);
	host_close(h);
}

static void namespaces(void)
{
	static const uint64_t blocks[] = {0, RAM_BLOCKS, NULL_BLOCKS, NULL_BLOCKS};
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const struct nvme_id_ns *id = host_ptr(h, buf);
	const uint32_t *list = host_ptr(h, buf);
	uint8_t eui[4][8];
	uint32_t nsid, n;

	for (nsid = 1; nsid <= NS_SLOW; nsid++) {
		CU_ASSERT_EQUAL(host_admin(h, sqe_identify(0, nsid, 0, buf)), 0);
		CU_ASSERT_EQUAL(le64toh(id->nsze), blocks[nsid]);
		CU_ASSERT_EQUAL(le64toh(id->ncap), blocks[nsid]);
		CU_ASSERT_EQUAL(id->nlbaf, 0);
		CU_ASSERT_EQUAL(id->flbas, 0);
		CU_ASSERT_EQUAL(id->lbaf[0].ds, 9);
		CU_ASSERT_EQUAL(le16toh(id->lbaf[0].ms), 0);
		CU_ASSERT_EQUAL(id->nguid[15], nsid); /* its UUID */
		memcpy(eui[nsid], id->eui64, 8);
		CU_ASSERT_EQUAL(eui[nsid][0] & 1, 0);
		CU_ASSERT_EQUAL(eui[nsid][0] & 2, 2); /* of no vendor */
	}
	CU_ASSERT(memcmp(eui[1], eui[2], 8) && memcmp(eui[2], eui[3], 8));
	/* The list begins behind the id that is given. */
	for (nsid = 0; nsid <= NS_SLOW; nsid++) {
		CU_ASSERT_EQUAL(host_admin(h, sqe_identify(2, nsid, 0, buf)), 0);
		for (n = 0; nsid + n < NS_SLOW; n++)
			CU_ASSERT_EQUAL(le32toh(list[n]), nsid + n + 1);
		CU_ASSERT_EQUAL(list[n], 0);
	}
	host_close(h);
}

/* UUID, NGUID, EUI-64 and the command set, each with its length, and an end. */
static void descriptors(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const uint8_t *data = host_ptr(h, buf);
	unsigned int seen = 0, at = 0;

	CU_ASSERT_EQUAL(host_admin(h, sqe_identify(3, NS_NULL, 0, buf)), 0);
	while (at < HOST_PAGE - 4 && data[at]) {
		static const uint8_t len[] = {0, 8, 16, 16, 1};

		CU_ASSERT_FATAL(data[at] <= 4);
		CU_ASSERT_EQUAL(data[at + 1], len[data[at]]);
		if (data[at] == 3)
			CU_ASSERT_EQUAL(data[at + 4 + 15], NS_NULL);
		seen |= 1u << data[at];
		at += 4u + data[at + 1];
	}
	CU_ASSERT_EQUAL(seen, 0x1e);
	host_close(h);
}

/* CNS 08h (NVMe 2.0, figure 280), of a namespace that is read-only and of one that is not. */
static void independent(void)
{
	struct vnvme_ns_params ns[] = {{.bdev = "null", .nsid = 1, .read_only = true},
				       {.bdev = "ram", .nsid = 2}};
	struct host *h = host_open(&(struct host_params){0});
	struct vnvme_params p = {
		.name = "second",
		.serial = "SN2",
		.model = "m",
		.io_queues = HOST_QUEUES,
		.namespaces = ns,
		.nnamespaces = 2,
		.reactors = h->r,
		.nreactors = 1,
	};
	struct vnvme_ctrl *first = h->ctrl;
	uint64_t buf;
	const uint8_t *data;
	int i;

	/* Another controller with the same bdevs takes the host over. */
	host_detach(h);
	CU_ASSERT_EQUAL_FATAL(vnvme_ctrl_create(&p, &h->ctrl), 0);
	host_attach(h, true);
	CU_ASSERT_TRUE(host_enable(h, 16));
	buf = host_alloc(h, HOST_PAGE);
	data = host_ptr(h, buf);
	for (i = 1; i <= 2; i++) {
		CU_ASSERT_EQUAL(host_admin(h, sqe_identify(8, (uint32_t)i, 0, buf)), 0);
		CU_ASSERT_EQUAL(data[8], i == 1);	 /* NSATTR: write protected */
		CU_ASSERT_EQUAL(data[12] | data[13], 0); /* ENDGID */
		CU_ASSERT_EQUAL(data[14] & 1, 1);	 /* NSTAT: ready */
		CU_ASSERT_EQUAL(host_admin(h, sqe_identify(0, (uint32_t)i, 0, buf)), 0);
		CU_ASSERT_EQUAL(((const struct nvme_id_ns *)(const void *)data)->nsattr, i == 1);
	}
	host_detach(h);
	vnvme_ctrl_destroy(h->ctrl);
	h->ctrl = first;
	host_attach(h, true);
	host_close(h);
}

/* --- log pages --- */

static struct nvme_sqe sqe_log(uint32_t lid, uint64_t dwords, uint64_t offset, uint64_t gpa)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_get_log_page,
		.nsid = htole32(NVME_NSID_ALL),
		.prp1 = htole64(gpa),
		.prp2 = htole64(gpa + HOST_PAGE),
		.cdw10 = htole32((uint32_t)((dwords - 1) & 0xffff) << 16 | lid),
		.cdw11 = htole32((uint32_t)((dwords - 1) >> 16)),
		.cdw12 = htole32((uint32_t)offset),
		.cdw13 = htole32((uint32_t)(offset >> 32)),
	};
}

static void log_table(void)
{
	static const struct {
		uint32_t lid;
		uint64_t dwords, offset;
		uint16_t expected;
		unsigned int written; /* bytes */
	} table[] = {
		{1, 16, 0, 0, 64},
		{1, 1024, 0, 0, 4096},
		{1, 1025, 0, 0, 4096}, /* more than there is */
		{1, 16, 4032, 0, 64},
		{1, 16, 4096, NVME_SC_INVALID_FIELD, 0},
		{2, 128, 0, 0, 512},
		{2, 1, 0, 0, 4},
		{2, 128, 256, 0, 256},
		{2, 1, 508, 0, 4},
		{2, 1, 512, NVME_SC_INVALID_FIELD, 0},
		{2, 1, 2, NVME_SC_INVALID_FIELD, 0},
		{2, 1, UINT64_MAX - 3, NVME_SC_INVALID_FIELD, 0},
		{2, 1, 1ull << 32, NVME_SC_INVALID_FIELD, 0},
		{2, 1ull << 32, 0, 0, 512},
		{3, 128, 0, 0, 512},
		{5, 1024, 0, 0, 4096},
		{5, 1024, 2048, 0, 2048},
		{0, 256, 0, 0, 1024},
		{0x12, 256, 0, 0, 1024},
		{4, 1024, 0, 0, 4096},
		{6, 1, 0, ST_CMD(NVME_SC_INVALID_LOG_PAGE), 0},
		{0x80, 1, 0, ST_CMD(NVME_SC_INVALID_LOG_PAGE), 0},
		{0xff, 1, 0, ST_CMD(NVME_SC_INVALID_LOG_PAGE), 0},
	};
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, 2 * HOST_PAGE);
	uint8_t *data = host_ptr(h, buf);
	size_t i;
	unsigned int last;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t status;

		memset(data, 0xa5, 2 * HOST_PAGE);
		status =
			host_admin(h, sqe_log(table[i].lid, table[i].dwords, table[i].offset, buf));
		for (last = 2 * HOST_PAGE; last && data[last - 1] == 0xa5; last--)
			;
		if (status != table[i].expected || last != table[i].written)
			printf("# row %zu: %03x, %u bytes\n", i, status, last);
		CU_ASSERT_EQUAL(status, table[i].expected);
		CU_ASSERT_EQUAL(last, table[i].written);
	}
	host_close(h);
}

static uint64_t low64(const uint8_t field[16])
{
	uint64_t v;

	memcpy(&v, field, sizeof(v));
	return le64toh(v);
}

/* Counters count, in their units: reads and writes, of 1000 blocks of 512 bytes, rounded up. */
static void smart(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, 64 * HOST_PAGE), log = host_alloc(h, HOST_PAGE);
	const struct nvme_smart_log *s = host_ptr(h, log);
	int i;

	CU_ASSERT_EQUAL(host_admin(h, sqe_log(2, 128, 0, log)), 0);
	CU_ASSERT_EQUAL(low64(s->host_reads) + low64(s->host_writes), 0);
	CU_ASSERT_EQUAL(low64(s->data_units_read) + low64(s->data_units_written), 0);
	CU_ASSERT_EQUAL(low64(s->power_cycles), 1);
	for (i = 0; i < 1001; i++)
		CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, 0, 1, buf)), 0);
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write, NS_NULL, 0, 8, buf)), 0);
	/* A failure is no read; flush and write zeroes are neither. */
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, NULL_BLOCKS, 1, buf)),
			NVME_SC_LBA_RANGE);
	CU_ASSERT_EQUAL(host_run(q, sqe_flush(NS_NULL)), 0);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write_zeroes, NS_NULL, 0, 8, 0)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_log(2, 128, 0, log)), 0);
	CU_ASSERT_EQUAL(low64(s->host_reads), 1001);
	CU_ASSERT_EQUAL(low64(s->data_units_read), 2);
	CU_ASSERT_EQUAL(low64(s->host_writes), 3);
	CU_ASSERT_EQUAL(low64(s->data_units_written), 1);
	CU_ASSERT_EQUAL(low64(s->num_err_log_entries), 1);
	CU_ASSERT_EQUAL(low64(s->media_errors), 0);
	CU_ASSERT_EQUAL(s->critical_warning, 0);
	CU_ASSERT_EQUAL(s->avail_spare, 100);
	host_close(h);
}

/* The newest first, with what was wrong; more than the log holds push the oldest out. */
static void error_log(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const struct nvme_error_log_page *e = host_ptr(h, buf);
	uint64_t i;

	for (i = 0; i < VNVME_ERROR_LOG + 10; i++)
		host_run(q, sqe_rw(nvme_cmd_read, NS_NULL, NULL_BLOCKS + i, 1, buf));
	CU_ASSERT_EQUAL(host_admin(h, sqe_log(1, 1024, 0, buf)), 0);
	for (i = 0; i < VNVME_ERROR_LOG; i++) {
		CU_ASSERT_EQUAL(le64toh(e[i].error_count), VNVME_ERROR_LOG + 10 - i);
		CU_ASSERT_EQUAL(le16toh(e[i].sqid), 1);
		CU_ASSERT_EQUAL(le16toh(e[i].status_field) >> 1 & ST_MASK, NVME_SC_LBA_RANGE);
		CU_ASSERT_EQUAL(le32toh(e[i].nsid), NS_NULL);
		CU_ASSERT_EQUAL(le64toh(e[i].lba), NULL_BLOCKS + VNVME_ERROR_LOG + 9 - i);
	}
	host_close(h);
}

/* The status fields of what waits, as they stand in the completion queue entries. */
static unsigned int take_statuses(struct host_queue *q, uint16_t *status, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		status[i] = le16toh(host_wait(q).status);
	return n;
}

/*
 * The Status Field of an entry is that of the completion queue entry, with More and phase tag:
 * also where the queue wraps within a batch, and where completions wait for room.
 */
static void error_log_status(void)
{
	static const uint16_t cq_sizes[] = {16, 5};
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE);
	const struct nvme_error_log_page *e = host_ptr(h, buf);
	uint16_t want[VNVME_ERROR_LOG];
	unsigned int i, k, n;

	for (k = 0; k < ARRAY_SIZE(cq_sizes); k++) {
		struct host_queue *q = host_add_queue(h, (uint16_t)(k + 1), 64, cq_sizes[k]);

		for (n = 0; n < 60; n += take_statuses(q, want + n, 12)) {
			for (i = 0; i < 12; i++)
				host_put(q, sqe_rw(nvme_cmd_read, NS_NULL, NULL_BLOCKS, 1, buf));
			host_ring_sq(q);
		}
		CU_ASSERT_EQUAL(host_admin(h, sqe_log(1, 1024, 0, buf)), 0);
		for (i = 0; i < n; i++)
			CU_ASSERT_EQUAL(le16toh(e[n - 1 - i].status_field), want[i]);
		CU_ASSERT_EQUAL(want[0] >> 1 & NVME_SC_MORE, NVME_SC_MORE);
	}
	host_close(h);
}

/* What is marked as supported is, and what is not is refused as an invalid opcode. */
static void effects(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_cmd_effects_log log;
	unsigned int op, admin = 0, io = 0;

	CU_ASSERT_EQUAL(host_admin(h, sqe_log(5, 1024, 0, buf)), 0);
	memcpy(&log, host_ptr(h, buf), sizeof(log));
	for (op = 0; op < 256; op++) {
		bool supported = le32toh(log.acs[op]) & 1;

		admin += supported;
		if (!supported)
			CU_ASSERT_EQUAL(host_admin(h, (struct nvme_sqe){.opcode = (uint8_t)op}),
					NVME_SC_INVALID_OPCODE);
		supported = le32toh(log.iocs[op]) & 1;
		io += supported;
		if (!supported)
			CU_ASSERT_EQUAL(host_run(q, (struct nvme_sqe){.opcode = (uint8_t)op,
								      .nsid = htole32(1)}),
					NVME_SC_INVALID_OPCODE);
	}
	CU_ASSERT(admin >= 11);
	CU_ASSERT(io >= 6);
	host_close(h);
}

/* The pages and features that are listed are there, and no others. */
static void lists(void)
{
	struct host *h = host_open(&(struct host_params){0});
	uint64_t buf = host_alloc(h, HOST_PAGE), other = host_alloc(h, HOST_PAGE);
	uint32_t pages[256], features[256];
	unsigned int i, npages = 0, nfeatures = 0;

	CU_ASSERT_EQUAL(host_admin(h, sqe_log(0, 256, 0, buf)), 0);
	memcpy(pages, host_ptr(h, buf), sizeof(pages));
	CU_ASSERT_EQUAL(host_admin(h, sqe_log(0x12, 256, 0, buf)), 0);
	memcpy(features, host_ptr(h, buf), sizeof(features));
	for (i = 0; i < 256; i++) {
		struct nvme_sqe get = {.opcode = nvme_admin_get_features, .cdw10 = htole32(i)};

		npages += pages[i] & 1;
		nfeatures += features[i] & 1;
		CU_ASSERT_EQUAL(!host_admin(h, sqe_log((uint8_t)i, 1, 0, other)), pages[i] & 1);
		CU_ASSERT_EQUAL(!host_admin(h, get), features[i] & 1);
	}
	CU_ASSERT_EQUAL(npages, 7);
	/* All that NVMe 2.2 has as mandatory: 01h, 02h, 04h, 05h, 07h to 0Bh. */
	CU_ASSERT(nfeatures >= 9);
	CU_ASSERT_EQUAL(le32toh(features[5]) >> 20, 1); /* a namespace's */
	CU_ASSERT_EQUAL(le32toh(features[7]) >> 20, 2); /* the controller's */
	host_close(h);
}

/* --- features --- */

#define GET nvme_admin_get_features
#define SET nvme_admin_set_features
#define ANY 0xffffffffu /* a result that is not checked */

static void feature_table(void)
{
	/* In order, on one controller: what was set is what is read later. */
	static const struct {
		uint8_t op;
		uint32_t nsid, cdw10, cdw11;
		uint16_t expected;
		uint32_t result;
	} table[] = {
		{GET, 0, 0x01, 0, 0, ANY},
		{SET, 0, 0x01, 0x03, 0, ANY},
		{GET, 0, 0x01, 0, 0, 0x03},
		{SET, 0, 0x02, 0, 0, ANY},
		{SET, 0, 0x02, 1, NVME_SC_INVALID_FIELD, ANY}, /* a power state that is not there */
		{GET, 0, 0x02, 0, 0, 0},
		{GET, 0, 0x04, 0, 0, 273 + 70},
		{GET, 0, 0x04, 1u << 20, 0, 0},
		{SET, 0, 0x04, 400, 0, ANY},
		{GET, 0, 0x04, 0, 0, 400},
		{GET, 0, 0x104, 0, 0, 273 + 70}, /* the default */
		{GET, 0, 0x204, 0, 0, 273 + 70}, /* saved: nothing is */
		{GET, 0, 0x304, 0, 0, 4},	 /* changeable */
		{GET, 0, 0x404, 0, NVME_SC_INVALID_FIELD, ANY},
		{GET, 0, 0x704, 0, NVME_SC_INVALID_FIELD, ANY},
		{GET, 0, 0x04, 1u << 16, NVME_SC_INVALID_FIELD, ANY}, /* a sensor */
		{GET, 0, 0x04, 2u << 20, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0x04, 1u << 16, NVME_SC_INVALID_FIELD, ANY},
		/* Without a namespace, as long as all have the same. */
		{GET, 0, 0x05, 0, 0, 0},
		{GET, 0, 0x105, 0, 0, 0},
		{SET, 0, 0x05, 100, NVME_SC_INVALID_NS, ANY},
		{GET, 0, 0x305, 0, 0, 6}, /* changeable, by namespace */
		{GET, UINT32_MAX, 0x305, 0, 0, 6},
		{SET, 1, 0x05, 100, 0, ANY},
		{GET, 1, 0x05, 0, 0, 100},
		{GET, 0, 0x05, 0, NVME_SC_INVALID_NS, ANY},
		{GET, 0, 0x105, 0, 0, 0},
		{GET, UINT32_MAX, 0x05, 0, NVME_SC_INVALID_NS, ANY},
		{GET, 99, 0x05, 0, NVME_SC_INVALID_NS, ANY},
		{SET, 1, 0x05, 1u << 16, NVME_SC_INVALID_FIELD, ANY}, /* DULBE */
		{GET, 0, 0x07, 0, 0, (HOST_QUEUES - 1) << 16 | (HOST_QUEUES - 1)},
		{SET, 0, 0x07, 0x00010001, 0, ANY},
		{SET, 0, 0x07, 0xffff0001, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0x07, 0x0001ffff, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0x08, 0x1234, 0, ANY},
		{GET, 0, 0x08, 0, 0, 0x1234},
		{SET, 0, 0x09, 1u << 16 | 2, 0, ANY},
		{GET, 0, 0x09, 2, 0, 1u << 16 | 2},
		{GET, 0, 0x09, 1, 0, 1},
		{GET, 0, 0x09, HOST_QUEUES + 1, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0x09, 0xffff, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0x0a, 1, 0, ANY},
		{GET, 0, 0x0a, 0, 0, 1},
		{SET, 0, 0x0b, 0x1f, 0, ANY},
		{GET, 0, 0x0b, 0, 0, 0x1f},
		/* Nothing can be saved. */
		{SET, 0, 1u << 31 | 0x01, 3, ST_CMD(NVME_SC_FEATURE_NOT_SAVEABLE), ANY},
		/* A namespace, for what has none. */
		{SET, 1, 0x01, 3, ST_CMD(NVME_SC_FEATURE_NOT_PER_NS), ANY},
		{SET, 99, 0x01, 3, NVME_SC_INVALID_NS, ANY},
		{SET, UINT32_MAX, 0x01, 3, 0, ANY},
		/* Not there. */
		{GET, 0, 0x00, 0, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0x00, 0, NVME_SC_INVALID_FIELD, ANY},
		{GET, 0, 0x03, 0, NVME_SC_INVALID_FIELD, ANY},
		{GET, 0, 0x0c, 0, NVME_SC_INVALID_FIELD, ANY},
		{GET, 0, 0x7f, 0, NVME_SC_INVALID_FIELD, ANY},
		{GET, 0, 0xff, 0, NVME_SC_INVALID_FIELD, ANY},
		{SET, 0, 0xff, 0, NVME_SC_INVALID_FIELD, ANY},
	};
	struct host *h = host_open(&(struct host_params){0});
	struct nvme_cqe cqe;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct nvme_sqe sqe = {
			.opcode = table[i].op,
			.nsid = htole32(table[i].nsid),
			.cdw10 = htole32(table[i].cdw10),
			.cdw11 = htole32(table[i].cdw11),
		};
		uint16_t status = host_run_cqe(&h->admin, sqe, &cqe);
		bool ok = status == table[i].expected &&
			  (table[i].result == ANY || le32toh(cqe.result) == table[i].result);

		if (!ok)
			printf("# row %zu: %03x, %#x\n", i, status, le32toh(cqe.result));
		CU_ASSERT_TRUE(ok);
	}
	/* Number of Queues, once there are some; and a reset gives the defaults back. */
	host_add_queue(h, 1, 16, 16);
	CU_ASSERT_EQUAL(host_admin(h, (struct nvme_sqe){.opcode = SET, .cdw10 = htole32(7)}),
			NVME_SC_CMD_SEQ_ERROR);
	host_disable(h);
	CU_ASSERT_TRUE(host_enable(h, 16));
	CU_ASSERT_EQUAL(host_run_cqe(&h->admin,
				     (struct nvme_sqe){.opcode = GET, .cdw10 = htole32(4)}, &cqe),
			0);
	CU_ASSERT_EQUAL(le32toh(cqe.result), 273 + 70);
	host_close(h);
}

static const struct test_case cases[] = {
	{"identify_table", identify_table},
	{"controller", controller},
	{"namespaces", namespaces},
	{"descriptors", descriptors},
	{"independent", independent},
	{"log_table", log_table},
	{"smart", smart},
	{"error_log", error_log},
	{"error_log_status", error_log_status},
	{"effects", effects},
	{"lists", lists},
	{"feature_table", feature_table},
};

TEST_MAIN("identify", cases)
