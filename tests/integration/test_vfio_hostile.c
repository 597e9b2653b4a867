/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user: messages of the wrong shape, in the wrong order, half of them, too many, or none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

#define MAX_PAYLOAD    (16384u + 256)
#define ERROR_REPLY(e) (-(e))

static struct fe_vfio *const sock = &fe_bad.vfio;

/* --- helpers --- */

/* Connected, not a word said. */
static bool dial(void)
{
	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	return fe_vfio_connect(sock, fe_bad_socket()) == 0;
}

/* The same, and the version negotiated. */
static bool talk(void)
{
	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	return fe_vfio_open(sock, fe_bad_socket()) == 0;
}

/* The session is still there and in step. */
static bool in_step(void)
{
	uint32_t vectors = 0;

	return fe_vfio_vectors(sock, &vectors) == 0 && vectors == 9;
}

/* After the session's end the socket takes the next one, and the controller is as new. */
static void comes_back(void)
{
	REQUIRE(fe_bad_open(16));
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, 8, 512, &fe_bad_buf, 5), 0);
}

static int call(uint16_t command, const void *payload, uint32_t len, const int *fds, int nfds)
{
	struct fe_vfio_msg msg;
	int err = fe_vfio_call_fds(sock, command, payload, len, fds, nfds, &msg);

	if (msg.fd >= 0)
		close(msg.fd);
	return err;
}

/* A header, and nothing behind it: the session ends and says why. */
static void bad_header(uint16_t command, uint32_t size, uint32_t flags)
{
	struct fe_vfio_hdr hdr = {.id = 1, .command = command, .size = size, .flags = flags};

	REQUIRE(talk());
	fe_vfio_send_raw(sock, &hdr, sizeof(hdr), NULL, 0);
	CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	CHECK(fe_bad_logged("session closed"));
	comes_back();
}

static int open_fds(void)
{
	return fe_daemon_open_fds(&fe_daemon);
}

/* --- headers and framing --- */

HOSTILE(size_below_header)
{
	bad_header(FE_VFIO_GET_INFO, 15, 0);
}
HOSTILE(size_zero)
{
	bad_header(FE_VFIO_GET_INFO, 0, 0);
}
HOSTILE(size_huge)
{
	bad_header(FE_VFIO_REGION_WRITE, UINT32_MAX, 0);
}
HOSTILE(size_just_too_large)
{
	bad_header(FE_VFIO_REGION_WRITE, 16 + MAX_PAYLOAD + 1, 0);
}
HOSTILE(reply_without_a_command)
{
	bad_header(FE_VFIO_DMA_MAP, 16, FE_VFIO_F_REPLY);
}
HOSTILE(type_that_is_none)
{
	bad_header(FE_VFIO_GET_INFO, 32, 7);
}

HOSTILE(largest_message)
{
	static uint8_t payload[MAX_PAYLOAD];

	REQUIRE(talk());
	CHECK_EQ(call(FE_VFIO_GET_INFO, payload, sizeof(payload), NULL, 0), 0);
	CHECK_EQ(call(FE_VFIO_REGION_WRITE, payload, sizeof(payload), NULL, 0), 0);
	CHECK(in_step());
}

HOSTILE(half_a_header_and_gone)
{
	int fds;

	REQUIRE(talk());
	fds = open_fds();
	fe_vfio_send_raw(sock, "\1\0\4", 3, NULL, 0);
	REQUIRE(talk());
	CHECK(in_step());
	CHECK(FE_WAIT_FOR(open_fds() == fds, FE_TIMEOUT_MS));
}

/* A message that stops in the middle delays nobody: the bystander's I/O is checked at the end. */
HOSTILE(half_a_message_and_silence)
{
	struct fe_vfio_hdr hdr = {.command = FE_VFIO_REGION_WRITE, .size = 200};

	REQUIRE(talk());
	fe_vfio_send_raw(sock, &hdr, sizeof(hdr), NULL, 0);
	fe_vfio_send_raw(sock, &hdr, sizeof(hdr), NULL, 0);
	fe_sleep_us(FE_QUIET_MS * 1000);
}

