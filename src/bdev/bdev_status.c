/* SPDX-License-Identifier: BSD-3-Clause */
/* The one translation of errno, as backends get it from the kernel, to bdev status. */
#include <errno.h>
#include <shadowbell/bdev_backend.h>
#include <stdlib.h>

#include "util/util.h"

static const char *const names[BDEV_STATUS_COUNT] = {
	[BDEV_STATUS_OK] = "OK",
	[BDEV_STATUS_MEDIUM_ERROR] = "medium error",
	[BDEV_STATUS_NO_SPACE] = "no space left",
	[BDEV_STATUS_OUT_OF_RANGE] = "out of range",
	[BDEV_STATUS_READ_ONLY] = "read-only",
	[BDEV_STATUS_UNSUPPORTED] = "unsupported",
	[BDEV_STATUS_MISCOMPARE] = "miscompare",
	[BDEV_STATUS_CONFLICT] = "reservation conflict",
	[BDEV_STATUS_NO_MEMORY] = "out of memory",
	[BDEV_STATUS_BAD_BUFFER] = "bad buffer",
	[BDEV_STATUS_ABORTED] = "aborted",
	[BDEV_STATUS_GONE] = "bdev is gone",
	[BDEV_STATUS_TIMEOUT] = "timeout",
};

const char *bdev_status_str(enum bdev_status status)
{
	return (unsigned int)status < BDEV_STATUS_COUNT ? names[status] : "unknown status";
}

/*
 * What is not listed is a MEDIUM_ERROR: the data could not be stored or read, and that is what the
 * guest must know. The kernel's block layer has its own list (errors[] in block/blk-core.c).
 */
static const struct {
	int err;
	enum bdev_status status;
} table[] = {
	{EIO, BDEV_STATUS_MEDIUM_ERROR},
	{ENODATA, BDEV_STATUS_MEDIUM_ERROR}, /* BLK_STS_MEDIUM */
	{EILSEQ, BDEV_STATUS_MEDIUM_ERROR},  /* BLK_STS_PROTECTION */
	{ENOSPC, BDEV_STATUS_NO_SPACE},
	{EDQUOT, BDEV_STATUS_NO_SPACE},
	{EFBIG, BDEV_STATUS_NO_SPACE},
	{EROFS, BDEV_STATUS_READ_ONLY},
	{EOVERFLOW, BDEV_STATUS_OUT_OF_RANGE},
	{EOPNOTSUPP, BDEV_STATUS_UNSUPPORTED},
	{ENOSYS, BDEV_STATUS_UNSUPPORTED},
	{EBADE, BDEV_STATUS_CONFLICT}, /* BLK_STS_RESV_CONFLICT */
	{ENOMEM, BDEV_STATUS_NO_MEMORY},
	{EAGAIN, BDEV_STATUS_NO_MEMORY},
	{ENOBUFS, BDEV_STATUS_NO_MEMORY},
	{EBUSY, BDEV_STATUS_NO_MEMORY},
	{EFAULT, BDEV_STATUS_BAD_BUFFER},
	{ECANCELED, BDEV_STATUS_ABORTED},
	{ETIMEDOUT, BDEV_STATUS_TIMEOUT}, /* BLK_STS_TIMEOUT */
	{ENODEV, BDEV_STATUS_GONE},
	{ENXIO, BDEV_STATUS_GONE},
	{ESHUTDOWN, BDEV_STATUS_GONE},
};

static bool writes(enum bdev_op op)
{
	return op == BDEV_OP_WRITE || op == BDEV_OP_DISCARD || op == BDEV_OP_WRITE_ZEROES;
}

enum bdev_status bdev_status_from_errno(int err, enum bdev_op op)
{
	size_t i;

	err = abs(err);
	if (!err)
		return BDEV_STATUS_OK;
	/* A sealed or immutable file. */
	if ((err == EPERM || err == EACCES) && writes(op))
		return BDEV_STATUS_READ_ONLY;
	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == err)
			return table[i].status;
	return BDEV_STATUS_MEDIUM_ERROR;
}
