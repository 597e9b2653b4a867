/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An I/O on a file: a sequence of steps, each one operation of the reactor's io_uring. Mostly it is
 * one step; more where a transfer is partial or goes through a bounce buffer, where FUA zeroes must
 * be synced, or where the kernel has to be asked in another way.
 *
 * All on the channel's reactor.
 */
#include <errno.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bdev/bdev_iov.h"
#include "bdev/file.h"
#include "bdev/uring.h"
#include "util/util.h"

/* Of a step that failed with EINTR or EAGAIN, before it is reported as NO_MEMORY. */
#define RETRIES_MAX 100
/* In one READ or WRITE; the kernel takes a little less than 2 GiB. */
#define STEP_BYTES_MAX (1u << 30)

/* The block layer's io_uring command (linux/blkdev.h, from 6.12 on). */
#ifndef BLOCK_URING_CMD_DISCARD
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif

enum step {
	STEP_TRANSFER,
	STEP_SYNC,
	STEP_ZERO_RANGE,
	STEP_PUNCH,
	STEP_DISCARD_STALE,
	STEP_DISCARD_CMD,
};

/* In io->backend. */
struct file_io {
	struct uring_op op;
	void *buf;		 /* the bounce buffer, if it has one */
	uint64_t done_bytes;	 /* of a READ or WRITE */
	struct bdev_iov_pos pos; /* done_bytes into the iov */
	uint8_t step;
	uint8_t retries;
	bool bounce;
	bool cancelled;
};

_Static_assert(sizeof(struct file_io) <= sizeof(((struct bdev_io *)0)->backend), "fits");

static struct file_io *fio_of(struct bdev_io *io)
{
	return (struct file_io *)&io->backend;
}

static struct file_io *fio_of_op(struct uring_op *op)
{
	return container_of(op, struct file_io, op);
}

static struct bdev_io *io_of(struct file_io *fio)
{
	return container_of((void *)fio, struct bdev_io, backend);
}

static struct file_bdev *bdev_of(const struct bdev_io *io)
{
	return file_of(io->channel->bdev);
}

static struct uring *ring_of(const struct bdev_io *io)
{
	return ((struct file_channel *)io->channel->ctx)->ring;
}

static uint64_t offset_bytes(const struct bdev_io *io)
{
	return io->lba << io->channel->bdev->block_shift;
}

static uint64_t length_bytes(const struct bdev_io *io)
{
	return (uint64_t)io->nblocks << io->channel->bdev->block_shift;
}

/* --- ends --- */

static void finish(struct bdev_io *io, enum bdev_status status)
{
	struct file_io *fio = fio_of(io);
	void *buf = fio->buf;

	fio->buf = NULL;
	if (buf)
		uring_buf_put(ring_of(io), buf);
	bdev_io_complete(io, status);
}

static void log_failure(const struct bdev_io *io, const char *why)
{
	struct file_channel *fc = io->channel->ctx;

	log_limited(&fc->limit, LOG_LEVEL_WARN, io->channel->bdev->name,
		    "bdev %s: %s of %u blocks at LBA %llu failed: %s: %s", io->channel->bdev->name,
		    bdev_op_str(io->op), io->nblocks, (unsigned long long)io->lba,
		    bdev_of(io)->path, why);
}

static void fail(struct bdev_io *io, int res)
{
	enum bdev_status status = bdev_status_from_errno(res, io->op);

	if (status != BDEV_STATUS_ABORTED)
		log_failure(io, strerror(-res));
	finish(io, status);
}

static void fail_short(struct bdev_io *io)
{
	log_failure(io, "the file is shorter than it was when it was opened");
	finish(io, BDEV_STATUS_MEDIUM_ERROR);
}

/* --- steps --- */

static void start_step(struct bdev_io *io, enum step step)
{
	struct file_io *fio = fio_of(io);

	fio->step = (uint8_t)step;
	uring_start(ring_of(io), &fio->op);
}

