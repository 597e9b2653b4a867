/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of files arrive as what they are. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "file_test.h"

#define MIB (1u << 20)

static char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 32], err[BDEV_ERR_MAX];
static struct reactor *reactor;
static struct test_disk disk;
static char *buf;

static bool begin_in(const char *parent, uint64_t size, bool direct)
{
	CU_ASSERT(test_folder(folder, parent));
	snprintf(path, sizeof(path), "%s/image", folder);
	buf = test_buffer(MIB);
	test_fill(buf, MIB, 0, 1);
	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(test_create_file("f", path, 4096, size, direct, err), 0);
	return test_disk_open(&disk, reactor, "f", true);
}

static void end(void)
{
	test_disk_close(&disk);
	test_remove("f");
	reactor_destroy(reactor);
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
	free(buf);
}

/* The file is cut under us: inside of a block, inside of a transfer, before it. */
static void short_file(void)
{
	char *in = test_buffer(MIB);

	if (!begin_in(NULL, 4 * MIB, false))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 256, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(truncate(path, 10 * 4096 + 100), 0);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 10, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, buf, 10 * 4096));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 10, 1, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 9, 2, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 5, 50, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 500, 1, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 500, 1, in), BDEV_STATUS_MEDIUM_ERROR);
	end();
	free(in);
}

static void short_file_direct(void)
{
	char *in = test_buffer(MIB + 4096);

	if (!begin_in(NULL, 4 * MIB, true)) {
		test_skip("%s", err);
		return;
	}
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 256, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(truncate(path, 10 * 4096 + 100), 0);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 10, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, buf, 10 * 4096));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 5, 50, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 5, 50, in + 1), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 500, 1, in), BDEV_STATUS_MEDIUM_ERROR);
	end();
	free(in);
}

static int read_block(uint64_t lba, char *in)
{
	return test_io(&disk, BDEV_OP_READ, lba, 1, in);
}

/* What was cut off is an error until it is written, also when a later write has left a gap. */
static void lost_stays_lost(bool direct)
{
	char *in = test_buffer(MIB);
	uint64_t i;

	if (!begin_in(NULL, 4 * MIB, direct)) {
		test_skip("%s", err);
		return;
	}
	for (i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, i * 256, 256, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(truncate(path, 10 * 4096 + 100), 0);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 500, 2, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(read_block(9, in), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(read_block(10, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(read_block(20, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 20, 1, buf), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(read_block(502, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 500, 2, in), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(in, buf, 2 * 4096));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 499, 2, in), BDEV_STATUS_MEDIUM_ERROR);
	/* Written, zeroed, discarded: only the last is as lost as before. */
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 20, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 20, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(read_block(21, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 30, 10, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 30, 10, in), BDEV_STATUS_OK);
	CU_ASSERT(test_all(in, 10 * 4096, 0));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 40, 10, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(read_block(45, in), BDEV_STATUS_MEDIUM_ERROR);
	/* Once more, further in front. */
	CU_ASSERT_EQUAL(truncate(path, 5 * 4096), 0);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 600, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(read_block(4, in), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(read_block(5, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(read_block(20, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(read_block(500, in), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(read_block(600, in), BDEV_STATUS_OK);
	end();
	free(in);
}

static void lost_buffered(void)
{
	lost_stays_lost(false);
}

static void lost_direct(void)
{
	lost_stays_lost(true);
}

/* A file system of 2 MiB with an image of 8. */
static void no_space(void)
{
	char mnt[TEST_PATH_MAX];
	uint32_t i;
	int status = BDEV_STATUS_OK;

	if (geteuid()) {
		test_skip("mounting a small file system needs root");
		return;
	}
	CU_ASSERT(test_folder(mnt, NULL));
	if (mount("none", mnt, "tmpfs", 0, "size=2m")) {
		test_skip("no small tmpfs can be mounted: %s", strerror(errno));
		rmdir(mnt);
		return;
	}
	if (begin_in(mnt, 8 * MIB, false)) {
		for (i = 0; i < 8 && status == BDEV_STATUS_OK; i++)
			status = test_io(&disk, BDEV_OP_WRITE, i * 256, 256, buf);
		CU_ASSERT_EQUAL(status, BDEV_STATUS_NO_SPACE);
		CU_ASSERT(i > 1 && i <= 3);
		CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE, 1024, 8, buf, BDEV_IO_FUA),
				BDEV_STATUS_NO_SPACE);
		/* What there was room for can be read, and room be made. */
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, 256, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 0, 512, NULL), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 1024, 8, buf), BDEV_STATUS_OK);
		end();
	}
	CU_ASSERT_EQUAL(umount(mnt), 0);
	CU_ASSERT_EQUAL(rmdir(mnt), 0);
}

/* A file system without holes and without ranges of zeroes. */
static void neither_holes_nor_zero_ranges(void)
{
	char mnt[TEST_PATH_MAX];

	if (geteuid()) {
		test_skip("mounting ramfs needs root");
		return;
	}
	CU_ASSERT(test_folder(mnt, NULL));
	if (mount("none", mnt, "ramfs", 0, NULL)) {
		test_skip("no ramfs can be mounted: %s", strerror(errno));
		rmdir(mnt);
		return;
	}
	if (begin_in(mnt, 4 * MIB, false)) {
		CU_ASSERT_EQUAL(disk.bdev->limits.discard_granularity_bytes, 0);
		CU_ASSERT(!disk.bdev->limits.discard_zeroes);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 256, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 256, 256, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE_ZEROES, 1, 509, NULL), 0);
		CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE_ZEROES, 1, 1, NULL,
					      BDEV_IO_UNMAP | BDEV_IO_FUA),
				BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, 1, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 510, 2, buf + 254 * 4096), 0);
		memset(buf, 0, MIB);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 1, 255, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 256, 254, buf), BDEV_STATUS_OK);
		CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_DISCARD, 0, 512, NULL), BDEV_STATUS_OK);
		end();
	}
	CU_ASSERT_EQUAL(umount(mnt), 0);
	CU_ASSERT_EQUAL(rmdir(mnt), 0);
}