HOSTILE(byte_by_byte)
{
	struct {
		struct fe_vfio_hdr hdr;
		struct fe_vfio_irq_info info;
	} m = {{.id = 77, .command = FE_VFIO_GET_IRQ_INFO, .size = sizeof(m)},
	       {.argsz = 16, .index = 2}};
	struct fe_vfio_msg reply;
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(m); i++) {
		REQUIRE_EQ(fe_vfio_send_raw(sock, (uint8_t *)&m + i, 1, NULL, 0), 0);
		fe_sleep_us(300);
	}
	REQUIRE_EQ(fe_vfio_recv(sock, &reply, FE_TIMEOUT_MS), 0);
	CHECK_EQ(reply.hdr.id, 77);
	CHECK_EQ(reply.hdr.size, 32);
	CHECK(in_step());
}

/* Many at once are answered in their order. */
HOSTILE(many_in_one_piece)
{
	struct {
		struct fe_vfio_hdr hdr;
		struct fe_vfio_access a;
	} m[100];
	struct fe_vfio_msg reply;
	unsigned int i;

	REQUIRE(talk());
	for (i = 0; i < 100; i++) {
		m[i].hdr = (struct fe_vfio_hdr){
			.id = (uint16_t)i, .command = FE_VFIO_REGION_READ, .size = sizeof(m[0])};
		m[i].a = (struct fe_vfio_access){.offset = i, .region = FE_CONFIG, .count = i};
	}
	REQUIRE_EQ(fe_vfio_send_raw(sock, m, sizeof(m), NULL, 0), 0);
	for (i = 0; i < 100; i++) {
		REQUIRE_EQ(fe_vfio_recv(sock, &reply, FE_TIMEOUT_MS), 0);
		CHECK_EQ(reply.hdr.id, i);
		CHECK_EQ(reply.hdr.size, 32 + i);
	}
}

HOSTILE(writing_side_shut)
{
	REQUIRE(talk());
	shutdown(sock->fd, SHUT_WR);
	CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	comes_back();
}

/* Who does not read answers is not read from; what it sends stays in the socket. */
HOSTILE(answers_are_not_read)
{
	struct {
		struct fe_vfio_hdr hdr;
		struct fe_vfio_access a;
	} m = {{.command = FE_VFIO_REGION_READ, .size = sizeof(m)},
	       {.region = FE_CONFIG, .count = 4096}};
	unsigned int sent = 0;
	struct fe_vfio_msg reply;

	REQUIRE(talk());
	fcntl(sock->fd, F_SETFL, O_NONBLOCK);
	while (sent < 100000 && send(sock->fd, &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m))
		sent++;
	CHECK(sent < 100000);
	fe_sleep_us(FE_QUIET_MS * 1000);
	/* And then it reads after all: nothing is lost. */
	while (sent--) {
		REQUIRE_EQ(fe_vfio_recv(sock, &reply, FE_TIMEOUT_MS), 0);
		REQUIRE_EQ(reply.hdr.size, 32 + 4096);
	}
}

HOSTILE(answers_are_never_read)
{
	struct fe_vfio_access a = {.region = FE_CONFIG, .count = 4096};
	unsigned int i;

	REQUIRE(talk());
	fcntl(sock->fd, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 1000; i++)
		fe_vfio_send(sock, FE_VFIO_REGION_READ, 0, &a, sizeof(a), NULL, 0);
	comes_back();
}

/* --- commands --- */

HOSTILE(unknown_commands)
{
	static const uint16_t table[] = {0, 11, 12, 14, 15, 16, 17, 18, 19, 255, 256, 65535};
	static const uint8_t payload[64];
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_EQ(call(table[i], payload, sizeof(payload), NULL, 0), ERROR_REPLY(ENOTSUP));
	CHECK(in_step());
	CHECK(fe_bad_logged("not supported"));
}

HOSTILE(payloads_too_short)
{
	static const struct {
		uint16_t command;
		uint32_t size;
	} table[] = {
		{FE_VFIO_DMA_MAP, 32},		 {FE_VFIO_DMA_UNMAP, 24},
		{FE_VFIO_GET_INFO, 16},		 {FE_VFIO_GET_REGION_INFO, 32},
		{FE_VFIO_GET_REGION_IO_FDS, 16}, {FE_VFIO_GET_IRQ_INFO, 16},
		{FE_VFIO_SET_IRQS, 20},		 {FE_VFIO_REGION_READ, 16},
		{FE_VFIO_REGION_WRITE, 16},
	};
	static const uint8_t payload[64];
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK_EQ(call(table[i].command, payload, table[i].size - 1, NULL, 0),
			 ERROR_REPLY(EINVAL));
		CHECK_EQ(call(table[i].command, payload, 0, NULL, 0), ERROR_REPLY(EINVAL));
	}
	CHECK(in_step());
}

