/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings as older kernels make them, and kernels that make none. The source is included, so that
 * its choice can be changed; the linker then takes nothing else in its place.
 */
#include "uring/uring_setup.c" /* NOLINT(bugprone-suspicious-include) */

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../bdev/file_test.h"

#define SIZE (1u << 20)

static void use_ring(struct test_disk *d)
{
	char *out = test_buffer(SIZE), *in = test_buffer(SIZE);
	int i;

	test_fill(out, SIZE, 0, 1);
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_WRITE, 0, SIZE / 512, out), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	for (i = 0; i < 50; i++) {
		if (i % 10 == 0)
			usleep(3000); /* so that the reactor sleeps */
		CU_ASSERT_EQUAL(test_io(d, BDEV_OP_READ, i, 1 + i * 16, in), BDEV_STATUS_OK);
		CU_ASSERT(test_same(in, out + i * 512, (1 + i * 16) * 512));
		CU_ASSERT_EQUAL(test_io(d, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	}
	free(out);
	free(in);
}

static void with_setup(size_t wanted)
{
	char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 16], err[BDEV_ERR_MAX];
	struct reactor *r = test_reactor(0);
	struct test_disk d;
	size_t used;

	CU_ASSERT(test_folder(folder, NULL));
	snprintf(path, sizeof(path), "%s/image", folder);
	setup = wanted;
	CU_ASSERT_EQUAL(test_create_file("f", path, 512, SIZE, false, err), 0);
	used = setup;
	if (test_disk_open(&d, r, "f", true)) {
		use_ring(&d);
		test_disk_close(&d);
	}
	test_remove("f");
	reactor_destroy(r);
	unlink(path);
	rmdir(folder);
	setup = 0;
	if (used != wanted)
		test_skip("this kernel has no such ring");
}

static void deferred(void)
{
	with_setup(0);
}

static void cooperative_single(void)
{
	with_setup(1);
}

static void cooperative(void)
{
	with_setup(2);
}

static void plain(void)
{
	with_setup(3);
}

/* io_uring_setup() fails with `err` from here on. */
static bool forbid(int err)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = filter};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void forbidden_with(int forbidden, const char *word)
{
	char err[BDEV_ERR_MAX] = "";
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		if (!forbid(forbidden))
			_exit(77);
		if (test_create_file("f", "/dev/shm/never", 512, SIZE, false, err) != -forbidden)
			_exit(1);
		_exit(strstr(err, word) && access("/dev/shm/never", F_OK) ? 0 : 2);
	}
	CU_ASSERT(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("no system call can be forbidden here");
	else
		CU_ASSERT_EQUAL(status, 0);
}

static void forbidden(void)
{
	forbidden_with(EPERM, "io_uring_disabled");
}

static void too_old(void)
{
	forbidden_with(ENOSYS, "5.6");
}

static void no_memory(void)
{
	forbidden_with(ENOMEM, "ulimit -l");
}

static const struct test_case cases[] = {
	{"deferred", deferred},	      {"cooperative_single", cooperative_single},
	{"cooperative", cooperative}, {"plain", plain},
	{"forbidden", forbidden},     {"too_old", too_old},
	{"no_memory", no_memory},
};

TEST_MAIN("uring_setup", cases)
