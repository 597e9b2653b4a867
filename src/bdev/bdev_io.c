/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of an I/O: checked once here, then a backend's, then counted and completed. */
#include <stdio.h>

#include "bdev/bdev_internal.h"
#include "bdev/bdev_iov.h"
#include "bdev/bdev_now.h"
#include "reactor/reactor.h"
#include "util/time.h"
#include "util/util.h"

#define ALL_FLAGS (BDEV_IO_FUA | BDEV_IO_UNMAP)

struct op_info {
	const char *name;
	bool data;   /* has an iov, as long as the range */
	bool range;  /* has an LBA and a count */
	bool writes; /* changes the medium */
};

static const struct op_info op_infos[BDEV_OP_COUNT] = {
	[BDEV_OP_READ] = {.name = "READ", .data = true, .range = true},
	[BDEV_OP_WRITE] = {.name = "WRITE", .data = true, .range = true, .writes = true},
	[BDEV_OP_FLUSH] = {.name = "FLUSH"},
	[BDEV_OP_DISCARD] = {.name = "DISCARD", .range = true, .writes = true},
	[BDEV_OP_WRITE_ZEROES] = {.name = "WRITE ZEROES", .range = true, .writes = true},
	[BDEV_OP_COMPARE] = {.name = "COMPARE", .data = true, .range = true},
};

const char *bdev_op_str(enum bdev_op op)
{
	return (unsigned int)op < BDEV_OP_COUNT ? op_infos[op].name : "unknown operation";
}

static enum bdev_status check_data(const struct bdev *bdev, const struct bdev_io *io)
{
	uint64_t bytes = (uint64_t)io->nblocks << bdev->block_shift;

	if (bdev->limits.max_transfer_bytes && bytes > bdev->limits.max_transfer_bytes)
		return BDEV_STATUS_UNSUPPORTED;
	if (bdev->limits.max_segments && io->iovcnt > bdev->limits.max_segments)
		return BDEV_STATUS_UNSUPPORTED;
	return bdev_iov_valid(io->iov, io->iovcnt, bytes) ? BDEV_STATUS_OK : BDEV_STATUS_BAD_BUFFER;
}

static enum bdev_status check(const struct bdev_channel *ch, const struct bdev_io *io)
{
	const struct bdev *bdev = ch->bdev;
	const struct op_info *op;

	if (unlikely(io->op >= BDEV_OP_COUNT || io->flags & ~ALL_FLAGS))
		return BDEV_STATUS_UNSUPPORTED;
	/* Partner: bdev_remove(). An I/O that slips through is merely outstanding. */
	if (unlikely(atomic_load_explicit(ch->priv->gate_flags, memory_order_relaxed) &
		     BDEV_GATE_REMOVED))
		return BDEV_STATUS_GONE;
	op = &op_infos[io->op];
	if (unlikely(op->writes && ch->read_only))
		return BDEV_STATUS_READ_ONLY;
	if (unlikely(op->range && !bdev_has_range(bdev, io->lba, io->nblocks)))
		return BDEV_STATUS_OUT_OF_RANGE;
	return op->data ? check_data(bdev, io) : BDEV_STATUS_OK;
}

static bool exceeds(const struct bdev *bdev, const struct bdev_io *io, uint64_t max_bytes)
{
	return max_bytes && io->nblocks > max_bytes >> bdev->block_shift;
}

/* Pays for the I/O, or for its first piece. */
static void pay_far(const struct bdev *bdev, const struct bdev_io *io)
{
	uint64_t units = bdev_far_units(bdev, io->nblocks);

	reactor_pay(REACTOR_REQUEST_UNITS +
		    min_t(uint64_t, units, bdev->limits.far_step_bytes / 8));
}

/* Done at once, a long list of short ones would be as long as a long one. */
static bool must_defer(const struct bdev *bdev)
{
	return bdev->limits.far_step_bytes && reactor_share_left(reactor_payer()) <= 0;
}

static void submit_far(struct bdev_channel *ch, struct bdev_io *io, uint64_t max_bytes)
{
	pay_far(ch->bdev, io);
	if (exceeds(ch->bdev, io, max_bytes) ||
	    exceeds(ch->bdev, io, ch->bdev->limits.far_step_bytes) || must_defer(ch->bdev))
		bdev_emu_start(io, BDEV_EMU_SPLIT);
	else
		ch->bdev->ops->submit(ch, io);
}

static void submit_discard(struct bdev_channel *ch, struct bdev_io *io)
{
	const struct bdev_limits *limits = &ch->bdev->limits;

	/* It is a hint: a backend that has no use for it has followed it. */
	if (!limits->discard_granularity_bytes || !io->nblocks)
		bdev_io_complete(io, BDEV_STATUS_OK);
	else
		submit_far(ch, io, limits->max_discard_bytes);
}

