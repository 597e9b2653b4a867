/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_IO_H
#define BDEV_FILE_IO_H

/* The I/O of a file bdev. On the channel's reactor. */

#include "bdev/file_internal.h"

/* The end of an I/O, whose job has gone. */
void file_io_finish(struct bdev_io *io, enum bdev_status status);
/* Likewise, by an errno; logged. */
void file_io_fail(struct bdev_io *io, int res);
/* Its job has done a step. */
void file_io_job_done(struct file_job *job, int res);
/* The layer does it by WRITEs. */
void file_io_write_zeroes(struct bdev_io *io);

/* The bdev_ops. */
void file_io_submit(struct bdev_channel *ch, struct bdev_io *io);
void file_io_cancel(struct bdev_channel *ch, struct bdev_io *io);
bool file_io_abandon(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status);

#endif
