/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An I/O on a file. A READ or WRITE is first tried from or to the guest's memory, by the ring, with
 * the promise of the kernel that it won't wait (RWF_NOWAIT): so most are done, and what is under
 * way then is with a device. What would have to wait (for the page cache, an allocation, a frozen
 * file system) is done again by a worker, through memory of our own: whatever it waits for, and for
 * however long, the I/O can be abandoned. All other operations are the workers' as well.
 *
 * All on the channel's reactor.
 */
#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>

#include "bdev/bdev_iov.h"
#include "bdev/file_alloc.h"
#include "bdev/file_io.h"
#include "bdev/file_job.h"
#include "bdev/file_lost.h"
#include "bdev/file_sync.h"
#include "bdev/file_watch.h"
#include "util/counter.h"

/* After so many attempts in a row that would have had to wait, only each RETRY_EVERY-th is made. */
#define MISSES_TO_REST 4
#define RETRY_EVERY    8
/*
 * With so many reads waiting for the page cache no more are attempted: an attempt may begin to fill
 * it, and the kernel does not promise that a hanging disk's queue takes that without waiting.
 */
#define FILLING_MAX 4

/* --- ends --- */

static void unlink_io(struct bdev_io *io)
{
	struct file_io *fio = file_io_of(io);

	*fio->prevp = fio->next;
	if (unlikely(fio->next))
		fio->next->prevp = fio->prevp;
	else
		file_io_channel(io)->last = fio->prevp;
}

static void log_failure(const struct bdev_io *io, const char *why)
{
	log_limited(&file_io_channel(io)->limit, LOG_LEVEL_WARN, io->channel->bdev->name,
		    "bdev %s: %s of %u blocks at LBA %llu failed: %s: %s", io->channel->bdev->name,
		    bdev_op_str(io->op), io->nblocks, (unsigned long long)io->lba,
		    file_io_bdev(io)->path, why);
}

static inline void finish(struct bdev_io *io, enum bdev_status status)
{
	if (unlikely(file_special(file_io_bdev(io)) & FILE_LOST) && status == BDEV_STATUS_OK &&
	    file_lost_ended(io)) {
		log_failure(io, "the data was lost when the file became shorter");
		status = BDEV_STATUS_MEDIUM_ERROR;
	}
	unlink_io(io);
	bdev_io_complete(io, status);
}

void file_io_finish(struct bdev_io *io, enum bdev_status status)
{
	finish(io, status);
}

void file_io_fail(struct bdev_io *io, int res)
{
	enum bdev_status status = bdev_status_from_errno(res, io->op);

	if (status == BDEV_STATUS_GONE)
		atomic_store(&file_io_bdev(io)->gone, true);
	if (status == BDEV_STATUS_ABORTED && file_io_of(io)->timed_out)
		status = BDEV_STATUS_TIMEOUT;
	else if (status != BDEV_STATUS_ABORTED)
		log_failure(io, strerror(-res));
	file_io_finish(io, status);
}

void file_io_write_zeroes(struct bdev_io *io)
{
	unlink_io(io);
	bdev_write_zeroes_by_writing(io);
}

/* --- transfers: from and to the guest's memory --- */

static void prep_one(struct bdev_io *io, struct io_uring_sqe *sqe, void *at, size_t len)
{
	struct file_bdev *f = file_io_bdev(io);
	uint64_t offset = file_io_offset(io) + file_io_of(io)->done_bytes;
	unsigned int n = (unsigned int)len; /* not above limits.step_bytes */

	if (io->op == BDEV_OP_READ)
		io_uring_prep_read(sqe, f->fd, at, n, offset);
	else
		io_uring_prep_write(sqe, f->fd, at, n, offset);
}

static void prep_many(struct bdev_io *io, struct io_uring_sqe *sqe, uint32_t seg)
{
	struct file_bdev *f = file_io_bdev(io);
	uint64_t offset = file_io_offset(io) + file_io_of(io)->done_bytes;
	unsigned int n = min_t(unsigned int, io->iovcnt - seg, IOV_MAX);

	if (io->op == BDEV_OP_READ)
		io_uring_prep_readv(sqe, f->fd, &io->iov[seg], n, offset);
	else
		io_uring_prep_writev(sqe, f->fd, &io->iov[seg], n, offset);
}

