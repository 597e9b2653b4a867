/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and opening files: what is accepted, what is refused, and what the refusal says. */
#include <fcntl.h>
#include <sys/wait.h>

#include "bdev/file_internal.h"
#include "file_test.h"

#define MIB (1u << 20)

static char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 32], err[BDEV_ERR_MAX];

static void begin(void)
{
	CU_ASSERT(test_folder(folder, NULL));
	snprintf(path, sizeof(path), "%s/image", folder);
	err[0] = '\0';
}

static void end(void)
{
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing else is left in it */
}

struct opts {
	const char *name, *path;
	uint32_t block_size;
	uint64_t size;
	bool direct, create, read_only;
};

static int create(struct opts o)
{
	struct bdev_file_params p = {
		.common = {.name = o.name ? o.name : "f",
			   .block_size = o.block_size ? o.block_size : 512,
			   .size_bytes = o.size},
		.path = o.path ? o.path : path,
		.direct = o.direct,
		.create = o.create,
		.read_only = o.read_only,
	};

	return bdev_file_create(&p, err);
}

#define OPTS(...) ((struct opts){__VA_ARGS__})

/* It is refused with rc, and the sentence names both. */
static void refused(struct opts o, int rc, const char *word1, const char *word2)
{
	int got = create(o);

	CU_ASSERT_EQUAL(got, rc);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, word1));
	CU_ASSERT_PTR_NOT_NULL(strstr(err, word2));
	if (got != rc || !strstr(err, word1) || !strstr(err, word2))
		printf("# %d: %s\n", got, err);
	CU_ASSERT_PTR_NULL(bdev_find("f"));
}

static void created(void)
{
	struct stat st;

	begin();
	CU_ASSERT_EQUAL(create(OPTS(.size = 3 * MIB, .create = true)), 0);
	CU_ASSERT(!stat(path, &st) && st.st_size == 3 * MIB && st.st_blocks == 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(bdev_find("f")->nblocks, 3 * MIB / 512);
	test_remove("f");
	/* It stays, and is used again, with and without its size. */
	CU_ASSERT_EQUAL(create(OPTS(.size = 3 * MIB, .create = true)), 0);
	test_remove("f");
	CU_ASSERT_EQUAL(create(OPTS(.block_size = 4096)), 0);
	CU_ASSERT_EQUAL(bdev_find("f")->nblocks, 3 * MIB / 4096);
	test_remove("f");
	end();
}

static void missing(void)
{
	char inside[sizeof(path) + 16];

	begin();
	snprintf(inside, sizeof(inside), "%s/no/image", folder);
	refused(OPTS(.size = MIB), -ENOENT, path, "create: true");
	refused(OPTS(.create = true), -ENOENT, path, "size");
	refused(OPTS(.create = true, .size = MIB, .read_only = true), -ENOENT, path, "read_only");
	refused(OPTS(.create = true, .size = MIB, .path = inside), -ENOENT, inside, "directory");
	refused(OPTS(.path = ""), -EINVAL, "path", "empty");
	refused(OPTS(.name = ""), -EINVAL, "name", "1 to 63");
	refused(OPTS(.block_size = 2048), -EINVAL, "2048", "4096");
	CU_ASSERT(access(path, F_OK) && errno == ENOENT);
	end();
}

static void sizes(void)
{
	begin();
	test_make_file(path, 2 * MIB);
	refused(OPTS(.size = MIB), -EINVAL, "2097152", "1048576");
	refused(OPTS(.size = 3 * MIB, .create = true), -EINVAL, "2097152", "3145728");
	refused(OPTS(.size = 1000), -EINVAL, "1000", "512");
	truncate(path, 0);
	refused(OPTS(.block_size = 512), -EINVAL, path, "empty");
	truncate(path, 8192 + 512);
	refused(OPTS(.block_size = 4096), -EINVAL, "8704", "block_size: 512");
	CU_ASSERT_EQUAL(create(OPTS(.block_size = 512)), 0);
	test_remove("f");
	truncate(path, 8192 + 100);
	refused(OPTS(.block_size = 512), -EINVAL, "8292", "truncate");
	end();
}

/* What is made for a bdev that then can't be had is removed again; what was there is not. */
static void failed_creation(void)
{
	begin();
	CU_ASSERT_EQUAL(create(OPTS(.name = "other", .size = MIB, .create = true)), 0);
	test_remove("other");
	unlink(path);
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB, .create = true)), 0);
	snprintf(path, sizeof(path), "%s/second", folder);
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB, .create = true)), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "\"f\""));
	CU_ASSERT(access(path, F_OK) && errno == ENOENT);
	test_make_file(path, MIB);
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB, .create = true)), -EEXIST);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	unlink(path);
	test_remove("f");
	snprintf(path, sizeof(path), "%s/image", folder);
	end();
}

