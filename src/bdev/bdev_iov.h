/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_IOV_H
#define BDEV_IOV_H

/* Walking an iov whose total length has been checked. Any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A place in an iov: `offset` bytes into segment `seg`. */
struct bdev_iov_pos {
	size_t offset;
	uint32_t seg;
};

enum bdev_iov_dir { BDEV_IOV_TO_BUF, BDEV_IOV_FROM_BUF };

/* Moves `pos` on by `len` bytes, past empty segments too; stops at the end. */
void bdev_iov_advance(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos, size_t len);
/* Copies len bytes between buf and the iov from `pos` on, and moves `pos`. */
void bdev_iov_copy(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos, void *buf,
		   size_t len, enum bdev_iov_dir dir);
/* Whether len bytes of the iov from `pos` on are the same as in buf; moves `pos` if they are. */
bool bdev_iov_equal(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos,
		    const void *buf, size_t len);
/* Whether all segments begin at a multiple of mem_align and are a multiple of len_align long. */
bool bdev_iov_aligned(const struct iovec *iov, uint32_t cnt, uint32_t mem_align,
		      uint32_t len_align);
/*
 * Whether the iov's length is exactly total_bytes, without overflow, and no segment that has a
 * length lacks an address.
 */
bool bdev_iov_valid(const struct iovec *iov, uint32_t cnt, uint64_t total_bytes);

#endif
