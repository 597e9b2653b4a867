/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells, queues and resets as no driver would use them. */
#include <errno.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

/* Three flushes of the bad controller's queue: it works. */
static int flushes(void)
{
	return fe_run_flushes(&fe_bad_io, 3, 1);
}

static int admin(struct fe_sqe sqe)
{
	return fe_exec(&fe_bad.admin.sq, &sqe, NULL);
}

/* An Error event has been reported for a doorbell value, by an AER that was submitted before. */
static bool invalid_doorbell_event(uint16_t aer)
{
	struct fe_cqe cqe;

	if (fe_cq_wait_cid(&fe_bad.admin.sq, aer, &cqe, FE_TIMEOUT_MS))
		return false;
	return (cqe.result & 7) == NVME_AER_ERROR &&
	       (cqe.result >> 8 & 0xff) == NVME_AER_ERROR_INVALID_DB_VAL;
}

HOSTILE(sq_tail_out_of_range)
{
	static const uint32_t values[] = {16, 17, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0xffffffff};
	struct fe_sqe aer = fe_sqe_aer();
	uint16_t cid;
	size_t i;

	REQUIRE(fe_bad_open(16));
	cid = fe_submit(&fe_bad.admin.sq, &aer);
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		fe_doorbell(&fe_bad, 1, false, 0, values[i]);
		fe_sleep_us(2000);
		/* Nothing was fetched, and the next good value counts. */
		CHECK_EQ(flushes(), 0);
	}
	CHECK(invalid_doorbell_event(cid));
}

HOSTILE(cq_head_out_of_range)
{
	static const uint32_t values[] = {4, 5, 0xffff, 0x10000, 0xffffffff};
	struct fe_sqe aer = fe_sqe_aer();
	struct fe_cqe cqe;
	uint16_t cid;
	size_t i;

	REQUIRE(fe_bad_open(4));
	cid = fe_submit(&fe_bad.admin.sq, &aer);
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct fe_sqe sqe = fe_sqe_flush(FE_NS_RAM);

		/* It looks at the head when it has something to post. */
		fe_doorbell(&fe_bad, 1, true, 0, values[i]);
		fe_submit(&fe_bad_io.sq, &sqe);
		fe_sleep_us(2000);
		fe_cq_ring(&fe_bad_io.cq);
		CHECK_EQ(fe_cq_wait(&fe_bad_io.cq, &cqe, FE_TIMEOUT_MS), 0);
		CHECK_EQ(fe_run_flushes(&fe_bad_io, 8, 3), 0);
	}
	CHECK(invalid_doorbell_event(cid));
}

/* The head may not be ahead of what was posted. */
HOSTILE(cq_head_beyond_tail)
{
	struct fe_sqe sqe = fe_sqe_flush(FE_NS_RAM);
	unsigned int i, seen = 0;

	REQUIRE(fe_bad_open(16));
	/* Claims 10 when nothing is there, then asks for more than fits. */
	fe_doorbell(&fe_bad, 1, true, 0, 10);
	for (i = 0; i < 15; i++)
		fe_sq_push(&fe_bad_io.sq, &sqe);
	fe_sq_ring(&fe_bad_io.sq);
	CHECK(FE_WAIT_FOR(fe_bad_io.cq.ring[14].status & 1, FE_TIMEOUT_MS));
	for (i = 0; i < 16; i++)
		seen += fe_bad_io.cq.ring[i].status & 1;
	CHECK_EQ(seen, 15);
	CHECK(fe_bad_recovers());
}

HOSTILE(doorbells_of_no_queue)
{
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	/* The whole page but the admin queue's and queue 1's. */
	for (i = 4; i < FE_PAGE / 4; i++)
		fe_bad.doorbells[i] = i;
	for (i = 0; i < 100; i++)
		fe_doorbell(&fe_bad, (uint16_t)(2 + i % 400), i & 1, 0, i);
	CHECK_EQ(flushes(), 0);
	/* A queue that is made later begins at 0, whatever was written before. */
	REQUIRE_EQ(fe_nvme_create_qpair(&fe_bad, &fe_bad_io, 2, 16), 0);
	CHECK_EQ(flushes(), 0);
}