static void prep_one(struct bdev_io *io, struct io_uring_sqe *sqe, void *at, size_t len)
{
	uint64_t offset = offset_bytes(io) + fio_of(io)->done_bytes;
	unsigned int n = (unsigned int)min_t(size_t, len, STEP_BYTES_MAX);

	if (io->op == BDEV_OP_READ)
		io_uring_prep_read(sqe, bdev_of(io)->fd, at, n, offset);
	else
		io_uring_prep_write(sqe, bdev_of(io)->fd, at, n, offset);
}

static void prep_many(struct bdev_io *io, struct io_uring_sqe *sqe, uint32_t seg)
{
	uint64_t offset = offset_bytes(io) + fio_of(io)->done_bytes;
	unsigned int n = min_t(unsigned int, io->iovcnt - seg, IOV_MAX);

	if (io->op == BDEV_OP_READ)
		io_uring_prep_readv(sqe, bdev_of(io)->fd, &io->iov[seg], n, offset);
	else
		io_uring_prep_writev(sqe, bdev_of(io)->fd, &io->iov[seg], n, offset);
}

static void prep_bounced(struct bdev_io *io, struct io_uring_sqe *sqe)
{
	struct file_io *fio = fio_of(io);
	uint64_t left = length_bytes(io) - fio->done_bytes;
	size_t n = (size_t)min_t(uint64_t, left, URING_BUF_BYTES);
	struct bdev_iov_pos pos = fio->pos; /* moves when it is known how much was written */

	if (io->op == BDEV_OP_WRITE)
		bdev_iov_copy(io->iov, io->iovcnt, &pos, fio->buf, n, BDEV_IOV_TO_BUF);
	prep_one(io, sqe, fio->buf, n);
}

/*
 * As much of what is left as one operation takes. The iov is not ours to change: a transfer that
 * ended inside of a segment goes on with the rest of that segment alone.
 */
static void prep_transfer(struct bdev_io *io, struct io_uring_sqe *sqe)
{
	struct file_io *fio = fio_of(io);
	const struct iovec *seg;

	bdev_iov_advance(io->iov, io->iovcnt, &fio->pos, 0);
	seg = &io->iov[fio->pos.seg];
	if (fio->bounce)
		prep_bounced(io, sqe);
	else if (fio->pos.offset || fio->pos.seg + 1 == io->iovcnt)
		prep_one(io, sqe, (char *)seg->iov_base + fio->pos.offset,
			 seg->iov_len - fio->pos.offset);
	else
		prep_many(io, sqe, fio->pos.seg);
	if (io->op == BDEV_OP_WRITE && io->flags & BDEV_IO_FUA)
		sqe->rw_flags = RWF_DSYNC;
}

/* Whole granules only: what is left over at the ends is not worth an error. */
static bool discard_range(const struct bdev_io *io, uint64_t *offset, uint64_t *len)
{
	uint64_t granule = io->channel->bdev->limits.discard_granularity_bytes;
	uint64_t from = offset_bytes(io), to = from + length_bytes(io);

	from = (from + granule - 1) / granule * granule;
	to = to / granule * granule;
	*offset = from;
	*len = to > from ? to - from : 0;
	return *len;
}

static void prep_discard_cmd(struct bdev_io *io, struct io_uring_sqe *sqe)
{
	uint64_t offset, len;

	discard_range(io, &offset, &len);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = bdev_of(io)->fd;
	sqe->cmd_op = BLOCK_URING_CMD_DISCARD;
	sqe->addr = offset;
	sqe->addr3 = len;
}

static void prep_fallocate(struct bdev_io *io, struct io_uring_sqe *sqe, int mode)
{
	uint64_t offset = offset_bytes(io), len = length_bytes(io);

	if (io->op == BDEV_OP_DISCARD && bdev_of(io)->block)
		discard_range(io, &offset, &len);
	io_uring_prep_fallocate(sqe, bdev_of(io)->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				(off_t)len);
}

