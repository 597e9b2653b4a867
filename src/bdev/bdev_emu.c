/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the layer does for backends: COMPARE by reading, WRITE ZEROES by writing, and ranges above a
 * backend's limit piece by piece. An emulation works on one I/O (the parent) at a time, by a
 * sequence of I/Os of its own (the child) that go straight to the backend: the parent's checks hold
 * for them. A channel has a limited number of emulations; above it, parents wait (bdev_emu_pool.c).
 *
 * What a backend does at once, inside its submit(), goes on by a job: between two pieces the others
 * on the reactor have their turns. The parent's user pays for the first piece, and it is that
 * user's job.
 *
 * All on the channel's reactor.
 */
#include "bdev/bdev_emu_pool.h"
#include "bdev/bdev_internal.h"
#include "reactor/reactor.h"
#include "util/counter.h"
#include "util/util.h"

#define ZERO_BYTES	(64u << 10) /* of the shared zeroes */
#define ZERO_STEP_BYTES (ZERO_BYTES * BDEV_EMU_SEGMENTS)

/* Never written to, whoever gets a pointer to it: the page tables say so. */
static const char zeroes[ZERO_BYTES] __attribute__((aligned(4096)));

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static uint64_t max_step_bytes(const struct bdev_io *io, enum bdev_emu_kind kind)
{
	const struct bdev_limits *limits = &io->channel->bdev->limits;
	uint64_t bytes;

	switch (kind) {
	case BDEV_EMU_SPLIT:
		return lesser(limits->far_step_bytes, io->op == BDEV_OP_DISCARD
							      ? limits->max_discard_bytes
							      : limits->max_write_zeroes_bytes);
	case BDEV_EMU_STEPS:
		return limits->step_bytes;
	case BDEV_EMU_COMPARE:
		return lesser(BDEV_EMU_COMPARE_BYTES, limits->max_transfer_bytes);
	case BDEV_EMU_ZERO:
		break;
	}
	bytes = lesser(ZERO_STEP_BYTES, limits->max_transfer_bytes);
	return lesser(bytes, (uint64_t)limits->max_segments * ZERO_BYTES);
}

/* In blocks. */
static uint32_t max_step(const struct bdev_io *io, enum bdev_emu_kind kind)
{
	uint64_t blocks = max_step_bytes(io, kind) >> io->channel->bdev->block_shift;

	return blocks ? (uint32_t)min_t(uint64_t, blocks, UINT32_MAX) : 1;
}

static void run(void *arg);

static void init(struct bdev_emu *emu, struct bdev_io *io, enum bdev_emu_kind kind)
{
	emu->parent = io;
	emu->ch = io->channel;
	emu->lba = io->lba;
	emu->left = io->nblocks;
	emu->max_step = max_step(io, kind);
	emu->pos = (struct bdev_iov_pos){0};
	emu->kind = kind;
	emu->status = BDEV_STATUS_OK;
	emu->cancelled = false;
	emu->job = (struct reactor_job){.fn = run, .arg = emu, .share = bdev_emu_parent(io)->user};
	bdev_emu_parent(io)->emu = emu;
}

static uint16_t fill_zeroes(struct iovec *iov, size_t bytes)
{
	uint16_t n;

	for (n = 0; bytes; n++) {
		iov[n].iov_base = (void *)(uintptr_t)zeroes;
		iov[n].iov_len = min_t(size_t, bytes, ZERO_BYTES);
		bytes -= iov[n].iov_len;
	}
	return n;
}

/*
 * The child has the parent's segments from emu->pos on. They may be many and small, so it has no
 * array of its own: the parent's first and last ones are cut as long as it runs.
 */
static void cut_segments(struct bdev_emu *emu, size_t bytes)
{
	const struct bdev_io *parent = emu->parent;
	struct bdev_iov_pos end = emu->pos;
	size_t left;

	bdev_iov_advance(parent->iov, parent->iovcnt, &emu->pos, 0); /* to where there is data */
	end = emu->pos;
	bdev_iov_advance(parent->iov, parent->iovcnt, &end, bytes - 1);
	emu->first = &parent->iov[emu->pos.seg];
	emu->last = &parent->iov[end.seg];
	emu->first_whole = *emu->first;
	emu->last_whole = *emu->last;
	left = end.offset + 1;
	emu->last->iov_len = left;
	emu->first->iov_base = (char *)emu->first->iov_base + emu->pos.offset;
	emu->first->iov_len -= emu->pos.offset;
	emu->child.iov = emu->first;
	emu->child.iovcnt = (uint16_t)(end.seg - emu->pos.seg + 1);
}

static void join_segments(struct bdev_emu *emu)
{
	*emu->last = emu->last_whole;
	*emu->first = emu->first_whole;
}

/* A far step ends at a multiple of itself, as large pages do. */
static uint32_t blocks_of_step(const struct bdev_emu *emu)
{
	uint32_t n = emu->max_step;

	if (emu->kind == BDEV_EMU_SPLIT && emu->parent->channel->bdev->limits.far_step_bytes)
		n -= (uint32_t)(emu->lba % n);
	return min_t(uint32_t, emu->left, n);
}

