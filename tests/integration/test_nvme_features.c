/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Features with all their selects, log pages, asynchronous events and Abort
 * (NVMe 1.4, 5.1, 5.2, 5.14, 5.21).
 */
#include <endian.h>
#include <errno.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

static const struct fe_daemon_config config = {
	.bdevs =
		"  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		"  - {name: slow0, type: null, size: 1GiB, block_size: 512, latency_us: 60000000}\n",
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 4,"
		       " namespaces: [{bdev: ram0}, {bdev: slow0}]}\n",
};

enum { NS_RAM = 1, NS_SLOW = 2 };
enum { CURRENT = 0, DEFAULT = 1, SAVED = 2, SUPPORTED = 3 };

static struct fe_nvme ctrl;
static struct fe_qpair io;
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

static int get_feature(uint8_t fid, uint8_t select, uint32_t nsid, uint32_t dw11, uint32_t *value)
{
	struct fe_sqe sqe = fe_sqe_get_features(fid, select, nsid);
	struct fe_cqe cqe;
	int status;

	sqe.cdw11 = dw11;
	status = fe_exec(&ctrl.admin.sq, &sqe, &cqe);
	*value = status ? 0 : cqe.result;
	return status;
}

static int set_feature(uint8_t fid, uint32_t dw11)
{
	return run(fe_sqe_set_features(fid, 0, dw11));
}

/* The mandatory ones answer to each select, and a value that was set is the current one. */
static void test_features(void)
{
	static const struct {
		uint8_t fid;
		uint32_t set;
	} features[] = {
		{NVME_FEAT_FID_ARBITRATION, 0x03020105}, {NVME_FEAT_FID_POWER_MGMT, 0},
		{NVME_FEAT_FID_TEMP_THRESH, 0x190},	 {NVME_FEAT_FID_ERR_RECOVERY, 0x10},
		{NVME_FEAT_FID_IRQ_COALESCE, 0x0203},	 {NVME_FEAT_FID_IRQ_CONFIG, 0x10001},
		{NVME_FEAT_FID_WRITE_ATOMIC, 1},	 {NVME_FEAT_FID_ASYNC_EVENT, 0x7},
	};
	size_t i;

	REQUIRE(setup());
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		uint8_t fid = features[i].fid;
		uint32_t set = features[i].set, dw11 = 0, nsid = 0, dflt, value;
		int err = 0;

		/* Which of the vectors is meant. */
		if (fid == NVME_FEAT_FID_IRQ_CONFIG)
			dw11 = set & 0xffff;
		if (fid == NVME_FEAT_FID_ERR_RECOVERY)
			nsid = NS_RAM;
		err |= get_feature(fid, DEFAULT, nsid, dw11, &dflt);
		err |= get_feature(fid, CURRENT, nsid, dw11, &value);
		CHECK_EQ(value, dflt);
		err |= get_feature(fid, SUPPORTED, nsid, dw11, &value);
		CHECK_EQ(value & ~7u, 0);
		CHECK(value & 4); /* changeable */
		err |= run(fe_sqe_set_features(fid, nsid, set));
		err |= get_feature(fid, CURRENT, nsid, dw11, &value);
		CHECK_EQ(value, set);
		err |= get_feature(fid, DEFAULT, nsid, dw11, &value);
		CHECK_EQ(value, dflt);
		/* Nothing is saveable, so the saved value is the default one. */
		err |= get_feature(fid, SAVED, nsid, dw11, &value);
		CHECK_EQ(value, dflt);
		if (!CHECK_EQ(err, 0))
			printf("# feature %#x\n", fid);
	}
	/* A controller reset brings the defaults back. */
	REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		uint32_t dw11 = features[i].fid == NVME_FEAT_FID_IRQ_CONFIG ? 1 : 0, a, b;

		CHECK_EQ(get_feature(features[i].fid, CURRENT, NS_RAM, dw11, &a), 0);
		CHECK_EQ(get_feature(features[i].fid, DEFAULT, NS_RAM, dw11, &b), 0);
		CHECK_EQ(a, b);
	}
}

