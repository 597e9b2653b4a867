/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket: messages of the wrong shape, in the wrong order, half of them, too many, or none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

#define BYSTANDER_PATIENCE_MS 15000

/* Longer than a message may take to arrive (2 s), shorter than patience ends. */
#define STALL_MS FE_TIMEOUT_MS

/* Connected, handshake done, nothing else. */
static bool bad_connect(void)
{
	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	return fe_nvme_connect(&fe_bad, fe_bad_socket()) == 0;
}

/* Connected, not a word said. */
static bool bad_dial(void)
{
	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	return fe_vhost_connect(&fe_bad.vhost, fe_bad_socket()) == 0;
}

/* After the session's end the socket takes the next one, and the controller is as new. */
static void comes_back(void)
{
	REQUIRE(fe_bad_open(16));
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, 8, 512, &fe_bad_buf, 5), 0);
}

/* The bytes are no message: the session ends, and says why unless nothing could be read at all. */
static void expect_closed(const void *data, size_t len, bool logged)
{
	fe_vhost_send_raw(&fe_bad.vhost, data, len, NULL, 0);
	CHECK(fe_vhost_closed(&fe_bad.vhost, STALL_MS));
	if (logged)
		CHECK(fe_daemon_logged(&fe_daemon, 0, "offender", NULL));
}

/* A second front-end on a busy socket is turned away; the first keeps its controller. */
HOSTILE(second_front_end)
{
	struct fe_vhost second;
	struct fe_nvme *first = &fe_bad;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 10; i++) {
		if (fe_vhost_connect(&second, fe_bad_socket()) == 0) {
			uint64_t features;

			CHECK(fe_vhost_call(&second, FE_VHOST_GET_FEATURES, NULL, 0, &features,
					    sizeof(features)) != 0);
			fe_vhost_close(&second);
		}
	}
	CHECK(fe_bad_logged("second"));
	CHECK_EQ(fe_load_wait(&fe_bad_load, 100), 0);
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	CHECK_EQ(fe_nvme_csts(first), FE_CSTS_RDY);
}

HOSTILE(garbage)
{
	uint64_t random = 7;
	unsigned int i, k;

	for (i = 0; i < 20; i++) {
		uint64_t junk[64];

		for (k = 0; k < 64; k++)
			junk[k] = fe_random(&random);
		REQUIRE(i & 1 ? bad_dial() : bad_connect());
		expect_closed(junk, sizeof(junk), false);
	}
	comes_back();
}

HOSTILE(payload_sizes)
{
	static const uint32_t sizes[] = {625,	     1024,	 4096,	     65536,	1 << 20,
					 0x7fffffff, 0x80000000, 0xfffffff4, 0xffffffff};
	static const uint32_t requests[] = {FE_VHOST_GET_FEATURES, FE_VHOST_SET_MEM_TABLE,
					    VHOST_USER_NVME_REG_READ, 0x5000};
	size_t i, k;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (k = 0; k < 4; k++) {
			struct fe_vhost_hdr hdr = {requests[k], FE_VHOST_VERSION, sizes[i]};

			REQUIRE(bad_connect());
			expect_closed(&hdr, sizeof(hdr), true);
		}
	}
	comes_back();
}

HOSTILE(wrong_versions)
{
	static const uint32_t flags[] = {0, 2, 3, 0xfffffff0, 0xffffffff};
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct fe_vhost_hdr hdr = {FE_VHOST_GET_FEATURES, flags[i], 0};

		REQUIRE(bad_connect());
		fe_vhost_send_raw(&fe_bad.vhost, &hdr, sizeof(hdr), NULL, 0);
		/* Either it does not trust the stream, or it does not care. */
		fe_vhost_closed(&fe_bad.vhost, FE_QUIET_MS);
	}
	comes_back();
}

HOSTILE(unknown_requests)
{
	static const uint32_t requests[] = {0,	     44,	 63,	     64,	100,
					    255,     256,	 0x4dff,     0x4e06,	0x4eff,
					    0x10000, 0x4e004e00, 0x7fffffff, 0xffffffff};
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct fe_vhost_hdr hdr = {requests[i], FE_VHOST_VERSION | FE_VHOST_F_NEED_REPLY,
					   0};
		uint64_t answer[4];
		ssize_t n;

		REQUIRE(bad_connect());
		fe_vhost_send_raw(&fe_bad.vhost, &hdr, sizeof(hdr), NULL, 0);
		/* An error answer, or the end. */
		n = recv(fe_bad.vhost.fd, answer, sizeof(answer), 0);
		CHECK(n <= 0 || n >= 12);
	}
	CHECK(fe_bad_logged(NULL));
	comes_back();
}