static void prepare_child(struct bdev_emu *emu)
{
	struct bdev_io *child = &emu->child, *parent = emu->parent;
	uint32_t n = blocks_of_step(emu);
	size_t bytes = (size_t)n << parent->channel->bdev->block_shift;

	child->channel = parent->channel;
	child->part = NULL;
	child->state = BDEV_IO_CHILD;
	child->lba = emu->lba;
	child->nblocks = n;
	child->flags = parent->flags;
	child->iov = emu->iov;
	child->iovcnt = 0;
	switch (emu->kind) {
	case BDEV_EMU_COMPARE:
		child->op = BDEV_OP_READ;
		emu->iov[0] = (struct iovec){.iov_base = emu->buf, .iov_len = bytes};
		child->iovcnt = 1;
		break;
	case BDEV_EMU_ZERO:
		child->op = BDEV_OP_WRITE;
		child->iovcnt = fill_zeroes(emu->iov, bytes);
		break;
	case BDEV_EMU_SPLIT:
		child->op = parent->op;
		break;
	case BDEV_EMU_STEPS:
		child->op = parent->op;
		cut_segments(emu, bytes);
		break;
	}
}

static void take_step(struct bdev_emu *emu)
{
	const struct bdev_io *parent = emu->parent;
	uint32_t n = emu->child.nblocks;
	size_t bytes = (size_t)n << parent->channel->bdev->block_shift;

	if (emu->kind == BDEV_EMU_STEPS) {
		join_segments(emu);
		bdev_iov_advance(parent->iov, parent->iovcnt, &emu->pos, bytes);
	}
	if (emu->status != BDEV_STATUS_OK)
		return;
	if (emu->kind == BDEV_EMU_COMPARE &&
	    !bdev_iov_equal(parent->iov, parent->iovcnt, &emu->pos, emu->buf, bytes)) {
		emu->status = BDEV_STATUS_MISCOMPARE;
		return;
	}
	emu->lba += n;
	emu->left -= n;
	if (emu->left && emu->cancelled)
		emu->status = BDEV_STATUS_ABORTED;
}

static void start_waiting(struct bdev_channel *ch);

static void finish(struct bdev_emu *emu)
{
	struct bdev_io *parent = emu->parent;
	struct bdev_channel *ch = parent->channel;

	bdev_emu_pool_give(&ch->priv->emu, emu);
	bdev_channel_hold(ch);
	bdev_io_complete(parent, emu->status);
	start_waiting(ch);
	bdev_channel_put(ch);
}

static bool is_over(const struct bdev_emu *emu)
{
	return !emu->left || emu->status != BDEV_STATUS_OK;
}

/* One piece. Backends may complete inline: then a job goes on, and nothing recurses. */
static void run(void *arg)
{
	struct bdev_emu *emu = arg;
	struct bdev_channel *ch = emu->parent->channel;

	do {
		/* It may have become smaller since the last piece. */
		if (unlikely(!bdev_has_range(ch->bdev, emu->lba, emu->left))) {
			emu->status = BDEV_STATUS_OUT_OF_RANGE;
			break;
		}
		prepare_child(emu);
		emu->child_done = false;
		emu->submitting = true;
		ch->bdev->ops->submit(ch, &emu->child);
		emu->submitting = false;
		if (!emu->child_done)
			return;
		take_step(emu);
		/* None: bdev_write_zeroes_by_writing() has found out how. */
	} while (!emu->child.nblocks && !is_over(emu));
	if (is_over(emu))
		finish(emu);
	else
		reactor_job_start(ch->reactor, &emu->job);
}

/* What a piece costs that is no job's, and that a backend does later. */
static void pay_for_piece(struct bdev_emu *emu)
{
	uint64_t bytes = (uint64_t)emu->child.nblocks << emu->parent->channel->bdev->block_shift;

	if (emu->kind != BDEV_EMU_SPLIT)
		reactor_share_pay(emu->job.share, bytes);
}

/* The child of an abandoned parent is done. */
static void end_late(struct bdev_emu *emu)
{
	struct bdev_channel *ch = emu->ch;

	if (emu->fence.nblocks)
		bdev_fence_lower(ch->priv->gate, &emu->fence);
	COUNTER_ADD(ch->stats.late_ended, 1);
	bdev_emu_pool_give(&ch->priv->emu, emu);
	start_waiting(ch);
	bdev_channel_put(ch);
}

void bdev_emu_child_done(struct bdev_io *child, enum bdev_status status)
{
	struct bdev_emu *emu = container_of(child, struct bdev_emu, child);

	emu->status = status;
	emu->child_done = true;
	if (emu->submitting)
		return;
	if (!emu->parent) {
		end_late(emu);
		return;
	}
	take_step(emu);
	if (is_over(emu)) {
		finish(emu);
		return;
	}
	pay_for_piece(emu);
	run(emu);
}

