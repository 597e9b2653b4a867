/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/bdev_iov.h"

#include <string.h>

#include "util/copy.h"
#include "util/util.h"

/* The bytes that are left of the segment at pos, after stepping over finished and empty ones. */
static size_t segment_left(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos)
{
	while (pos->seg < cnt && pos->offset == iov[pos->seg].iov_len) {
		pos->seg++;
		pos->offset = 0;
	}
	return pos->seg < cnt ? iov[pos->seg].iov_len - pos->offset : 0;
}

void bdev_iov_advance(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos, size_t len)
{
	size_t left, n;

	while ((left = segment_left(iov, cnt, pos)) && len) {
		n = min_t(size_t, left, len);
		pos->offset += n;
		len -= n;
	}
}

void bdev_iov_copy(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos, void *buf,
		   size_t len, enum bdev_iov_dir dir)
{
	size_t left, n;
	char *at = buf, *seg;

	while (len && (left = segment_left(iov, cnt, pos))) {
		n = min_t(size_t, left, len);
		seg = (char *)iov[pos->seg].iov_base + pos->offset;
		if (dir == BDEV_IOV_TO_BUF)
			copy_bytes(at, seg, n);
		else
			copy_bytes(seg, at, n);
		pos->offset += n;
		at += n;
		len -= n;
	}
}

bool bdev_iov_equal(const struct iovec *iov, uint32_t cnt, struct bdev_iov_pos *pos,
		    const void *buf, size_t len)
{
	const char *at = buf;
	size_t left, n;

	while (len && (left = segment_left(iov, cnt, pos))) {
		n = min_t(size_t, left, len);
		if (memcmp(at, (const char *)iov[pos->seg].iov_base + pos->offset, n))
			return false;
		pos->offset += n;
		at += n;
		len -= n;
	}
	return true;
}

bool bdev_iov_aligned(const struct iovec *iov, uint32_t cnt, uint32_t mem_align, uint32_t len_align)
{
	uintptr_t addrs = 0;
	size_t lens = 0;
	uint32_t i;

	for (i = 0; i < cnt; i++) {
		addrs |= (uintptr_t)iov[i].iov_base;
		lens |= iov[i].iov_len;
	}
	return !(addrs & (mem_align - 1)) && !(lens & (len_align - 1));
}

bool bdev_iov_valid(const struct iovec *iov, uint32_t cnt, uint64_t total_bytes)
{
	uint64_t left = total_bytes;
	uint32_t i;

	for (i = 0; i < cnt; i++) {
		if (unlikely(iov[i].iov_len > left || (!iov[i].iov_base && iov[i].iov_len)))
			return false;
		left -= iov[i].iov_len;
	}
	return left == 0;
}