static void scribble(void *arg, uint64_t *random)
{
	uint32_t *page = arg;
	uint64_t r = fe_random(random);
	/* Mostly small values, so that many of them are accepted. */
	uint32_t value = (uint32_t)(r >> 32) & (r & 0x1000 ? 0x1f : 0xffffffff);

	__atomic_store_n(&page[r % 8], value, __ATOMIC_RELAXED);
}

/* All doorbells, the admin queue's too, change at full speed. */
HOSTILE(doorbell_page_at_full_speed)
{
	struct fe_pest pest;
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	REQUIRE_EQ(fe_pest_start(&pest, scribble, fe_bad.doorbells), 0);
	for (i = 0; i < 300; i++) {
		uint64_t one = 1;

		CHECK(write(fe_bad.kick_fd, &one, sizeof(one)) == sizeof(one));
		fe_sleep_us(1000);
	}
	fe_pest_stop(&pest);
	CHECK(fe_bad_recovers());
}

HOSTILE(shadow_page_at_full_speed)
{
	struct fe_pest pest;
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
	REQUIRE_EQ(fe_pest_start(&pest, scribble, fe_bad.shadow), 0);
	for (i = 0; i < 300; i++) {
		uint64_t one = 1;

		CHECK(write(fe_bad.kick_fd, &one, sizeof(one)) == sizeof(one));
		fe_sleep_us(1000);
	}
	fe_pest_stop(&pest);
	CHECK(fe_bad_recovers());
}

/* EventIdx is written by the controller only; a host that writes it hurts nobody but itself. */
HOSTILE(eventidx_page_at_full_speed)
{
	struct fe_pest pest;

	REQUIRE(fe_bad_open(16));
	REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
	REQUIRE_EQ(fe_pest_start(&pest, scribble, fe_bad.eventidx), 0);
	fe_sleep_us(300000);
	fe_pest_stop(&pest);
	CHECK(fe_bad_recovers());
}

HOSTILE(shadow_and_eventidx_in_one_page)
{
	int status;

	REQUIRE(fe_bad_open(16));
	status = admin(fe_sqe_dbbuf(fe_bad_buf.gpa, fe_bad_buf.gpa));
	CHECK(status == 0 || FE_SC(status) == NVME_SC_INVALID_FIELD);
	CHECK(fe_bad_recovers());
}

/* Shadows that are the doorbell page, a queue, or the device memory. */
HOSTILE(shadow_in_odd_places)
{
	REQUIRE(fe_bad_open(16));
	CHECK_EQ(admin(fe_sqe_dbbuf(VHOST_USER_NVME_DEVMEM_GPA, fe_bad_buf.gpa)),
		 NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(admin(fe_sqe_dbbuf(fe_bad_buf.gpa, VHOST_USER_NVME_DEVMEM_GPA)),
		 NVME_SC_INVALID_FIELD | FE_DNR);
	CHECK_EQ(flushes(), 0);
	/* The queue's own ring: allowed, and the guest's own fault. */
	admin(fe_sqe_dbbuf(fe_bad_io.sq.gpa, fe_bad_io.cq.gpa));
	fe_sleep_us(10000);
	CHECK(fe_bad_recovers());
}

/* The head never moves: nothing is overwritten, and the controller can still be reset. */
HOSTILE(cq_never_read)
{
	struct fe_sqe sqe = fe_sqe_flush(FE_NS_RAM);
	struct fe_cqe copy[8];
	unsigned int i;

	REQUIRE(fe_bad_open(8));
	REQUIRE_EQ(fe_nvme_create_sq(&fe_bad, &fe_bad_io.sq, 2, 256, &fe_bad_io.cq), 0);
	for (i = 0; i < 255; i++) {
		sqe.cid = (uint16_t)i;
		fe_sq_push(&fe_bad_io.sq, &sqe);
	}
	fe_sq_ring(&fe_bad_io.sq);
	CHECK(FE_WAIT_FOR(fe_bad_io.cq.ring[6].status & 1, FE_TIMEOUT_MS));
	fe_sleep_us(20000);
	CHECK_EQ(fe_bad_io.cq.ring[7].status, 0);
	memcpy(copy, fe_bad_io.cq.ring, sizeof(copy));
	fe_sleep_us(20000);
	CHECK(memcmp(copy, fe_bad_io.cq.ring, sizeof(copy)) == 0);
	/* Deleting the queue with completions that nobody takes does not hang. */
	CHECK_EQ(admin(fe_sqe_delete(nvme_admin_delete_sq, 2)), 0);
	CHECK(fe_bad_recovers());
}

/* The tail is moved a whole ring ahead each time: old entries run again, as asked for. */
HOSTILE(tail_runs_around)
{
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < 16; i++)
		fe_bad_io.sq.ring[i] = fe_sqe_flush(FE_NS_RAM);
	for (i = 0; i < 500; i++) {
		fe_doorbell(&fe_bad, 1, false, 0, (i * 15 + 14) % 16);
		fe_doorbell(&fe_bad, 1, true, 0, (i * 15 + 3) % 16);
	}
	CHECK(fe_bad_recovers());
}

