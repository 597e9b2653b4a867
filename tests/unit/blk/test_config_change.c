/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk that gets larger, or is removed, under a guest: the front-end hears of it over its
 * back-end channel, however it treats that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bdev/bdev_internal.h"
#include "loop/loop.h"
#include "target/target.h"
#include "tests/frontend/fe_test.h"
#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/config/load.h"
#include "util/log.h"

#define BS 512u

static char dir[] = "/dev/shm/shadowbell-changes.XXXXXX";
static struct config *cfg;
static struct target *target;
static struct fe_virtio dev;
static struct fe_vq *q;
static int mine = -1; /* the front-end's end of the channel */

/* --- the target and its front-end --- */

static bool begin(void)
{
	char text[1024];

	if (!target) {
		CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
		log_set_level(LOG_LEVEL_ERROR);
		snprintf(text, sizeof(text),
			 "target: {socket_dir: %s, cpus: [0], poll_idle_us: 50}\n"
			 "bdevs:\n"
			 "  - {name: n, type: null, size: 1MiB, block_size: 512}\n"
			 "  - {name: gone, type: null, size: 1MiB, block_size: 512}\n"
			 "controllers:\n"
			 "  - {name: blk, type: blk, bdev: n, queues: 2}\n"
			 "  - {name: lost, type: blk, bdev: gone, queues: 2}\n",
			 dir);
		cfg = load_good("changes", text);
		CU_ASSERT_FATAL(cfg && !target_start(cfg, &target));
	}
	return target;
}

static bool open_dev(const char *controller)
{
	char path[96];

	if (!begin())
		return false;
	snprintf(path, sizeof(path), "%s/%s", dir, controller);
	if (fe_virtio_open(&dev, path, 0))
		return false;
	q = fe_vq_make(&dev, 0, 16);
	return true;
}

static void close_mine(void)
{
	if (mine >= 0)
		close(mine);
	mine = -1;
}

static int send_fd(int fd)
{
	return fe_vhost_ack(&dev.vhost, FE_VHOST_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1);
}

/* A new channel; bytes: of each end's buffer, 0: as it is. */
static int give_channel(int bytes)
{
	int sv[2], rc;

	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	if (bytes)
		setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	rc = send_fd(sv[1]);
	close(sv[1]);
	close_mine();
	mine = sv[0];
	return rc;
}

/* Messages that come, until none has for so long; -1: something else came, or the end. */
static int count_messages(int timeout_ms)
{
	static const uint32_t expected[3] = {2, FE_VHOST_VERSION, 0};
	struct pollfd p = {.fd = mine, .events = POLLIN};
	uint32_t msg[3];
	int n;

	for (n = 0; poll(&p, 1, timeout_ms) == 1; n++)
		if (recv(mine, msg, sizeof(msg), MSG_WAITALL) != sizeof(msg) ||
		    memcmp(msg, expected, sizeof(msg)) != 0)
			return -1;
	return n;
}

/* The same where there is to be at least one, which may take its time. */
static int count_some(void)
{
	struct pollfd p = {.fd = mine, .events = POLLIN};

	return poll(&p, 1, FE_TIMEOUT_MS) == 1 ? count_messages(200) : 0;
}

static uint64_t capacity(void)
{
	struct virtio_blk_config c;

	return fe_virtio_get_config(&dev, 0, sizeof(c), &c) ? UINT64_MAX : c.capacity;
}

static uint64_t grow(const char *name)
{
	struct bdev *bdev = bdev_find(name);

	CHECK_EQ(bdev_resize(bdev, bdev_nblocks(bdev) + 8), 0);
	return bdev_nblocks(bdev);
}

/* --- cases --- */

