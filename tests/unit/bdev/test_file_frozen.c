/* SPDX-License-Identifier: BSD-3-Clause */
/* The file system under an image is frozen, as fsfreeze(8) does it, for a snapshot that takes long.
 */
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "file_test.h"
#include "util/counter.h"

#define MIB	  (1u << 20)
#define IMAGE_MIB 16
#define BLOCKS	  (IMAGE_MIB * MIB / 4096)
#define FS_BYTES  (64 * MIB)

static char folder[TEST_PATH_MAX], fs[TEST_PATH_MAX + 8], mnt[TEST_PATH_MAX + 8],
	path[TEST_PATH_MAX + 16], beside[TEST_PATH_MAX + 16], dev[64], err[BDEV_ERR_MAX];
static struct reactor *reactor;
static struct test_disk frozen, good;
static char *buf, *in;
static int mnt_fd;

static bool make_fs(void)
{
	char *argv[] = {"mkfs.ext4", "-q", "-F", fs, NULL};
	int status = -1;
	pid_t pid;

	test_make_file(fs, FS_BYTES);
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status) {
		test_skip("mkfs.ext4 is needed");
		return false;
	}
	return true;
}

static bool mount_fs(void)
{
	CU_ASSERT(test_folder(folder, NULL));
	snprintf(fs, sizeof(fs), "%s/fs", folder);
	snprintf(mnt, sizeof(mnt), "%s/mnt", folder);
	snprintf(path, sizeof(path), "%s/image", mnt);
	snprintf(beside, sizeof(beside), "%s/beside", folder);
	if (!make_fs() || !test_loop_attach(fs, dev)) {
		unlink(fs);
		rmdir(folder);
		return false;
	}
	CU_ASSERT_EQUAL(mkdir(mnt, 0700), 0);
	CU_ASSERT_EQUAL(mount(dev, mnt, "ext4", 0, NULL), 0);
	mnt_fd = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return mnt_fd >= 0;
}

static void unmount_fs(void)
{
	int i, rc;

	close(mnt_fd);
	/* A ring lets go of its files a moment after its reactor's end. */
	for (i = 0; (rc = umount(mnt)) && errno == EBUSY && i < 2000; i++)
		usleep(10000);
	CU_ASSERT_EQUAL(rc, 0);
	test_loop_detach(dev);
	rmdir(mnt);
	unlink(fs);
	unlink(beside);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static bool begin(bool direct)
{
	if (!mount_fs())
		return false;
	buf = test_buffer(IMAGE_MIB * MIB);
	in = test_buffer(IMAGE_MIB * MIB);
	test_fill(buf, IMAGE_MIB * MIB, 0, 1);
	test_make_file(beside, IMAGE_MIB * MIB);
	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(test_create_file("frozen", path, 4096, IMAGE_MIB * MIB, direct, err), 0);
	CU_ASSERT_EQUAL(test_create_file("good", beside, 4096, 0, direct, err), 0);
	return test_disk_open(&frozen, reactor, "frozen", true) &&
	       test_disk_open(&good, reactor, "good", true);
}

/*
 * If this program dies meanwhile, its threads can't before the file system thaws: so another
 * process sees to it.
 */
static pid_t guard;

static void freeze(void)
{
	CU_ASSERT_EQUAL(ioctl(mnt_fd, FIFREEZE, 0), 0);
	guard = fork();
	if (guard)
		return;
	sleep(2 * TEST_WAIT_SECONDS);
	ioctl(mnt_fd, FITHAW, 0);
	_exit(0);
}

static void thaw(void)
{
	CU_ASSERT_EQUAL(ioctl(mnt_fd, FITHAW, 0), 0);
	kill(guard, SIGKILL);
	waitpid(guard, NULL, 0);
}

static void end(void)
{
	test_disk_close(&frozen);
	test_disk_close(&good);
	test_remove("frozen");
	test_remove("good");
	reactor_destroy(reactor);
	unmount_fs();
	free(buf);
	free(in);
}

static void abandon_fn(void *arg)
{
	CU_ASSERT(bdev_io_abandon(arg));
}

/* What is written while it is frozen waits, and only that: then it ends as ever, or is abandoned.
 */
static void frozen_writes(bool direct)
{
	struct test_req old[4], newer;
	uint64_t i;
	char *mine;

	if (!begin(direct))
		return;
	mine = test_buffer(4 * 4096);
	memset(mine, 0x11, 4 * 4096);
	CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_WRITE, 0, BLOCKS / 2, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	freeze();
	/* Over what is there, and where there is nothing yet. */
	for (i = 0; i < 4; i++) {
		test_req_init(&old[i], &frozen, BDEV_OP_WRITE, i % 2 ? i : BLOCKS - 8 + i, 1,
			      mine + i * 4096);
		test_req_submit(&old[i], &frozen);
	}
	for (i = 0; i < 16; i++) {
		CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_WRITE, i, 1, buf + i * 4096), 0);
		CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_FLUSH, 0, 0, NULL), 0);
		CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_READ, 64 + i, 1, in), BDEV_STATUS_OK);
		CU_ASSERT(!memcmp(in, buf + (64 + i) * 4096, 4096));
	}
	/* Two are abandoned: their memory is another's now, and their blocks get newer data. */
	for (i = 0; i < 2; i++) {
		reactor_call(reactor, abandon_fn, &old[i].io);
		CU_ASSERT_EQUAL(test_req_wait(&old[i]), BDEV_STATUS_ABORTED);
		memset(mine + i * 4096, 0x22, 4096);
	}
	test_req_init(&newer, &frozen, BDEV_OP_WRITE, 1, 1, buf + MIB);
	test_req_submit(&newer, &frozen);
	usleep(20000);
	CU_ASSERT(sem_trywait(&newer.done) && errno == EAGAIN);
	thaw();
	CU_ASSERT_EQUAL(test_req_wait(&newer), BDEV_STATUS_OK);
	for (i = 2; i < 4; i++)
		CU_ASSERT_EQUAL(test_req_wait(&old[i]), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_READ, 0, 4, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, buf, 4096));
	CU_ASSERT(!memcmp(in + 4096, buf + MIB, 4096));
	CU_ASSERT(!memcmp(in + 2 * 4096, buf + 2 * 4096, 4096));
	CU_ASSERT(test_all(in + 3 * 4096, 4096, 0x11));
	/* Of an abandoned write either may be there, but not what its memory was used for later. */
	CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_READ, BLOCKS - 8, 1, in), BDEV_STATUS_OK);
	CU_ASSERT(test_all(in, 4096, 0) || test_all(in, 4096, 0x11));
	end();
	free(mine);
}