static void test_volatile_write_cache(void)
{
	uint32_t value;

	REQUIRE(setup());
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	if (!(buf.va[offsetof(struct nvme_id_ctrl, vwc)] & 1)) {
		CHECK_EQ(get_feature(NVME_FEAT_FID_VOLATILE_WC, CURRENT, 0, 0, &value),
			 NVME_SC_INVALID_FIELD | FE_DNR);
		return;
	}
	CHECK_EQ(get_feature(NVME_FEAT_FID_VOLATILE_WC, CURRENT, 0, 0, &value), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(set_feature(NVME_FEAT_FID_VOLATILE_WC, 0), 0);
	CHECK_EQ(get_feature(NVME_FEAT_FID_VOLATILE_WC, CURRENT, 0, 0, &value), 0);
	CHECK_EQ(value, 0);
	/* Written through, still readable. */
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	CHECK_EQ(fe_verify(&io.sq, NS_RAM, 0, 8, 512, &buf, 1), 0);
}

static void test_number_of_queues(void)
{
	uint32_t value;
	struct fe_cqe cqe;
	struct fe_sqe sqe;

	REQUIRE(setup());
	/* Asked for a hundred, given the four there are, 0's based; asked for two, at least two. */
	sqe = fe_sqe_set_features(NVME_FEAT_FID_NUM_QUEUES, 0, 99u << 16 | 99);
	REQUIRE_EQ(fe_exec(&ctrl.admin.sq, &sqe, &cqe), 0);
	CHECK_EQ(cqe.result, 3u << 16 | 3);
	CHECK_EQ(get_feature(NVME_FEAT_FID_NUM_QUEUES, CURRENT, 0, 0, &value), 0);
	CHECK_EQ(value, 3u << 16 | 3);
	CHECK_EQ(set_feature(NVME_FEAT_FID_NUM_QUEUES, 0xffff), NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(set_feature(NVME_FEAT_FID_NUM_QUEUES, 0xffff0000), NVME_SC_INVALID_FIELD | FE_DNR);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	CHECK_EQ(set_feature(NVME_FEAT_FID_NUM_QUEUES, 1u << 16 | 1),
		 NVME_SC_CMD_SEQ_ERROR | FE_DNR);
}

static void test_bad_features(void)
{
	static const uint8_t unknown[] = {0x00, 0x0d, 0x12, 0x1f, 0x30, 0x77, 0x7f, 0xc0, 0xff};
	struct fe_sqe sqe;
	uint32_t value;
	size_t i;

	REQUIRE(setup());
	for (i = 0; i < sizeof(unknown); i++) {
		CHECK_EQ(get_feature(unknown[i], CURRENT, 0, 0, &value),
			 NVME_SC_INVALID_FIELD | FE_DNR);
		CHECK_EQ(set_feature(unknown[i], 0), NVME_SC_INVALID_FIELD | FE_DNR);
	}
	for (i = 4; i < 8; i++)
		CHECK_EQ(get_feature(NVME_FEAT_FID_ARBITRATION, (uint8_t)i, 0, 0, &value),
			 NVME_SC_INVALID_FIELD | FE_DNR);
	/* Save, which nothing can be. */
	sqe = fe_sqe_set_features(NVME_FEAT_FID_ARBITRATION, 0, 3);
	sqe.cdw10 |= 1u << 31;
	CHECK_EQ(run(sqe), FE_CMD_SPEC(NVME_SC_FEATURE_NOT_SAVEABLE) | FE_DNR);
	/* A power state and a vector that do not exist. */
	CHECK_EQ(set_feature(NVME_FEAT_FID_POWER_MGMT, 31), NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(set_feature(NVME_FEAT_FID_IRQ_CONFIG, 5), NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(get_feature(NVME_FEAT_FID_IRQ_CONFIG, CURRENT, 0, 0xffff, &value),
		 NVME_SC_INVALID_FIELD | FE_DNR);
}

/* --- log pages --- */

static uint64_t counter(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Units of 1000 sectors of 512 bytes, rounded up. */
static void test_smart_counters(void)
{
	struct nvme_smart_log before, after;
	unsigned int i;

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, NVME_NSID_ALL, 0, 512, &buf), 0);
	memcpy(&before, buf.va, sizeof(before));
	for (i = 0; i < 500; i++)
		REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_write, NS_RAM, 0, 100, 512, &buf), 0);
	for (i = 0; i < 250; i++)
		REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_read, NS_RAM, 0, 100, 512, &buf), 0);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, 0, 0, 512, &buf), 0);
	memcpy(&after, buf.va, sizeof(after));
	CHECK_EQ(counter(after.host_writes) - counter(before.host_writes), 500);
	CHECK_EQ(counter(after.host_reads) - counter(before.host_reads), 250);
	CHECK_EQ(counter(after.data_units_written) - counter(before.data_units_written), 50);
	CHECK_EQ(counter(after.data_units_read) - counter(before.data_units_read), 25);
	CHECK(counter(after.power_cycles) >= 1);
	CHECK(after.avail_spare >= after.spare_thresh);
	CHECK_EQ(after.critical_warning, 0);
	CHECK(after.temperature[0] | after.temperature[1]);
}