/* Each request of vhost-user with nothing, and with 8 bytes of zeroes behind it. */
HOSTILE(every_standard_request_empty)
{
	uint64_t zero = 0;
	uint32_t request;

	for (request = 0; request < 48; request++) {
		REQUIRE(bad_connect());
		fe_vhost_send(&fe_bad.vhost, request, 0, NULL, 0, NULL, 0);
		fe_vhost_send(&fe_bad.vhost, request, FE_VHOST_F_NEED_REPLY, &zero, 8, NULL, 0);
		fe_vhost_closed(&fe_bad.vhost, 2);
	}
	comes_back();
}

/* Our own requests, with every payload size but the right one. */
HOSTILE(own_requests_of_the_wrong_size)
{
	static const uint32_t right[] = {4, 8, 16, 0, 4, 4};
	uint8_t payload[64] = {0};
	uint32_t i, size;

	for (i = 0; i < 6; i++) {
		for (size = 0; size < 40; size += size < 20 ? 1 : 7) {
			if (size == right[i])
				continue;
			REQUIRE(bad_connect());
			fe_vhost_send(&fe_bad.vhost, VHOST_USER_NVME_GET_INFO + i, 0, payload, size,
				      NULL, 0);
			if (!CHECK(fe_vhost_closed(&fe_bad.vhost, STALL_MS)))
				printf("# request %#x, %u bytes\n", VHOST_USER_NVME_GET_INFO + i,
				       size);
		}
	}
	CHECK(fe_bad_logged(NULL));
	comes_back();
}

HOSTILE(descriptors_where_none_belong)
{
	struct vhost_user_nvme_reg reg = {NVME_REG_CSTS, 4};
	int fds[16], i, before, round;

	for (i = 0; i < 16; i++)
		fds[i] = eventfd(0, 0);
	REQUIRE(bad_dial());
	fe_nvme_close(&fe_bad);
	fe_sleep_us(20000);
	before = fe_daemon_open_fds(&fe_daemon);
	for (round = 0; round < 5; round++) {
		static const int counts[] = {1, 8, 9, 16};

		for (i = 0; i < 4; i++) {
			REQUIRE(bad_connect());
			fe_vhost_send(&fe_bad.vhost, VHOST_USER_NVME_REG_READ, 0, &reg, sizeof(reg),
				      fds, counts[i]);
			fe_vhost_closed(&fe_bad.vhost, 5);
			REQUIRE(bad_connect());
			fe_vhost_send(&fe_bad.vhost, FE_VHOST_GET_FEATURES, 0, NULL, 0, fds,
				      counts[i]);
			fe_vhost_closed(&fe_bad.vhost, 5);
		}
	}
	fe_nvme_close(&fe_bad);
	/* None of them has stayed open in the daemon. */
	CHECK(FE_WAIT_FOR(fe_daemon_open_fds(&fe_daemon) <= before, FE_TIMEOUT_MS));
	for (i = 0; i < 16; i++)
		close(fds[i]);
	comes_back();
}

/* --- vring descriptors --- */

HOSTILE(vectors_that_do_not_exist)
{
	static const unsigned int index[] = {9, 64, 127, 255};
	size_t i;
	int fd = eventfd(0, 0);

	for (i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
		REQUIRE(fe_bad_open(16));
		fe_vhost_set_vring_call(&fe_bad.vhost, index[i], fd);
		REQUIRE(fe_bad_open(16));
		fe_vhost_set_vring_kick(&fe_bad.vhost, index[i], fd);
	}
	close(fd);
	comes_back();
}

/* What a reactor would write to must be an eventfd: nothing that could block it. */
HOSTILE(interrupts_into_other_files)
{
	int pipes[2], fds[4], i;

	REQUIRE(pipe(pipes) == 0);
	fds[0] = pipes[1];
	fds[1] = open("/dev/full", O_RDWR);
	fds[2] = memfd_create("x", 0);
	fds[3] = open("/dev/null", O_RDONLY);
	for (i = 0; i < 4; i++) {
		int err;

		REQUIRE(fe_bad_open(16));
		err = fe_vhost_set_vring_call(&fe_bad.vhost, 1, fds[i]);
		CHECK(err == -EIO || err == -ECONNRESET);
		REQUIRE(fe_bad_open(16));
		err = fe_vhost_set_vring_kick(&fe_bad.vhost, 0, fds[i]);
		CHECK(err == -EIO || err == -ECONNRESET);
		close(fds[i]);
	}
	close(pipes[0]);
	CHECK(fe_bad_logged("eventfd"));
	comes_back();
}