static void use_fixed_file(const struct bdev_io *io, struct io_uring_sqe *sqe)
{
	const struct file_channel *fc = file_io_channel(io);

	if (unlikely(fc->fixed < 0))
		return;
	sqe->fd = fc->fixed;
	sqe->flags |= IOSQE_FIXED_FILE;
}

/*
 * As much of what is left as one operation takes. The iov is not ours to change: a transfer that
 * ended inside of a segment goes on with the rest of that segment alone.
 */
static void prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
	struct file_io *fio = container_of(op, struct file_io, op);
	struct bdev_io *io = file_io_io(fio);
	const struct iovec *seg;

	if (unlikely(io->iovcnt > 1)) /* a single one is not empty */
		bdev_iov_advance(io->iov, io->iovcnt, &fio->pos, 0);
	seg = &io->iov[fio->pos.seg];
	if (fio->pos.offset || fio->pos.seg + 1 == io->iovcnt)
		prep_one(io, sqe, (char *)seg->iov_base + fio->pos.offset,
			 seg->iov_len - fio->pos.offset);
	else
		prep_many(io, sqe, fio->pos.seg);
	sqe->rw_flags = RWF_NOWAIT;
	if (io->op == BDEV_OP_WRITE && io->flags & BDEV_IO_FUA)
		sqe->rw_flags |= RWF_DSYNC;
	use_fixed_file(io, sqe);
}

/* --- which way --- */

/* The kernel may be asked to do it without waiting. */
static inline __attribute__((always_inline)) bool may_attempt(const struct bdev_io *io)
{
	const struct file_bdev *f = file_io_bdev(io);
	struct file_channel *fc = file_io_channel(io);
	unsigned int *misses = &fc->misses[io->op == BDEV_OP_WRITE];

	if (file_io_of(io)->slow || file_special(f) & FILE_BY_WORKER)
		return false;
	if (f->direct && (f->block || io->op == BDEV_OP_READ))
		return true;
	if (!f->direct && (io->flags & BDEV_IO_FUA || workers_busy(&fc->workers) >= FILLING_MAX))
		return false;
	return *misses < MISSES_TO_REST || ++*misses % RETRY_EVERY == 0;
}

static void note_miss(struct bdev_io *io)
{
	struct file_channel *fc = file_io_channel(io);

	file_io_of(io)->slow = true;
	if (fc->misses[io->op == BDEV_OP_WRITE] < MISSES_TO_REST)
		fc->misses[io->op == BDEV_OP_WRITE]++;
}

/*
 * Of an attempt that has failed only as it may not wait, or as the end of a file is the worker's
 * business.
 */
static bool must_go_slowly(struct bdev_io *io, int res)
{
	if (likely(res > 0) || res == -ECANCELED)
		return false;
	if (res == -EOPNOTSUPP)
		file_watch_blocked(file_io_channel(io),
				   "its file system does not say when it would");
	else if (res && res != -EAGAIN && res != -EINTR)
		return false;
	note_miss(io);
	return true;
}

/* --- transfers: what comes next --- */

static void go_on(struct bdev_io *io);

#define MORE (-1)

/* What the transfer of a part means for the I/O: its status, or MORE. */
static int judge(struct bdev_io *io, int res)
{
	struct file_io *fio = file_io_of(io);

	fio->done_bytes += (uint64_t)res;
	if (likely(fio->done_bytes == file_io_bytes(io)))
		return BDEV_STATUS_OK;
	/* O_DIRECT ends inside of a block only at the end of the file. */
	if (!res || fio->done_bytes & (file_io_bdev(io)->len_align - 1)) {
		log_failure(io, "the file is shorter than it was when it was opened");
		return BDEV_STATUS_MEDIUM_ERROR;
	}
	if (fio->cancelled)
		return fio->timed_out ? BDEV_STATUS_TIMEOUT : BDEV_STATUS_ABORTED;
	return MORE;
}

/* Of an attempt that did not do all that was left. */
static slow_path void attempt_fell_short(struct bdev_io *io, int res)
{
	struct file_io *fio = file_io_of(io);
	int status;

	if (must_go_slowly(io, res))
		res = fio->cancelled ? -ECANCELED : 0;
	if (res < 0) {
		file_io_fail(io, res);
		return;
	}
	if (!res) {
		go_on(io);
		return;
	}
	file_io_channel(io)->misses[io->op == BDEV_OP_WRITE] = 0;
	bdev_iov_advance(io->iov, io->iovcnt, &fio->pos, (size_t)res);
	status = judge(io, res);
	if (status != MORE)
		finish(io, (enum bdev_status)status);
	else
		go_on(io);
}