static void test_error_log(void)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, NS_RAM, 1ULL << 40, 1);
	const struct nvme_error_log_page *e;
	const struct nvme_smart_log *smart;
	struct fe_cqe cqe;
	uint64_t first;

	REQUIRE(setup());
	e = (void *)buf.va;
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_ERROR, NVME_NSID_ALL, 0, 64, &buf), 0);
	first = le64toh(e->error_count);
	fe_buf_prps(&sqe, &buf, 0, 512);
	CHECK_EQ(fe_exec(&io.sq, &sqe, &cqe), NVME_SC_LBA_RANGE | FE_DNR);
	CHECK(cqe.status >> 1 & FE_MORE);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_ERROR, NVME_NSID_ALL, 0, 128, &buf), 0);
	CHECK_EQ(le64toh(e->error_count), first + 1);
	CHECK_EQ(le16toh(e->sqid), 1);
	CHECK_EQ(le16toh(e->cmdid), sqe.cid);
	CHECK_EQ(FE_SC(le16toh(e->status_field) >> 1), NVME_SC_LBA_RANGE);
	CHECK_EQ(le64toh(e->lba), 1ULL << 40);
	CHECK_EQ(le32toh(e->nsid), NS_RAM);
	/* The newest comes first, and SMART counts them all. */
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 77, 0, 1, 512, &buf), NVME_SC_INVALID_NS | FE_DNR);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_ERROR, NVME_NSID_ALL, 0, 128, &buf), 0);
	CHECK_EQ(le64toh(e[0].error_count), first + 2);
	CHECK_EQ(le64toh(e[1].error_count), first + 1);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, NVME_NSID_ALL, 0, 512, &buf), 0);
	smart = (void *)buf.va;
	CHECK_EQ(counter(smart->num_err_log_entries), first + 2);
}

