/* SPDX-License-Identifier: BSD-3-Clause */
/* What a file or a device wants of I/O, and what it can do. Main thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bdev/file_internal.h"
#include "uring/uring.h"

/* Buffers and lengths of more than that are not taken for a restriction but for nonsense. */
#define ALIGN_MAX URING_BUF_ALIGN

static bool is_power_of_2(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* Kernels from 6.1 on know it, for some file systems and for block devices. -ENODATA: not this. */
static int ask_statx(struct file_bdev *f)
{
	struct statx stx;

	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) ||
	    !(stx.stx_mask & STATX_DIOALIGN))
		return -ENODATA;
	if (!stx.stx_dio_mem_align || !stx.stx_dio_offset_align)
		return -EOPNOTSUPP;
	f->mem_align = stx.stx_dio_mem_align;
	f->len_align = stx.stx_dio_offset_align;
	return 0;
}

static int ask_device(struct file_bdev *f)
{
	int lbs = 0;

	if (!f->block || ioctl(f->fd, BLKSSZGET, &lbs) || lbs <= 0)
		return -ENODATA;
	f->mem_align = f->len_align = (uint32_t)lbs;
	return 0;
}

/* The smallest length that can be read from the start of the file. */
static int try_reads(struct file_bdev *f)
{
	uint32_t align;
	void *buf = aligned_alloc(ALIGN_MAX, ALIGN_MAX);
	ssize_t n = -1;

	if (!buf)
		return -ENOMEM;
	for (align = 512; align <= ALIGN_MAX; align *= 2) {
		n = pread(f->fd, buf, align, 0);
		if (n >= 0 || errno != EINVAL)
			break;
	}
	free(buf);
	if (n < 0)
		return -EOPNOTSUPP;
	f->mem_align = f->len_align = align;
	return 0;
}

static int find_direct_alignment(struct file_bdev *f, char err[BDEV_ERR_MAX])
{
	int rc = ask_statx(f);

	if (rc == -ENODATA)
		rc = ask_device(f);
	if (rc == -ENODATA)
		rc = try_reads(f);
	if (!rc && is_power_of_2(f->mem_align) && is_power_of_2(f->len_align) &&
	    f->mem_align <= ALIGN_MAX)
		return 0;
	snprintf(err, BDEV_ERR_MAX, "direct: \"%s\" can't do direct I/O%s; use direct: false",
		 f->path, rc ? "" : " with buffers aligned to 4096 bytes");
	return -EINVAL;
}

static int find_alignment(struct file_bdev *f, char err[BDEV_ERR_MAX])
{
	int lbs, rc;

	f->mem_align = f->len_align = f->zero_align = 1;
	if (f->block && !ioctl(f->fd, BLKSSZGET, &lbs) && lbs > 0)
		f->zero_align = (uint32_t)lbs;
	if (!f->direct)
		return 0;
	rc = find_direct_alignment(f, err);
	if (rc)
		return rc;
	if (f->bdev.block_size >= f->len_align)
		return 0;
	snprintf(err, BDEV_ERR_MAX,
		 "block_size: %" PRIu32 " is smaller than the %" PRIu32
		 " bytes that direct I/O on \"%s\" needs; use a larger block_size or direct: false",
		 f->bdev.block_size, f->len_align, f->path);
	return -EINVAL;
}

/* A value of /sys/dev/block/.../queue/; a partition's is its disk's. 0 if it can't be read. */
static uint64_t queue_value(const struct file_bdev *f, const char *name)
{
	static const char *const folders[] = {"queue", "../queue"};
	uint64_t value = 0;
	char path[128];
	size_t i;
	FILE *file;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", major(f->st.st_rdev),
			 minor(f->st.st_rdev), folders[i], name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%" SCNu64, &value) != 1)
			value = 0;
		fclose(file);
		break;
	}
	return value;
}

static uint32_t device_granularity(const struct file_bdev *f)
{
	uint64_t granularity = queue_value(f, "discard_granularity");

	if (!queue_value(f, "discard_max_bytes") || granularity > UINT32_MAX)
		return 0;
	return granularity < f->zero_align ? f->zero_align : (uint32_t)granularity;
}

/* A hole behind the end changes nothing, and shows whether there can be holes. */
static bool can_punch(const struct file_bdev *f)
{
	return !fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)f->size_bytes,
			  f->bdev.block_size);
}

static uint32_t file_granularity(const struct file_bdev *f)
{
	struct statvfs fs;

	if (!can_punch(f))
		return 0;
	if (fstatvfs(f->fd, &fs) || !is_power_of_2((uint32_t)fs.f_frsize))
		return f->bdev.block_size;
	return fs.f_frsize < f->bdev.block_size ? f->bdev.block_size : (uint32_t)fs.f_frsize;
}

/* The kernel copies, or pins, the pages of an I/O inside the reactor's system call. */
#define STEP_BYTES (1u << 20)

static uint32_t preferred_bytes(const struct file_bdev *f)
{
	unsigned int physical = 0;

	if (!f->block)
		return (uint32_t)f->st.st_blksize;
	return ioctl(f->fd, BLKPBSZGET, &physical) ? 0 : physical;
}

int file_find_limits(struct file_bdev *f, char err[BDEV_ERR_MAX])
{
	struct bdev_limits *limits = &f->bdev.limits;
	int rc = find_alignment(f, err);

	if (rc)
		return rc;
	*limits = (struct bdev_limits){
		.buffer_align = f->mem_align,
		.step_bytes = STEP_BYTES,
		.preferred_bytes = preferred_bytes(f),
		.write_zeroes = true,
		.write_cache = !f->bdev.read_only,
	};
	if (!f->bdev.read_only)
		limits->discard_granularity_bytes =
			f->block ? device_granularity(f) : file_granularity(f);
	f->no_punch = !f->block && !limits->discard_granularity_bytes;
	limits->discard_zeroes = !f->block && limits->discard_granularity_bytes;
	return 0;
}
