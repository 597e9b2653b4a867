/* SPDX-License-Identifier: BSD-3-Clause */
/* The channels of bdevs, and what they have done. */
#include <stdlib.h>

#include "bdev/bdev_registry.h"
#include "reactor/reactor.h"
#include "util/counter.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/util.h"

/* The lock is held. Only the reactor itself adds, counts and removes its channels. */
static struct bdev_channel *find_channel(struct bdev_private *priv, struct reactor *r,
					 bool read_only)
{
	struct bdev_channel *ch;

	for (ch = priv->channels; ch; ch = ch->next)
		if (ch->reactor == r && ch->read_only == read_only)
			return ch;
	return NULL;
}

static void free_channel(struct bdev_channel *ch)
{
	bdev_emu_pool_fini(&ch->priv->emu);
	free(ch->priv);
	free(ch);
}

/* More is refused, or done in steps. */
static uint32_t plain_blocks(const struct bdev *bdev, uint64_t nblocks)
{
	const uint32_t limits[] = {bdev->limits.max_transfer_bytes, bdev->limits.step_bytes};
	uint64_t blocks = min_t(uint64_t, nblocks, UINT32_MAX);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i])
			blocks = min_t(uint64_t, blocks, limits[i] >> bdev->block_shift);
	return (uint32_t)blocks;
}

/* From one look at the size: plain_blocks is never more than plain_end. */
void bdev_channel_set_plain(struct bdev_channel *ch)
{
	uint64_t nblocks = bdev_nblocks(ch->bdev);

	ch->plain_op = ch->read_only ? BDEV_OP_READ : BDEV_OP_WRITE;
	ch->plain_blocks = plain_blocks(ch->bdev, nblocks);
	ch->plain_end = nblocks;
}

static bool is_behind(struct bdev_channel *ch)
{
	const struct bdev_ops *ops = ch->bdev->ops;

	return ops->behind && ops->behind(ch, ch->plain_end);
}

/* On its reactor, which may have put the channel since the message was sent. */
static void refit(void *arg)
{
	struct bdev_channel *ch = arg;
	bool put, behind;

	pthread_mutex_lock(&bdev_lock);
	put = ch->priv->put;
	ch->priv->refit_sent = false;
	pthread_mutex_unlock(&bdev_lock);
	if (put) {
		free_channel(ch);
		return;
	}
	bdev_channel_set_plain(ch);
	behind = is_behind(ch);
	pthread_mutex_lock(&bdev_lock);
	ch->priv->behind = behind || ch->priv->refit_sent;
	pthread_mutex_unlock(&bdev_lock);
}

bool bdev_channels_refit(struct bdev_private *priv, bool rest)
{
	struct bdev_channel *ch;
	bool none = true;

	for (ch = priv->channels; ch; ch = ch->next) {
		if (rest && !ch->priv->behind)
			continue;
		none = false;
		ch->priv->behind = true;
		if (ch->priv->refit_sent)
			continue;
		ch->priv->refit_sent = true;
		reactor_send(ch->reactor, &ch->priv->refit);
	}
	return none;
}

static struct bdev_channel *make_channel(struct bdev *bdev, struct reactor *r, bool read_only)
{
	struct bdev_channel *ch = zalloc_aligned(sizeof(*ch));
	int rc;

	if (!ch)
		return NULL;
	ch->priv = calloc(1, sizeof(*ch->priv));
	if (!ch->priv) {
		free(ch);
		return NULL;
	}
	ch->bdev = bdev;
	ch->reactor = r;
	ch->read_only = read_only;
	ch->refs = 1;
	ch->priv->gate = &bdev->priv->gate;
	ch->priv->gate_flags = &bdev->priv->gate.flags;
	ch->now = bdev->ops->now;
	ch->priv->refit = (struct reactor_msg){.fn = refit, .arg = ch};
	bdev_emu_pool_init(&ch->priv->emu);
	bdev_fenced_init(&ch->priv->fenced, ch);
	rc = bdev->ops->channel_create ? bdev->ops->channel_create(bdev, ch) : 0;
	if (rc) {
		log_error("bdev %s: no channel on the reactor of CPU %d: %s", bdev->name,
			  reactor_cpu(r), fd_strerror(-rc));
		free_channel(ch);
		return NULL;
	}
	return ch;
}

