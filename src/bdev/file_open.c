/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding, making, opening and measuring the file of a file bdev. Main thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bdev/file_internal.h"
#include "util/fd.h"

/* Guest disks are nobody else's business; who wants it otherwise makes the file beforehand. */
#define CREATE_MODE 0600

static int missing(const struct bdev_file_params *p, char err[BDEV_ERR_MAX])
{
	if (p->create && p->read_only)
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" does not exist, and read_only: true forbids to create it",
			 p->path);
	else if (p->create)
		snprintf(err, BDEV_ERR_MAX, "size: it is needed to create \"%s\"", p->path);
	else
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" does not exist; create: true with a size makes it", p->path);
	return -ENOENT;
}

/* 0 if it is there, 1 if it must be made, or -errno. */
static int look(const struct bdev_file_params *p, char err[BDEV_ERR_MAX])
{
	struct stat st;
	int rc;

	if (stat(p->path, &st)) {
		rc = -errno;
		if (rc == -ENOENT && p->create && !p->read_only && p->common.size_bytes)
			return 1;
		if (rc == -ENOENT)
			return missing(p, err);
		snprintf(err, BDEV_ERR_MAX, "path: \"%s\": %s", p->path, strerror(-rc));
		return rc;
	}
	/* Before open(): of a FIFO or a tape that has effects. */
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return 0;
	snprintf(err, BDEV_ERR_MAX, "path: \"%s\" is %s, not a regular file or a block device",
		 p->path, S_ISDIR(st.st_mode) ? "a directory" : "something else");
	return -EINVAL;
}

static int open_error(const struct bdev_file_params *p, int rc, bool create, char err[BDEV_ERR_MAX])
{
	char dir[BDEV_ERR_MAX];

	snprintf(dir, sizeof(dir), "%s", p->path);
	if (rc == -ENOENT && create)
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" can't be created: there is no directory \"%.80s\"", p->path,
			 dirname(dir));
	else if (rc == -EINVAL && p->direct)
		snprintf(err, BDEV_ERR_MAX,
			 "direct: the file system of \"%s\" can't do direct I/O; use direct: false",
			 p->path);
	else if (rc == -EROFS || ((rc == -EACCES || rc == -EPERM) && !p->read_only))
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" can't be opened for writing: %s; read_only: true opens it "
			 "for reading",
			 p->path, strerror(-rc));
	else if (rc == -EBUSY)
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" is mounted, or in use by the kernel or another process",
			 p->path);
	else
		snprintf(err, BDEV_ERR_MAX, "path: \"%s\" can't be %s: %s", p->path,
			 create ? "created" : "opened", fd_strerror(-rc));
	return rc;
}

static int open_flags(const struct bdev_file_params *p)
{
	return O_CLOEXEC | O_NOCTTY | (p->read_only ? O_RDONLY : O_RDWR) |
	       (p->direct ? O_DIRECT : 0);
}

static int open_it(struct file_bdev *f, const struct bdev_file_params *p, bool create,
		   char err[BDEV_ERR_MAX])
{
	int flags = open_flags(p), device_ro = 0;
	struct stat st;

	if (create)
		flags |= O_CREAT | O_EXCL;
	else if (!p->read_only && !stat(p->path, &st) && S_ISBLK(st.st_mode))
		flags |= O_EXCL; /* open(2): not while it is mounted */
	f->fd = open(p->path, flags, CREATE_MODE);
	if (f->fd < 0)
		return open_error(p, -errno, create, err);
	if (fstat(f->fd, &f->st) || !(S_ISREG(f->st.st_mode) || S_ISBLK(f->st.st_mode))) {
		snprintf(err, BDEV_ERR_MAX, "path: \"%s\" changed while it was opened", p->path);
		return -EINVAL;
	}
	f->block = S_ISBLK(f->st.st_mode);
	f->created = create;
	/* The kernel lets a read-only device be opened for writing, and fails each write. */
	if (f->block && !p->read_only && !ioctl(f->fd, BLKROGET, &device_ro) && device_ro)
		return open_error(p, -EROFS, create, err);
	return 0;
}

/* So that what the guest flushes later does not hang on a directory entry that was lost. */
static void sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (!copy)
		return;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static int set_size(struct file_bdev *f, const struct bdev_params *p, char err[BDEV_ERR_MAX])
{
	int rc;

	if (!ftruncate(f->fd, (off_t)p->size_bytes) && !fsync(f->fd)) {
		sync_directory(f->path);
		return 0;
	}
	rc = -errno;
	snprintf(err, BDEV_ERR_MAX, "size: \"%s\" can't be made %" PRIu64 " bytes large: %s",
		 f->path, p->size_bytes, strerror(-rc));
	return rc;
}

int file_measure(const struct file_bdev *f, uint64_t *bytes)
{
	struct stat st;

	if (f->block)
		return ioctl(f->fd, BLKGETSIZE64, bytes) ? -errno : 0;
	if (fstat(f->fd, &st))
		return -errno;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int measure(struct file_bdev *f, char err[BDEV_ERR_MAX])
{
	int rc = file_measure(f, &f->size_bytes);

	if (rc)
		snprintf(err, BDEV_ERR_MAX, "path: the size of \"%s\" can't be found: %s", f->path,
			 strerror(-rc));
	return rc;
}

/* A size in the configuration is a statement about the file, not a wish. */
static int check_size(const struct file_bdev *f, const struct bdev_params *p,
		      char err[BDEV_ERR_MAX])
{
	if (p->size_bytes && p->size_bytes != f->size_bytes)
		snprintf(err, BDEV_ERR_MAX,
			 "size: \"%s\" is %" PRIu64 " bytes large, not %" PRIu64
			 "; leave size out to use all of it",
			 f->path, f->size_bytes, p->size_bytes);
	else if (!f->size_bytes)
		snprintf(err, BDEV_ERR_MAX, "path: \"%s\" is empty: there is nothing to export",
			 f->path);
	else if (f->size_bytes % p->block_size)
		snprintf(err, BDEV_ERR_MAX,
			 "block_size: the %" PRIu64
			 " bytes of \"%s\" are not a multiple of %" PRIu32 "; %s",
			 f->size_bytes, f->path, p->block_size,
			 f->size_bytes % 512 ? "extend it with truncate(1)"
					     : "use block_size: 512");
	else
		return 0;
	return -EINVAL;
}

int file_open(struct file_bdev *f, const struct bdev_file_params *p, char err[BDEV_ERR_MAX])
{
	bool create;
	int rc;

	rc = look(p, err);
	if (rc < 0)
		return rc;
	create = rc;
	rc = open_it(f, p, create, err);
	if (!rc)
		rc = file_lock(f, err);
	/* If another process has it now, then it is that process's. */
	if (rc) {
		f->created = false;
		goto close;
	}
	if (create)
		rc = set_size(f, &p->common, err);
	if (!rc)
		rc = measure(f, err);
	if (!rc)
		rc = check_size(f, &p->common, err);
	if (!rc)
		return 0;
close:
	file_close(f, true);
	return rc;
}

/* Or somebody else's by now. */
static bool is_still_there(const struct file_bdev *f)
{
	struct stat there;

	return !lstat(f->path, &there) && there.st_dev == f->st.st_dev &&
	       there.st_ino == f->st.st_ino;
}

void file_close(struct file_bdev *f, bool discard)
{
	if (f->fd < 0)
		return;
	if (discard && f->created && is_still_there(f))
		unlink(f->path);
	file_unlock(f);
	close(f->fd);
	f->fd = -1;
}
