/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/bdev_fence.h"

#include "bdev/bdev_internal.h"
#include "util/time.h"
#include "util/util.h"

/* Fences are lowered on any reactor, so who waits looks again that often: it is rare, and long. */
#define LOOK_AGAIN_NS (5 * NS_PER_MS)

/* In io->backend of an I/O that waits. */
struct waiting {
	struct bdev_io *next, **prevp;
	uint64_t deadline_ns; /* 0: none */
	struct reactor_share *payer;
	uint8_t state; /* enum bdev_io_state: what it was before */
};

_Static_assert(sizeof(struct waiting) <= sizeof(((struct bdev_io *)0)->backend), "fits");

static struct waiting *waiting_of(struct bdev_io *io)
{
	return (struct waiting *)&io->backend;
}

/*
 * Partner: the flag's load in bdev_submit(), which is relaxed: the newer I/O that must see it is
 * the guest's answer to a completion that is posted after this, and came by barriers of its own.
 */
void bdev_fence_raise(struct bdev_gate *gate, struct bdev_fence *fence)
{
	pthread_mutex_lock(&gate->lock);
	fence->next = gate->fences;
	fence->prevp = &gate->fences;
	if (fence->next)
		fence->next->prevp = &fence->next;
	gate->fences = fence;
	atomic_fetch_or(&gate->flags, BDEV_GATE_FENCED);
	pthread_mutex_unlock(&gate->lock);
}

void bdev_fence_lower(struct bdev_gate *gate, struct bdev_fence *fence)
{
	pthread_mutex_lock(&gate->lock);
	*fence->prevp = fence->next;
	if (fence->next)
		fence->next->prevp = fence->prevp;
	if (!gate->fences)
		atomic_fetch_and(&gate->flags, ~BDEV_GATE_FENCED);
	pthread_mutex_unlock(&gate->lock);
}

static bool behind_fence(struct bdev_gate *gate, const struct bdev_io *io)
{
	const struct bdev_fence *fence;
	bool behind = false;

	if (io->op == BDEV_OP_FLUSH)
		return false;
	pthread_mutex_lock(&gate->lock);
	for (fence = gate->fences; fence && !behind; fence = fence->next)
		behind =
			io->lba < fence->lba + fence->nblocks && fence->lba < io->lba + io->nblocks;
	pthread_mutex_unlock(&gate->lock);
	return behind;
}

static void stop_waiting(struct bdev_io *io)
{
	struct bdev_fenced *fenced = &io->channel->priv->fenced;

	*waiting_of(io)->prevp = waiting_of(io)->next;
	if (waiting_of(io)->next)
		waiting_of(waiting_of(io)->next)->prevp = waiting_of(io)->prevp;
	else
		fenced->last = waiting_of(io)->prevp;
	if (!fenced->first)
		reactor_timer_cancel(&fenced->timer);
	io->state = waiting_of(io)->state;
}

static void look_again(void *arg)
{
	struct bdev_fenced *fenced = arg;
	struct bdev_channel *ch = fenced->ch;
	struct bdev_io *io, *next;
	uint64_t now = time_now_ns();

	bdev_channel_hold(ch);
	/* Those that are ended or go on inside may add others at the end, and end others. */
	for (io = fenced->first; io; io = next) {
		next = waiting_of(io)->next;
		reactor_set_payer(waiting_of(io)->payer);
		if (waiting_of(io)->deadline_ns && now >= waiting_of(io)->deadline_ns) {
			bdev_fenced_end(io, BDEV_STATUS_TIMEOUT);
			break;
		}
		if (!behind_fence(ch->priv->gate, io)) {
			stop_waiting(io);
			bdev_io_resume(io);
			break;
		}
	}
	if (fenced->first)
		reactor_timer_start(ch->reactor, &fenced->timer, io ? 0 : LOOK_AGAIN_NS);
	bdev_channel_put(ch);
}

void bdev_fenced_init(struct bdev_fenced *fenced, struct bdev_channel *ch)
{
	fenced->ch = ch;
	fenced->first = NULL;
	fenced->last = &fenced->first;
	fenced->timer = (struct timer){.fn = look_again, .arg = fenced};
}

bool bdev_fenced_wait(struct bdev_channel *ch, struct bdev_io *io)
{
	struct bdev_fenced *fenced = &ch->priv->fenced;
	uint64_t timeout = ch->bdev->io_timeout_ns;

	if (!behind_fence(ch->priv->gate, io))
		return false;
	if (!fenced->first)
		reactor_timer_start(ch->reactor, &fenced->timer, LOOK_AGAIN_NS);
	*waiting_of(io) = (struct waiting){.prevp = fenced->last,
					   .state = (uint8_t)io->state,
					   .deadline_ns = timeout ? time_now_ns() + timeout : 0,
					   .payer = reactor_payer()};
	io->state = BDEV_IO_FENCED;
	*fenced->last = io;
	fenced->last = &waiting_of(io)->next;
	return true;
}

void bdev_fenced_end(struct bdev_io *io, enum bdev_status status)
{
	stop_waiting(io);
	bdev_io_complete(io, status);
}
