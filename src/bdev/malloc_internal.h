/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_MALLOC_INTERNAL_H
#define BDEV_MALLOC_INTERNAL_H

/* Between the I/O of a malloc bdev (malloc.c) and its memory (malloc_mem.c). */

#include "bdev/bdev_backends.h"
#include "util/util.h"

#define MALLOC_EXTENT_SHIFT 21
#define MALLOC_EXTENT_BYTES ((size_t)1 << MALLOC_EXTENT_SHIFT)

struct malloc_bdev {
	struct bdev bdev;
	/* By extent: 0: all of it is zeroes. Set before a WRITE copies anything. */
	uint8_t *written;
	/*
	 * All of `room` is address space of the bdev's as long as it lives, so that its size can
	 * change under I/O; the first `len` bytes of it are memory.
	 */
	char *mem;
	size_t len, room;
	size_t page;
};

static inline struct malloc_bdev *malloc_of(struct bdev *bdev)
{
	return container_of(bdev, struct malloc_bdev, bdev);
}

/* Fills mem, room and written, for m->len. 0, or -errno with *err set; numa_node -1: any. */
int malloc_get_memory(struct malloc_bdev *m, int numa_node, char err[BDEV_ERR_MAX]);
void malloc_free_memory(struct malloc_bdev *m);
/* Of struct bdev_type. */
int malloc_resize(struct bdev *bdev, uint64_t *bytes, char err[BDEV_ERR_MAX]);
int malloc_cut(struct bdev *bdev, char err[BDEV_ERR_MAX]);

/* malloc.c: whole pages go back to the kernel; all of the range reads as zeroes. */
void malloc_give_back(struct malloc_bdev *m, size_t offset, size_t len);

#endif