static void resized(void)
{
	uint64_t sectors;
	uint8_t *buf;
	uint64_t gpa;

	REQUIRE(open_dev("blk"));
	buf = fe_mem_alloc(&dev.mem, 4096, &gpa);
	REQUIRE(buf && !give_channel(0) && capacity() == 2048 && !fe_vq_start(q, 0));
	CHECK_EQ(count_messages(50), 0);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 2048, gpa, 4096), VIRTIO_BLK_S_IOERR);
	sectors = grow("n");
	CHECK_EQ(count_some(), 1);
	CHECK_EQ(capacity(), sectors);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 2048, gpa, 4096), VIRTIO_BLK_S_OK);
}

/* Who has not read the space since is told again when its guest's driver begins. */
static void told_again(void)
{
	REQUIRE(open_dev("blk"));
	REQUIRE(!give_channel(0) && capacity() != UINT64_MAX);
	grow("n");
	CHECK_EQ(count_some(), 1);
	CHECK_EQ(fe_vq_start(q, 0), 0);
	CHECK_EQ(count_some(), 1);
	/* One queue more is no new driver. */
	CHECK_EQ(fe_vq_start(fe_vq_make(&dev, 1, 16), 0), 0);
	CHECK_EQ(count_messages(50), 0);
	CHECK(capacity() != UINT64_MAX);
	CHECK_EQ(fe_vq_stop(&dev.q[0], NULL) | fe_vq_stop(&dev.q[1], NULL), 0);
	fe_vq_reset(q);
	CHECK_EQ(fe_vq_start(q, 0), 0);
	CHECK_EQ(count_messages(50), 0);
	/* As one that connects again and believes to know the space. */
	REQUIRE(open_dev("blk"));
	REQUIRE(!give_channel(0) && !fe_vq_start(q, 0));
	CHECK_EQ(count_some(), 1);
}

/* One that comes late, and one in the place of another. */
static void replaced(void)
{
	int first;
	char byte;

	REQUIRE(open_dev("blk"));
	REQUIRE(capacity() != UINT64_MAX && !fe_vq_start(q, 0));
	grow("n");
	REQUIRE(!give_channel(0));
	CHECK_EQ(count_some(), 1);
	first = dup(mine);
	REQUIRE(!give_channel(0));
	CHECK_EQ(count_some(), 1);
	CHECK_EQ(recv(first, &byte, 1, 0), 0);
	close(first);
	CHECK(capacity() != UINT64_MAX);
	grow("n");
	CHECK_EQ(count_some(), 1);
}

/* One that is full: nobody waits, and what is said at last is true. */
static void never_read(void)
{
	unsigned int i;
	int n;

	REQUIRE(open_dev("blk"));
	REQUIRE(!give_channel(1) && capacity() != UINT64_MAX && !fe_vq_start(q, 0));
	for (i = 0; i < 500; i++) {
		uint64_t sectors = grow("n");

		REQUIRE_EQ(capacity(), sectors);
	}
	n = count_some();
	CHECK(n > 1 && n < 400);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	grow("n");
	/* The one that found no room may have come only now. */
	n = count_some();
	CHECK(n == 1 || n == 2);
}

static void closed(void)
{
	REQUIRE(open_dev("blk"));
	REQUIRE(!give_channel(0) && capacity() != UINT64_MAX && !fe_vq_start(q, 0));
	close_mine();
	grow("n");
	CHECK(capacity() != UINT64_MAX);
	grow("n");
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	REQUIRE(!give_channel(0));
	CHECK_EQ(count_some(), 1);
	/* Only its end for reading. */
	CHECK_EQ(shutdown(mine, SHUT_RD), 0);
	grow("n");
	CHECK(capacity() != UINT64_MAX);
	/* None at all; and it ends with a channel, of which a message was not read. */
	REQUIRE(open_dev("blk"));
	grow("n");
	CHECK(capacity() != UINT64_MAX);
	REQUIRE(!give_channel(1));
	grow("n");
}

