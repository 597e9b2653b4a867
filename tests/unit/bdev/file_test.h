/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_BDEV_FILE_TEST_H
#define TESTS_UNIT_BDEV_FILE_TEST_H

/* Files, folders, mounts and loop devices for tests; all go when the program ends. */

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "bdev_test.h"

#define TEST_PATH_MAX 600

/* A new folder under `parent`, or beside the test program if that is NULL. */
static inline bool test_folder(char path[TEST_PATH_MAX], const char *parent)
{
	char exe[512] = "";
	ssize_t n;

	if (!parent) {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		if (n < 0)
			return false;
		*strrchr(exe, '/') = '\0';
		parent = exe;
	}
	snprintf(path, TEST_PATH_MAX, "%s/bdev-test-XXXXXX", parent);
	return mkdtemp(path);
}

static inline int test_create_file(const char *name, const char *path, uint32_t block_size,
				   uint64_t size, bool direct, char err[BDEV_ERR_MAX])
{
	struct bdev_file_params p = {
		.common = {.name = name, .block_size = block_size, .size_bytes = size},
		.path = path,
		.direct = direct,
		.create = size,
	};
	int rc = bdev_file_create(&p, err);

	return rc;
}

/* A loop device on a file; false, with the case skipped, where it can't be had. */
static inline bool test_loop_attach(const char *file, char dev[64])
{
	int ctl, loop, backing, n, zero = 0;

	if (geteuid()) {
		test_skip("a loop device needs root");
		return false;
	}
	ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	n = ctl < 0 ? -1 : ioctl(ctl, LOOP_CTL_GET_FREE);
	if (ctl >= 0)
		close(ctl);
	if (n < 0) {
		test_skip("there is no free loop device: %s", strerror(errno));
		return false;
	}
	snprintf(dev, 64, "/dev/loop%d", n);
	loop = open(dev, O_RDWR | O_CLOEXEC);
	backing = open(file, O_RDWR | O_CLOEXEC);
	if (loop < 0 || backing < 0 || ioctl(loop, LOOP_SET_FD, backing)) {
		test_skip("%s can't be set up: %s", dev, strerror(errno));
		n = -1;
	}
	if (n >= 0) /* it outlives its user */
		ioctl(loop, BLKROSET, &zero);
	if (loop >= 0)
		close(loop);
	if (backing >= 0)
		close(backing);
	return n >= 0;
}

static inline void test_loop_detach(const char *dev)
{
	int fd = open(dev, O_RDWR | O_CLOEXEC), zero = 0;

	CU_ASSERT(fd >= 0);
	if (fd < 0)
		return;
	CU_ASSERT_EQUAL(ioctl(fd, BLKROSET, &zero), 0);
	CU_ASSERT_EQUAL(ioctl(fd, LOOP_CLR_FD, 0), 0);
	close(fd);
}

static inline void test_make_file(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CU_ASSERT(fd >= 0 && !ftruncate(fd, size));
	if (fd >= 0)
		close(fd);
}

#endif