static void attempt_done(struct uring_op *op, int res)
{
	struct file_io *fio = container_of(op, struct file_io, op);
	struct bdev_io *io = file_io_io(fio);

	if (unlikely(res <= 0 || fio->done_bytes + (uint64_t)res != file_io_bytes(io))) {
		attempt_fell_short(io, res);
		return;
	}
	file_io_channel(io)->misses[io->op == BDEV_OP_WRITE] = 0;
	finish(io, BDEV_STATUS_OK);
}

static void use_buf(struct file_job *job)
{
	struct bdev_io *io = job->io;
	struct bdev_iov_pos pos = file_io_of(io)->pos; /* moves when it is known how far */

	job->len = min_t(uint64_t, file_io_bytes(io) - file_io_of(io)->done_bytes, URING_BUF_BYTES);
	if (job->writes)
		bdev_iov_copy(io->iov, io->iovcnt, &pos, job->buf, job->len, BDEV_IOV_TO_BUF);
}

static void use_guest_memory(struct file_job *job)
{
	struct bdev_io *io = job->io;
	struct bdev_iov_pos *pos = &file_io_of(io)->pos;

	bdev_iov_advance(io->iov, io->iovcnt, pos, 0);
	job->iov = &io->iov[pos->seg];
	job->iovcnt = min_t(unsigned int, io->iovcnt - pos->seg, IOV_MAX);
	if (!pos->offset)
		return;
	job->rest.iov_base = (char *)job->iov->iov_base + pos->offset;
	job->rest.iov_len = job->iov->iov_len - pos->offset;
	job->iov = &job->rest;
	job->iovcnt = 1;
}

static void start_part(struct file_job *job)
{
	struct bdev_io *io = job->io;

	job->step = FILE_STEP_TRANSFER;
	job->offset = file_io_offset(io) + file_io_of(io)->done_bytes;
	job->writes = io->op == BDEV_OP_WRITE;
	job->sync = job->writes && io->flags & BDEV_IO_FUA;
	if (job->buf)
		use_buf(job);
	else
		use_guest_memory(job);
	file_job_start(job, !job->buf || !may_attempt(io));
}

static void part_done(struct file_job *job, int res)
{
	struct bdev_io *io = job->io;
	struct file_io *fio = file_io_of(io);
	int status = MORE;

	if (!job->by_worker && must_go_slowly(io, res))
		res = fio->cancelled ? -ECANCELED : 0;
	else if (res == 0)
		status = judge(io, 0);
	if (res > 0) {
		if (!job->by_worker)
			file_io_channel(io)->misses[job->writes] = 0;
		if (job->buf && !job->writes)
			bdev_iov_copy(io->iov, io->iovcnt, &fio->pos, job->buf, (size_t)res,
				      BDEV_IOV_FROM_BUF);
		else
			bdev_iov_advance(io->iov, io->iovcnt, &fio->pos, (size_t)res);
		status = judge(io, res);
	}
	if (res >= 0 && status == MORE) {
		start_part(job);
		return;
	}
	fio->job = NULL;
	file_job_put(job);
	if (res < 0)
		file_io_fail(io, res);
	else
		file_io_finish(io, (enum bdev_status)status);
}

void file_io_job_done(struct file_job *job, int res)
{
	struct bdev_io *io = job->io;
	enum file_step step = (enum file_step)job->step;

	if (step == FILE_STEP_TRANSFER) {
		part_done(job, res);
		return;
	}
	file_io_of(io)->job = NULL;
	file_job_put(job);
	file_alloc_done(io, step, res);
}

static void start_with_job(struct bdev_io *io, void *buf)
{
	struct file_job *job = file_job_get(io->channel, io, buf, file_io_job_done);

	if (!job) {
		if (buf)
			uring_buf_put(&file_io_channel(io)->user, buf);
		file_io_fail(io, -ENOMEM);
		return;
	}
	if (buf)
		COUNTER_ADD(io->channel->stats.bounced, 1);
	file_io_of(io)->job = job;
	start_part(job);
}

