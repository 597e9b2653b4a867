/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_INTERNAL_H
#define BDEV_FILE_INTERNAL_H

/* Between the files of the file backend. */

#include <pthread.h>
#include <shadowbell/bdev_backend.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "bdev/bdev_backends.h"
#include "bdev/bdev_internal.h"
#include "bdev/bdev_iov.h"
#include "bdev/workers.h"
#include "reactor/reactor.h"
#include "uring/uring.h"
#include "util/log.h"
#include "util/util.h"

/* Workers, all of which one bdev may keep waiting on one reactor. */
#define FILE_WORKERS_MAX 16

/* Of struct file_bdev's `special`: why its I/O may not go the short way. */
#define FILE_BY_WORKER (1u << 0) /* submitting its I/O may block: workers do all of it */
#define FILE_HANGS     (1u << 1) /* some of its I/O is old, and `bounce` is auto */
#define FILE_BOUNCED   (1u << 2) /* `bounce` is always */
#define FILE_LOST      (1u << 3) /* it became shorter: file_lost.c */

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
	atomic_bool no_zero_range, no_punch, no_discard;
	enum bdev_bounce bounce;
	atomic_uint special; /* FILE_*; set by any thread */
	atomic_bool gone;    /* a device said that it is there no more */
	atomic_uint nhang;   /* channels that find it hanging */
	struct {
		pthread_mutex_t lock;
		/* Data from here on is lost, but for what the table says, and up to there. */
		uint64_t from, upto;
		/* The file was that long when it was last looked at, or written to. */
		_Atomic uint64_t end;
		unsigned int shift; /* of the table's units, which are written or not */
		unsigned int writes;
		uint8_t *table; /* a bit each */
		size_t table_bytes;
	} lost;
	bool truncates; /* the file is to be cut as the bdev was; of who resizes it */
	struct workers_apart closing;
	/* The list of file_lock.c. */
	struct file_bdev *next;
	struct stat st;
};

struct file_io;
struct file_job;

/* Linked by file_io.op. */
struct file_sync_list {
	struct uring_op *first, **last;
};

struct file_sync {
	struct file_sync_list served; /* by the fdatasync() that is running */
	struct file_sync_list waiting;
	bool running;
};

/* ch->ctx */
struct file_channel {
	struct uring_user user;
	struct workers workers;
	struct bdev_channel *ch;
	int fixed; /* the file's number in the ring, or -1 */
	/* Attempts in a row, of reads and of writes, that the kernel would have had to wait for. */
	unsigned int misses[2];
	struct file_io *first, **last; /* all I/O, in the order of submission */
	struct file_job *late;	       /* whose I/O was abandoned */
	struct file_job *free_jobs;
	struct file_sync sync;
	/* file_watch.c */
	struct timer timer;
	bool watching;
	uint32_t tick;
	bool hangs, told;
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
/* How large the file or device is now. 0 or -errno. */
int file_measure(const struct file_bdev *f, uint64_t *bytes);
/* Closes it, and deletes it if `discard` and it was made by file_open(). */
void file_close(struct file_bdev *f, bool discard);

/* file_lock.c: for one writer or any number of readers, in this and all other processes. */
int file_lock(struct file_bdev *f, char err[BDEV_ERR_MAX]);
void file_unlock(struct file_bdev *f);

/* file_resize.c: of struct bdev_type, and struct bdev_ops. */
int file_resize(struct bdev *bdev, uint64_t *bytes, char err[BDEV_ERR_MAX]);
int file_cut(struct bdev *bdev, char err[BDEV_ERR_MAX]);
bool file_behind(struct bdev_channel *ch, uint64_t nblocks);

/* file_gone.c: of struct bdev_ops. */
bool file_medium_gone(struct bdev *bdev);

/* file_limits.c: fills the alignments and bdev.limits of an opened file. */
int file_find_limits(struct file_bdev *f, char err[BDEV_ERR_MAX]);

static inline unsigned int file_special(const struct file_bdev *f)
{
	return atomic_load_explicit(&f->special, memory_order_relaxed);
}

/* --- I/O: on the channel's reactor --- */

enum file_step {
	FILE_STEP_TRANSFER,
	FILE_STEP_SYNC,
	FILE_STEP_ZERO_RANGE,
	FILE_STEP_PUNCH,
	FILE_STEP_DISCARD,
};

/* In io->backend. */
struct file_io {
	/* Of a transfer from or to the guest's memory; else only for waiting. */
	struct uring_op op;
	struct file_job *job;	 /* does a step, or NULL */
	uint64_t done_bytes;	 /* of a READ or WRITE */
	struct bdev_iov_pos pos; /* done_bytes into the iov */
	/* Of the channel's, in the order of submission. */
	struct file_io *next, **prevp;
	uint32_t tick; /* of the channel's, when it was submitted */
	uint8_t step;
	bool cancelled : 1;
	bool timed_out : 1;
	bool slow : 1;	      /* the kernel would have to wait for something: by a worker */
	bool sync_served : 1; /* by the fdatasync() that is running */
};

_Static_assert(sizeof(struct file_io) <= sizeof(((struct bdev_io *)0)->backend), "fits");

/*
 * A step that goes on even if its I/O is abandoned: it uses memory of its own, or none, or the
 * I/O's, and then that can't be abandoned. It holds the channel.
 */
struct file_job {
	struct uring_op op;
	struct work work;
	struct bdev_io *io; /* NULL: it was abandoned, or many wait for this step */
	void (*done)(struct file_job *job, int res);
	struct file_channel *fc;
	struct file_job *next, **prevp; /* of the channel's free or late ones */
	struct bdev_fence fence;	/* nblocks 0: it is not up */
	void *buf;			/* a bounce buffer, or NULL */
	const struct iovec *iov;	/* the I/O's memory, in place of buf */
	unsigned int iovcnt;
	struct iovec rest; /* of a segment that was begun */
	uint64_t offset, len;
	int res;
	uint32_t tick; /* of the I/O */
	uint8_t step;
	bool writes, sync; /* of a transfer */
	bool by_worker;
};

/* The backend's part of an I/O is not the const one's, who only looks. */
static inline struct file_io *file_io_of(const struct bdev_io *io)
{
	return (struct file_io *)(uintptr_t)&io->backend;
}

static inline struct bdev_io *file_io_io(struct file_io *fio)
{
	return container_of((void *)fio, struct bdev_io, backend);
}

static inline struct file_bdev *file_io_bdev(const struct bdev_io *io)
{
	return file_of(io->channel->bdev);
}

static inline struct file_channel *file_io_channel(const struct bdev_io *io)
{
	return io->channel->ctx;
}

static inline uint64_t file_io_offset(const struct bdev_io *io)
{
	return io->lba << io->channel->bdev->block_shift;
}

static inline uint64_t file_io_bytes(const struct bdev_io *io)
{
	return (uint64_t)io->nblocks << io->channel->bdev->block_shift;
}

#endif