static void use_fixed_file(const struct bdev_io *io, struct io_uring_sqe *sqe)
{
	const struct file_channel *fc = io->channel->ctx;

	if (unlikely(fc->fixed < 0))
		return;
	sqe->fd = fc->fixed;
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
	struct file_io *fio = fio_of_op(op);
	struct bdev_io *io = io_of(fio);

	switch ((enum step)fio->step) {
	case STEP_TRANSFER:
		prep_transfer(io, sqe);
		break;
	case STEP_SYNC:
		io_uring_prep_fsync(sqe, bdev_of(io)->fd, IORING_FSYNC_DATASYNC);
		break;
	case STEP_ZERO_RANGE:
		prep_fallocate(io, sqe, FALLOC_FL_ZERO_RANGE);
		break;
	case STEP_PUNCH:
		prep_fallocate(io, sqe, FALLOC_FL_PUNCH_HOLE);
		break;
	case STEP_DISCARD_STALE:
		prep_fallocate(io, sqe, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_NO_HIDE_STALE);
		break;
	case STEP_DISCARD_CMD:
		prep_discard_cmd(io, sqe);
		break;
	}
	use_fixed_file(io, sqe);
}

/* --- zeroes and discards: what comes next --- */

static bool zero_aligned(const struct bdev_io *io)
{
	return !((offset_bytes(io) | length_bytes(io)) & (bdev_of(io)->zero_align - 1));
}

static void start_zeroing(struct bdev_io *io)
{
	struct file_bdev *f = bdev_of(io);
	bool zero_range = zero_aligned(io) && !f->no_zero_range;
	bool punch = zero_aligned(io) && !f->no_punch;
	bool may_unmap = io->op == BDEV_OP_DISCARD || io->flags & BDEV_IO_UNMAP;

	if (punch && (may_unmap || !zero_range))
		start_step(io, STEP_PUNCH);
	else if (zero_range)
		start_step(io, STEP_ZERO_RANGE);
	else
		bdev_write_zeroes_by_writing(io);
}

static void start_discard(struct bdev_io *io)
{
	uint64_t offset, len;

	/* In a file a discard zeroes to the byte, and so discard_zeroes is true. */
	if (!bdev_of(io)->block) {
		start_zeroing(io);
		return;
	}
	if (!discard_range(io, &offset, &len)) {
		finish(io, BDEV_STATUS_OK);
		return;
	}
	switch ((enum file_discard_how)bdev_of(io)->discard_how) {
	case FILE_DISCARD_STALE:
		start_step(io, STEP_DISCARD_STALE);
		break;
	case FILE_DISCARD_CMD:
		start_step(io, STEP_DISCARD_CMD);
		break;
	case FILE_DISCARD_PUNCH:
		start_step(io, STEP_PUNCH);
		break;
	case FILE_DISCARD_NONE:
		finish(io, BDEV_STATUS_OK);
		break;
	}
}

/* The kernel can't do the step on this file: never again. */
static void rule_out(struct file_bdev *f, enum step step, bool discard_of_device)
{
	int how = step == STEP_DISCARD_STALE ? FILE_DISCARD_STALE
		  : step == STEP_DISCARD_CMD ? FILE_DISCARD_CMD
					     : FILE_DISCARD_PUNCH;

	if (discard_of_device) /* unless another reactor has gone on already */
		atomic_compare_exchange_strong(&f->discard_how, &how, how + 1);
	else if (step == STEP_PUNCH)
		f->no_punch = true;
	else
		f->no_zero_range = true;
}

static bool is_unsupported(int res)
{
	return res == -EOPNOTSUPP || res == -ENOSYS || res == -ENOTTY || res == -EINVAL;
}

static void allocation_done(struct bdev_io *io, int res)
{
	struct file_io *fio = fio_of(io);
	struct file_bdev *f = bdev_of(io);
	bool discard = io->op == BDEV_OP_DISCARD;

	if (res >= 0 && io->flags & BDEV_IO_FUA && !discard) {
		start_step(io, STEP_SYNC);
	} else if (res >= 0) {
		finish(io, BDEV_STATUS_OK);
	} else if (is_unsupported(res)) {
		rule_out(f, fio->step, discard && f->block);
		if (discard)
			start_discard(io);
		else
			start_zeroing(io);
	} else {
		fail(io, res);
	}
}

