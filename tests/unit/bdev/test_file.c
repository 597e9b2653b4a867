/* SPDX-License-Identifier: BSD-3-Clause */
/* Data on files: the battery on every kind of file system, alignment and block size. */
#include "bdev_battery.h"
#include "file_test.h"

#define SIZE (8u << 20)

static void run_on_file(const char *parent, uint32_t block_size, bool direct)
{
	char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 16], err[BDEV_ERR_MAX] = "";
	struct reactor *r = test_reactor(0);
	struct test_disk d;
	struct stat st;
	int rc;

	CU_ASSERT(test_folder(folder, parent));
	snprintf(path, sizeof(path), "%s/image", folder);
	rc = test_create_file("disk", path, block_size, SIZE, direct, err);
	if (rc == -EINVAL && direct && strstr(err, "direct")) {
		test_skip("%s", err);
		goto out;
	}
	CU_ASSERT_EQUAL(rc, 0);
	if (!rc && test_disk_open(&d, r, "disk", true)) {
		battery_all(&d);
		test_disk_close(&d);
		test_remove("disk");
		/* Nothing that was zeroed or discarded may have changed the size. */
		CU_ASSERT(!stat(path, &st) && st.st_size == SIZE);
	}
out:
	unlink(path);
	rmdir(folder);
	reactor_destroy(r);
}

static void disk_direct_512(void)
{
	run_on_file(NULL, 512, true);
}

static void disk_direct_4096(void)
{
	run_on_file(NULL, 4096, true);
}

static void disk_buffered_512(void)
{
	run_on_file(NULL, 512, false);
}

static void tmpfs_direct(void)
{
	run_on_file("/dev/shm", 4096, true);
}

static void tmpfs_buffered_512(void)
{
	run_on_file("/dev/shm", 512, false);
}

static void tmpfs_buffered_4096(void)
{
	run_on_file("/dev/shm", 4096, false);
}

static const struct test_case cases[] = {
	{"disk_direct_512", disk_direct_512},	    {"disk_direct_4096", disk_direct_4096},
	{"disk_buffered_512", disk_buffered_512},   {"tmpfs_direct", tmpfs_direct},
	{"tmpfs_buffered_512", tmpfs_buffered_512}, {"tmpfs_buffered_4096", tmpfs_buffered_4096},
};

TEST_MAIN("file", cases)