static void submit_write_zeroes(struct bdev_channel *ch, struct bdev_io *io)
{
	const struct bdev_limits *limits = &ch->bdev->limits;

	if (!io->nblocks)
		bdev_io_complete(io, BDEV_STATUS_OK);
	else if (!limits->write_zeroes)
		bdev_emu_start(io, BDEV_EMU_ZERO);
	else
		submit_far(ch, io, limits->max_write_zeroes_bytes);
}

/* Who submits an I/O has paid for its first step. What is not done in steps is paid for as well. */
static inline void pay_rest(uint64_t bytes)
{
	if (unlikely(bytes > REACTOR_STEP_BYTES))
		reactor_pay(bytes - REACTOR_STEP_BYTES);
}

static void submit_data(struct bdev_channel *ch, struct bdev_io *io)
{
	if (exceeds(ch->bdev, io, ch->bdev->limits.step_bytes)) {
		bdev_emu_start(io, BDEV_EMU_STEPS);
		return;
	}
	pay_rest((uint64_t)io->nblocks << ch->bdev->block_shift);
	ch->bdev->ops->submit(ch, io);
}

static void submit_valid(struct bdev_channel *ch, struct bdev_io *io)
{
	switch ((enum bdev_op)io->op) {
	case BDEV_OP_FLUSH:
		if (!ch->bdev->limits.write_cache)
			break;
		ch->bdev->ops->submit(ch, io);
		return;
	case BDEV_OP_DISCARD:
		submit_discard(ch, io);
		return;
	case BDEV_OP_WRITE_ZEROES:
		submit_write_zeroes(ch, io);
		return;
	case BDEV_OP_COMPARE:
		if (!io->nblocks)
			break;
		if (ch->bdev->limits.compare)
			submit_data(ch, io);
		else
			bdev_emu_start(io, BDEV_EMU_COMPARE);
		return;
	default:
		if (unlikely(!io->nblocks))
			break;
		submit_data(ch, io);
		return;
	}
	bdev_io_complete(io, BDEV_STATUS_OK);
}

static slow_path void start_timing(struct bdev_channel *ch, const struct bdev_io *io)
{
	if (ch->timed)
		return;
	ch->timed = io;
	ch->timed_since_ns = time_now_ns();
}

static slow_path void end_timing(struct bdev_channel *ch)
{
	unsigned int op = ch->timed->op;

	latency_add(ch->stats.latency_ns[op], &ch->stats.latency_sum_ns[op],
		    time_now_ns() - ch->timed_since_ns);
	ch->timed = NULL;
}

static bool must_wait(struct bdev_channel *ch, struct bdev_io *io)
{
	return unlikely(atomic_load_explicit(ch->priv->gate_flags, memory_order_relaxed) &
			BDEV_GATE_FENCED) &&
	       bdev_fenced_wait(ch, io);
}

/* It may have become smaller since the range was checked. */
static bool has_range(const struct bdev *bdev, const struct bdev_io *io)
{
	return io->op == BDEV_OP_FLUSH || bdev_has_range(bdev, io->lba, io->nblocks);
}

void bdev_io_resume(struct bdev_io *io)
{
	if (unlikely(!has_range(io->channel->bdev, io)))
		bdev_io_complete(io, BDEV_STATUS_OUT_OF_RANGE);
	else if (io->part) /* it got as far as the base's backend, or nearly so */
		io->channel->bdev->ops->submit(io->channel, io);
	else
		submit_valid(io->channel, io);
}

static void __attribute__((noinline)) submit_any(struct bdev_channel *ch, struct bdev_io *io)
{
	enum bdev_status status = check(ch, io);

	if (status != BDEV_STATUS_OK) {
		bdev_io_complete(io, status);
		return;
	}
	if (bdev_is_timed(ch, io->op))
		start_timing(ch, io);
	if (!must_wait(ch, io))
		submit_valid(ch, io);
}

/*
 * Most I/O is a READ or WRITE of one segment that passes every check. True only of what check()
 * finds valid and submit_valid() hands to the backend.
 */
static inline bool is_plain(const struct bdev_channel *ch, const struct bdev_io *io)
{
	const struct bdev *bdev = ch->bdev;

	return io->op <= ch->plain_op && !(io->flags & ~ALL_FLAGS) &&
	       bdev_range_is_plain(ch, io->lba, io->nblocks) && io->iovcnt == 1 &&
	       io->iov->iov_len == (uint64_t)io->nblocks << bdev->block_shift &&
	       io->iov->iov_base &&
	       !atomic_load_explicit(ch->priv->gate_flags, memory_order_relaxed);
}

