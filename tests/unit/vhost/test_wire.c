/* SPDX-License-Identifier: BSD-3-Clause */
/* What is checked of a message before anything is done about it: memory tables, file descriptors.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../test.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"
#include "vhost/vhost_wire.h"

#define FILE_SIZE 0x10000u
#define HEAD	  ((uint32_t)offsetof(struct vhost_wire_mem_table, regions))
#define TOP	  UINT64_MAX

static struct vhost_socket sock = {.name = "test"};

static int memory_file(void)
{
	int fd = memfd_create("wire", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, FILE_SIZE))
		exit(1);
	return fd;
}

static void message(struct vhost_wire_msg *msg, const struct vhost_wire_region *regions, uint32_t n,
		    int fd)
{
	uint32_t i;

	memset(msg, 0xa5, sizeof(*msg));
	msg->request = VHOST_USER_SET_MEM_TABLE;
	msg->size = HEAD + n * (uint32_t)sizeof(*regions);
	msg->payload.mem.nregions = n;
	msg->nfds = (int)n;
	for (i = 0; i < n && i < VHOST_WIRE_FDS; i++) {
		msg->payload.mem.regions[i] = regions[i];
		msg->fds[i] = fd;
	}
}

static void regions(void)
{
	/* {gpa, size, user address, offset in the file}; an empty one ends the list. */
	static const struct {
		struct vhost_wire_region r[3];
		bool ok;
	} table[] = {
		{{{0, 0x1000, 0, 0}}, true},
		{{{0, FILE_SIZE, 0, 0}}, true},
		{{{0, FILE_SIZE + 1, 0, 0}}, false},
		{{{0, FILE_SIZE, 0, 1}}, false},
		{{{0, FILE_SIZE - 0x1000, 0, 0x1000}}, true},
		{{{0, FILE_SIZE - 0xfff, 0, 0x1000}}, false},
		{{{0, 0x1000, 0, FILE_SIZE - 0x1000}}, true},
		{{{0, 0x1000, 0, FILE_SIZE}}, false},
		{{{0, 1, 0, TOP}}, false}, /* offset + size is 0 */
		{{{0, 0x1000, 0, TOP - 0xfff}}, false},
		{{{0, TOP, 0, 0}}, false},
		{{{0, TOP, 0, 1}}, false},
		{{{0, TOP - 0xfff, 0, 0x1000}}, false},
		{{{0, 1ull << 63, 0, 1ull << 63}}, false},
		{{{TOP - 0xfff, 0x1000, 0, 0}}, true},
		{{{TOP - 0xfff, 0x2000, 0, 0}}, false}, /* around the end */
		{{{TOP & ~0xfffull, 0x1001, 0, 0}}, false},
		/* Virtqueues are found by user addresses: where they are does not matter, alignment
		   does. */
		{{{0, 0x1000, TOP - 0xfff, 0}}, true},
		{{{0, 0x1000, TOP, 0}}, false},
		{{{0, 0x1000, 0x1008, 0}}, false},
		/* Several: apart, neighbours, overlapping by a byte, equal, one in the other. */
		{{{0, 0x1000, 0, 0}, {0x10000, 0x1000, 0, 0}}, true},
		{{{0, 0x1000, 0, 0}, {0x1000, 0x1000, 0, 0}}, true},
		{{{0x1000, 0x1000, 0, 0}, {0, 0x1000, 0, 0}}, true},
		{{{0, 0x1000, 0, 0}, {0x1000, 0x1000, 0, 0}, {0x2000, 0x1000, 0, 0}}, true},
		{{{0, 0x1001, 0, 0}, {0x1000, 0x1000, 0, 0}}, false},
		{{{0x1000, 0x1000, 0, 0}, {0, 0x1001, 0, 0}}, false},
		{{{0, 0x1000, 0, 0}, {0, 0x1000, 0, 0}}, false},
		{{{0, 0x4000, 0, 0}, {0x1000, 0x1000, 0, 0}}, false},
		{{{0x1000, 0x1000, 0, 0}, {0, 0x4000, 0, 0}}, false},
		{{{0, 0x1000, 0, 0}, {0x5000, 0x1000, 0, 0}, {0, 0x1000, 0, 0x1000}}, false},
		{{{0, 0x1000, 0, 0}, {0x5000, 0x1000, 0, FILE_SIZE}}, false},
		/* What is aligned for the guest is so for us. */
		{{{0x1000, 0x1000, 0, 1}}, false},
		{{{0x1001, 0x1000, 0, 0}}, false},
		{{{0x1004, 0x1000, 0, 0x1000}}, false},
		{{{0x1800, 0x1000, 0, 0x800}}, false},
		{{{0x800, 0x1000, 0, 0x1800}}, false},
		/* An odd size harms nobody. */
		{{{0, 1, 0, 0}}, true},
		{{{0, 0xfff, 0, 0}}, true},
	};
	struct vhost_wire_msg msg;
	int fd = memory_file();
	size_t i;
	uint32_t n;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		bool ok;

		for (n = 0; n < 3 && table[i].r[n].size; n++)
			;
		message(&msg, table[i].r, n, fd);
		ok = vhost_wire_check_mem_table(&sock, &msg);
		if (ok != table[i].ok)
			printf("# row %zu: %d\n", i, ok);
		CU_ASSERT_EQUAL(ok, table[i].ok);
	}
	close(fd);
}