HOSTILE(one_command_id_many_times)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 8);
	struct fe_cqe cqe;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	slow.cid = 7;
	slow.prp1 = fe_bad_buf.gpa;
	for (i = 0; i < 40; i++)
		fe_sq_push(&fe_bad_io.sq, &slow);
	fe_sq_ring(&fe_bad_io.sq);
	CHECK_EQ(admin(fe_sqe_abort(1, 7)), 0);
	for (i = 0; i < 40; i++) {
		REQUIRE_EQ(fe_cq_wait(&fe_bad_io.cq, &cqe, FE_TIMEOUT_MS), 0);
		CHECK_EQ(cqe.cid, 7);
	}
	CHECK(fe_bad_recovers());
}

/* Both rings of a pair, and those of two pairs, share their memory. */
HOSTILE(queues_on_top_of_each_other)
{
	uint64_t gpa = fe_bad_buf.gpa;
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	gpa = fe_bad_buf.gpa;
	CHECK_EQ(admin(fe_sqe_create_cq(2, 64, gpa, 2, true)), 0);
	CHECK_EQ(admin(fe_sqe_create_sq(2, 64, gpa, 2)), 0);
	CHECK_EQ(admin(fe_sqe_create_cq(3, 64, gpa, 3, true)), 0);
	CHECK_EQ(admin(fe_sqe_create_sq(3, 64, gpa, 3)), 0);
	for (i = 0; i < 64; i++)
		((struct fe_sqe *)(void *)fe_bad_buf.va)[i] = fe_sqe_flush(FE_NS_RAM);
	for (i = 0; i < 200; i++) {
		fe_doorbell(&fe_bad, 2, false, 0, i * 7 % 64);
		fe_doorbell(&fe_bad, 3, false, 0, i * 5 % 64);
		fe_doorbell(&fe_bad, 2, true, 0, i % 64);
		fe_doorbell(&fe_bad, 3, true, 0, i % 64);
	}
	CHECK(fe_bad_recovers());
}

/* ASQ and ACQ in one page. */
HOSTILE(admin_queues_on_top_of_each_other)
{
	unsigned int i;

	REQUIRE(fe_bad_attach());
	fe_bad.admin.cq.gpa = fe_bad.admin.sq.gpa;
	if (fe_nvme_enable(&fe_bad) == 0) {
		for (i = 0; i < 32; i++)
			fe_bad.admin.sq.ring[i] = fe_sqe_identify(1, 0, fe_bad_buf.gpa);
		for (i = 0; i < 200; i++) {
			fe_doorbell(&fe_bad, 0, false, 0, i % 32);
			fe_doorbell(&fe_bad, 0, true, 0, i * 3 % 32);
		}
	}
	fe_nvme_close(&fe_bad);
	REQUIRE(fe_bad_attach());
	CHECK(fe_bad_recovers());
}