static void kinds(void)
{
	begin();
	refused(OPTS(.path = folder), -EINVAL, folder, "directory");
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	refused(OPTS(.size = MIB), -EINVAL, path, "not a regular file");
	refused(OPTS(.path = "/dev/null"), -EINVAL, "/dev/null", "not a regular file");
	unlink(path);
	CU_ASSERT_EQUAL(symlink("nowhere", path), 0);
	refused(OPTS(.size = MIB), -ENOENT, path, "does not exist");
	end();
}

static void read_only(void)
{
	struct bdev_desc *desc;

	begin();
	test_make_file(path, MIB);
	CU_ASSERT_EQUAL(create(OPTS(.read_only = true)), 0);
	CU_ASSERT_EQUAL(create(OPTS(.name = "g", .read_only = true)), 0);
	CU_ASSERT_EQUAL(bdev_open("f", true, NULL, NULL, &desc), -EROFS);
	CU_ASSERT(!bdev_find("f")->limits.discard_granularity_bytes);
	/* Readers share, but not with a writer. */
	CU_ASSERT_EQUAL(create(OPTS(.name = "w")), -EBUSY);
	CU_ASSERT(strstr(err, path) && strstr(err, "read_only: true"));
	test_remove("f");
	test_remove("g");
	CU_ASSERT_EQUAL(create(OPTS(.name = "w")), 0);
	refused(OPTS(.read_only = true), -EBUSY, path, "\"w\"");
	test_remove("w");
	end();
}

static void used_twice(void)
{
	char alias[sizeof(path) + 16];

	begin();
	snprintf(alias, sizeof(alias), "%s/alias", folder);
	test_make_file(path, MIB);
	CU_ASSERT_EQUAL(link(path, alias), 0);
	CU_ASSERT_EQUAL(create(OPTS(.name = "first")), 0);
	refused(OPTS(.size = MIB), -EBUSY, path, "bdev \"first\"");
	refused(OPTS(.path = alias), -EBUSY, alias, "bdev \"first\"");
	test_remove("first");
	CU_ASSERT_EQUAL(create(OPTS(.path = alias)), 0);
	test_remove("f");
	unlink(alias);
	end();
}