static void empty_region(void)
{
	struct vhost_wire_region r[2] = {{0, 0x1000, 0, 0}, {0x5000, 0, 0, 0}};
	struct vhost_wire_msg msg;
	int fd = memory_file();

	message(&msg, r, 2, fd);
	CU_ASSERT_FALSE(vhost_wire_check_mem_table(&sock, &msg));
	close(fd);
}

/* The number of regions, of file descriptors, and the message's size, which must agree. */
static void counts(void)
{
	static const struct {
		uint32_t nregions;
		int nfds;
		int32_t size; /* -1: what the regions need */
		bool ok;
	} table[] = {
		{0, 0, -1, false},
		{0, 1, -1, false},
		{1, 0, -1, false},
		{1, 1, -1, true},
		{1, 2, -1, false},
		{2, 1, -1, false},
		{8, 8, -1, true},
		{8, 7, -1, false},
		{9, 8, -1, false},
		{9, 9, -1, false},
		{UINT32_MAX, -1, HEAD, false},
		{UINT32_MAX, 8, HEAD, false},
		{0x80000000, 0, HEAD, false},
		{1, -1, -1, false},
		{1, 1, 0, false},
		{1, 1, 7, false},
		{1, 1, HEAD, false}, /* the region was not sent */
		{1, 1, HEAD + 31, false},
		{2, 2, HEAD + 32, false},
		{8, 8, HEAD + 7 * 32, false},
	};
	struct vhost_wire_region r[VHOST_WIRE_FDS];
	struct vhost_wire_msg msg;
	int fd = memory_file();
	size_t i;

	for (i = 0; i < VHOST_WIRE_FDS; i++)
		r[i] = (struct vhost_wire_region){.gpa = i << 32, .size = 0x1000};
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		bool ok;

		message(&msg, r, VHOST_WIRE_FDS, fd);
		msg.payload.mem.nregions = table[i].nregions;
		msg.nfds = table[i].nfds;
		msg.size =
			table[i].size < 0 ? HEAD + table[i].nregions * 32 : (uint32_t)table[i].size;
		ok = vhost_wire_check_mem_table(&sock, &msg);
		if (ok != table[i].ok)
			printf("# row %zu: %d\n", i, ok);
		CU_ASSERT_EQUAL(ok, table[i].ok);
	}
	close(fd);
}

