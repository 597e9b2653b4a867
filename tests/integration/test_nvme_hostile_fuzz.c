/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random commands, registers and messages, from fixed seeds: the same storm each time. Half of each
 * entry is plausible, so that the storm gets past the first check.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

static uint64_t rng;

static uint64_t rnd(void)
{
	return fe_random(&rng);
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

/* An address: mostly in our buffer, sometimes with an offset, sometimes anything. */
static uint64_t some_gpa(void)
{
	switch (below(10)) {
	case 0:
		return rnd();
	case 1:
		return VHOST_USER_NVME_DEVMEM_GPA + below(0x20000);
	case 2:
		return (32ULL << 20) - below(8) * 1024;
	case 3:
		return fe_bad_buf.list_gpa + below(512) * 8;
	case 4:
		return fe_bad_buf.gpa + below(1 << 20);
	default:
		return fe_bad_buf.gpa + below(256) * FE_PAGE;
	}
}

static uint32_t some_u32(void)
{
	switch (below(6)) {
	case 0:
		return 0;
	case 1:
		return (uint32_t)rnd();
	case 2:
		return UINT32_MAX;
	case 3:
		return 1u << below(32);
	default:
		return (uint32_t)below(64);
	}
}

static void some_fields(struct fe_sqe *sqe)
{
	sqe->flags = below(16) ? 0 : (uint8_t)rnd();
	sqe->nsid = below(8) ? (uint32_t)below(7) : some_u32();
	sqe->prp1 = some_gpa();
	sqe->prp2 = some_gpa();
	sqe->cdw10 = some_u32();
	sqe->cdw11 = below(4) ? 0 : some_u32();
	sqe->cdw12 = below(4) ? (uint32_t)below(300) : some_u32();
	sqe->cdw13 = some_u32();
	sqe->cdw14 = some_u32();
	sqe->cdw15 = some_u32();
	sqe->cid = (uint16_t)rnd();
}

static const uint8_t io_opcs[] = {
	nvme_cmd_flush,	  nvme_cmd_write,	 nvme_cmd_read,
	nvme_cmd_compare, nvme_cmd_write_zeroes, nvme_cmd_dsm,
};

static const uint8_t admin_opcs[] = {
	nvme_admin_delete_sq,	nvme_admin_create_sq,	 nvme_admin_get_log_page,
	nvme_admin_delete_cq,	nvme_admin_create_cq,	 nvme_admin_identify,
	nvme_admin_abort_cmd,	nvme_admin_set_features, nvme_admin_get_features,
	nvme_admin_async_event,
};

static void random_io(struct fe_sqe *sqe)
{
	some_fields(sqe);
	sqe->opc = below(8) ? io_opcs[below(sizeof(io_opcs))] : (uint8_t)rnd();
	/* Slow ones would only make the storm slow. */
	if (sqe->nsid == FE_NS_SLOW)
		sqe->nsid = FE_NS_FILE;
}

/*
 * Queue pair 1 and the admin queue carry the storm and are left out of what it may delete; Doorbell
 * Buffer Config comes separately, because a random shadow page ends all communication.
 */
static void random_admin(struct fe_sqe *sqe)
{
	some_fields(sqe);
	sqe->opc = below(8) ? admin_opcs[below(sizeof(admin_opcs))] : (uint8_t)rnd();
	if (sqe->opc == nvme_admin_dbbuf)
		sqe->opc = nvme_admin_identify;
	if (sqe->opc <= nvme_admin_create_cq && sqe->opc != nvme_admin_get_log_page) {
		/* Mostly small queues in good places, so that many get made. */
		sqe->cdw10 = (uint32_t)(below(64) << 16 | below(12));
		sqe->cdw11 = (uint32_t)(below(10) << 16 | below(4));
		if ((sqe->cdw10 & 0xffff) == 1)
			sqe->cdw10++;
		if (below(4))
			sqe->prp1 = fe_bad_buf.gpa + below(250) * FE_PAGE;
	}
}

/* Takes a completion, if there is one. */
static bool take(struct fe_sq *sq)
{
	struct fe_cqe cqe;

	if (!fe_cq_poll(sq->cq, &cqe))
		return false;
	fe_cq_ring(sq->cq);
	sq->head = cqe.sqhd;
	return true;
}

/* A controller that is merely slow makes room, sooner or later. */
static unsigned int wait_for_room(struct fe_sq *sq, unsigned int ms)
{
	unsigned int done = 0;

	while (fe_sq_full(sq) && FE_WAIT_FOR(take(sq), ms))
		done++;
	return done;
}

/*
 * Sends `total` random entries in batches of up to `batch`, and takes whatever completes. Commands
 * that wait for events complete never, and a queue that the storm has made may do so in our stead:
 * a batch that is not complete after a while is no failure. It ends when the queue stays full.
 */
static unsigned int storm(struct fe_sq *sq, void (*make)(struct fe_sqe *), unsigned int total,
			  unsigned int batch, unsigned int patience_ms)
{
	unsigned int sent = 0, done = 0, pending = 0;

	while (sent < total) {
		unsigned int n = 0, spins = 0;

		done += wait_for_room(sq, patience_ms);
		while (n < batch && !fe_sq_full(sq)) {
			struct fe_sqe sqe;

			make(&sqe);
			fe_sq_push(sq, &sqe);
			n++;
		}
		fe_sq_ring(sq);
		sent += n;
		pending += n;
		while (pending > 0 && spins < 3000) {
			if (!take(sq)) {
				fe_relax(&spins);
				continue;
			}
			pending--;
			done++;
			spins = 0;
		}
		/* What is left are AERs. */
		pending = 0;
		if (n == 0)
			break;
	}
	return done;
}

HOSTILE(io_storm)
{
	unsigned int seed, done = 0;

	for (seed = 1; seed <= 4; seed++) {
		rng = seed;
		REQUIRE(fe_bad_open(256));
		for (unsigned int i = 0; i < 512; i++)
			fe_bad_buf.list[i] = some_gpa();
		done += storm(&fe_bad_io.sq, random_io, 10000, 200, FE_TIMEOUT_MS);
	}
	CHECK(done > 30000);
	CHECK(fe_bad_recovers());
}

HOSTILE(admin_storm)
{
	unsigned int seed, done = 0;

	for (seed = 11; seed <= 14; seed++) {
		struct fe_nvme_opts opts = {.admin_entries = 64};

		rng = seed;
		fe_nvme_close(&fe_bad);
		REQUIRE_EQ(fe_nvme_open(&fe_bad, fe_bad_socket(), &opts), 0);
		fe_buf_alloc(&fe_bad, &fe_bad_buf, 1 << 20);
		done += storm(&fe_bad.admin.sq, random_admin, 2500, 20, FE_TIMEOUT_MS);
	}
	CHECK(done > 5000);
	CHECK(fe_bad_recovers());
}

/* Both at once, with queues coming and going, and doorbells of all of them. */
HOSTILE(admin_and_io_storm)
{
	unsigned int round;

	rng = 21;
	REQUIRE(fe_bad_open(256));
	for (round = 0; round < 200; round++) {
		unsigned int i;

		storm(&fe_bad_io.sq, random_io, 50, 50, 0);
		storm(&fe_bad.admin.sq, random_admin, 10, 10, 0);
		for (i = 0; i < 10; i++)
			fe_doorbell(&fe_bad, (uint16_t)(2 + below(12)), below(2) != 0, 0,
				    (uint32_t)below(70));
	}
	CHECK(fe_bad_recovers());
}

HOSTILE(doorbell_buffer_storm)
{
	unsigned int i;

	rng = 31;
	for (i = 0; i < 100; i++) {
		struct fe_sqe sqe = fe_sqe_dbbuf(some_gpa() & ~0xfffULL, some_gpa() & ~0xfffULL);
		int status;

		REQUIRE(fe_bad_open(16));
		fe_pattern_fill(fe_bad_buf.va, 1 << 20, i);
		status = fe_exec(&fe_bad.admin.sq, &sqe, NULL);
		CHECK(status == 0 || status == (NVME_SC_INVALID_FIELD | FE_DNR));
		fe_doorbell(&fe_bad, 1, false, 0, (uint32_t)below(16));
		eventfd_write(fe_bad.kick_fd, 1);
	}
	fe_sleep_us(5000);
	CHECK(fe_bad_recovers());
}

/* Any register, any size, any value, with a guest that goes on submitting. */
HOSTILE(register_storm)
{
	static const uint32_t offsets[] = {
		NVME_REG_CAP,  NVME_REG_VS,   NVME_REG_INTMS, NVME_REG_INTMC, NVME_REG_CC,
		NVME_REG_CSTS, NVME_REG_NSSR, NVME_REG_AQA,   NVME_REG_ASQ,   NVME_REG_ACQ};
	unsigned int i;

	rng = 41;
	REQUIRE(fe_bad_open(16));
	for (i = 0; i < 10000; i++) {
		uint32_t offset = below(4) ? offsets[below(10)] : (uint32_t)below(0x1200);
		uint32_t size = below(8) ? 4u << below(2) : (uint32_t)below(32);
		uint64_t value = below(2) ? rnd() : below(4) ? fe_nvme_cc_enabled() : some_gpa();
		int err;

		/* What a guest would write, now and then, so that it gets enabled. */
		if (below(50) == 0) {
			fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, 0);
			fe_nvme_reg_write(&fe_bad, NVME_REG_AQA, 4, 0x001f001f);
			fe_nvme_reg_write(&fe_bad, NVME_REG_ASQ, 8, fe_bad.admin.sq.gpa);
			fe_nvme_reg_write(&fe_bad, NVME_REG_ACQ, 8, fe_bad.admin.cq.gpa);
			fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, fe_nvme_cc_enabled());
			fe_doorbell(&fe_bad, 0, false, 0, (uint32_t)below(32));
		}
		err = below(3) ? fe_nvme_reg_write(&fe_bad, offset, size, value)
			       : fe_nvme_reg_read(&fe_bad, offset, size, &value);
		REQUIRE(err == 0 || err == -EACCES);
	}
	CHECK(fe_bad_recovers());
}

