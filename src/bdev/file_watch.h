/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_WATCH_H
#define BDEV_FILE_WATCH_H

/* I/O of a file bdev that takes long. On the channel's reactor. */

#include "bdev/file_internal.h"

void file_watch_init(struct file_channel *fc);
void file_watch_fini(struct file_channel *fc);
/* There is I/O again. */
void file_watch_begin(struct file_channel *fc);
/* Submitting this file's I/O blocks. */
void file_watch_blocked(struct file_channel *fc, const char *why);

#endif