/* An eventfd whose counter is full makes a blocking write wait for ever. */
HOSTILE(interrupt_eventfd_full)
{
	int fd = eventfd(0, 0);

	REQUIRE(fe_bad_open(16));
	CHECK_EQ(eventfd_write(fd, 0xfffffffffffffffeULL), 0);
	CHECK_EQ(fe_vhost_set_vring_call(&fe_bad.vhost, 1, fd), 0);
	CHECK_EQ(fe_run_flushes(&fe_bad_io, 100, 8), 0);
	close(fd);
}

HOSTILE(interrupts_exchanged_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 200; i++) {
		int fd = i & 1 ? -1 : eventfd(0, EFD_NONBLOCK);

		CHECK_EQ(fe_vhost_set_vring_call(&fe_bad.vhost, 1, fd), 0);
		if (i % 8 == 0)
			CHECK_EQ(fe_vhost_set_vring_kick(&fe_bad.vhost, 0, fe_bad.kick_fd), 0);
		if (fd >= 0)
			close(fd);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	CHECK(!fe_bad_load.stalled);
}

static void kick(void *arg, uint64_t *random)
{
	struct fe_nvme *n = arg;

	eventfd_write(n->kick_fd, 1);
}

HOSTILE(kicks_for_nothing)
{
	struct fe_pest pest;

	REQUIRE(fe_bad_open(16));
	REQUIRE_EQ(fe_pest_start(&pest, kick, &fe_bad), 0);
	CHECK_EQ(fe_run_flushes(&fe_bad_io, 1000, 8), 0);
	fe_pest_stop(&pest);
	/* A counter that is full makes the fd readable once, not for ever. */
	eventfd_write(fe_bad.kick_fd, 0xfffffffffffffff0ULL);
	CHECK_EQ(fe_run_flushes(&fe_bad_io, 1000, 8), 0);
}

/* --- order --- */

HOSTILE(enable_without_memory)
{
	REQUIRE(bad_connect());
	fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0);
	fe_nvme_reg_write(&fe_bad, NVME_REG_AQA, 4, 0x001f001f);
	fe_nvme_reg_write(&fe_bad, NVME_REG_ASQ, 8, 0x1000);
	fe_nvme_reg_write(&fe_bad, NVME_REG_ACQ, 8, 0x2000);
	CHECK_EQ(fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, fe_nvme_cc_enabled()), 0);
	CHECK_EQ(fe_nvme_csts(&fe_bad) & (FE_CSTS_RDY | FE_CSTS_CFS), FE_CSTS_CFS);
	CHECK(fe_bad_logged(NULL));
	comes_back();
}

/* Own requests as the very first message, without any handshake. */
HOSTILE(own_requests_before_the_handshake)
{
	struct vhost_user_nvme_reg_val w = {NVME_REG_CC, 4, 1};
	struct vhost_user_nvme_flags f = {VHOST_USER_NVME_F_STATE};
	struct vhost_user_nvme_result res;

	REQUIRE(bad_dial());
	fe_vhost_call(&fe_bad.vhost, VHOST_USER_NVME_REG_WRITE, &w, sizeof(w), &res, sizeof(res));
	REQUIRE(bad_dial());
	fe_vhost_call(&fe_bad.vhost, VHOST_USER_NVME_START, &f, sizeof(f), &res, sizeof(res));
	REQUIRE(bad_dial());
	fe_vhost_call(&fe_bad.vhost, VHOST_USER_NVME_STOP, &f, sizeof(f), &res, sizeof(res));
	REQUIRE(bad_dial());
	fe_vhost_call(&fe_bad.vhost, VHOST_USER_NVME_RESET, NULL, 0, &res, sizeof(res));
	comes_back();
}

/* Start with a saved state that nobody has saved, or that is nonsense. */
HOSTILE(restore_of_nonsense)
{
	uint64_t random = 3;
	unsigned int i, k;

	for (i = 0; i < 8; i++) {
		REQUIRE(fe_bad_attach());
		for (k = FE_PAGE / 4; k < fe_bad.info.devmem_size / 4; k++)
			fe_bad.doorbells[k] = i == 0   ? 0
					      : i == 1 ? 0xffffffff
						       : (uint32_t)fe_random(&random);
		fe_nvme_control(&fe_bad, VHOST_USER_NVME_STOP, 0);
		fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, VHOST_USER_NVME_F_STATE);
		fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0);
	}
	comes_back();
}