static void test_firmware_and_effects_logs(void)
{
	static const uint8_t admin[] = {
		nvme_admin_delete_sq,	nvme_admin_create_sq,	 nvme_admin_get_log_page,
		nvme_admin_delete_cq,	nvme_admin_create_cq,	 nvme_admin_identify,
		nvme_admin_abort_cmd,	nvme_admin_set_features, nvme_admin_get_features,
		nvme_admin_async_event, nvme_admin_dbbuf};
	static const uint8_t nvm[] = {nvme_cmd_flush,	nvme_cmd_write,	       nvme_cmd_read,
				      nvme_cmd_compare, nvme_cmd_write_zeroes, nvme_cmd_dsm};
	const struct nvme_firmware_slot *fw;
	const struct nvme_cmd_effects_log *fx;
	char fr[8];
	size_t i;

	REQUIRE(setup());
	fw = (void *)buf.va;
	fx = (void *)buf.va;
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	memcpy(fr, buf.va + offsetof(struct nvme_id_ctrl, fr), 8);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_FW_SLOT, NVME_NSID_ALL, 0, 512, &buf), 0);
	CHECK_EQ(fw->afi & 7, 1);
	CHECK(memcmp(fw->frs[0], fr, 8) == 0);
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_CMD_EFFECTS, NVME_NSID_ALL, 0, 4096, &buf), 0);
	for (i = 0; i < sizeof(admin); i++)
		CHECK(le32toh(fx->acs[admin[i]]) & NVME_CMD_EFFECTS_CSUPP);
	for (i = 0; i < sizeof(nvm); i++)
		CHECK(le32toh(fx->iocs[nvm[i]]) & NVME_CMD_EFFECTS_CSUPP);
	CHECK_EQ(fx->acs[0xc0], 0);
	CHECK_EQ(fx->iocs[0x03], 0);
}

/* A page read in pieces is the same page. */
static void test_log_offsets(void)
{
	uint8_t whole[4096];
	uint32_t off;

	REQUIRE(setup());
	REQUIRE_EQ(fe_get_log(&ctrl, NVME_LOG_LID_CMD_EFFECTS, NVME_NSID_ALL, 0, 4096, &buf), 0);
	memcpy(whole, buf.va, sizeof(whole));
	for (off = 0; off < 4096; off += 508) {
		uint32_t len = 4096 - off < 508 ? 4096 - off : 508;

		CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_CMD_EFFECTS, NVME_NSID_ALL, off, len, &buf),
			 0);
		CHECK(memcmp(whole + off, buf.va, len) == 0);
	}
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_CMD_EFFECTS, NVME_NSID_ALL, 2, 64, &buf),
		 NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_CMD_EFFECTS, NVME_NSID_ALL, 4100, 64, &buf),
		 NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, NVME_NSID_ALL, 1ULL << 32, 64, &buf),
		 NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, NVME_NSID_ALL, ~3ULL, 64, &buf),
		 NVME_SC_INVALID_FIELD | FE_DNR);
}

static void test_bad_logs(void)
{
	static const uint8_t unknown[] = {0x06, 0x07, 0x0d, 0x70, 0x7f, 0x81, 0xc0, 0xff};
	struct fe_sqe sqe;
	size_t i;

	REQUIRE(setup());
	for (i = 0; i < sizeof(unknown); i++)
		if (!CHECK_EQ(fe_get_log(&ctrl, unknown[i], NVME_NSID_ALL, 0, 64, &buf),
			      FE_CMD_SPEC(NVME_SC_INVALID_LOG_PAGE) | FE_DNR))
			printf("# log page %#x\n", unknown[i]);
	/* More than the page has: the rest of the buffer is zeroes or not touched, nothing else. */
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, NVME_NSID_ALL, 0, 8192, &buf), 0);
	for (i = 512; i < 8192; i++)
		CHECK(buf.va[i] == 0 || buf.va[i] == 0xa5);
	/* 16 GiB: the same, or refused as more than MDTS. */
	sqe = fe_sqe_get_log(NVME_LOG_LID_SMART, NVME_NSID_ALL, 0, 512, buf.gpa);
	sqe.cdw10 |= 0xffff0000;
	sqe.cdw11 |= 0xffff;
	i = (size_t)FE_SC(run(sqe));
	CHECK(i == 0 || i == NVME_SC_INVALID_FIELD);
	/* No SMART data of a single namespace (LPA bit 0 is 0). */
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_SMART, 1, 0, 512, &buf),
		 NVME_SC_INVALID_FIELD | FE_DNR);
}

/* --- asynchronous events --- */

/* A tail that the queue hasn't got. */
static void ring_out_of_range(struct fe_sq *sq)
{
	fe_doorbell(&ctrl, sq->qid, false, sq->tail, sq->entries + 7);
}

