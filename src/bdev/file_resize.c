/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file bdev of another size: a regular file is made longer or shorter, or both follow what others
 * have made of them. On a thread that may wait for the disk; behind() on a reactor.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bdev/file_internal.h"
#include "bdev/file_lost.h"

static int follow_medium(const struct file_bdev *f, uint64_t medium, uint64_t *bytes,
			 char err[BDEV_ERR_MAX])
{
	/* What is left of a block is no part of the disk. */
	*bytes = medium & ~(uint64_t)(f->bdev.block_size - 1);
	if (*bytes)
		return 0;
	snprintf(err, BDEV_ERR_MAX,
		 "path: \"%s\" has %" PRIu64 " bytes: that is no block of %" PRIu32, f->path,
		 medium, f->bdev.block_size);
	return -ENODEV;
}

static int lengthen(const struct file_bdev *f, uint64_t bytes, char err[BDEV_ERR_MAX])
{
	int rc;

	if (!ftruncate(f->fd, (off_t)bytes) && !fsync(f->fd))
		return 0;
	rc = -errno;
	snprintf(err, BDEV_ERR_MAX, "size: \"%s\" can't be made %" PRIu64 " bytes large: %s",
		 f->path, bytes, strerror(-rc));
	return rc;
}

/* A smaller bdev is shown first; then the file is cut. */
static int ask_of_medium(struct file_bdev *f, uint64_t medium, uint64_t bytes,
			 char err[BDEV_ERR_MAX])
{
	f->truncates = !f->block && !f->bdev.read_only && bytes < medium;
	if (bytes <= medium)
		return 0;
	if (!f->block && !f->bdev.read_only)
		return lengthen(f, bytes, err);
	snprintf(err, BDEV_ERR_MAX,
		 "size: %" PRIu64 " bytes are more than \"%s\" has, %" PRIu64
		 ", and it is %s; make it larger first",
		 bytes, f->path, medium, f->block ? "a device" : "open for reading only");
	return -ENOSPC;
}

int file_resize(struct bdev *bdev, uint64_t *bytes, char err[BDEV_ERR_MAX])
{
	struct file_bdev *f = file_of(bdev);
	uint64_t medium;
	int rc;

	f->truncates = false;
	rc = file_measure(f, &medium);
	if (rc) {
		snprintf(err, BDEV_ERR_MAX, "path: the size of \"%s\" can't be found: %s", f->path,
			 strerror(-rc));
		return rc;
	}
	rc = *bytes ? ask_of_medium(f, medium, *bytes, err) : follow_medium(f, medium, bytes, err);
	if (!rc && *bytes > f->size_bytes)
		file_lost_resize(f, *bytes);
	return rc;
}

int file_cut(struct bdev *bdev, char err[BDEV_ERR_MAX])
{
	struct file_bdev *f = file_of(bdev);
	uint64_t bytes = bdev_nblocks(bdev) << bdev->block_shift;
	int rc;

	/* Before the file is shorter: a write must not find it so, and take that for a loss. */
	if (bytes < f->size_bytes)
		file_lost_resize(f, bytes);
	if (!f->truncates || !ftruncate(f->fd, (off_t)bytes))
		return 0;
	rc = -errno;
	snprintf(err, BDEV_ERR_MAX,
		 "size: the bdev is smaller, but \"%s\" can't be made %" PRIu64 " bytes large: %s",
		 f->path, bytes, strerror(-rc));
	return rc;
}

bool file_behind(struct bdev_channel *ch, uint64_t nblocks)
{
	const struct file_channel *fc = ch->ctx;
	uint64_t end = nblocks << ch->bdev->block_shift;
	const struct file_job *job;
	struct file_io *fio;

	for (job = fc->late; job; job = job->next)
		if (job->offset + job->len > end)
			return true;
	for (fio = fc->first; fio; fio = fio->next) {
		const struct bdev_io *io = file_io_io(fio);

		if (io->op != BDEV_OP_FLUSH && io->lba + io->nblocks > nblocks)
			return true;
	}
	return false;
}