HOSTILE(unknown_flags_of_stop_and_start)
{
	static const uint32_t flags[] = {2, 0x80000000, 0xffffffff};
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		REQUIRE(fe_bad_open(16));
		CHECK(fe_nvme_control(&fe_bad, VHOST_USER_NVME_STOP, flags[i]) != 0);
		REQUIRE(fe_bad_open(16));
		CHECK(fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, flags[i]) != 0);
	}
	comes_back();
}

HOSTILE(reset_owner_is_harmless)
{
	REQUIRE(fe_bad_open(16));
	fe_vhost_ack(&fe_bad.vhost, FE_VHOST_RESET_OWNER, NULL, 0, NULL, 0);
	fe_vhost_ack(&fe_bad.vhost, FE_VHOST_SET_OWNER, NULL, 0, NULL, 0);
	comes_back();
}

/* Virtio's ring set-up has no meaning here. */
HOSTILE(virtqueue_messages)
{
	static const struct {
		uint32_t request;
		uint32_t len;
	} msgs[] = {{FE_VHOST_SET_VRING_NUM, 8},    {FE_VHOST_SET_VRING_ADDR, 40},
		    {FE_VHOST_SET_VRING_BASE, 8},   {FE_VHOST_GET_VRING_BASE, 8},
		    {FE_VHOST_SET_VRING_ENABLE, 8}, {FE_VHOST_SET_VRING_ERR, 8},
		    {FE_VHOST_SET_LOG_BASE, 16},    {FE_VHOST_GET_QUEUE_NUM, 0}};
	size_t i;
	int k;

	for (i = 0; i < sizeof(msgs) / sizeof(msgs[0]); i++) {
		for (k = 0; k < 2; k++) {
			uint8_t payload[64];

			memset(payload, k ? 0xff : 0, sizeof(payload));
			REQUIRE(fe_bad_open(16));
			fe_vhost_send(&fe_bad.vhost, msgs[i].request, FE_VHOST_F_NEED_REPLY,
				      payload, msgs[i].len, NULL, 0);
			fe_vhost_closed(&fe_bad.vhost, 2);
		}
	}
	comes_back();
}

/* --- halves, silence, and crowds --- */

/* Every prefix of a message, then nothing more: closed by us at once. */
HOSTILE(half_a_message_then_gone)
{
	struct {
		struct fe_vhost_hdr hdr;
		struct vhost_user_nvme_reg_val val;
	} __attribute__((packed)) msg = {
		{VHOST_USER_NVME_REG_WRITE, FE_VHOST_VERSION, 16},
		{NVME_REG_CC, 4, 1},
	};
	size_t n;

	for (n = 1; n < sizeof(msg); n++) {
		REQUIRE(bad_connect());
		fe_vhost_send_raw(&fe_bad.vhost, &msg, n, NULL, 0);
		fe_nvme_close(&fe_bad);
	}
	comes_back();
}

/* ...and the same with us still there, silent: it costs others nothing, and may go on any time. */
HOSTILE(half_a_message_then_silence)
{
	struct fe_vhost_hdr hdr = {FE_VHOST_SET_MEM_TABLE, FE_VHOST_VERSION, 72};
	static const uint8_t table[72];
	static struct fe_nvme third;
	uint64_t start;

	REQUIRE(bad_connect());
	fe_vhost_send_raw(&fe_bad.vhost, &hdr, sizeof(hdr), NULL, 0);
	start = fe_now_ns();
	REQUIRE_EQ(fe_nvme_open(&third, fe_daemon_socket(&fe_daemon, "third"), NULL), 0);
	CHECK(fe_now_ns() - start < BYSTANDER_PATIENCE_MS * 1000000ULL);
	fe_nvme_close(&third);
	fe_vhost_send_raw(&fe_bad.vhost, table, sizeof(table), NULL, 0);
	CHECK(fe_vhost_closed(&fe_bad.vhost, STALL_MS)); /* it is wrong, as a whole */
	comes_back();
}

HOSTILE(silence)
{
	static struct fe_vhost silent[20];
	static struct fe_nvme third;
	unsigned int i;

	/* One is the session; the others wait, or are refused. */
	for (i = 0; i < 20; i++)
		fe_vhost_connect(&silent[i], fe_bad_socket());
	REQUIRE_EQ(fe_nvme_open(&third, fe_daemon_socket(&fe_daemon, "third"), NULL), 0);
	fe_nvme_close(&third);
	for (i = 0; i < 20; i++)
		fe_vhost_close(&silent[i]);
	comes_back();
}