static void test_async_event(void)
{
	struct fe_sqe aer = fe_sqe_aer();
	struct fe_cqe cqe;
	uint16_t cid, cid2;

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	cid = fe_submit(&ctrl.admin.sq, &aer);
	cid2 = fe_submit(&ctrl.admin.sq, &aer);
	CHECK_EQ(fe_cq_wait_cid(&ctrl.admin.sq, cid, &cqe, FE_QUIET_MS), -ETIMEDOUT);
	ring_out_of_range(&io.sq);
	REQUIRE_EQ(fe_cq_wait_cid(&ctrl.admin.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
	CHECK_EQ(fe_status(&cqe), 0);
	CHECK_EQ(cqe.result & 7, NVME_AER_ERROR);
	CHECK_EQ(cqe.result >> 8 & 0xff, NVME_AER_ERROR_INVALID_DB_VAL);
	CHECK_EQ(cqe.result >> 16 & 0xff, NVME_LOG_LID_ERROR);
	/* The same type is masked until its log page has been read (5.2). */
	fe_doorbell(&ctrl, 1, false, 0, 1000);
	CHECK_EQ(fe_cq_wait_cid(&ctrl.admin.sq, cid2, &cqe, FE_QUIET_MS), -ETIMEDOUT);
	CHECK_EQ(fe_get_log(&ctrl, NVME_LOG_LID_ERROR, NVME_NSID_ALL, 0, 64, &buf), 0);
	fe_doorbell(&ctrl, 1, false, 0, 2000);
	CHECK_EQ(fe_cq_wait_cid(&ctrl.admin.sq, cid2, &cqe, FE_TIMEOUT_MS), 0);
}

static void test_async_event_limit(void)
{
	struct fe_sqe aer = fe_sqe_aer();
	unsigned int limit, i;
	struct fe_cqe cqe;

	REQUIRE(setup());
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	limit = buf.va[offsetof(struct nvme_id_ctrl, aerl)] + 1u;
	REQUIRE(limit < 30);
	for (i = 0; i < limit; i++)
		fe_submit(&ctrl.admin.sq, &aer);
	for (i = 0; i < 10; i++)
		CHECK_EQ(run(aer), FE_CMD_SPEC(NVME_SC_ASYNC_LIMIT) | FE_DNR);
	/* None of the first has completed; other commands do. */
	CHECK_EQ(ctrl.admin.cq.nstash, 0);
	CHECK_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	/* A reset forgets them without completing them. */
	REQUIRE_EQ(fe_nvme_disable(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_enable(&ctrl), 0);
	for (i = 0; i < limit; i++)
		fe_submit(&ctrl.admin.sq, &aer);
	CHECK_EQ(fe_cq_wait(&ctrl.admin.cq, &cqe, FE_QUIET_MS), -ETIMEDOUT);
}

/* --- abort --- */

static void test_abort_in_flight(void)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, NS_SLOW, 0, 8), sqe;
	struct fe_cqe cqe;
	uint64_t start;
	uint16_t cid[3];
	int i;

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	fe_buf_prps(&slow, &buf, 0, 4096);
	for (i = 0; i < 3; i++)
		cid[i] = fe_submit(&io.sq, &slow);
	start = fe_now_ns();
	/* The one in the middle. */
	sqe = fe_sqe_abort(1, cid[1]);
	REQUIRE_EQ(fe_exec(&ctrl.admin.sq, &sqe, &cqe), 0);
	CHECK_EQ(cqe.result & 1, 0);
	REQUIRE_EQ(fe_cq_wait_cid(&io.sq, cid[1], &cqe, FE_TIMEOUT_MS), 0);
	CHECK_EQ(FE_SC(fe_status(&cqe)), NVME_SC_ABORT_REQ);
	CHECK(fe_now_ns() - start < 50000000000ULL);
	CHECK_EQ(fe_cq_wait(&io.cq, &cqe, FE_QUIET_MS), -ETIMEDOUT);
	for (i = 0; i < 3; i += 2) {
		sqe = fe_sqe_abort(1, cid[i]);
		REQUIRE_EQ(fe_exec(&ctrl.admin.sq, &sqe, &cqe), 0);
		CHECK_EQ(fe_cq_wait_cid(&io.sq, cid[i], &cqe, FE_TIMEOUT_MS), 0);
	}
}

/* What can't be aborted is not an error: bit 0 of the result tells. */
static void test_abort_of_nothing(void)
{
	static const struct {
		uint16_t sqid, cid;
	} nothing[] = {{1, 4711}, {0, 4711}, {2, 0}, {5, 0}, {0xffff, 0xffff}};
	struct fe_cqe cqe;
	size_t i;

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	for (i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		struct fe_sqe sqe = fe_sqe_abort(nothing[i].sqid, nothing[i].cid);
		int status = fe_exec(&ctrl.admin.sq, &sqe, &cqe);

		/* A queue that does not exist may as well be an invalid field. */
		if (status == 0)
			CHECK_EQ(cqe.result & 1, 1);
		else
			CHECK(i >= 2 && FE_SC(status) == NVME_SC_INVALID_FIELD);
	}
}

static void test_delete_queue_in_flight(void)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, NS_SLOW, 0, 8);
	struct fe_cqe cqe;
	uint64_t start = fe_now_ns();
	unsigned int i;

	REQUIRE(setup());
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 16), 0);
	fe_buf_prps(&slow, &buf, 0, 4096);
	for (i = 0; i < 10; i++)
		fe_submit(&io.sq, &slow);
	fe_sleep_us(20000);
	REQUIRE_EQ(run(fe_sqe_delete(nvme_admin_delete_sq, 1)), 0);
	/* All are completed before the deletion is (5.6): no waiting here. */
	for (i = 0; i < 10; i++) {
		REQUIRE(fe_cq_poll(&io.cq, &cqe));
		CHECK_EQ(FE_SC(fe_status(&cqe)), NVME_SC_ABORT_QUEUE);
	}
	CHECK(!fe_cq_poll(&io.cq, &cqe));
	CHECK(fe_now_ns() - start < 50000000000ULL);
	CHECK_EQ(run(fe_sqe_delete(nvme_admin_delete_cq, 1)), 0);
}