/* No answer, not even to what fails: the next one is for the next request. */
HOSTILE(no_reply_to_failures)
{
	static const uint8_t payload[64];
	uint16_t command;

	REQUIRE(talk());
	for (command = 0; command < 20; command++)
		if (command != FE_VFIO_RESET)
			REQUIRE_EQ(fe_vfio_send(sock, command, FE_VFIO_F_NO_REPLY, payload,
						sizeof(payload), NULL, 0),
				   0);
	REQUIRE_EQ(fe_vfio_send(sock, FE_VFIO_RESET, FE_VFIO_F_NO_REPLY, NULL, 0, NULL, 0), 0);
	CHECK(in_step());
}

HOSTILE(something_before_version)
{
	static const uint8_t payload[32];

	REQUIRE(dial());
	CHECK_EQ(call(FE_VFIO_GET_INFO, payload, 16, NULL, 0), ERROR_REPLY(EINVAL));
	CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	CHECK(fe_bad_logged("before VERSION"));
	comes_back();
}

HOSTILE(version_twice)
{
	REQUIRE(talk());
	CHECK_EQ(fe_vfio_version(sock, 0, 0, NULL), ERROR_REPLY(EINVAL));
	CHECK(in_step());
}

HOSTILE(version_of_the_future)
{
	REQUIRE(dial());
	CHECK_EQ(fe_vfio_version(sock, 1, 0, NULL), ERROR_REPLY(EINVAL));
	CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	comes_back();
}

HOSTILE(version_with_bad_json)
{
	static const struct {
		const char *text;
		uint32_t len;
	} table[] = {
#define TEXT(t) {t, sizeof(t)}
		TEXT(""),
		TEXT("{"),
		TEXT("[]"),
		TEXT("null"),
		TEXT("{\"capabilities\":1}"),
		TEXT("{\"capabilities\":{\"max_msg_fds\":\"8\"}}"),
		TEXT("{\"capabilities\":{\"max_msg_fds\":-1}}"),
		TEXT("{\"capabilities\":{\"pgsizes\":1.5}}"),
		TEXT("{\"capabilities\":{\"max_dma_maps\":99999999999999999999999}}"),
		TEXT("{\"capabilities\":{},\"capabilities\":{}}"),
		TEXT("{}{}"),
		TEXT("{\"a\":\"\xff\"}"),
#undef TEXT
		{"{}", 2},     /* its NUL is missing */
		{"{}\0{}", 6}, /* one in the middle */
	};
	uint8_t payload[128];
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		REQUIRE(dial());
		memset(payload, 0, 4);
		memcpy(payload + 4, table[i].text, table[i].len);
		if (!CHECK_EQ(call(FE_VFIO_VERSION, payload, 4 + table[i].len, NULL, 0),
			      ERROR_REPLY(EINVAL)))
			printf("# %s\n", table[i].text);
		CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	}
	comes_back();
}

HOSTILE(version_with_deep_json)
{
	static uint8_t payload[MAX_PAYLOAD];

	REQUIRE(dial());
	memset(payload + 4, '[', sizeof(payload) - 5);
	CHECK_EQ(call(FE_VFIO_VERSION, payload, sizeof(payload), NULL, 0), ERROR_REPLY(EINVAL));
	CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	comes_back();
}

/* --- file descriptors --- */

