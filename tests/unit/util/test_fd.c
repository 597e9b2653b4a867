/* SPDX-License-Identifier: BSD-3-Clause */
/* What descriptors are, and the limit of open files: raised, and named where it was reached. */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bdev/fuse_disk.h"
#include "../test.h"

static void raised(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 50;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &l), 0);
	CU_ASSERT_EQUAL(fd_limit(), 50);
	fd_raise_limit();
	CU_ASSERT_EQUAL(fd_limit(), l.rlim_max);
	CU_ASSERT_EQUAL(fd_limit_hard(), l.rlim_max);
}

static void errors(void)
{
	struct rlimit before, l;
	const char *text;

	getrlimit(RLIMIT_NOFILE, &before);
	l = before;
	l.rlim_cur = 77;
	setrlimit(RLIMIT_NOFILE, &l);
	text = fd_strerror(EMFILE);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, strerror(EMFILE)));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "may have 77 (RLIMIT_NOFILE)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "LimitNOFILE="));
	CU_ASSERT_PTR_NOT_NULL(strstr(fd_strerror(ENFILE), "fs.file-max"));
	CU_ASSERT_STRING_EQUAL(fd_strerror(EACCES), strerror(EACCES));
	setrlimit(RLIMIT_NOFILE, &before);
}

/* --- those that somebody sends --- */

static struct {
	int fd[8];
	unsigned int n;
} got;

static void take(void *arg, int fd)
{
	CU_ASSERT_PTR_EQUAL(arg, &got);
	if (got.n < 8)
		got.fd[got.n++] = fd;
}

/* A byte with n descriptors, by recvmsg(2) with credentials, which come before them. */
static int pass(const int *fds, size_t n, size_t room)
{
	union {
		struct cmsghdr align;
		char buf[512];
	} to = {.align = {CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}}, from;
	struct iovec iov = {(char[]){'x'}, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &to};
	int sv[2], on = 1;

	msg.msg_controllen = n ? CMSG_SPACE(n * sizeof(int)) : 0;
	memcpy(CMSG_DATA(&to.align), fds, n * sizeof(int));
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	CU_ASSERT_EQUAL(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	CU_ASSERT_EQUAL(sendmsg(sv[0], &msg, 0), 1);
	msg.msg_control = &from;
	msg.msg_controllen = CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(room * sizeof(int));
	CU_ASSERT_EQUAL(recvmsg(sv[1], &msg, MSG_CMSG_CLOEXEC), 1);
	got.n = 0;
	fd_take_passed(&msg, take, &got);
	close(sv[0]);
	close(sv[1]);
	return msg.msg_flags & MSG_CTRUNC;
}

/* Each once, in order, and no others. */
static void passed(void)
{
	int fds[3] = {open("/dev/null", O_RDONLY), eventfd(0, 0), open("/dev/null", O_WRONLY)};
	unsigned int i;

	CU_ASSERT_EQUAL(pass(fds, 3, 3), 0);
	CU_ASSERT_EQUAL_FATAL(got.n, 3);
	CU_ASSERT_EQUAL(fcntl(got.fd[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	CU_ASSERT(fd_is_eventfd(got.fd[1]));
	CU_ASSERT_EQUAL(fcntl(got.fd[2], F_GETFL) & O_ACCMODE, O_WRONLY);
	for (i = 0; i < got.n; i++)
		close(got.fd[i]);
	CU_ASSERT_EQUAL(pass(fds, 0, 3), 0);
	CU_ASSERT_EQUAL(got.n, 0);
	/* Those for which there was no room are none. */
	CU_ASSERT_NOT_EQUAL(pass(fds, 3, 1), 0);
	CU_ASSERT(got.n && got.n < 3);
	for (i = 0; i < got.n; i++)
		close(got.fd[i]);
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

/* --- what they are --- */

static bool is_memory(int fd)
{
	bool is;

	CU_ASSERT_FATAL(fd >= 0);
	is = fd_is_memory(fd);
	close(fd);
	return is;
}

static void memory(void)
{
	int ends[2], huge;

	CU_ASSERT(is_memory(memfd_create("m", MFD_CLOEXEC)));
	CU_ASSERT(is_memory(memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
	huge = memfd_create("m", MFD_CLOEXEC | MFD_HUGETLB);
	CU_ASSERT(huge < 0 || is_memory(huge));
	CU_ASSERT(is_memory(open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)));
	CU_ASSERT(!is_memory(open("/dev/shm", O_RDONLY | O_CLOEXEC)));
	CU_ASSERT(!is_memory(open("/dev/null", O_RDWR | O_CLOEXEC)));
	CU_ASSERT(!is_memory(open("/proc/self/maps", O_RDONLY | O_CLOEXEC)));
	CU_ASSERT(!is_memory(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
	CU_ASSERT(!is_memory(eventfd(0, EFD_CLOEXEC)));
	CU_ASSERT_EQUAL(pipe2(ends, O_CLOEXEC), 0);
	CU_ASSERT(!is_memory(ends[0]) && !is_memory(ends[1]));
	CU_ASSERT(!fd_is_memory(-1));
}

/* A file whose file system does not answer: nor is it asked. */
static void does_not_wait(void)
{
	struct fuse_disk *d = fuse_disk_mount(1 << 20);
	int fd, status = -1;
	pid_t child;

	if (!d)
		return;
	fd = open(d->path, O_RDWR | O_CLOEXEC);
	CU_ASSERT(fd >= 0);
	FUSE_SET(d->hold, FUSE_HOLD_ATTRS);
	fflush(stdout);
	child = fork();
	if (!child) {
		alarm(20); /* it would wait for ever */
		_exit(fd_is_memory(fd) ? 2 : fd_is_eventfd(fd));
	}
	waitpid(child, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
	FUSE_SET(d->hold, 0);
	close(fd);
	fuse_disk_unmount(d);
}

static unsigned int table_size(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned int size = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "FDSize: %u", &size) == 1)
			break;
	if (f)
		fclose(f);
	return size;
}

/* Of a child: the table never gets smaller. */
static void reserve(rlim_t limit, unsigned int least, unsigned int most)
{
	struct rlimit l = {limit, limit};
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		unsigned int size, first = (unsigned int)dup(0);

		setrlimit(RLIMIT_NOFILE, &l);
		fd_reserve_table();
		size = table_size();
		/* Nothing stays open. */
		_exit(size < least || size > most || (unsigned int)dup(0) != first + 1);
	}
	waitpid(child, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
}

static void reserved(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	reserve(1500, 1500, 2048);
	if (l.rlim_max >= 2 * FD_TABLE_SIZE)
		reserve(2 * FD_TABLE_SIZE, FD_TABLE_SIZE, FD_TABLE_SIZE);
}

static const struct test_case cases[] = {
	{"memory", memory}, {"does_not_wait", does_not_wait}, {"raised", raised},
	{"errors", errors}, {"reserved", reserved},	      {"passed", passed},
};

TEST_MAIN("fd", cases)