struct bdev_channel *bdev_channel_get(struct bdev_desc *desc)
{
	struct bdev *bdev = desc->bdev;
	struct reactor *r = reactor_self();
	bool read_only = bdev->read_only || !desc->write;
	struct bdev_channel *ch;

	if (!r) {
		log_error("bdev %s: a channel is wanted outside of a reactor", bdev->name);
		return NULL;
	}
	pthread_mutex_lock(&bdev_lock);
	ch = find_channel(bdev->priv, r, read_only);
	pthread_mutex_unlock(&bdev_lock);
	if (ch) {
		bdev_channel_hold(ch);
		return ch;
	}
	ch = make_channel(bdev, r, read_only);
	if (!ch)
		return NULL;
	pthread_mutex_lock(&bdev_lock);
	ch->next = bdev->priv->channels;
	bdev->priv->channels = ch;
	bdev->priv->refs++;
	bdev_channel_set_plain(ch); /* under the lock: who resizes it has seen the channel or not */
	pthread_mutex_unlock(&bdev_lock);
	return ch;
}

void bdev_channel_hold(struct bdev_channel *ch)
{
	ch->refs++;
}

/* All members are counters. */
static void add_stats(struct bdev_stats *to, const struct bdev_stats *from)
{
	const uint64_t *src = (const uint64_t *)(const void *)from;
	uint64_t *dst = (uint64_t *)(void *)to;
	size_t i;

	for (i = 0; i < sizeof(*to) / sizeof(*dst); i++)
		dst[i] += COUNTER_READ(src[i]);
}

void bdev_stats_visit(bdev_stats_fn fn, void *arg)
{
	const struct bdev_private *priv;
	const struct bdev_channel *ch;

	pthread_mutex_lock(&bdev_lock);
	for (priv = bdev_registry; priv; priv = priv->next) {
		struct bdev_stats total = priv->gone;
		uint32_t inflight = 0;

		for (ch = priv->channels; ch; ch = ch->next) {
			add_stats(&total, &ch->stats);
			inflight += COUNTER_READ(ch->inflight);
		}
		fn(arg, priv->refs ? priv->bdev : NULL, &total, inflight);
	}
	pthread_mutex_unlock(&bdev_lock);
}

bool bdev_any_in_flight(void)
{
	const struct bdev_private *priv;
	const struct bdev_channel *ch = NULL;

	pthread_mutex_lock(&bdev_lock);
	for (priv = bdev_registry; priv && !ch; priv = priv->next)
		for (ch = priv->channels; ch && !COUNTER_READ(ch->inflight); ch = ch->next)
			;
	pthread_mutex_unlock(&bdev_lock);
	return ch;
}

void bdev_errors_visit(bdev_errors_fn fn, void *arg)
{
	struct bdev_private *priv;
	const struct bdev_channel *ch;

	pthread_mutex_lock(&bdev_lock);
	for (priv = bdev_registry; priv; priv = priv->next) {
		uint64_t total = priv->gone.errors, before = priv->told_errors;

		for (ch = priv->channels; ch; ch = ch->next)
			total += COUNTER_READ(ch->stats.errors);
		priv->told_errors = total;
		if (priv->refs && total > before)
			fn(arg, priv->bdev->name, total - before, total);
	}
	pthread_mutex_unlock(&bdev_lock);
}

void bdev_channel_put(struct bdev_channel *ch)
{
	struct bdev *bdev;
	struct bdev_private *priv;
	struct bdev_channel **at;
	bool sent;

	if (!ch || --ch->refs)
		return;
	bdev = ch->bdev;
	priv = bdev->priv;
	if (ch->inflight) {
		log_error("bdev %s: a channel was put with %u I/Os in flight", bdev->name,
			  ch->inflight);
		abort(); /* whatever completes them would write to freed memory */
	}
	pthread_mutex_lock(&bdev_lock);
	for (at = &priv->channels; *at != ch; at = &(*at)->next)
		;
	*at = ch->next;
	add_stats(&priv->gone, &ch->stats);
	ch->priv->put = true;
	sent = ch->priv->refit_sent;
	pthread_mutex_unlock(&bdev_lock);
	if (bdev->ops->channel_destroy)
		bdev->ops->channel_destroy(bdev, ch);
	if (!sent) /* else refit() does */
		free_channel(ch);
	bdev_put_ref(priv);
}