/* Only what can be mapped, and has a size. */
static void kinds_of_files(void)
{
	struct vhost_wire_region r = {0, 0x1000, 0, 0};
	struct vhost_wire_msg msg;
	int fds[6], pair[2], i;

	fds[0] = eventfd(0, EFD_CLOEXEC);
	fds[1] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[2] = open("/", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fds[3] = pair[0];
	fds[4] = -1;
	fds[5] = dup(fds[0]);
	close(fds[5]); /* a number that is not open */
	for (i = 0; i < 6; i++) {
		message(&msg, &r, 1, fds[i]);
		CU_ASSERT_FALSE(vhost_wire_check_mem_table(&sock, &msg));
	}
	for (i = 0; i < 4; i++)
		close(fds[i]);
	close(pair[1]);
}

/* Only the one at fault is: the others' descriptors are checked, too. */
static void one_bad_fd(void)
{
	struct vhost_wire_region r[3] = {
		{0, 0x1000, 0, 0}, {0x5000, 0x1000, 0, 0}, {0x9000, 0x1000, 0, 0}};
	struct vhost_wire_msg msg;
	int fd = memory_file(), bad = eventfd(0, EFD_CLOEXEC), i;

	message(&msg, r, 3, fd);
	CU_ASSERT_TRUE(vhost_wire_check_mem_table(&sock, &msg));
	for (i = 0; i < 3; i++) {
		message(&msg, r, 3, fd);
		msg.fds[i] = bad;
		CU_ASSERT_FALSE(vhost_wire_check_mem_table(&sock, &msg));
	}
	close(bad);
	close(fd);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void close_fds(void)
{
	static const int counts[] = {0, 1, 3, VHOST_WIRE_FDS};
	struct vhost_wire_msg msg;
	size_t t;
	int i;

	for (t = 0; t < ARRAY_SIZE(counts); t++) {
		int fds[VHOST_WIRE_FDS];

		memset(&msg, 0, sizeof(msg));
		msg.nfds = counts[t];
		for (i = 0; i < VHOST_WIRE_FDS; i++)
			fds[i] = msg.fds[i] = eventfd(0, EFD_CLOEXEC);
		CU_ASSERT_EQUAL(vhost_wire_close_fds(&msg, NULL), counts[t] > 0);
		CU_ASSERT_EQUAL(msg.nfds, 0);
		for (i = 0; i < VHOST_WIRE_FDS; i++) {
			CU_ASSERT_EQUAL(is_open(fds[i]), i >= counts[t]);
			if (i >= counts[t])
				close(fds[i]);
		}
		CU_ASSERT_FALSE(vhost_wire_close_fds(&msg, NULL)); /* not twice */
	}
}

/* Numbers that no message has. */
static void close_odd_fds(void)
{
	struct vhost_wire_msg msg;
	int fd = eventfd(0, EFD_CLOEXEC), i;

	memset(&msg, 0, sizeof(msg));
	for (i = 0; i < VHOST_WIRE_FDS; i++)
		msg.fds[i] = -1;
	msg.fds[1] = fd;
	msg.nfds = 3;
	CU_ASSERT_TRUE(vhost_wire_close_fds(&msg, NULL));
	CU_ASSERT_FALSE(is_open(fd));
	msg.nfds = -1;
	CU_ASSERT_FALSE(vhost_wire_close_fds(&msg, NULL));
	msg.nfds = 1000;
	CU_ASSERT_TRUE(vhost_wire_close_fds(&msg, NULL));
}

/* --- eventfds that are kept --- */

static bool eventfd_may_come(uint32_t request, uint32_t index, int fd)
{
	struct vhost_wire_msg msg = {
		.request = request, .size = sizeof(msg.payload.u64), .nfds = fd >= 0, .fds = {fd}};

	msg.payload.u64 = index | (fd < 0 ? VHOST_USER_VRING_NOFD : 0);
	return vhost_wire_check_eventfd(&sock, &msg);
}

static void kept_eventfds(void)
{
	const uint32_t kick = VHOST_USER_SET_VRING_KICK, call = VHOST_USER_SET_VRING_CALL;
	const struct session_stats *stats = &sock.listener.stats;
	int fd = eventfd(0, EFD_CLOEXEC);

	sock.listener.fds.limit = 2;
	CU_ASSERT_TRUE(eventfd_may_come(kick, 0, fd));
	vhost_wire_keeps(&sock, kick, 0, true);
	CU_ASSERT_TRUE(eventfd_may_come(call, 255, fd));
	vhost_wire_keeps(&sock, call, 255, true);
	vhost_wire_keeps(&sock, call, 255, true);
	CU_ASSERT_EQUAL(stats->descriptors, 2);
	/* No more; others for those, none at all, and what is not kept. */
	CU_ASSERT_FALSE(eventfd_may_come(call, 0, fd));
	CU_ASSERT_FALSE(eventfd_may_come(kick, 255, fd));
	CU_ASSERT_TRUE(eventfd_may_come(kick, 0, fd));
	CU_ASSERT_TRUE(eventfd_may_come(call, 255, fd));
	CU_ASSERT_TRUE(eventfd_may_come(call, 0, -1));
	CU_ASSERT_TRUE(eventfd_may_come(VHOST_USER_SET_VRING_ERR, 0, fd));
	vhost_wire_keeps(&sock, kick, 0, false);
	vhost_wire_keeps(&sock, kick, 1, false);
	CU_ASSERT_EQUAL(stats->descriptors, 1);
	CU_ASSERT_TRUE(eventfd_may_come(kick, 255, fd));
	session_fds_clear(&sock.listener.fds, &sock.listener.stats);
	CU_ASSERT_EQUAL(stats->descriptors, 0);
	sock.listener.fds.limit = 0;
	CU_ASSERT_TRUE(eventfd_may_come(kick, 255, fd));
	close(fd);
}

static const struct test_case cases[] = {
	{"regions", regions},
	{"empty_region", empty_region},
	{"counts", counts},
	{"kinds_of_files", kinds_of_files},
	{"one_bad_fd", one_bad_fd},
	{"close_fds", close_fds},
	{"close_odd_fds", close_odd_fds},
	{"kept_eventfds", kept_eventfds},
};

TEST_MAIN("wire", cases)
