/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user messages that are random, or nearly right, with descriptors of all kinds, from fixed
 * seeds: the same storm each time. Beside it a disk is used, and what is read from it is right.
 */
#include <errno.h>
#include <fcntl.h>
#include <shadowbell/vhost_user_nvme.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../frontend/fe_virtio_hostile.h"

#define SESSIONS     80u /* with each kind of controller */
#define MESSAGES     50u /* of a session, if it lives so long */
#define LOOK_EVERY   25u /* messages, at the disk beside it */
#define MEM_BYTES    (1u << 20)
#define MEM_GPA	     0x100000u
#define MEM_UVA	     0x7f0000000000ull
#define RING_BYTES   16384u
#define PAYLOAD_MAX  600u
#define BYSTANDS_LBA 512u
#define BYSTANDS_LEN 16384u

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 16MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 16MiB, block_size: 512}\n",
	.controllers =
		"  - {name: blk, type: blk, bdev: ram0, queues: 4}\n"
		"  - {name: scsi, type: scsi, targets: [{id: 0, luns: [{lun: 0, bdev: ram0}]}]}\n"
		"  - {name: nvme, type: nvme, namespaces: [{bdev: ram0}]}\n"
		"  - {name: bystander, type: blk, bdev: ram1, queues: 2}\n"
		"  - {name: user, type: blk, bdev: ram1, queues: 2}\n",
};

static uint64_t rng;

static uint64_t below(uint64_t n)
{
	return fe_random(&rng) % n;
}

/* --- descriptors --- */

enum { FD_MEM, FD_EVENT, FD_SMALL, FD_PIPE, FD_SOCKET, FD_FILE, FD_NULL, FD_KINDS };

static int fds[FD_KINDS], peers[2];