static void refused(void)
{
	const int fds[] = {eventfd(0, 0), socket(AF_UNIX, SOCK_DGRAM, 0),
			   socket(AF_INET, SOCK_STREAM, 0), open("/dev/null", O_RDWR),
			   socket(AF_UNIX, SOCK_STREAM, 0)};
	int pair[2], two[2];
	uint64_t payload = 0;
	size_t i;

	REQUIRE(open_dev("blk") && !socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		CHECK_EQ(send_fd(fds[i]), -EIO);
		close(fds[i]);
	}
	two[0] = two[1] = pair[1];
	CHECK_EQ(fe_vhost_ack(&dev.vhost, FE_VHOST_SET_BACKEND_REQ_FD, NULL, 0, two, 2), -EIO);
	CHECK_EQ(fe_vhost_ack(&dev.vhost, FE_VHOST_SET_BACKEND_REQ_FD, NULL, 0, NULL, 0), -EIO);
	CHECK_EQ(fe_vhost_ack(&dev.vhost, FE_VHOST_SET_BACKEND_REQ_FD, &payload, 8, pair, 1), -EIO);
	close(pair[0]);
	close(pair[1]);
	/* Its own session: held by us, it would have no end. */
	CHECK_EQ(send_fd(dev.vhost.fd), -EIO);
	CHECK_EQ(fe_vq_start(q, 0), 0);
	CHECK(capacity() != UINT64_MAX);
}

/* Puts a descriptor in the queue of the socket's other end. */
static void pass_fd(int sock, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {.align = {.cmsg_len = CMSG_LEN(sizeof(int)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {"x", 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &m, 0), 1);
}

/* A channel with the session's own socket in its queue: the next front-end gets in nonetheless. */
static void speaks(void)
{
	struct timeval soon = {.tv_sec = FE_TIMEOUT_MS / 1000};
	char byte;
	int sv[2];

	REQUIRE(open_dev("blk") && !give_channel(0));
	setsockopt(mine, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	pass_fd(mine, dev.vhost.fd);
	CHECK_EQ(recv(mine, &byte, 1, 0), -1); /* it is closed with something unread in it */
	CHECK_EQ(errno, ECONNRESET);
	CHECK(capacity() != UINT64_MAX);
	/* Before we hold it; and the front-end is gone. */
	REQUIRE(open_dev("blk") && !socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	pass_fd(sv[0], dev.vhost.fd);
	CHECK_EQ(send_fd(sv[1]), 0);
	close(sv[1]);
	REQUIRE(open_dev("blk"));
	CHECK(capacity() != UINT64_MAX);
	/* One that hangs up while the session goes on is let go. */
	close(sv[0]);
	REQUIRE(!give_channel(0) && !shutdown(mine, SHUT_WR));
	setsockopt(mine, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	CHECK_EQ(recv(mine, &byte, 1, 0), 0);
	CHECK(capacity() != UINT64_MAX);
}

/* All of its I/O fails, and there is nothing left to do I/O on. */
static void removed(void)
{
	uint8_t *buf;
	uint64_t gpa;

	REQUIRE(open_dev("lost"));
	buf = fe_mem_alloc(&dev.mem, 4096, &gpa);
	REQUIRE(buf && !give_channel(0) && capacity() == 2048 && !fe_vq_start(q, 0));
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, gpa, 4096), VIRTIO_BLK_S_OK);
	bdev_remove(bdev_find("gone"), NULL, NULL);
	CHECK_EQ(count_some(), 1);
	CHECK_EQ(capacity(), 0);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, gpa, 4096), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_OUT, 0, gpa, 4096), VIRTIO_BLK_S_IOERR);
}

/* With a change on its way. */
static void stop(void)
{
	if (!begin())
		return;
	grow("n");
	CHECK(target_stop(target));
	target = NULL;
	config_free(cfg);
	fe_virtio_close(&dev);
	close_mine();
	CHECK_EQ(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"resized", resized},	    {"told_again", told_again}, {"replaced", replaced},
	{"never_read", never_read}, {"closed", closed},		{"refused", refused},
	{"speaks", speaks},	    {"removed", removed},	{"stop", stop},
};

TEST_MAIN("config_change", cases)
