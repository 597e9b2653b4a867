/* SPDX-License-Identifier: BSD-3-Clause */
/* DISCARD and WRITE_ZEROES: which way this file can, and what comes after that. */
#include <errno.h>

#include "bdev/file_alloc.h"
#include "bdev/file_io.h"
#include "bdev/file_job.h"
#include "bdev/file_lost.h"
#include "bdev/file_sync.h"

/* Whole granules only: what is left over at the ends is not worth an error. */
static bool discard_range(const struct bdev_io *io, uint64_t *offset, uint64_t *len)
{
	uint64_t granule = io->channel->bdev->limits.discard_granularity_bytes;
	uint64_t from = file_io_offset(io), to = from + file_io_bytes(io);

	from = (from + granule - 1) / granule * granule;
	to = to / granule * granule;
	*offset = from;
	*len = to > from ? to - from : 0;
	return *len;
}

static void start(struct bdev_io *io, enum file_step step)
{
	struct file_job *job = file_job_get(io->channel, io, NULL, file_io_job_done);

	if (!job) {
		file_io_fail(io, -ENOMEM);
		return;
	}
	file_io_of(io)->job = job;
	file_io_of(io)->step = (uint8_t)step;
	job->step = (uint8_t)step;
	job->offset = file_io_offset(io);
	job->len = file_io_bytes(io);
	if (io->op == BDEV_OP_DISCARD && file_io_bdev(io)->block)
		discard_range(io, &job->offset, &job->len);
	file_job_start(job, true);
}

static bool zero_aligned(const struct bdev_io *io)
{
	return !((file_io_offset(io) | file_io_bytes(io)) & (file_io_bdev(io)->zero_align - 1));
}

/* Beyond the end of a file that became shorter, only writing makes blocks good again. */
static bool is_lost(struct bdev_io *io)
{
	struct file_bdev *f = file_io_bdev(io);

	return file_special(f) & FILE_LOST &&
	       file_lost_overlaps(f, file_io_offset(io), file_io_bytes(io));
}

void file_alloc_zero(struct bdev_io *io)
{
	struct file_bdev *f = file_io_bdev(io);
	bool zero_range = zero_aligned(io) && !f->no_zero_range;
	bool punch = zero_aligned(io) && !f->no_punch;
	bool may_unmap = io->op == BDEV_OP_DISCARD || io->flags & BDEV_IO_UNMAP;

	if (io->op == BDEV_OP_WRITE_ZEROES && is_lost(io))
		file_io_write_zeroes(io);
	else if (punch && (may_unmap || !zero_range))
		start(io, FILE_STEP_PUNCH);
	else if (zero_range)
		start(io, FILE_STEP_ZERO_RANGE);
	else
		file_io_write_zeroes(io);
}

void file_alloc_discard(struct bdev_io *io)
{
	struct file_bdev *f = file_io_bdev(io);
	uint64_t offset, len;

	/* In a file a discard zeroes to the byte, and so discard_zeroes is true. */
	if (!f->block)
		file_alloc_zero(io);
	else if (f->no_discard || !discard_range(io, &offset, &len))
		file_io_finish(io, BDEV_STATUS_OK);
	else
		start(io, FILE_STEP_DISCARD);
}

/* The kernel can't do the step on this file: never again. */
static void rule_out(struct file_bdev *f, enum file_step step)
{
	if (step == FILE_STEP_DISCARD)
		f->no_discard = true;
	else if (step == FILE_STEP_PUNCH)
		f->no_punch = true;
	else
		f->no_zero_range = true;
}

static bool is_unsupported(int res)
{
	return res == -EOPNOTSUPP || res == -ENOSYS || res == -ENOTTY || res == -EINVAL;
}

static void again(struct bdev_io *io)
{
	if (io->op == BDEV_OP_DISCARD)
		file_alloc_discard(io);
	else
		file_alloc_zero(io);
}

void file_alloc_done(struct bdev_io *io, enum file_step step, int res)
{
	bool zeroes = io->op == BDEV_OP_WRITE_ZEROES;

	if (is_unsupported(res)) {
		rule_out(file_io_bdev(io), step);
		again(io);
	} else if (res < 0) {
		file_io_fail(io, res);
	} else if (zeroes && is_lost(io)) {
		file_io_write_zeroes(io);
	} else if (zeroes && io->flags & BDEV_IO_FUA) {
		file_sync_start(io);
	} else {
		file_io_finish(io, BDEV_STATUS_OK);
	}
}