/* Asks and asks, and never reads an answer, until the socket is full in both directions. */
HOSTILE(answers_never_read)
{
	struct {
		struct fe_vhost_hdr hdr;
		struct vhost_user_nvme_reg reg;
	} __attribute__((packed)) msg = {
		{VHOST_USER_NVME_REG_READ, FE_VHOST_VERSION, 8},
		{NVME_REG_CSTS, 4},
	};
	static struct fe_nvme third;
	uint64_t start;
	unsigned int i;

	REQUIRE(bad_connect());
	for (i = 0; i < 200000; i++)
		if (send(fe_bad.vhost.fd, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    sizeof(msg))
			break;
	CHECK(i < 200000);
	start = fe_now_ns();
	REQUIRE_EQ(fe_nvme_open(&third, fe_daemon_socket(&fe_daemon, "third"), NULL), 0);
	CHECK(fe_now_ns() - start < BYSTANDER_PATIENCE_MS * 1000000ULL);
	fe_nvme_close(&third);
	fe_nvme_close(&fe_bad);
	comes_back();
}

HOSTILE(two_thousand_connections)
{
	struct fe_vhost v;
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		if (fe_vhost_connect(&v, fe_bad_socket()) == 0 && i % 7 == 0)
			fe_vhost_send(&v, FE_VHOST_GET_FEATURES, 0, NULL, 0, NULL, 0);
		fe_vhost_close(&v);
	}
	comes_back();
}

HOSTILE(disconnect_under_load)
{
	unsigned int i;

	for (i = 0; i < 15; i++) {
		REQUIRE(fe_bad_open(64));
		if (i & 1)
			REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
		REQUIRE(fe_bad_start_load(32));
		fe_vhost_close(&fe_bad.vhost);
		fe_load_abandon(&fe_bad_load);
		CHECK_EQ(fe_bad_load.corrupted, 0);
	}
	comes_back();
}

HOSTILE(disconnect_with_slow_io_in_flight)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 8);
	unsigned int i, k;

	for (i = 0; i < 3; i++) {
		REQUIRE(fe_bad_open(64));
		slow.prp1 = fe_bad_buf.gpa;
		for (k = 0; k < 60; k++)
			fe_submit(&fe_bad_io.sq, &slow);
		fe_sleep_us(2000);
		fe_nvme_close(&fe_bad);
	}
	comes_back();
}

/* Gone in the middle of a request that takes its time. */
HOSTILE(disconnect_during_stop_and_reset)
{
	static const uint32_t requests[] = {VHOST_USER_NVME_STOP, VHOST_USER_NVME_RESET};
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 8);
	struct vhost_user_nvme_flags flags = {0};
	unsigned int i, k;

	for (i = 0; i < 2; i++) {
		REQUIRE(fe_bad_open(64));
		slow.prp1 = fe_bad_buf.gpa;
		for (k = 0; k < 30; k++)
			fe_submit(&fe_bad_io.sq, &slow);
		fe_vhost_send(&fe_bad.vhost, requests[i], 0, &flags, i == 0 ? 4 : 0, NULL, 0);
		fe_nvme_close(&fe_bad);
	}
	comes_back();
}

static const struct test_case cases[] = {
	HOSTILE_CASE(second_front_end),
	HOSTILE_CASE(garbage),
	HOSTILE_CASE(payload_sizes),
	HOSTILE_CASE(wrong_versions),
	HOSTILE_CASE(unknown_requests),
	HOSTILE_CASE(every_standard_request_empty),
	HOSTILE_CASE(own_requests_of_the_wrong_size),
	HOSTILE_CASE(descriptors_where_none_belong),
	HOSTILE_CASE(vectors_that_do_not_exist),
	HOSTILE_CASE(interrupts_into_other_files),
	HOSTILE_CASE(interrupt_eventfd_full),
	HOSTILE_CASE(interrupts_exchanged_under_load),
	HOSTILE_CASE(kicks_for_nothing),
	HOSTILE_CASE(enable_without_memory),
	HOSTILE_CASE(own_requests_before_the_handshake),
	HOSTILE_CASE(restore_of_nonsense),
	HOSTILE_CASE(unknown_flags_of_stop_and_start),
	HOSTILE_CASE(reset_owner_is_harmless),
	HOSTILE_CASE(virtqueue_messages),
	HOSTILE_CASE(half_a_message_then_gone),
	HOSTILE_CASE(half_a_message_then_silence),
	HOSTILE_CASE(silence),
	HOSTILE_CASE(answers_never_read),
	HOSTILE_CASE(two_thousand_connections),
	HOSTILE_CASE(disconnect_under_load),
	HOSTILE_CASE(disconnect_with_slow_io_in_flight),
	HOSTILE_CASE(disconnect_during_stop_and_reset),
};

FE_TEST_MAIN("nvme_hostile_wire", cases, &fe_hostile_config)