/* One more than may be: the session ends, and none is kept. */
HOSTILE(too_many_fds)
{
	struct fe_vfio_hdr hdr = {.command = FE_VFIO_SET_IRQS, .size = 36};
	int fds[FE_VFIO_FDS_MAX + 1], before, i;
	char control[CMSG_SPACE(sizeof(fds))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {&hdr, sizeof(hdr)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	REQUIRE(talk());
	before = open_fds();
	for (i = 0; i < FE_VFIO_FDS_MAX + 1; i++)
		fds[i] = 0;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	CHECK_EQ(sendmsg(sock->fd, &msg, MSG_NOSIGNAL), (long)sizeof(hdr));
	CHECK(fe_vfio_closed(sock, FE_TIMEOUT_MS));
	CHECK(fe_bad_logged("file descriptors"));
	REQUIRE(talk());
	CHECK(FE_WAIT_FOR(open_fds() == before, FE_TIMEOUT_MS));
}

HOSTILE(fds_that_nobody_wants)
{
	static const uint8_t payload[64];
	const int fds[4] = {0, 0, 0, 0};
	int before, i;

	REQUIRE(talk());
	before = open_fds();
	for (i = 0; i < 20; i++) {
		CHECK_EQ(call(FE_VFIO_GET_INFO, payload, 16, fds, 4), ERROR_REPLY(EINVAL));
		CHECK_EQ(call(FE_VFIO_DMA_MAP, payload, 32, fds, 2), ERROR_REPLY(EINVAL));
		CHECK_EQ(call(FE_VFIO_SET_IRQS, payload, 20, fds, 4), ERROR_REPLY(EINVAL));
		CHECK_EQ(call(99, payload, 20, fds, 4), ERROR_REPLY(ENOTSUP));
	}
	CHECK(FE_WAIT_FOR(open_fds() == before, FE_TIMEOUT_MS));
	CHECK(in_step());
}

HOSTILE(fds_of_half_a_message)
{
	struct fe_vfio_hdr hdr = {.command = FE_VFIO_DMA_MAP, .size = 48};
	const int fds[2] = {0, 0};
	int before;

	REQUIRE(talk());
	before = open_fds();
	fe_vfio_send_raw(sock, &hdr, sizeof(hdr), fds, 2);
	fe_sleep_us(FE_QUIET_MS * 1000);
	REQUIRE(talk());
	CHECK(FE_WAIT_FOR(open_fds() == before, FE_TIMEOUT_MS));
}

/* --- regions and interrupts --- */

HOSTILE(accesses_out_of_range)
{
	static const struct fe_vfio_access table[] = {
		{0x4000, FE_BAR0, 1},
		{0x3ffd, FE_BAR0, 4},
		{UINT64_MAX, FE_BAR0, 4},
		{UINT64_MAX - 3, 0, 8},
		{0, FE_BAR0, 0x4001},
		{0, FE_BAR0, UINT32_MAX},
		{1, FE_BAR0, UINT32_MAX},
		{4096, FE_CONFIG, 1},
		{4093, FE_CONFIG, 4},
		{0, FE_CONFIG, 4097},
		{1ull << 32, FE_CONFIG, 4},
		{0, 1, 4},
		{0, 6, 4},
		{0, 8, 1},
		{0, 9, 4},
		{0, UINT32_MAX, 4},
		{1ull << 63, FE_BAR0, 1},
	};
	uint8_t payload[16 + 64] = {0};
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memcpy(payload, &table[i], sizeof(table[i]));
		if (!CHECK_EQ(call(FE_VFIO_REGION_READ, payload, 16, NULL, 0),
			      ERROR_REPLY(EINVAL)) ||
		    !CHECK_EQ(call(FE_VFIO_REGION_WRITE, payload, sizeof(payload), NULL, 0),
			      ERROR_REPLY(EINVAL)))
			printf("# row %zu\n", i);
	}
	CHECK(in_step());
}

HOSTILE(write_with_too_little_data)
{
	struct {
		struct fe_vfio_access a;
		uint8_t data[3];
	} __attribute__((packed)) w = {.a = {.offset = 4, .region = FE_CONFIG, .count = 4}};

	REQUIRE(talk());
	CHECK_EQ(call(FE_VFIO_REGION_WRITE, &w, sizeof(w), NULL, 0), ERROR_REPLY(EINVAL));
	CHECK(in_step());
}

/* Every size at every offset around the pages' borders, without an error and without an effect. */
HOSTILE(odd_accesses_to_bar0)
{
	static const uint32_t at[] = {0,      1,      3,      0x14,   0x1c,   0x38,
				      0x3f,   0xffc,  0xfff,  0x1001, 0x1ffc, 0x1ffe,
				      0x2000, 0x2fff, 0x3000, 0x3ff0};
	uint8_t data[16384], zero[64] = {0};
	uint64_t cap = 0, cc = 1;
	uint32_t count;
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		for (count = 0; count <= 64 && at[i] + count <= 0x4000; count += 1 + count / 9) {
			CHECK_EQ(fe_vfio_read(sock, FE_BAR0, at[i], count, data), 0);
			CHECK_EQ(fe_vfio_write(sock, FE_BAR0, at[i], count, zero), 0);
		}
	}
	CHECK_EQ(fe_vfio_read(sock, FE_BAR0, 0, sizeof(data), data), 0);
	CHECK_EQ(fe_vfio_read(sock, FE_BAR0, 0, 8, &cap), 0);
	CHECK_EQ(memcmp(data, &cap, 8), 0);
	CHECK(cap != 0);
	/* Reads across registers put them together. */
	CHECK_EQ(fe_vfio_read(sock, FE_BAR0, 3, 6, data), 0);
	CHECK_EQ(memcmp(data, (uint8_t *)&cap + 3, 5), 0);
	/* CC.EN by a single byte is nothing. */
	CHECK_EQ(fe_vfio_write(sock, FE_BAR0, 0x14, 1, &cc), 0);
	CHECK_EQ(fe_vfio_read(sock, FE_BAR0, 0x14, 4, &cc), 0);
	CHECK_EQ((uint32_t)cc, 0);
}

