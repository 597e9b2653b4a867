/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that is unplugged under us: its I/O fails with ENODEV or ENXIO, or it has no size any
 * more. A regular file stays, however short it becomes.
 */
#include "bdev/file_internal.h"

bool file_medium_gone(struct bdev *bdev)
{
	const struct file_bdev *f = file_of(bdev);
	uint64_t bytes;

	/* The kernel has the size in memory: asking for it does not wait for the device. */
	return f->block && (atomic_load(&f->gone) || file_measure(f, &bytes) || !bytes);
}