static void test_abort_of_async_event(void)
{
	struct fe_sqe aer = fe_sqe_aer(), sqe;
	struct fe_cqe cqe;
	uint16_t cid;

	REQUIRE(setup());
	cid = fe_submit(&ctrl.admin.sq, &aer);
	sqe = fe_sqe_abort(0, cid);
	REQUIRE_EQ(fe_exec(&ctrl.admin.sq, &sqe, &cqe), 0);
	if ((cqe.result & 1) == 0) {
		REQUIRE_EQ(fe_cq_wait_cid(&ctrl.admin.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
		CHECK_EQ(FE_SC(fe_status(&cqe)), NVME_SC_ABORT_REQ);
	}
}

static const struct test_case cases[] = {
	{"features", test_features},
	{"volatile_write_cache", test_volatile_write_cache},
	{"number_of_queues", test_number_of_queues},
	{"bad_features", test_bad_features},
	{"smart_counters", test_smart_counters},
	{"error_log", test_error_log},
	{"firmware_and_effects_logs", test_firmware_and_effects_logs},
	{"log_offsets", test_log_offsets},
	{"bad_logs", test_bad_logs},
	{"async_event", test_async_event},
	{"async_event_limit", test_async_event_limit},
	{"abort_in_flight", test_abort_in_flight},
	{"abort_of_nothing", test_abort_of_nothing},
	{"abort_of_async_event", test_abort_of_async_event},
	{"delete_queue_in_flight", test_delete_queue_in_flight},
};

FE_TEST_MAIN("nvme_features", cases, &config)