/* What is read-only stays, whoever writes what; then the session goes on as it was. */
HOSTILE(config_space_all_ones)
{
	static uint8_t ones[4096], before[4096], after[4096];
	size_t i;

	REQUIRE(talk());
	REQUIRE_EQ(fe_vfio_read(sock, FE_CONFIG, 0, 4096, before), 0);
	memset(ones, 0xff, sizeof(ones));
	REQUIRE_EQ(fe_vfio_write(sock, FE_CONFIG, 0, 4096, ones), 0); /* an FLR among them */
	REQUIRE_EQ(fe_vfio_read(sock, FE_CONFIG, 0, 4096, after), 0);
	CHECK_EQ(memcmp(before, after, 4096), 0);
	for (i = 0; i < 4096; i++)
		if (i != 0x69)
			CHECK_EQ(fe_vfio_write(sock, FE_CONFIG, i, 1, ones), 0);
	REQUIRE_EQ(fe_vfio_read(sock, FE_CONFIG, 0, 4096, after), 0);
	CHECK_EQ(memcmp(before, after, 4), 0);
	CHECK_EQ(memcmp(before + 8, after + 8, 4), 0);
	CHECK_EQ(after[4], 0x47);
	CHECK_EQ(memcmp(after + 0x30, "\0\0\0\0\x40", 5), 0); /* ROM, capabilities */
	CHECK_EQ(memcmp(before + 0x100, after + 0x100, 4096 - 0x100), 0);
	CHECK_EQ(call(FE_VFIO_RESET, NULL, 0, NULL, 0), 0);
	REQUIRE_EQ(fe_vfio_read(sock, FE_CONFIG, 0, 4096, after), 0);
	CHECK_EQ(memcmp(before, after, 4096), 0);
	comes_back();
}

HOSTILE(infos_that_are_not_there)
{
	static const struct {
		uint16_t command;
		uint32_t len, payload[8];
		int expected;
	} table[] = {
		{FE_VFIO_GET_REGION_INFO, 32, {32, 0, 9}, -EINVAL},
		{FE_VFIO_GET_REGION_INFO, 32, {32, 0, UINT32_MAX}, -EINVAL},
		{FE_VFIO_GET_REGION_INFO, 32, {31, 0, 0}, -EINVAL},
		{FE_VFIO_GET_REGION_INFO, 32, {0, 0, 7}, -EINVAL},
		{FE_VFIO_GET_REGION_INFO, 32, {UINT32_MAX, 0, 7}, 0},
		{FE_VFIO_GET_IRQ_INFO, 16, {16, 0, 5}, -EINVAL},
		{FE_VFIO_GET_IRQ_INFO, 16, {15, 0, 2}, -EINVAL},
		{FE_VFIO_GET_IRQ_INFO, 16, {16, 0, UINT32_MAX}, -EINVAL},
		{FE_VFIO_GET_IRQ_INFO, 16, {UINT32_MAX, 0, 4}, 0},
		{FE_VFIO_GET_REGION_IO_FDS, 16, {16, 0, 0}, 0},
		{FE_VFIO_GET_REGION_IO_FDS, 16, {16, 0, 9}, -EINVAL},
		{FE_VFIO_GET_REGION_IO_FDS, 16, {16, 1, 0}, -EINVAL},
		{FE_VFIO_GET_REGION_IO_FDS, 16, {0, 0, 0}, -EINVAL},
	};
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!CHECK_EQ(call(table[i].command, table[i].payload, table[i].len, NULL, 0),
			      table[i].expected))
			printf("# row %zu\n", i);
	CHECK(in_step());
}

