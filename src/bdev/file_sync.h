/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_SYNC_H
#define BDEV_FILE_SYNC_H

/* Flushes of a file bdev. On the channel's reactor. */

#include "bdev/file_internal.h"

void file_sync_init(struct file_sync *sync);
void file_sync_start(struct bdev_io *io);
/* The I/O waits no more. */
void file_sync_leave(struct bdev_io *io);
void file_sync_done(struct file_job *job, int res);

#endif
