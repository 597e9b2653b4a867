/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/replace_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK ".save-" /* .NAME.save-PID-NUMBER */

struct replacement {
	const struct replace_file *what;
	char *err;
	char dir[PATH_MAX], name[NAME_MAX + 1], temporary[NAME_MAX + 64];
	int dir_fd;
	bool is_there;
	struct stat old; /* if it is */
};

/* Says why; gives rc. */
#define fail(r, rc, ...) (snprintf((r)->err, REPLACE_FILE_ERR_MAX, __VA_ARGS__), (rc))

static int fail_errno(const struct replacement *r, const char *what)
{
	int rc = -errno;

	return fail(r, rc, "%s can't be %s: %s", r->what->path, what, strerror(-rc));
}

/* --- where it is --- */

static int split(struct replacement *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	/* With room for what the temporary one's has more. */
	if (!name[0] || strlen(name) > NAME_MAX - 48 || len >= sizeof(r->dir))
		return fail(r, -EINVAL,
			    "path: %s has a name that can't be used; allowed: one of 1 to %d bytes",
			    path, NAME_MAX - 48);
	memcpy(r->dir, len ? path : "./", len ? len : 2);
	r->dir[len ? len : 2] = '\0';
	strcpy(r->name, name);
	r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->dir_fd < 0 ? fail_errno(r, "written") : 0;
}

static int find(struct replacement *r)
{
	char real[PATH_MAX];
	struct stat st;

	if (realpath(r->what->path, real))
		return split(r, real);
	if (errno != ENOENT)
		return fail_errno(r, "found");
	if (!lstat(r->what->path, &st))
		return fail(r, -ENOENT,
			    "%s is a link to a file that does not exist; make that, or remove the "
			    "link",
			    r->what->path);
	return split(r, r->what->path);
}

/* --- what it has --- */

static bool is_expected(const struct replacement *r, int fd)
{
	const struct replace_file *what = r->what;
	char *text = malloc(what->expected_len + 1);
	size_t n = 0;
	ssize_t got = 1;

	/* One byte more, to see a longer one. */
	while (text && got > 0 && n <= what->expected_len) {
		got = read(fd, text + n, what->expected_len + 1 - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	got = text && !got && n == what->expected_len && !memcmp(text, what->expected, n);
	free(text);
	return got;
}

static int check_content(const struct replacement *r, int fd)
{
	if (r->what->force)
		return 0;
	if (!r->what->expected)
		return fail(r, -EBUSY,
			    "%s is there already; force: true replaces it, another path keeps it",
			    r->what->path);
	if (is_expected(r, fd))
		return 0;
	return fail(r, -EBUSY,
		    "%s was changed by somebody since it was read; force: true replaces it, "
		    "config.apply takes it over, another path keeps it",
		    r->what->path);
}

static int look(struct replacement *r)
{
	/* A pipe would be waited for. */
	int fd = openat(r->dir_fd, r->name,
			O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	int rc;

	if (fd < 0 && errno == ENOENT && (r->what->force || !r->what->expected))
		return 0;
	if (fd < 0 && errno == ENOENT)
		return fail(r, -ENOENT, "%s does not exist any more; force: true makes it anew",
			    r->what->path);
	if (fd < 0)
		return fail_errno(r, "read");
	r->is_there = true;
	if (fstat(fd, &r->old))
		rc = fail_errno(r, "read");
	else if (!S_ISREG(r->old.st_mode))
		rc = fail(r, -EINVAL, "path: %s is no regular file; allowed: one, or none yet",
			  r->what->path);
	else
		rc = check_content(r, fd);
	close(fd);
	return rc;
}

/* --- the new one --- */

/* The process that made the file of that name for this one; 0: it is none. */
static pid_t maker_of(const struct replacement *r, const char *name)
{
	size_t len = strlen(r->name);

	if (name[0] != '.' || strncmp(name + 1, r->name, len) != 0 ||
	    strncmp(name + 1 + len, MARK, strlen(MARK)) != 0)
		return 0;
	return (pid_t)strtol(name + 1 + len + strlen(MARK), NULL, 10);
}

/* What processes left that were killed. */
static void clean_up(const struct replacement *r)
{
	int fd = openat(r->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		pid_t pid = maker_of(r, entry->d_name);

		if (pid > 0 && (pid == getpid() || (kill(pid, 0) && errno == ESRCH)))
			unlinkat(r->dir_fd, entry->d_name, 0);
	}
	closedir(dir);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* First whose it is: its new owner can do nothing yet. */
static int give_rights(const struct replacement *r, int fd)
{
	const struct stat *old = &r->old;

	if (!r->is_there)
		return 0;
	if ((old->st_uid != geteuid() || old->st_gid != getegid()) &&
	    fchown(fd, old->st_uid, old->st_gid))
		return -1;
	return fchmod(fd, old->st_mode & 07777);
}

static int fill(struct replacement *r, int fd)
{
	if (write_all(fd, r->what->text, r->what->len))
		return fail_errno(r, "written");
	if (give_rights(r, fd))
		return fail_errno(r, "given the owner and mode of the old one");
	return fsync(fd) ? fail_errno(r, "written") : 0;
}

/* Nobody has changed it meanwhile. */
static bool is_unchanged(const struct replacement *r)
{
	struct stat st;

	if (r->what->force)
		return true;
	if (fstatat(r->dir_fd, r->name, &st, AT_SYMLINK_NOFOLLOW))
		return !r->is_there && errno == ENOENT;
	return r->is_there && st.st_ino == r->old.st_ino && st.st_dev == r->old.st_dev &&
	       st.st_size == r->old.st_size && st.st_mtim.tv_sec == r->old.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == r->old.st_mtim.tv_nsec;
}

static int put_in_place(struct replacement *r)
{
	if (!is_unchanged(r))
		return fail(r, -EBUSY, "%s was changed by somebody just now; try again",
			    r->what->path);
	if (renameat(r->dir_fd, r->temporary, r->dir_fd, r->name))
		return fail_errno(r, "replaced");
	/* Not every file system has this for folders. */
	if (fsync(r->dir_fd) && errno != EINVAL && errno != EROFS)
		return fail_errno(r, "made sure to be on the disk");
	return 0;
}

static int make(struct replacement *r)
{
	uint32_t number = 0;
	int fd, rc;

	clean_up(r);
	if (getrandom(&number, sizeof(number), 0) < 0)
		number = (uint32_t)getpid();
	if ((size_t)snprintf(r->temporary, sizeof(r->temporary), ".%s" MARK "%d-%" PRIx32, r->name,
			     (int)getpid(), number) >= sizeof(r->temporary)) {
		errno = ENAMETOOLONG;
		return fail_errno(r, "written beside itself");
	}
	fd = openat(r->dir_fd, r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return fail_errno(r, "written beside itself");
	rc = fill(r, fd);
	if (close(fd) && !rc)
		rc = fail_errno(r, "written");
	if (!rc)
		rc = put_in_place(r);
	if (rc)
		unlinkat(r->dir_fd, r->temporary, 0);
	return rc;
}

int replace_file(const struct replace_file *r, char err[REPLACE_FILE_ERR_MAX])
{
	struct replacement it = {.what = r, .err = err, .dir_fd = -1};
	int rc;

	err[0] = '\0';
	rc = find(&it);
	if (rc)
		return rc;
	rc = look(&it);
	if (!rc)
		rc = make(&it);
	close(it.dir_fd);
	return rc;
}