/* Another process holds it: a forked child, with a lock as this or another daemon's. */
static void used_elsewhere(void)
{
	int ready[2] = {-1, -1}, leave[2] = {-1, -1}, status;
	char c;
	pid_t child;

	begin();
	test_make_file(path, MIB);
	CU_ASSERT(!pipe(ready) && !pipe(leave));
	child = fork();
	if (!child) {
		struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		int fd = open(path, O_RDWR | O_CLOEXEC);

		c = fcntl(fd, F_OFD_SETLK, &fl) ? 'n' : 'y';
		close(leave[1]);
		if (write(ready[1], &c, 1) != 1 || read(leave[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(leave[0]);
	CU_ASSERT(read(ready[0], &c, 1) == 1 && c == 'y');
	refused(OPTS(.size = MIB), -EBUSY, path, "another process");
	refused(OPTS(.read_only = true), -EBUSY, path, "another process");
	close(leave[1]);
	CU_ASSERT(waitpid(child, &status, 0) == child && status == 0);
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB)), 0);
	test_remove("f");
	close(ready[0]);
	close(ready[1]);
	end();
}

static void permissions(void)
{
	int status;
	pid_t child;

	if (geteuid()) {
		test_skip("giving up permissions for a try needs root");
		return;
	}
	begin();
	test_make_file(path, MIB);
	CU_ASSERT(!chmod(folder, 0755) && !chmod(path, 0444));
	child = fork();
	if (!child) {
		if (setgid(65534) || setuid(65534) || access(path, R_OK))
			_exit(77);
		if (create(OPTS(.size = MIB)) != -EACCES || !strstr(err, "read_only: true"))
			_exit(1);
		if (create(OPTS(.read_only = true)))
			_exit(2);
		_exit(0);
	}
	CU_ASSERT(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("the build folder can't be reached by an ordinary user");
	else
		CU_ASSERT_EQUAL(status, 0);
	end();
}

static void direct(void)
{
	struct statx stx;
	bool known;

	begin();
	test_make_file(path, MIB);
	known = !statx(AT_FDCWD, path, 0, STATX_DIOALIGN, &stx) && stx.stx_mask & STATX_DIOALIGN &&
		stx.stx_dio_offset_align;
	if (create(OPTS(.direct = true, .block_size = 4096))) {
		test_skip("%s", err);
		end();
		return;
	}
	CU_ASSERT(bdev_find("f")->limits.buffer_align > 1);
	if (known)
		CU_ASSERT_EQUAL(bdev_find("f")->limits.buffer_align, stx.stx_dio_mem_align);
	test_remove("f");
	if (known && stx.stx_dio_offset_align > 512)
		refused(OPTS(.direct = true), -EINVAL, "512", "direct: false");
	end();
}

static void limits(void)
{
	const struct bdev_limits *l;

	begin();
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB, .create = true)), 0);
	l = &bdev_find("f")->limits;
	CU_ASSERT(l->write_cache && l->write_zeroes && !l->compare && l->buffer_align == 1);
	/* Where there can be no holes, none may be promised. */
	CU_ASSERT_EQUAL(l->discard_zeroes, l->discard_granularity_bytes != 0);
	test_remove("f");
	end();
}

/* As bdev_file_create() does it. */
static void open_new(struct file_bdev *f)
{
	const struct bdev_file_params p = {
		.common = {.name = "f", .block_size = 512, .size_bytes = MIB},
		.path = path,
		.create = true,
	};

	*f = (struct file_bdev){.fd = -1, .path = path};
	CU_ASSERT_EQUAL(file_open(f, &p, err), 0);
	CU_ASSERT(f->created);
}

/* What is discarded is the file that was made, and nothing that has come in its place. */
static void discarded(void)
{
	char other[sizeof(path) + 8];
	struct file_bdev f;
	struct stat st;

	begin();
	snprintf(other, sizeof(other), "%s.other", path);
	open_new(&f);
	file_close(&f, true);
	CU_ASSERT(stat(path, &st) < 0 && errno == ENOENT);
	file_close(&f, true); /* fine twice */
	open_new(&f);
	file_close(&f, false);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	unlink(path);
	/* Another file, and then a link to our own. */
	open_new(&f);
	test_make_file(other, 512);
	CU_ASSERT_EQUAL(rename(other, path), 0);
	file_close(&f, true);
	CU_ASSERT(!stat(path, &st) && st.st_size == 512);
	unlink(path);
	open_new(&f);
	CU_ASSERT_EQUAL(rename(path, other), 0);
	CU_ASSERT_EQUAL(symlink(other, path), 0);
	file_close(&f, true);
	CU_ASSERT(!lstat(path, &st) && S_ISLNK(st.st_mode));
	CU_ASSERT_EQUAL(stat(other, &st), 0);
	unlink(other);
	end();
}

/* The kernel lets go of a killed daemon's files a moment after its death. */
static void given_up_soon(void)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	pid_t child;
	int fd;

	begin();
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB, .create = true)), 0);
	test_remove("f");
	fd = open(path, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(fcntl(fd, F_OFD_SETLK, &fl), 0);
	child = fork();
	if (!child) {
		usleep(300000);
		_exit(0);
	}
	close(fd); /* the child's copy keeps the lock */
	CU_ASSERT_EQUAL(create(OPTS(.size = MIB)), 0);
	test_remove("f");
	CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
	end();
}

static const struct test_case cases[] = {
	{"created", created},
	{"missing", missing},
	{"sizes", sizes},
	{"failed_creation", failed_creation},
	{"kinds", kinds},
	{"read_only", read_only},
	{"used_twice", used_twice},
	{"used_elsewhere", used_elsewhere},
	{"discarded", discarded},
	{"given_up_soon", given_up_soon},
	{"permissions", permissions},
	{"direct", direct},
	{"limits", limits},
};

TEST_MAIN("file_open", cases)