/* Messages with random numbers, sizes, contents and descriptors. */
HOSTILE(message_storm)
{
	int fd = eventfd(0, EFD_NONBLOCK), fds[8] = {fd, fd, fd, fd, fd, fd, fd, fd};
	unsigned int i, k;

	rng = 51;
	for (i = 0; i < 400; i++) {
		REQUIRE(fe_bad_attach());
		for (k = 0; k < 12; k++) {
			uint32_t request =
				below(3) ? 0x4e00 + (uint32_t)below(7) : (uint32_t)below(48);
			uint64_t payload[32];
			unsigned int w;

			for (w = 0; w < 32; w++)
				payload[w] = below(3) ? below(0x2000) : rnd();
			if (fe_vhost_send(&fe_bad.vhost, request, below(2) ? 0x8 : 0, payload,
					  (uint32_t)(below(5) * 4 + below(3) * 8), fds,
					  (int)(below(6) ? 0 : below(9))))
				break;
		}
		fe_nvme_close(&fe_bad);
	}
	close(fd);
	REQUIRE(fe_bad_open(16));
	CHECK(fe_bad_recovers());
}

static const struct test_case cases[] = {
	HOSTILE_CASE(io_storm),		  HOSTILE_CASE(admin_storm),
	HOSTILE_CASE(admin_and_io_storm), HOSTILE_CASE(doorbell_buffer_storm),
	HOSTILE_CASE(register_storm),	  HOSTILE_CASE(message_storm),
};

FE_TEST_MAIN("nvme_hostile_fuzz", cases, &fe_hostile_config)
