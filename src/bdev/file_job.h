/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_JOB_H
#define BDEV_FILE_JOB_H

/* Jobs: steps that live on without their I/O. On the channel's reactor. */

#include "bdev/file_internal.h"

extern const struct workers_owner file_job_workers;
/*
 * A job for a step of the I/O (or NULL: of many), with a buffer, which becomes the job's, or
 * without. done(): it has done its step; not if its I/O was abandoned. NULL: no memory.
 */
struct file_job *file_job_get(struct bdev_channel *ch, struct bdev_io *io, void *buf,
			      void (*done)(struct file_job *job, int res));
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

#endif