HOSTILE(delete_with_slow_io_in_flight)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_write, FE_NS_SLOW, 0, 8);
	struct fe_cqe cqe;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	slow.prp1 = fe_bad_buf.gpa;
	for (i = 0; i < 50; i++)
		fe_submit(&fe_bad_io.sq, &slow);
	fe_sleep_us(5000);
	CHECK_EQ(admin(fe_sqe_delete(nvme_admin_delete_sq, 1)), 0);
	for (i = 0; i < 50; i++) {
		REQUIRE(fe_cq_poll(&fe_bad_io.cq, &cqe));
		CHECK_EQ(FE_SC(fe_status(&cqe)), NVME_SC_ABORT_QUEUE);
	}
	CHECK_EQ(admin(fe_sqe_delete(nvme_admin_delete_cq, 1)), 0);
}

/* Deleted twice at once, with a Create in between, all pipelined. */
HOSTILE(delete_twice_at_once)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_write, FE_NS_SLOW, 0, 8);
	struct fe_sqe del = fe_sqe_delete(nvme_admin_delete_sq, 1);
	struct fe_sqe create, delcq = fe_sqe_delete(nvme_admin_delete_cq, 1);
	unsigned int i, good = 0;
	struct fe_cqe cqe;

	REQUIRE(fe_bad_open(64));
	create = fe_sqe_create_sq(1, 64, fe_bad_io.sq.gpa, 1);
	slow.prp1 = fe_bad_buf.gpa;
	for (i = 0; i < 20; i++)
		fe_submit(&fe_bad_io.sq, &slow);
	fe_submit(&fe_bad.admin.sq, &del);
	fe_submit(&fe_bad.admin.sq, &del);
	fe_submit(&fe_bad.admin.sq, &delcq);
	fe_submit(&fe_bad.admin.sq, &create);
	fe_submit(&fe_bad.admin.sq, &del);
	fe_submit(&fe_bad.admin.sq, &delcq);
	for (i = 0; i < 6; i++) {
		REQUIRE_EQ(fe_cq_wait(&fe_bad.admin.cq, &cqe, FE_TIMEOUT_MS), 0);
		good += fe_status(&cqe) == 0;
	}
	CHECK(good >= 1);
	CHECK(fe_bad_recovers());
}

HOSTILE(create_and_delete_under_load)
{
	struct fe_qpair qp;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	fe_cq_init(&fe_bad, &qp.cq, 2, 1024, 2);
	fe_sq_init(&fe_bad, &qp.sq, 2, 1024, &qp.cq);
	for (i = 0; i < 200; i++) {
		uint16_t qid = (uint16_t)(2 + i % 7);

		REQUIRE_EQ(admin(fe_sqe_create_cq(qid, 1024, qp.cq.gpa, qid, true)), 0);
		REQUIRE_EQ(admin(fe_sqe_create_sq(qid, 1024, qp.sq.gpa, qid)), 0);
		REQUIRE_EQ(admin(fe_sqe_delete(nvme_admin_delete_sq, qid)), 0);
		REQUIRE_EQ(admin(fe_sqe_delete(nvme_admin_delete_cq, qid)), 0);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	CHECK(!fe_bad_load.stalled);
}

/* The queue is deleted under its load: each command completes or is reported as aborted. */
HOSTILE(delete_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	for (i = 0; i < 10; i++) {
		REQUIRE(fe_bad_start_load(32));
		CHECK_EQ(admin(fe_sqe_delete(nvme_admin_delete_sq, 1)), 0);
		fe_load_abandon(&fe_bad_load);
		CHECK_EQ(fe_bad_load.corrupted, 0);
		if (fe_bad_load.failed)
			CHECK_EQ(FE_SC(fe_bad_load.last_status), NVME_SC_ABORT_QUEUE);
		CHECK_EQ(admin(fe_sqe_delete(nvme_admin_delete_cq, 1)), 0);
		REQUIRE_EQ(fe_nvme_create_qpair(&fe_bad, &fe_bad_io, 1, 64), 0);
	}
	CHECK_EQ(flushes(), 0);
}

/* After RDY = 0 the controller may not touch the host's memory, whatever was in flight. */
static void disabled_is_quiet(uint32_t nsid, int (*disable)(void))
{
	static struct fe_cqe before[64];
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, nsid, 0, 8);
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	for (i = 0; i < 60; i++) {
		sqe.prp1 = fe_bad_buf.gpa + i * FE_PAGE;
		fe_submit(&fe_bad_io.sq, &sqe);
	}
	REQUIRE_EQ(disable(), 0);
	memcpy(before, fe_bad_io.cq.ring, sizeof(before));
	memset(fe_bad_buf.va, 0xdb, 60 * FE_PAGE);
	fe_sleep_us(400000);
	CHECK(memcmp(before, fe_bad_io.cq.ring, sizeof(before)) == 0);
	CHECK(fe_bad_buf.va[0] == 0xdb &&
	      memcmp(fe_bad_buf.va, fe_bad_buf.va + 1, 60 * FE_PAGE - 1) == 0);
	CHECK(fe_bad_recovers());
}