/* In a child: the limit would hold for the test program's own files too. */
static int too_big_in_child(void)
{
	struct rlimit limit = {MIB, MIB};
	int status;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 77;
	reactor = test_reactor(0);
	if (test_create_file("f", path, 4096, 0, false, err) ||
	    !test_disk_open(&disk, reactor, "f", true))
		return 2;
	status = test_io(&disk, BDEV_OP_WRITE, 300, 8, buf);
	if (status != BDEV_STATUS_NO_SPACE)
		return 3;
	if (test_io(&disk, BDEV_OP_WRITE, 0, 8, buf) != BDEV_STATUS_OK)
		return 4;
	test_disk_close(&disk);
	test_remove("f");
	reactor_destroy(reactor);
	return 0;
}

static void file_too_big(void)
{
	int status;
	pid_t child;

	CU_ASSERT(test_folder(folder, NULL));
	snprintf(path, sizeof(path), "%s/image", folder);
	buf = test_buffer(MIB);
	test_make_file(path, 4 * MIB);
	fflush(stdout);
	child = fork();
	if (!child)
		_exit(too_big_in_child());
	CU_ASSERT(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("the size of files can't be limited");
	else
		CU_ASSERT_EQUAL(status, 0);
	unlink(path);
	rmdir(folder);
	free(buf);
}

/*
 * Memory that went away: the kernel notices, and nobody dies. (What we copy from or to the guest's
 * memory ourselves is guarded by who maps it.)
 */
static void bad_buffer(void)
{
	char *gone = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct bdev_file_params p = {
		.common = {.name = "f", .block_size = 4096},
		.path = path,
		.bounce = BDEV_BOUNCE_NEVER,
	};

	if (!begin_in(NULL, 4 * MIB, false))
		return;
	test_disk_close(&disk);
	test_remove("f");
	CU_ASSERT_EQUAL(bdev_file_create(&p, err), 0);
	if (!test_disk_open(&disk, reactor, "f", true))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 16, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 16, gone), BDEV_STATUS_BAD_BUFFER);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 16, gone), BDEV_STATUS_BAD_BUFFER);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, 16, buf), BDEV_STATUS_OK);
	end();
	munmap(gone, 65536);
}

static void deleted_file(void)
{
	if (!begin_in(NULL, 4 * MIB, true)) {
		test_skip("%s", err);
		return;
	}
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(test_io_flags(&disk, BDEV_OP_WRITE, 0, 16, buf, BDEV_IO_FUA), 0);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_COMPARE, 0, 16, buf), BDEV_STATUS_OK);
	end();
}

static const struct test_case cases[] = {
	{"short_file", short_file},
	{"short_file_direct", short_file_direct},
	{"lost_buffered", lost_buffered},
	{"lost_direct", lost_direct},
	{"no_space", no_space},
	{"neither_holes_nor_zero_ranges", neither_holes_nor_zero_ranges},
	{"file_too_big", file_too_big},
	{"bad_buffer", bad_buffer},
	{"deleted_file", deleted_file},
};

TEST_MAIN("file_errors", cases)
