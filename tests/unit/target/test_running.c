/* SPDX-License-Identifier: BSD-3-Clause */
/* What is shared or ordered among objects that come and go while the target runs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/loop.h"
#include "target/target_internal.h"
#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/config/load.h"
#include "tests/unit/test.h"
#include "util/log.h"

static char dir[] = "/dev/shm/shadowbell-running.XXXXXX";
static struct config *cfg, *later;
static struct target *target;

static const char *path_of(const char *name)
{
	static _Thread_local char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct config *load(const char *list)
{
	char text[4096];

	snprintf(text, sizeof(text), "target: {socket_dir: %s, cpus: [0], poll_idle_us: 50}\n%s",
		 dir, list);
	return load_good("running", text);
}

/* As a service manager would: the socket of the controller "passed". */
static bool pass_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char pid[16];

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path_of("passed"));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8))
		return false;
	if (fd != 3 && (fcntl(3, F_GETFD) >= 0 || dup2(fd, 3) != 3 || close(fd)))
		return false;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	return true;
}

static void begin(void)
{
	char list[2048];
	FILE *f;

	if (target)
		return;
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	f = fopen(path_of("f"), "w");
	CU_ASSERT_FATAL(f && !ftruncate(fileno(f), 1 << 20) && !fclose(f));
	CU_ASSERT_FATAL(pass_socket());
	log_set_level(LOG_LEVEL_ERROR);
	cfg = load("bdevs: [{name: a, type: malloc, size: 1MiB}]\n"
		   "controllers:\n"
		   "  - {name: blk, type: blk, bdev: a}\n"
		   "  - {name: passed, type: blk, bdev: a}\n"
		   "  - {name: m1, type: blk, bdev: a}\n"
		   "  - {name: m2, type: blk, bdev: a}\n"
		   "  - {name: m3, type: blk, bdev: a}\n"
		   "  - {name: m4, type: blk, bdev: a}\n"
		   "  - {name: m5, type: blk, bdev: a}\n");
	snprintf(list, sizeof(list),
		 "bdevs:\n"
		 "  - {name: a, type: malloc, size: 1MiB}\n"
		 "  - {name: f, type: file, path: %s/f, direct: false}\n"
		 "controllers:\n"
		 "  - {name: blk2, type: blk, bdev: a}\n",
		 dir);
	later = load(list);
	CU_ASSERT_FATAL(cfg && later && !target_start(cfg, &target));
}

/* --- one at a time --- */

static struct {
	int rc, ndone;
	char text[256];
} last;

static void done(void *arg, int rc, const char *text)
{
	last.rc = rc;
	last.ndone++;
	snprintf(last.text, sizeof(last.text), "%s", text);
	loop_quit(target_main_loop(target));
}

static int end_of_it(void)
{
	while (!last.ndone)
		loop_run(target_main_loop(target));
	last.ndone = 0;
	return last.rc;
}

static int create(const struct config *of, const char *name)
{
	for (size_t i = 0; i < of->ncontrollers; i++)
		if (!strcmp(of->controllers[i].params->name, name))
			target_create_controller(target, of, &of->controllers[i], done, NULL);
	return end_of_it();
}

static int remove_controller(const char *name)
{
	target_remove_controller(target, name, done, NULL);
	return end_of_it();
}

/* Who has just connected is a front-end, whether it was accepted or not. */
static void just_connected(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int i, fd;

	begin();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path_of("m1"));
	for (i = 0; i < 50; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CU_ASSERT_FATAL(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
		target_remove_idle_controller(target, "m1", done, NULL);
		CU_ASSERT_EQUAL_FATAL(end_of_it(), -EBUSY);
		CU_ASSERT_STRING_EQUAL(last.text, "controller \"m1\" is in use by a front-end");
		close(fd);
	}
	/* When it has gone, and that was seen, so may the controller. */
	do {
		target_remove_idle_controller(target, "m1", done, NULL);
		i = end_of_it();
		CU_ASSERT_FATAL(!i || i == -EBUSY);
	} while (i);
	CU_ASSERT_EQUAL(create(cfg, "m1"), 0);
}

/* Of the address space that a process has: from 7 on each has less than the most. */
static void shares(void)
{
	uint64_t before;

	begin();
	before = target->share.mapped_memory;
	CU_ASSERT_EQUAL(create(later, "blk2"), 0);
	CU_ASSERT(target->share.mapped_memory < before);
	CU_ASSERT(target->limits.share == &target->share);
	CU_ASSERT_EQUAL(remove_controller("blk2"), 0);
	CU_ASSERT_EQUAL(target->share.mapped_memory, before);
}

static bool can_connect(const char *name)
{
	struct fe_virtio dev = {0};

	if (fe_virtio_open(&dev, path_of(name), 0))
		return false;
	fe_virtio_close(&dev);
	return true;
}

/* It listens as long as the process does, whether its controller is there or not. */
static void passed_socket(void)
{
	int i;

	begin();
	for (i = 0; i < 3; i++) {
		CU_ASSERT(can_connect("passed"));
		CU_ASSERT_EQUAL(remove_controller("passed"), 0);
		CU_ASSERT_EQUAL(access(path_of("passed"), F_OK), 0);
		CU_ASSERT_EQUAL(create(cfg, "passed"), 0);
	}
	CU_ASSERT(can_connect("passed"));
}

/* --- the end --- */

struct session {
	struct fe_virtio dev;
	bool ended_first;
};

/* The bdev's creation has ended. */
static void look_at_session(void *arg, int rc, const char *text)
{
	struct session *s = arg;
	struct pollfd p = {.fd = s->dev.vhost.fd};

	s->ended_first = poll(&p, 1, 0) == 1;
	done(NULL, rc, text);
}

/* Somebody has the file of a bdev that is just being made, which waits 3 s for it: no guest does.
 */
static void stop(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct session s = {0};
	int fd;

	begin();
	CU_ASSERT_EQUAL_FATAL(fe_virtio_open(&s.dev, path_of("blk"), 0), 0);
	fd = open(path_of("f"), O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(fcntl(fd, F_OFD_SETLK, &lock), 0);
	target_create_bdev(target, &later->bdevs[1], look_at_session, &s);
	CU_ASSERT_EQUAL(last.ndone, 0);
	CU_ASSERT(target_stop(target));
	CU_ASSERT_EQUAL(last.ndone, 1);
	CU_ASSERT(s.ended_first);
	fe_virtio_close(&s.dev);
	close(fd);
	close(3);
	config_free(cfg);
	config_free(later);
	unlink(path_of("f"));
	unlink(path_of("passed"));
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"shares", shares},
	{"just_connected", just_connected},
	{"passed_socket", passed_socket},
	{"stop", stop},
};

TEST_MAIN("running", cases)