static int disable(void)
{
	return fe_nvme_disable(&fe_bad);
}

static int pci_reset(void)
{
	return fe_nvme_control(&fe_bad, VHOST_USER_NVME_RESET, 0);
}

HOSTILE(disable_with_slow_io_in_flight)
{
	disabled_is_quiet(FE_NS_SLOW, disable);
}

HOSTILE(pci_reset_with_slow_io_in_flight)
{
	disabled_is_quiet(FE_NS_SLOW, pci_reset);
}

/* Reads of the backend's own that can't be called back: large ones, caught at many moments. */
HOSTILE(disable_with_file_io_in_flight)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_FILE, 0, 2048);
	unsigned int round, i;

	for (round = 0; round < 20; round++) {
		REQUIRE(fe_bad_open(64));
		REQUIRE(fe_bad_cool_file());
		fe_buf_prps(&sqe, &fe_bad_buf, 0, 1 << 20);
		for (i = 0; i < 8; i++) {
			sqe.cdw10 = i * 4096;
			fe_sq_push(&fe_bad_io.sq, &sqe);
		}
		fe_sq_ring(&fe_bad_io.sq);
		fe_sleep_us(round * 20);
		REQUIRE_EQ(round & 1 ? disable() : pci_reset(), 0);
		memset(fe_bad_buf.va, 0xdb, 1 << 20);
		fe_sleep_us(10000);
		CHECK(fe_bad_buf.va[0] == 0xdb &&
		      memcmp(fe_bad_buf.va, fe_bad_buf.va + 1, (1 << 20) - 1) == 0);
		CHECK(fe_bad_recovers());
	}
}

HOSTILE(resets_under_load)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		REQUIRE(fe_bad_open(64));
		REQUIRE(fe_bad_start_load(32));
		REQUIRE_EQ(i & 1 ? disable() : pci_reset(), 0);
		fe_load_abandon(&fe_bad_load);
		CHECK_EQ(fe_bad_load.corrupted, 0);
		CHECK(fe_bad_recovers());
	}
}

HOSTILE(shutdown_under_load)
{
	uint32_t cc = fe_nvme_cc_enabled() | 1u << 14;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	CHECK_EQ(fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, cc), 0);
	CHECK(FE_WAIT_FOR(FE_CSTS_SHST(fe_nvme_csts(&fe_bad)) == 2, FE_TIMEOUT_MS));
	fe_load_abandon(&fe_bad_load);
	CHECK_EQ(fe_bad_load.corrupted, 0);
	CHECK(fe_bad_recovers());
}

/* Registers that count when CC.EN is set are rewritten while it is. */
HOSTILE(registers_rewritten_while_enabled)
{
	uint32_t cc = fe_nvme_cc_enabled();

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	fe_nvme_reg_write(&fe_bad, NVME_REG_AQA, 4, 0);
	fe_nvme_reg_write(&fe_bad, NVME_REG_ASQ, 8, 0x7000000000ULL);
	fe_nvme_reg_write(&fe_bad, NVME_REG_ACQ, 8, ~0ULL);
	fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, cc | 1);
	fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, cc | 0xff << 4);
	fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, cc);
	CHECK_EQ(fe_load_wait(&fe_bad_load, 100), 0);
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.corrupted, 0);
	CHECK(fe_bad_recovers());
}