/* flags: 1 none, 2 bool, 4 eventfd; 8 mask, 10h unmask, 20h trigger */
HOSTILE(irqs_that_are_not_there)
{
	static const struct {
		uint32_t set[5]; /* argsz, flags, index, start, count */
		int nfds, expected;
	} table[] = {
		{{20, 0x24, 2, 0, 9}, 8, -EINVAL},
		{{20, 0x24, 2, 0, 8}, 9, -EINVAL},
		{{20, 0x24, 2, 8, 2}, 2, -EINVAL},
		{{20, 0x24, 2, 9, 1}, 1, -EINVAL},
		{{20, 0x24, 2, 9, 0}, 0, 0},
		{{20, 0x24, 2, 10, 0}, 0, -EINVAL},
		{{20, 0x24, 2, UINT32_MAX, 1}, 1, -EINVAL},
		{{20, 0x24, 2, 1, UINT32_MAX}, 1, -EINVAL},
		{{20, 0x24, 2, 0, UINT32_MAX}, 0, -EINVAL},
		{{20, 0x24, 0, 0, 1}, 1, -EINVAL},
		{{20, 0x24, 1, 0, 1}, 1, -EINVAL},
		{{20, 0x24, 3, 0, 1}, 1, 0},
		{{20, 0x24, 4, 0, 1}, 1, -EINVAL},
		{{20, 0x24, 5, 0, 0}, 0, -EINVAL},
		{{20, 0x24, UINT32_MAX, 0, 0}, 0, -EINVAL},
		{{19, 0x24, 2, 0, 1}, 1, -EINVAL},
		{{20, 0, 2, 0, 0}, 0, -EINVAL},
		{{20, 0x20, 2, 0, 1}, 0, -EINVAL},
		{{20, 0x04, 2, 0, 1}, 1, -EINVAL},
		{{20, 0x26, 2, 0, 1}, 1, -EINVAL},
		{{20, 0x34, 2, 0, 1}, 1, -EINVAL},
		{{20, 0x64, 2, 0, 1}, 1, -EINVAL},
		{{20, UINT32_MAX, 2, 0, 1}, 1, -EINVAL},
		{{20, 0x21, 2, 0, 1}, 1, -EINVAL},
		{{20, 0x22, 2, 0, 9}, 0, -EINVAL}, /* the bools are not there */
		{{20, 0x21, 2, 0, 9}, 0, 0},
		{{20, 0x09, 2, 0, 9}, 0, 0},
		{{20, 0x11, 2, 0, 9}, 0, 0},
	};
	int fds[FE_VFIO_FDS_MAX], before, i, fd = eventfd(0, EFD_CLOEXEC);
	size_t k;

	for (i = 0; i < FE_VFIO_FDS_MAX; i++)
		fds[i] = fd;
	REQUIRE(talk());
	before = open_fds();
	for (k = 0; k < sizeof(table) / sizeof(table[0]); k++)
		if (!CHECK_EQ(call(FE_VFIO_SET_IRQS, table[k].set, 20, fds, table[k].nfds),
			      table[k].expected))
			printf("# row %zu\n", k);
	CHECK(FE_WAIT_FOR(open_fds() == before, FE_TIMEOUT_MS));
	CHECK(in_step());
	close(fd);
}