static bool make_fds(void)
{
	int ends[2], pair[2];

	fds[FD_MEM] = memfd_create("fuzz", MFD_CLOEXEC);
	fds[FD_SMALL] = memfd_create("small", MFD_CLOEXEC);
	fds[FD_EVENT] = eventfd(0, EFD_CLOEXEC);
	fds[FD_FILE] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fds[FD_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (pipe2(ends, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return false;
	fds[FD_PIPE] = ends[1];
	fds[FD_SOCKET] = pair[1];
	peers[0] = ends[0];
	peers[1] = pair[0];
	return !ftruncate(fds[FD_MEM], MEM_BYTES) && !ftruncate(fds[FD_SMALL], 4096);
}

static void close_fds(void)
{
	unsigned int i;

	for (i = 0; i < FD_KINDS; i++)
		close(fds[i]);
	close(peers[0]);
	close(peers[1]);
}

/* --- messages as they should be --- */

struct message {
	struct fe_vhost_hdr hdr;
	uint8_t payload[PAYLOAD_MAX];
	int fds[FE_VHOST_FDS_MAX];
	int nfds;
};

static void set(struct message *m, const void *payload, size_t size)
{
	memcpy(m->payload, payload, size);
	m->hdr.size = (uint32_t)size;
}

static void set_u64(struct message *m, uint64_t value)
{
	set(m, &value, sizeof(value));
}

static void add_fd(struct message *m, unsigned int kind)
{
	m->fds[m->nfds++] = fds[kind];
}

/* Region i of the file's four parts. */
static struct fe_vhost_region region_of(unsigned int i)
{
	uint64_t part = MEM_BYTES / 4, offset = i * part;

	return (struct fe_vhost_region){MEM_GPA + offset, part, MEM_UVA + offset, offset};
}

static void make_table(struct message *m)
{
	struct fe_vhost_mem_table t = {.nregions = 1 + (uint32_t)below(3)};
	uint32_t i;

	for (i = 0; i < t.nregions; i++) {
		t.regions[i] = region_of(i);
		add_fd(m, FD_MEM);
	}
	/* What an NVMe controller has last is its doorbells. */
	if (below(2)) {
		t.regions[i] = (struct fe_vhost_region){VHOST_USER_NVME_DEVMEM_GPA,
							VHOST_USER_NVME_DEVMEM_SIZE,
							MEM_UVA - VHOST_USER_NVME_DEVMEM_SIZE, 0};
		add_fd(m, FD_MEM);
		t.nregions++;
	}
	set(m, &t, 8 + t.nregions * sizeof(t.regions[0]));
}

static void make_vring(struct message *m, uint32_t index)
{
	uint64_t at = MEM_UVA + index * RING_BYTES;
	struct fe_vring_addr addr = {index, 0, at, at + 8192, at + 4096, 0};
	struct fe_vring_state state = {index, 0};

	switch (m->hdr.request) {
	case FE_VHOST_SET_VRING_ADDR:
		set(m, &addr, sizeof(addr));
		return;
	case FE_VHOST_SET_VRING_KICK:
	case FE_VHOST_SET_VRING_CALL:
	case FE_VHOST_SET_VRING_ERR:
		set_u64(m, index);
		add_fd(m, FD_EVENT);
		return;
	case FE_VHOST_SET_VRING_NUM:
		state.num = 1u << below(9);
		break;
	case FE_VHOST_SET_VRING_ENABLE:
		state.num = (uint32_t)below(2);
	}
	set(m, &state, sizeof(state));
}

static void make_device(struct message *m)
{
	struct fe_config_msg cfg = {(uint32_t)below(64), 1 + (uint32_t)below(16), 0, {0}};
	struct fe_inflight_msg inflight = {65536, 0, 1 + (uint16_t)below(4), 128};
	struct vhost_user_nvme_reg_val reg = {4 * (uint32_t)below(16), 4, below(1 << 16)};

	switch (m->hdr.request) {
	case FE_VHOST_GET_CONFIG:
	case FE_VHOST_SET_CONFIG:
		set(m, &cfg, 12 + cfg.size);
		break;
	case FE_VHOST_SET_INFLIGHT_FD:
		add_fd(m, FD_MEM); /* fallthrough */
	case FE_VHOST_GET_INFLIGHT_FD:
		set(m, &inflight, sizeof(inflight));
		break;
	case VHOST_USER_NVME_GET_INFO:
	case VHOST_USER_NVME_STOP:
	case VHOST_USER_NVME_START:
		set(m, &(uint32_t){m->hdr.request == VHOST_USER_NVME_GET_INFO}, 4);
		break;
	case VHOST_USER_NVME_REG_READ:
		set(m, &reg, 8);
		break;
	case VHOST_USER_NVME_REG_WRITE:
		set(m, &reg, sizeof(reg));
	}
}

static void make(struct message *m, uint32_t request)
{
	struct fe_mem_reg reg = {.region = region_of((unsigned int)below(4))};

	memset(m, 0, sizeof(*m));
	m->hdr.request = request;
	m->hdr.flags = FE_VHOST_VERSION | (below(2) ? FE_VHOST_F_NEED_REPLY : 0);
	switch (request) {
	case FE_VHOST_SET_PROTOCOL_FEATURES: /* MQ, REPLY_ACK, CONFIG, INFLIGHT, MEM_SLOTS */
		set_u64(m, 1u << 0 | 1u << 3 | 1u << 9 | 1u << 12 | 1u << 15);
		break;
	case FE_VHOST_SET_FEATURES:
		set_u64(m, FE_VHOST_FEATURE_PROTOCOL | FE_VIRTIO_F_VERSION_1);
		break;
	case FE_VHOST_SET_MEM_TABLE:
		make_table(m);
		break;
	case FE_VHOST_ADD_MEM_REG:
		add_fd(m, FD_MEM); /* fallthrough */
	case FE_VHOST_REM_MEM_REG:
		set(m, &reg, sizeof(reg));
		break;
	default:
		if (request >= FE_VHOST_SET_VRING_NUM && request <= FE_VHOST_SET_VRING_ERR)
			make_vring(m, (uint32_t)below(4));
		else if (request == FE_VHOST_SET_VRING_ENABLE)
			make_vring(m, (uint32_t)below(4));
		else
			make_device(m);
	}
}

/* --- and as they should not be --- */

static uint64_t odd_value(void)
{
	static const uint64_t odd[] = {0,
				       1,
				       0xff,
				       0x100,
				       UINT32_MAX,
				       UINT64_MAX,
				       UINT64_MAX - 4095,
				       1ull << 63,
				       MEM_UVA,
				       MEM_UVA + MEM_BYTES - 8,
				       MEM_GPA,
				       MEM_BYTES,
				       VHOST_USER_NVME_DEVMEM_GPA};

	return below(4) ? odd[below(sizeof(odd) / sizeof(odd[0]))] : fe_random(&rng);
}

static void mutate(struct message *m)
{
	uint64_t value = odd_value();
	size_t width = below(2) ? 8 : 4;

	switch (below(8)) {
	case 0:
		m->payload[below(m->hdr.size + 1)] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
	case 2:
		memcpy(m->payload + below(m->hdr.size / 4 + 1) * 4, &value, width);
		break;
	case 3:
		m->hdr.size = below(2) ? (uint32_t)below(PAYLOAD_MAX) : m->hdr.size + 4;
		break;
	case 4:
		m->hdr.flags ^= 1u << below(below(2) ? 4 : 32);
		break;
	case 5:
		m->nfds = (int)below(FE_VHOST_FDS_MAX + 1);
		for (int i = 0; i < m->nfds; i++)
			m->fds[i] = fds[below(FD_KINDS)];
		break;
	case 6:
		if (m->nfds)
			m->fds[below((uint64_t)m->nfds)] = fds[below(FD_KINDS)];
		break;
	default:
		m->hdr.request = below(4) ? (uint32_t)below(46) : (uint32_t)odd_value();
	}
}

static const uint32_t opening[] = {
	FE_VHOST_GET_FEATURES,	 FE_VHOST_GET_PROTOCOL_FEATURES, FE_VHOST_SET_PROTOCOL_FEATURES,
	FE_VHOST_SET_OWNER,	 VHOST_USER_NVME_GET_INFO,	 FE_VHOST_SET_FEATURES,
	FE_VHOST_SET_MEM_TABLE,	 FE_VHOST_SET_VRING_NUM,	 FE_VHOST_SET_VRING_BASE,
	FE_VHOST_SET_VRING_ADDR, FE_VHOST_SET_VRING_CALL,	 FE_VHOST_SET_VRING_KICK,
};
#define OPENING (sizeof(opening) / sizeof(opening[0]))

static uint32_t any_request(void)
{
	return below(5) ? 1 + (uint32_t)below(40) : VHOST_USER_NVME_GET_INFO + (uint32_t)below(7);
}

/* --- sessions --- */

struct storm {
	const char *controller;
	bool is_nvme;
	unsigned int sent, refused; /* messages, and sessions that were closed for one */
};

static struct fe_virtio user;
static uint8_t *user_buf;
static uint64_t user_gpa;

static bool user_open(void)
{
	if (fe_virtio_open(&user, fe_daemon_socket(&fe_daemon, "user"), 0))
		return false;
	user_buf = fe_mem_alloc(&user.mem, BYSTANDS_LEN, &user_gpa);
	return !fe_vq_start(fe_vq_make(&user, 0, 16), 0);
}

static int user_io(unsigned int n)
{
	return fe_blk_verify(&user.q[0], BYSTANDS_LBA, user_buf, user_gpa, BYSTANDS_LEN, n);
}

static void drop_answers(int fd)
{
	char answers[4096];

	while (recv(fd, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		;
}

/* 0, or -ECONNRESET. Now and then in two pieces, or only the first of them. */
static int send_message(struct fe_vhost *v, const struct message *m)
{
	size_t len = sizeof(m->hdr) + m->hdr.size, first = below(16) ? len : below(len) + 1;
	int rc;

	if (m->hdr.size > PAYLOAD_MAX) /* a mutation: the rest never comes */
		len = first = sizeof(m->hdr) + PAYLOAD_MAX;
	rc = fe_vhost_send_raw(v, m, first, m->fds, m->nfds);
	if (!rc && first < len && below(8))
		rc = fe_vhost_send_raw(v, (const char *)m + first, len - first, NULL, 0);
	drop_answers(v->fd);
	return rc;
}

static void session(struct storm *s, unsigned int number)
{
	bool in_order = below(8);
	struct message m;
	struct fe_vhost v;
	unsigned int i;

	rng = number * 1000003u + s->is_nvme;
	if (!CHECK_EQ(fe_vhost_connect(&v, fe_daemon_socket(&fe_daemon, s->controller)), 0))
		return;
	for (i = 0; i < MESSAGES; i++, s->sent++) {
		uint32_t request = any_request();

		if (in_order && i < OPENING)
			request = opening[i];
		if (in_order && request == VHOST_USER_NVME_GET_INFO && !s->is_nvme)
			continue;
		make(&m, request);
		while (below(in_order && i < OPENING ? 24 : 2) == 0)
			mutate(&m);
		if (send_message(&v, &m)) {
			s->refused++;
			break;
		}
		if (s->sent % LOOK_EVERY == 0)
			CHECK_EQ(user_io(s->sent), 0);
	}
	fe_vhost_close(&v);
}

static void storm(const char *controller)
{
	struct storm s = {.controller = controller, .is_nvme = !strcmp(controller, "nvme")};
	int before, after = 0;
	unsigned int i;

	REQUIRE(make_fds());
	REQUIRE(user_open());
	before = fe_daemon_open_fds(&fe_daemon);
	for (i = 0; i < SESSIONS && fe_daemon_alive(&fe_daemon); i++)
		session(&s, i);
	CHECK_EQ(user_io(1), 0);
	/* What was sent has been closed again, with its session. */
	CHECK(FE_WAIT_FOR((after = fe_daemon_open_fds(&fe_daemon)) <= before, FE_TIMEOUT_MS));
	printf("# %s: %u messages in %u sessions, %u of them ended by the daemon; descriptors: %d, "
	       "then %d\n",
	       controller, s.sent, SESSIONS, s.refused, before, after);
	CHECK(s.sent > 5 * SESSIONS);
	fe_virtio_close(&user);
	close_fds();
}

VHOSTILE(blk)
{
	storm("blk");
}

VHOSTILE(scsi)
{
	storm("scsi");
}

VHOSTILE(nvme)
{
	storm("nvme");
}

static const struct test_case cases[] = {
	VHOSTILE_CASE(blk),
	VHOSTILE_CASE(scsi),
	VHOSTILE_CASE(nvme),
};

FE_TEST_MAIN("vhost_fuzz", cases, &config)