/* Stopped means that what was in flight has come to its end, and nothing is written any more. */
HOSTILE(stop_with_io_in_flight)
{
	static struct fe_cqe before[64];
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_FILE, 0, 2048);
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 8);
	unsigned int round, i, completed;

	for (round = 0; round < 4; round++) {
		REQUIRE(fe_bad_open(64));
		REQUIRE(fe_bad_cool_file());
		fe_buf_prps(&sqe, &fe_bad_buf, 0, 1 << 20);
		slow.prp1 = fe_bad_buf.gpa;
		for (i = 0; i < 16; i++) {
			sqe.cdw10 = i % 8 * 4096;
			fe_sq_push(&fe_bad_io.sq, i & 1 ? &sqe : &slow);
		}
		fe_sq_ring(&fe_bad_io.sq);
		fe_sleep_us(round * 1000);
		REQUIRE_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_STOP, 0), 0);
		memcpy(before, fe_bad_io.cq.ring, sizeof(before));
		memset(fe_bad_buf.va, 0xdb, 1 << 20);
		fe_sleep_us(400000);
		CHECK(memcmp(before, fe_bad_io.cq.ring, sizeof(before)) == 0);
		CHECK(fe_bad_buf.va[0] == 0xdb &&
		      memcmp(fe_bad_buf.va, fe_bad_buf.va + 1, (1 << 20) - 1) == 0);
		REQUIRE_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0), 0);
		for (completed = 0; completed < 16; completed++) {
			struct fe_cqe cqe;

			REQUIRE_EQ(fe_cq_wait(&fe_bad_io.cq, &cqe, FE_TIMEOUT_MS), 0);
			CHECK_EQ(fe_status(&cqe), 0);
		}
	}
}

HOSTILE(pause_and_resume_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 50; i++) {
		static struct fe_cqe before[64];

		REQUIRE_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_STOP, 0), 0);
		memcpy(before, fe_bad_io.cq.ring, sizeof(before));
		fe_sleep_us(500);
		CHECK(memcmp(before, fe_bad_io.cq.ring, sizeof(before)) == 0);
		REQUIRE_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0), 0);
		CHECK_EQ(fe_load_wait(&fe_bad_load, 50), 0);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	CHECK(!fe_bad_load.stalled);
}

static const struct test_case cases[] = {
	HOSTILE_CASE(sq_tail_out_of_range),
	HOSTILE_CASE(cq_head_out_of_range),
	HOSTILE_CASE(cq_head_beyond_tail),
	HOSTILE_CASE(doorbells_of_no_queue),
	HOSTILE_CASE(doorbell_page_at_full_speed),
	HOSTILE_CASE(shadow_page_at_full_speed),
	HOSTILE_CASE(eventidx_page_at_full_speed),
	HOSTILE_CASE(shadow_and_eventidx_in_one_page),
	HOSTILE_CASE(shadow_in_odd_places),
	HOSTILE_CASE(cq_never_read),
	HOSTILE_CASE(tail_runs_around),
	HOSTILE_CASE(one_command_id_many_times),
	HOSTILE_CASE(queues_on_top_of_each_other),
	HOSTILE_CASE(admin_queues_on_top_of_each_other),
	HOSTILE_CASE(delete_with_slow_io_in_flight),
	HOSTILE_CASE(delete_twice_at_once),
	HOSTILE_CASE(create_and_delete_under_load),
	HOSTILE_CASE(delete_under_load),
	HOSTILE_CASE(disable_with_slow_io_in_flight),
	HOSTILE_CASE(pci_reset_with_slow_io_in_flight),
	HOSTILE_CASE(disable_with_file_io_in_flight),
	HOSTILE_CASE(resets_under_load),
	HOSTILE_CASE(shutdown_under_load),
	HOSTILE_CASE(registers_rewritten_while_enabled),
	HOSTILE_CASE(stop_with_io_in_flight),
	HOSTILE_CASE(pause_and_resume_under_load),
};

FE_TEST_MAIN("nvme_hostile_rings", cases, &fe_hostile_config)
