/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_H
#define BDEV_FILE_H

/* Between the files of the file backend. */

#include <shadowbell/bdev.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "bdev/bdev_backends.h"
#include "util/log.h"

struct uring;

/* How this device's DISCARD is done; tried in this order, each until the kernel says no. */
enum file_discard_how {
	FILE_DISCARD_STALE, /* fallocate(), kernels before 6.8 */
	FILE_DISCARD_CMD,   /* io_uring command, kernels from 6.12 on */
	FILE_DISCARD_PUNCH, /* fallocate(), which must also zero */
	FILE_DISCARD_NONE,
};

struct file_bdev {
	struct bdev bdev;
	char *path;
	int fd;
	bool block;   /* a block device, not a regular file */
	bool direct;  /* O_DIRECT */
	bool created; /* the file was made by us */
	/* What O_DIRECT wants of a buffer's address, and of lengths and offsets; powers of two. */
	uint32_t mem_align, len_align;
	/* What fallocate() wants of an offset and a length: 1, or the device's logical block. */
	uint32_t zero_align;
	uint64_t size_bytes;
	/* What has been found not to work; set by any reactor, never reset. */
	atomic_bool no_zero_range, no_punch;
	atomic_int discard_how;
	/* The list of file_lock.c. */
	struct file_bdev *next;
	struct stat st;
};

/* ch->ctx */
struct file_channel {
	struct uring *ring;
	int fixed; /* the file's number in the ring, or -1 */
	struct log_limit limit;
};

static inline struct file_bdev *file_of(struct bdev *bdev)
{
	return (struct file_bdev *)((char *)bdev - offsetof(struct file_bdev, bdev));
}

/*
 * All main thread; 0, or -errno with *err set.
 * file_open.c: fills path, fd, block, direct, created, size_bytes, st. Checks the size.
 */
int file_open(struct file_bdev *f, const struct bdev_file_params *p, char err[BDEV_ERR_MAX]);
/* Closes it, and deletes it if `discard` and it was made by file_open(). */
void file_close(struct file_bdev *f, bool discard);

/* file_lock.c: for one writer or any number of readers, in this and all other processes. */
int file_lock(struct file_bdev *f, char err[BDEV_ERR_MAX]);
void file_unlock(struct file_bdev *f);

/* file_limits.c: fills the alignments and bdev.limits of an opened file. */
int file_find_limits(struct file_bdev *f, char err[BDEV_ERR_MAX]);

/* file_io.c: the bdev_ops. */
void file_io_submit(struct bdev_channel *ch, struct bdev_io *io);
void file_io_cancel(struct bdev_channel *ch, struct bdev_io *io);

#endif
