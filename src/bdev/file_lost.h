/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_LOST_H
#define BDEV_FILE_LOST_H

/* What a file has lost that became shorter. Any thread. */

#include "bdev/file_internal.h"

/* Main thread; once the size is known. */
void file_lost_init(struct file_bdev *f);
void file_lost_fini(struct file_bdev *f);
/*
 * The file is to be `bytes` large: before it is made shorter, or when it is larger. What it has
 * more is not lost.
 */
void file_lost_resize(struct file_bdev *f, uint64_t bytes);

/* Looks whether the file has become shorter; it may block. Before a write that may make it longer.
 */
void file_lost_look(struct file_bdev *f);
/* With FILE_LOST. */
bool file_lost_overlaps(struct file_bdev *f, uint64_t offset, uint64_t len);
void file_lost_written(struct file_bdev *f, uint64_t offset, uint64_t len);
/* An I/O has ended well: what a WRITE wrote is there again. True: what a READ got is lost. */
bool file_lost_ended(const struct bdev_io *io);

#endif
