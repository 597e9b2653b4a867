/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_IO_H
#define BDEV_FILE_IO_H

/* Between the files that do the I/O of a file bdev. All: the channel's reactor. */

#include <shadowbell/bdev.h>

#include "bdev/bdev_internal.h"
#include "bdev/bdev_iov.h"
#include "bdev/file.h"
#include "bdev/uring.h"
#include "bdev/workers.h"
#include "util/util.h"

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

/* --- file_io.c --- */

/* The end of an I/O, whose job has gone. */
void file_io_finish(struct bdev_io *io, enum bdev_status status);
/* Likewise, by an errno; logged. */
void file_io_fail(struct bdev_io *io, int res);
/* Its job has done a step. */
void file_io_job_done(struct file_job *job, int res);
/* The layer does it by WRITEs. */
void file_io_write_zeroes(struct bdev_io *io);

/* --- file_job.c --- */

extern const struct workers_owner file_job_workers;
/*
 * A job for a step of the I/O (or NULL: of many), with a buffer, which becomes the job's, or
 * without. NULL: no memory.
 */
struct file_job *file_job_get(struct bdev_channel *ch, struct bdev_io *io, void *buf);
void file_job_start(struct file_job *job, bool by_worker);
/* When it is done: it goes, and so does its buffer. */
void file_job_put(struct file_job *job);
/* It has begun, and what it does can't be taken back. */
bool file_job_may_write(const struct file_job *job);
/*
 * The I/O ends without it; the job goes on, if it has begun. False: the kernel or a device has the
 * I/O's memory, and nothing has happened.
 */
bool file_job_leave(struct file_job *job);
void file_job_free_all(struct file_channel *fc);

/* --- file_alloc.c --- */

void file_alloc_zero(struct bdev_io *io);
void file_alloc_discard(struct bdev_io *io);
void file_alloc_done(struct bdev_io *io, enum file_step step, int res);

/* --- file_sync.c --- */

void file_sync_init(struct file_sync *sync);
void file_sync_start(struct bdev_io *io);
/* The I/O waits no more. */
void file_sync_leave(struct bdev_io *io);
void file_sync_done(struct file_job *job, int res);

/* --- file_watch.c --- */

void file_watch_init(struct file_channel *fc);
void file_watch_fini(struct file_channel *fc);
/* There is I/O again. */
void file_watch_begin(struct file_channel *fc);
/* Submitting this file's I/O blocks. */
void file_watch_blocked(struct file_channel *fc, const char *why);

/* --- file_lost.c --- */

/* Looks whether the file has become shorter; it may block. Before a write that may make it longer.
 */
void file_lost_look(struct file_bdev *f);
/* With FILE_LOST. */
bool file_lost_overlaps(struct file_bdev *f, uint64_t offset, uint64_t len);
void file_lost_written(struct file_bdev *f, uint64_t offset, uint64_t len);

#endif
