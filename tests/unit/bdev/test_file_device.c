/* SPDX-License-Identifier: BSD-3-Clause */
/* Block devices: loop devices on a file, with blocks of 512 and 4096 bytes. */
#include "bdev_battery.h"
#include "file_test.h"

#define SIZE (8u << 20)

static char folder[TEST_PATH_MAX], image[TEST_PATH_MAX + 16], dev[64], err[BDEV_ERR_MAX];

static bool begin(void)
{
	CU_ASSERT(test_folder(folder, NULL));
	snprintf(image, sizeof(image), "%s/image", folder);
	test_make_file(image, SIZE);
	if (test_loop_attach(image, dev))
		return true;
	unlink(image);
	rmdir(folder);
	return false;
}

static void end(void)
{
	test_loop_detach(dev);
	unlink(image);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void run_battery(uint32_t block_size, bool direct)
{
	struct reactor *r = test_reactor(0);
	struct test_disk d;
	int rc = test_create_file("disk", dev, block_size, 0, direct, err);

	CU_ASSERT_EQUAL(rc, 0);
	if (!rc && test_disk_open(&d, r, "disk", true)) {
		CU_ASSERT_EQUAL(d.bdev->nblocks, SIZE / block_size);
		CU_ASSERT(!d.bdev->limits.discard_zeroes);
		battery_all(&d);
		test_disk_close(&d);
		test_remove("disk");
	}
	reactor_destroy(r);
}

static void direct_512(void)
{
	if (!begin())
		return;
	run_battery(512, true);
	end();
}

static void buffered_4096(void)
{
	if (!begin())
		return;
	run_battery(4096, false);
	end();
}

static bool set_block_size(unsigned long bytes)
{
	int fd = open(dev, O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0 && !ioctl(fd, LOOP_SET_BLOCK_SIZE, bytes);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A device of 4096-byte blocks: too coarse for 512 with O_DIRECT, but not through the page cache,
 * where a range that is zeroed must be written if it isn't in whole blocks of the device. */
static void native_4096(void)
{
	if (!begin())
		return;
	if (!set_block_size(4096)) {
		test_skip("this kernel's loop devices have no blocks of 4096 bytes");
	} else {
		CU_ASSERT_EQUAL(test_create_file("disk", dev, 512, 0, true, err), -EINVAL);
		CU_ASSERT(strstr(err, "512") && strstr(err, "4096") &&
			  strstr(err, "direct: false"));
		run_battery(4096, true);
		run_battery(512, false);
	}
	end();
}

static void discard_reaches_the_file(void)
{
	struct reactor *r;
	char *buf = test_buffer(SIZE);
	struct test_disk d;
	struct stat full, after;

	if (!begin()) {
		free(buf);
		return;
	}
	r = test_reactor(0);
	CU_ASSERT_EQUAL(test_create_file("disk", dev, 512, 0, true, err), 0);
	if (test_disk_open(&d, r, "disk", true)) {
		CU_ASSERT(d.bdev->limits.discard_granularity_bytes >= 512);
		memset(buf, 0x77, SIZE);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, SIZE / 512, buf), 0);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_FLUSH, 0, 0, NULL), 0);
		CU_ASSERT(!stat(image, &full) && full.st_blocks >= SIZE / 512);
		/* Below the granularity, and not in step with it: a hint, not an error. */
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 1, 1, NULL), 0);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_DISCARD, 3, SIZE / 512 - 5, NULL), 0);
		CU_ASSERT(!stat(image, &after) && after.st_blocks < full.st_blocks / 2);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, SIZE / 512, buf), 0);
		CU_ASSERT(test_all(buf, 3 * 512, 0x77));
		CU_ASSERT(test_all(buf + SIZE - 1024, 1024, 0x77));
		test_disk_close(&d);
	}
	test_remove("disk");
	reactor_destroy(r);
	end();
	free(buf);
}

/* Writers claim a device: it can't be mounted, nor opened by others who claim it. */
static void claimed(void)
{
	int fd;

	if (!begin())
		return;
	CU_ASSERT_EQUAL(test_create_file("disk", dev, 512, 0, true, err), 0);
	fd = open(dev, O_RDWR | O_EXCL | O_CLOEXEC);
	CU_ASSERT(fd < 0 && errno == EBUSY);
	test_remove("disk");
	fd = open(dev, O_RDWR | O_EXCL | O_CLOEXEC);
	CU_ASSERT(fd >= 0);
	CU_ASSERT_EQUAL(test_create_file("disk", dev, 512, 0, true, err), -EBUSY);
	CU_ASSERT(strstr(err, dev) && strstr(err, "mounted"));
	close(fd);
	end();
}

/* Another node of the same device: recognised by its number. */
static void second_node(void)
{
	struct bdev_file_params p = {.common = {.name = "second", .block_size = 512},
				     .read_only = true};
	char node[sizeof(folder) + 16];
	struct stat st;

	if (!begin())
		return;
	snprintf(node, sizeof(node), "%s/node", folder);
	CU_ASSERT(!stat(dev, &st));
	CU_ASSERT_EQUAL(test_create_file("disk", dev, 512, 0, true, err), 0);
	if (mknod(node, S_IFBLK | 0600, st.st_rdev)) {
		test_skip("no device node can be made: %s", strerror(errno));
	} else {
		p.path = node;
		if (bdev_file_create(&p, err) == -EACCES)
			test_skip("device nodes in the build folder can't be opened");
		else
			CU_ASSERT_PTR_NOT_NULL(strstr(err, "bdev \"disk\""));
	}
	test_remove("disk");
	unlink(node);
	end();
}

static void read_only_device(void)
{
	struct bdev_file_params p = {.common = {.name = "ro", .block_size = 512},
				     .read_only = true};
	int fd, one = 1;

	if (!begin())
		return;
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	CU_ASSERT(fd >= 0 && !ioctl(fd, BLKROSET, &one));
	close(fd);
	CU_ASSERT(test_create_file("disk", dev, 512, 0, true, err) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "read_only: true"));
	p.path = dev;
	CU_ASSERT_EQUAL(bdev_file_create(&p, err), 0);
	test_remove("ro");
	end();
}

/* The file under the device has lost its second half. */
static void medium_error(void)
{
	struct reactor *r;
	char *buf = test_buffer(4096);
	struct test_disk d;

	if (!begin()) {
		free(buf);
		return;
	}
	r = test_reactor(0);
	CU_ASSERT_EQUAL(test_create_file("disk", dev, 512, 0, true, err), 0);
	if (test_disk_open(&d, r, "disk", true)) {
		CU_ASSERT_EQUAL(truncate(image, SIZE / 2), 0);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, 8, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, SIZE / 512 - 8, 8, buf),
				BDEV_STATUS_MEDIUM_ERROR);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_COMPARE, SIZE / 512 - 8, 8, buf),
				BDEV_STATUS_MEDIUM_ERROR);
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, 8, buf), BDEV_STATUS_OK);
		test_disk_close(&d);
	}
	test_remove("disk");
	reactor_destroy(r);
	end();
	free(buf);
}

static const struct test_case cases[] = {
	{"direct_512", direct_512},
	{"buffered_4096", buffered_4096},
	{"native_4096", native_4096},
	{"discard_reaches_the_file", discard_reaches_the_file},
	{"claimed", claimed},
	{"second_node", second_node},
	{"read_only_device", read_only_device},
	{"medium_error", medium_error},
};

TEST_MAIN("file_device", cases)