HOSTILE(irqs_to_what_is_no_eventfd)
{
	int pipes[2], bad[3], i, before;

	REQUIRE_EQ(pipe2(pipes, O_CLOEXEC), 0);
	REQUIRE(talk());
	bad[0] = pipes[1];
	bad[1] = sock->fd;
	bad[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	before = open_fds();
	for (i = 0; i < 3; i++)
		CHECK_EQ(fe_vfio_set_vectors(sock, 0, 1, &bad[i]), ERROR_REPLY(EINVAL));
	CHECK(FE_WAIT_FOR(open_fds() == before, FE_TIMEOUT_MS));
	close(pipes[0]);
	close(pipes[1]);
	close(bad[2]);
}

/* --- connections --- */

HOSTILE(second_client)
{
	struct fe_vfio second;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 10; i++) {
		REQUIRE_EQ(fe_vfio_connect(&second, fe_bad_socket()), 0);
		CHECK(fe_vfio_closed(&second, FE_TIMEOUT_MS));
		fe_vfio_close(&second);
	}
	CHECK(fe_bad_logged("second"));
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed, 0);
}

HOSTILE(connections_that_say_nothing)
{
	int before, i;

	REQUIRE(talk());
	before = open_fds();
	for (i = 0; i < 100; i++)
		REQUIRE(dial());
	comes_back();
	REQUIRE(talk());
	CHECK(FE_WAIT_FOR(open_fds() == before, FE_TIMEOUT_MS));
}

/* Random messages, framed well enough that each is looked at. */
HOSTILE(random_messages)
{
	uint64_t random = 7;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		uint64_t payload[64];
		uint16_t command = (uint16_t)(fe_random(&random) % 20);
		uint32_t len = (uint32_t)(fe_random(&random) % 80), k;
		uint32_t flags = fe_random(&random) % 4 ? FE_VFIO_F_NO_REPLY : 0;

		for (k = 0; k < 64; k++) {
			payload[k] = fe_random(&random);
			if (fe_random(&random) % 3)
				payload[k] &= 0x2f0000003full;
		}
		if (sock->fd < 0 || fe_random(&random) % 200 == 0)
			REQUIRE(talk());
		if (fe_vfio_send(sock, command, flags, payload, len, NULL, 0))
			REQUIRE(talk());
		while (recv(sock->fd, payload, sizeof(payload), MSG_DONTWAIT) > 0)
			;
	}
	comes_back();
}

static const struct test_case cases[] = {
	HOSTILE_CASE(size_below_header),
	HOSTILE_CASE(size_zero),
	HOSTILE_CASE(size_huge),
	HOSTILE_CASE(size_just_too_large),
	HOSTILE_CASE(reply_without_a_command),
	HOSTILE_CASE(type_that_is_none),
	HOSTILE_CASE(largest_message),
	HOSTILE_CASE(half_a_header_and_gone),
	HOSTILE_CASE(half_a_message_and_silence),
	HOSTILE_CASE(byte_by_byte),
	HOSTILE_CASE(many_in_one_piece),
	HOSTILE_CASE(writing_side_shut),
	HOSTILE_CASE(answers_are_not_read),
	HOSTILE_CASE(answers_are_never_read),
	HOSTILE_CASE(unknown_commands),
	HOSTILE_CASE(payloads_too_short),
	HOSTILE_CASE(no_reply_to_failures),
	HOSTILE_CASE(something_before_version),
	HOSTILE_CASE(version_twice),
	HOSTILE_CASE(version_of_the_future),
	HOSTILE_CASE(version_with_bad_json),
	HOSTILE_CASE(version_with_deep_json),
	HOSTILE_CASE(too_many_fds),
	HOSTILE_CASE(fds_that_nobody_wants),
	HOSTILE_CASE(fds_of_half_a_message),
	HOSTILE_CASE(accesses_out_of_range),
	HOSTILE_CASE(write_with_too_little_data),
	HOSTILE_CASE(odd_accesses_to_bar0),
	HOSTILE_CASE(config_space_all_ones),
	HOSTILE_CASE(infos_that_are_not_there),
	HOSTILE_CASE(irqs_that_are_not_there),
	HOSTILE_CASE(irqs_to_what_is_no_eventfd),
	HOSTILE_CASE(second_client),
	HOSTILE_CASE(connections_that_say_nothing),
	HOSTILE_CASE(random_messages),
};

int main(int argc, char **argv)
{
	setenv("FE_TRANSPORT", "vfio-user", 1);
	return fe_fixture_main("vfio_hostile", cases, sizeof(cases) / sizeof(cases[0]), argc, argv,
			       &fe_hostile_config);
}