static void got_buf(struct uring_op *op, void *buf)
{
	start_with_job(file_io_io(container_of(op, struct file_io, op)), buf);
}

static slow_path void start_bounced(struct bdev_io *io)
{
	void *buf;
	int rc = uring_buf_get(&file_io_channel(io)->user, &file_io_of(io)->op, &buf);

	if (!rc)
		start_with_job(io, buf);
	else if (rc != -EBUSY)
		file_io_fail(io, rc);
}

static inline bool is_aligned(const struct bdev_io *io, const struct file_bdev *f)
{
	if (likely(io->iovcnt == 1))
		return !(((uintptr_t)io->iov->iov_base & (f->mem_align - 1)) |
			 (io->iov->iov_len & (f->len_align - 1)));
	return bdev_iov_aligned(io->iov, io->iovcnt, f->mem_align, f->len_align);
}

static inline bool must_bounce(const struct bdev_io *io)
{
	const struct file_bdev *f = file_io_bdev(io);

	return (f->direct && unlikely(!is_aligned(io, f))) ||
	       unlikely(file_special(f) & (FILE_HANGS | FILE_BOUNCED));
}

static inline __attribute__((always_inline)) void start_transfer(struct bdev_io *io)
{
	if (unlikely(must_bounce(io))) {
		start_bounced(io);
		return;
	}
	if (likely(may_attempt(io))) {
		uring_start(&file_io_channel(io)->user, &file_io_of(io)->op);
		return;
	}
	file_io_of(io)->slow = true; /* once asked, for good */
	if (file_io_bdev(io)->bounce == BDEV_BOUNCE_NEVER)
		start_with_job(io, NULL);
	else
		start_bounced(io);
}

static slow_path void go_on(struct bdev_io *io)
{
	start_transfer(io);
}

/* --- */

static const struct uring_op_type op_type = {
	.prep = prep, .done = attempt_done, .got_buf = got_buf};

/* Member by member, as the compiler makes a slow loop of the whole struct at once. */
static inline void init(struct file_io *fio, const struct file_channel *fc)
{
	uring_op_init(&fio->op, &op_type);
	fio->job = NULL;
	fio->done_bytes = 0;
	fio->pos = (struct bdev_iov_pos){0};
	fio->next = NULL;
	fio->prevp = fc->last;
	fio->tick = fc->tick;
	fio->step = FILE_STEP_TRANSFER;
	fio->cancelled = fio->timed_out = fio->slow = fio->sync_served = false;
}

void file_io_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	struct file_channel *fc = ch->ctx;
	struct file_io *fio = file_io_of(io);

	init(fio, fc);
	*fc->last = fio;
	fc->last = &fio->next;
	if (unlikely(!fc->watching))
		file_watch_begin(fc);
	switch ((enum bdev_op)io->op) {
	case BDEV_OP_READ:
	case BDEV_OP_WRITE:
		start_transfer(io);
		break;
	case BDEV_OP_FLUSH:
		file_sync_start(io);
		break;
	case BDEV_OP_DISCARD:
		file_alloc_discard(io);
		break;
	case BDEV_OP_WRITE_ZEROES:
		file_alloc_zero(io);
		break;
	default:
		file_io_finish(io, BDEV_STATUS_UNSUPPORTED);
	}
}

/* What has begun and is left to itself must not write, unless `fenced`. */
static bool end_now(struct bdev_io *io, enum bdev_status status, bool fenced)
{
	struct file_io *fio = file_io_of(io);
	struct file_job *job = fio->job;

	if (job) {
		if (!fenced && file_job_may_write(job))
			return false;
		if (!file_job_leave(job))
			return false;
		fio->job = NULL;
	} else if (fio->step == FILE_STEP_SYNC) {
		file_sync_leave(io);
	} else if (!uring_forget(&fio->op)) {
		return false;
	}
	file_io_finish(io, status);
	return true;
}

bool file_io_abandon(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status)
{
	return end_now(io, status, true);
}

void file_io_cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	struct file_io *fio = file_io_of(io);

	fio->cancelled = true;
	if (end_now(io, fio->timed_out ? BDEV_STATUS_TIMEOUT : BDEV_STATUS_ABORTED, false))
		return;
	uring_cancel(fio->job ? &fio->job->op : &fio->op);
}