void bdev_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	io->channel = ch;
	io->part = NULL;
	io->state = BDEV_IO_SUBMITTED;
	COUNTER_ADD(ch->inflight, 1);
	if (unlikely(!is_plain(ch, io))) {
		submit_any(ch, io);
		return;
	}
	if (unlikely(bdev_is_timed(ch, io->op)))
		start_timing(ch, io);
	pay_rest((uint64_t)io->nblocks << ch->bdev->block_shift);
	ch->bdev->ops->submit(ch, io);
}

static slow_path void count_error(struct bdev_channel *ch, enum bdev_status status)
{
	COUNTER_ADD(ch->stats.errors, 1);
	if (status == BDEV_STATUS_TIMEOUT)
		COUNTER_ADD(ch->stats.timeouts, 1);
}

static inline void count(struct bdev_channel *ch, const struct bdev_io *io, enum bdev_status status)
{
	COUNTER_ADD(ch->inflight, -1);
	if (unlikely(ch->timed == io))
		end_timing(ch);
	if (unlikely(status != BDEV_STATUS_OK))
		count_error(ch, status);
	if (unlikely(io->op >= BDEV_OP_COUNT))
		return;
	COUNTER_ADD(ch->stats.ios[io->op], 1);
	if (likely(status == BDEV_STATUS_OK) && io->op != BDEV_OP_FLUSH)
		COUNTER_ADD(ch->stats.blocks[io->op], io->nblocks);
}

void bdev_io_pass_on(struct bdev_io *io)
{
	const struct bdev_channel_private *part = io->channel->priv;
	struct bdev_channel *base = part->base;

	if (!io->part) /* else it is a part of a part */
		io->part = io->channel;
	io->channel = base;
	io->lba += part->first_lba;
	COUNTER_ADD(base->inflight, 1);
	if (unlikely(!has_range(base->bdev, io)))
		bdev_io_complete(io, BDEV_STATUS_OUT_OF_RANGE);
	/* An emulation's child, too: its parent has not been here. */
	else if (!must_wait(base, io))
		base->bdev->ops->submit(base, io);
}

/* All that it came by count it but for the first one, which is about to. */
static void come_back(struct bdev_io *io, enum bdev_status status)
{
	struct bdev_channel *ch = io->part, *last = io->channel;

	while (ch != last) {
		io->lba -= ch->priv->first_lba;
		ch = ch->priv->base;
		count(ch, io, status);
	}
	io->channel = io->part;
	io->part = NULL;
}

void bdev_io_find(const struct bdev_io *io, struct bdev_io_place *out)
{
	const struct bdev_channel *ch;

	*out = (struct bdev_io_place){0};
	if (!io || io->state == BDEV_IO_IDLE)
		return;
	out->known = true;
	out->op = io->op;
	out->lba = io->lba;
	out->nblocks = io->nblocks;
	for (ch = io->part; ch && ch != io->channel; ch = ch->priv->base)
		out->lba -= ch->priv->first_lba;
	ch = io->part ? io->part : io->channel;
	snprintf(out->bdev, sizeof(out->bdev), "%s", ch->bdev->name);
}

void bdev_io_complete(struct bdev_io *io, enum bdev_status status)
{
	if (unlikely(io->part))
		come_back(io, status);
	if (unlikely(io->state == BDEV_IO_CHILD)) {
		bdev_emu_child_done(io, status);
		return;
	}
	count(io->channel, io, status);
	io->status = (uint8_t)status;
	io->state = BDEV_IO_IDLE;
	io->done(io);
}

void bdev_io_cancel(struct bdev_io *io)
{
	const struct bdev_ops *ops;

	if (io->state == BDEV_IO_EMULATED) {
		bdev_emu_cancel(io);
	} else if (io->state == BDEV_IO_FENCED) {
		bdev_fenced_end(io, BDEV_STATUS_ABORTED);
	} else if (io->state != BDEV_IO_IDLE) {
		ops = io->channel->bdev->ops;
		if (ops->cancel)
			ops->cancel(io->channel, io);
	}
}

bool bdev_io_abandon(struct bdev_io *io)
{
	const struct bdev_ops *ops;

	switch ((enum bdev_io_state)io->state) {
	case BDEV_IO_IDLE:
		return true;
	case BDEV_IO_EMULATED:
		return bdev_emu_abandon(io, BDEV_STATUS_ABORTED);
	case BDEV_IO_FENCED:
		bdev_fenced_end(io, BDEV_STATUS_ABORTED);
		return true;
	case BDEV_IO_SUBMITTED:
	case BDEV_IO_CHILD:
		break;
	}
	ops = io->channel->bdev->ops;
	return ops->abandon && ops->abandon(io->channel, io, BDEV_STATUS_ABORTED);
}