/* --- transfers --- */

static void transfer_done(struct bdev_io *io, int res)
{
	struct file_io *fio = fio_of(io);
	struct file_bdev *f = bdev_of(io);

	if (unlikely(res < 0)) {
		fail(io, res);
		return;
	}
	if (fio->bounce && io->op == BDEV_OP_READ)
		bdev_iov_copy(io->iov, io->iovcnt, &fio->pos, fio->buf, (size_t)res,
			      BDEV_IOV_FROM_BUF);
	else
		bdev_iov_advance(io->iov, io->iovcnt, &fio->pos, (size_t)res);
	fio->done_bytes += (uint64_t)res;
	if (likely(fio->done_bytes == length_bytes(io)))
		finish(io, BDEV_STATUS_OK);
	else if (!res ||
		 fio->done_bytes & (f->len_align - 1)) /* O_DIRECT ends so only at the end */
		fail_short(io);
	else if (fio->cancelled)
		finish(io, BDEV_STATUS_ABORTED);
	else
		start_step(io, STEP_TRANSFER);
}

static void got_buf(struct uring_op *op, void *buf)
{
	struct file_io *fio = fio_of_op(op);

	fio->buf = buf;
	start_step(io_of(fio), STEP_TRANSFER);
}

static void start_transfer(struct bdev_io *io)
{
	struct file_io *fio = fio_of(io);
	struct file_bdev *f = bdev_of(io);
	int rc;

	fio->bounce =
		f->direct && !bdev_iov_aligned(io->iov, io->iovcnt, f->mem_align, f->len_align);
	if (likely(!fio->bounce)) {
		start_step(io, STEP_TRANSFER);
		return;
	}
	rc = uring_buf_get(ring_of(io), &fio->op, &fio->buf);
	if (!rc)
		start_step(io, STEP_TRANSFER);
	else if (rc != -EBUSY)
		fail(io, rc);
}

/* --- */

static bool retry(struct bdev_io *io, int res)
{
	struct file_io *fio = fio_of(io);

	if (likely(res != -EINTR && res != -EAGAIN))
		return false;
	if (fio->cancelled || fio->retries >= RETRIES_MAX)
		return false;
	fio->retries++;
	start_step(io, fio->step);
	return true;
}

static void done(struct uring_op *op, int res)
{
	struct file_io *fio = fio_of_op(op);
	struct bdev_io *io = io_of(fio);

	if (retry(io, res))
		return;
	if (unlikely(res ==
		     -EINTR)) /* how a worker thread of io_uring ends a cancelled operation */
		res = fio->cancelled ? -ECANCELED : -EAGAIN;
	if (fio->step == STEP_TRANSFER)
		transfer_done(io, res);
	else if (fio->step != STEP_SYNC)
		allocation_done(io, res);
	else if (res < 0)
		fail(io, res);
	else
		finish(io, BDEV_STATUS_OK);
}

static const struct uring_op_type op_type = {.prep = prep, .done = done, .got_buf = got_buf};

void file_io_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	*fio_of(io) = (struct file_io){.op.type = &op_type};
	switch ((enum bdev_op)io->op) {
	case BDEV_OP_READ:
	case BDEV_OP_WRITE:
		start_transfer(io);
		break;
	case BDEV_OP_FLUSH:
		start_step(io, STEP_SYNC);
		break;
	case BDEV_OP_DISCARD:
		start_discard(io);
		break;
	case BDEV_OP_WRITE_ZEROES:
		start_zeroing(io);
		break;
	default:
		finish(io, BDEV_STATUS_UNSUPPORTED);
	}
}

void file_io_cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	struct file_io *fio = fio_of(io);

	fio->cancelled = true;
	uring_cancel(ring_of(io), &fio->op);
}