/* What a backend does at once waits if its user has nothing left of the round. */
static bool may_begin(const struct bdev_emu *emu)
{
	return !emu->ch->bdev->limits.step_bytes || reactor_share_left(emu->job.share) > 0;
}

static void start(struct bdev_io *io, enum bdev_emu_kind kind)
{
	struct bdev_emu *emu;

	if (bdev_emu_pool_take(&io->channel->priv->emu, io, kind, &emu)) {
		bdev_io_complete(io, BDEV_STATUS_NO_MEMORY);
		return;
	}
	init(emu, io, kind);
	if (may_begin(emu))
		run(emu);
	else
		reactor_job_start(emu->ch->reactor, &emu->job);
}

void bdev_emu_start(struct bdev_io *io, enum bdev_emu_kind kind)
{
	struct bdev_emu_parent *parent = bdev_emu_parent(io);
	struct bdev_emu_pool *pool = &io->channel->priv->emu;

	io->state = BDEV_IO_EMULATED;
	parent->emu = NULL;
	parent->kind = kind;
	parent->user = reactor_payer();
	if (bdev_emu_pool_has_room(pool, parent->user))
		start(io, kind);
	else
		bdev_emu_pool_wait(pool, io);
}

static void start_waiting(struct bdev_channel *ch)
{
	struct bdev_emu_pool *pool = &ch->priv->emu;
	struct bdev_io *io;

	if (pool->starting)
		return;
	pool->starting = true;
	while ((io = bdev_emu_pool_next(pool)))
		start(io, bdev_emu_parent(io)->kind);
	pool->starting = false;
}

/* Nothing of it is with the backend. */
static void end_between(struct bdev_emu *emu, enum bdev_status status)
{
	reactor_job_cancel(&emu->job);
	emu->status = status;
	finish(emu);
}

void bdev_emu_cancel(struct bdev_io *io)
{
	struct bdev_channel *ch = io->channel;
	struct bdev_emu *emu = bdev_emu_parent(io)->emu;

	if (!emu) {
		if (bdev_emu_pool_leave(&ch->priv->emu, io))
			bdev_io_complete(io, BDEV_STATUS_ABORTED);
		return;
	}
	emu->cancelled = true;
	if (reactor_job_waits(&emu->job)) {
		end_between(emu, BDEV_STATUS_ABORTED);
	} else if (emu->child.state == BDEV_IO_FENCED) {
		bdev_fenced_end(&emu->child, BDEV_STATUS_ABORTED);
	} else if (ch->bdev->ops->cancel) {
		ch->bdev->ops->cancel(ch, &emu->child);
	}
}

/* The child is asked to end; what it may write until then is fenced before anybody is told. */
static void leave_child(struct bdev_emu *emu)
{
	struct bdev_channel *ch = emu->ch;

	emu->parent = NULL;
	emu->fence.nblocks = 0;
	if (emu->kind != BDEV_EMU_COMPARE) {
		emu->fence.lba = emu->lba;
		emu->fence.nblocks = emu->child.nblocks;
		bdev_fence_raise(ch->priv->gate, &emu->fence);
	}
	bdev_channel_hold(ch);
	COUNTER_ADD(ch->stats.late, 1);
	if (ch->bdev->ops->cancel)
		ch->bdev->ops->cancel(ch, &emu->child);
}

bool bdev_emu_abandon(struct bdev_io *io, enum bdev_status status)
{
	struct bdev_channel *ch = io->channel;
	struct bdev_emu *emu = bdev_emu_parent(io)->emu;

	if (!emu) {
		bdev_emu_pool_leave(&ch->priv->emu, io);
	} else if (reactor_job_waits(&emu->job)) {
		end_between(emu, status);
		return true;
	} else if (emu->child.state == BDEV_IO_FENCED) {
		/* At a bdev below this one; and so has the parent. */
		bdev_fenced_end(&emu->child, status);
		return true;
	} else if (emu->kind == BDEV_EMU_STEPS) {
		/* The child has the user's memory; if it ends now, so does the parent. */
		emu->cancelled = true;
		return ch->bdev->ops->abandon && ch->bdev->ops->abandon(ch, &emu->child, status);
	} else {
		leave_child(emu);
	}
	bdev_io_complete(io, status);
	return true;
}

void bdev_write_zeroes_by_writing(struct bdev_io *io)
{
	struct bdev_emu *emu;

	if (io->state != BDEV_IO_CHILD) {
		bdev_emu_start(io, BDEV_EMU_ZERO);
		return;
	}
	/* A piece of a split: the split goes on by writing, as a second one might wait for ever. */
	emu = container_of(io, struct bdev_emu, child);
	emu->kind = BDEV_EMU_ZERO;
	if (emu->parent)
		emu->max_step = max_step(emu->parent, BDEV_EMU_ZERO);
	io->nblocks = 0;
	bdev_io_complete(io, BDEV_STATUS_OK);
}