static void direct(void)
{
	frozen_writes(true);
}

static void buffered(void)
{
	frozen_writes(false);
}

/* The channel, the bdev: all may go meanwhile but the late write itself. */
static void removed_while_frozen(void)
{
	struct test_req req;
	struct bdev *bdev;
	sem_t gone;

	if (!begin(true))
		return;
	sem_init(&gone, 0, 0);
	freeze();
	test_req_init(&req, &frozen, BDEV_OP_WRITE, 0, 8, buf);
	test_req_submit(&req, &frozen);
	usleep(20000);
	reactor_call(reactor, abandon_fn, &req.io);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	bdev = frozen.bdev;
	test_disk_close(&frozen);
	bdev_remove(bdev, test_removed, &gone);
	CU_ASSERT_EQUAL(test_io(&good, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_OK);
	thaw();
	test_wait(&gone, "removal");
	CU_ASSERT_EQUAL(test_create_file("frozen", path, 4096, 0, true, err), 0);
	CU_ASSERT(test_disk_open(&frozen, reactor, "frozen", true));
	CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_READ, 0, 8, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, buf, 8 * 4096) || test_all(in, 8 * 4096, 0));
	end();
}

/* Writes that allocate are workers', through copies; once there is nothing to allocate, none is. */
static void overwritten(void)
{
	uint64_t i, copied, before;

	if (!begin(true))
		return;
	for (i = 0; i < BLOCKS; i += 64)
		CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_WRITE, i, 64, buf), BDEV_STATUS_OK);
	before = COUNTER_READ(frozen.ch->stats.bounced);
	for (i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(test_io(&frozen, BDEV_OP_WRITE, i, 1, buf), BDEV_STATUS_OK);
	copied = COUNTER_READ(frozen.ch->stats.bounced) - before;
	CU_ASSERT(copied < 50);
	end();
}

static const struct test_case cases[] = {
	{"direct", direct},
	{"buffered", buffered},
	{"overwritten", overwritten},
	{"removed_while_frozen", removed_while_frozen},
};

TEST_MAIN("file_frozen", cases)
