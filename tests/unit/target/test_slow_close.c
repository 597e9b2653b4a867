/* SPDX-License-Identifier: BSD-3-Clause */
/* A bdev whose file takes long to close: nobody else waits for it. Needs root and FUSE. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shadowbell/bdev.h>

#include "loop/loop.h"
#include "target/target.h"
#include "tests/frontend/fe_util.h"
#include "tests/unit/config/load.h"
#include "util/log.h"

static char dir[] = "/dev/shm/shadowbell-close.XXXXXX"; /* for sockets, */
static char mnt[sizeof(dir) + 4];			/* and in it the file system */
static struct config *cfg, *later;
static struct target *target;
static pid_t slowfs;

/* --- its file system: tests/hostile/slowfs.c --- */

/* In the build folder, as this program is. */
static const char *slowfs_path(void)
{
	static char path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	path[n > 0 ? n : 0] = 0;
	for (int i = 0; i < 4; i++)
		dirname(path);
	return strcat(path, "/slowfs");
}

static pid_t spawn(int out)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(out, STDOUT_FILENO);
	execl(slowfs_path(), "slowfs", mnt, "--size", "4", "--hang-close", NULL);
	_exit(127);
}

static bool mount_slowfs(void)
{
	char said[16] = "";
	int out[2];

	CU_ASSERT_FATAL(mkdtemp(dir) && !pipe(out));
	snprintf(mnt, sizeof(mnt), "%s/mnt", dir);
	CU_ASSERT_EQUAL_FATAL(mkdir(mnt, 0700), 0);
	slowfs = spawn(out[1]);
	close(out[1]);
	if (read(out[0], said, sizeof(said) - 1) > 0 && !strcmp(said, "mounted\n"))
		return true;
	snprintf(test_skip_reason, sizeof(test_skip_reason), "FUSE can't be mounted");
	waitpid(slowfs, NULL, 0);
	rmdir(mnt);
	rmdir(dir);
	return false;
}

static void unmount_slowfs(void)
{
	kill(slowfs, SIGTERM);
	waitpid(slowfs, NULL, 0);
	CU_ASSERT_EQUAL(rmdir(mnt), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* --- */

struct end {
	int rc, n;
};

static void ended(void *arg, int rc, const char *text)
{
	struct end *end = arg;

	end->rc = rc;
	end->n++;
	loop_quit(target_main_loop(target));
}

static int end_of(struct end *end)
{
	int rc;

	while (!end->n)
		loop_run(target_main_loop(target));
	rc = end->n == 1 ? end->rc : 1;
	*end = (struct end){0};
	return rc;
}

/* The ends of bdevs that are no trouble. */
static void come_and_go(void)
{
	struct end end = {0};

	target_create_bdev(target, &later->bdevs[0], ended, &end);
	CU_ASSERT_EQUAL(end_of(&end), 0);
	target_remove_bdev(target, "n", ended, &end);
	CU_ASSERT_EQUAL(end_of(&end), 0);
}

static void start(void)
{
	char text[512];

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(text, sizeof(text),
		 "target: {socket_dir: %s, cpus: [0], poll_idle_us: 50}\n"
		 "bdevs:\n"
		 "  - {name: slow, type: file, path: %s/disk, direct: false}\n"
		 "  - {name: stays, type: \"null\", size: 1GiB}\n"
		 "controllers: [{name: c, type: blk, bdev: stays}]\n",
		 dir, mnt);
	cfg = load_good("close", text);
	later = load_good("close", "target: {socket_dir: /dev/shm, cpus: [0]}\n"
				   "bdevs: [{name: n, type: \"null\", size: 1GiB}]\n"
				   "controllers: [{name: unused, type: blk, bdev: n}]\n");
	CU_ASSERT_FATAL(cfg && later);
	CU_ASSERT_EQUAL_FATAL(target_start(cfg, &target), 0);
}

static void closes_slowly(void)
{
	struct end removal = {0}, end = {0};

	if (!mount_slowfs())
		return;
	start();
	kill(slowfs, SIGUSR1);
	fe_sleep_us(50000);
	target_remove_bdev(target, "slow", ended, &removal);
	come_and_go();
	fe_sleep_us(50000);
	come_and_go();
	CU_ASSERT_EQUAL(removal.n, 0);
	/* The name and the file are its own until then. */
	target_remove_bdev(target, "slow", ended, &end);
	CU_ASSERT_EQUAL(end_of(&end), -EBUSY);
	target_create_bdev(target, &cfg->bdevs[0], ended, &end);
	CU_ASSERT_EQUAL(end_of(&end), -EBUSY);
	kill(slowfs, SIGUSR2);
	CU_ASSERT_EQUAL(end_of(&removal), 0);
	target_create_bdev(target, &cfg->bdevs[0], ended, &end);
	CU_ASSERT_EQUAL(end_of(&end), 0);
	CU_ASSERT(target_stop(target));
	config_free(cfg);
	config_free(later);
	unmount_slowfs();
}

static const struct test_case cases[] = {
	{"closes_slowly", closes_slowly},
};

TEST_MAIN("slow_close", cases)
