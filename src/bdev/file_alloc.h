/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_FILE_ALLOC_H
#define BDEV_FILE_ALLOC_H

/* WRITE ZEROES and DISCARD of a file bdev. On the channel's reactor. */

#include "bdev/file_internal.h"

void file_alloc_zero(struct bdev_io *io);
void file_alloc_discard(struct bdev_io *io);
void file_alloc_done(struct bdev_io *io, enum file_step step, int res);

#endif
