/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry: which bdevs there are, who has them open, and their channels. One lock guards all
 * of it; none of this is on the I/O path, where a user holds a struct bdev_channel.
 *
 * A bdev is referenced by its place in the registry (until it is removed), by each descriptor and
 * by each channel. Who drops the last reference destroys it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/bdev_internal.h"
#include "reactor/reactor.h"
#include "util/counter.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/util.h"

struct bdev_desc {
	struct bdev *bdev;
	bdev_event_fn event_fn;
	void *arg;
	struct bdev_desc *next;
	bool write;
	unsigned int told; /* 1 << enum bdev_event: of those that are being told */
};

struct bdev_private {
	struct bdev *bdev;
	char name[BDEV_NAME_MAX + 1]; /* the bdev's, which goes before its place here does */
	struct bdev_private *next;
	struct bdev_gate gate; /* whose flags are read without the lock on the I/O path */
	unsigned int refs;
	struct bdev_desc *descs;
	const struct bdev_desc *claim; /* nobody else may open it for writing */
	char claimed_by[BDEV_HOLDER_MAX];
	struct bdev_channel *channels;
	struct bdev_stats gone; /* of channels that are no more */
	/* The descriptor whose event_fn is running, and where. */
	struct bdev_desc *telling;
	pthread_t telling_thread;
	void (*done)(void *arg);
	void *done_arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told_cond = PTHREAD_COND_INITIALIZER;
static struct bdev_private *registry;

static bool is_removed(const struct bdev_private *priv)
{
	return atomic_load(&priv->gate.flags) & BDEV_GATE_REMOVED;
}

/* The lock is held. */
static struct bdev_private *find(const char *name)
{
	struct bdev_private *priv;

	for (priv = registry; priv; priv = priv->next)
		if (!strcmp(priv->name, name))
			return priv;
	return NULL;
}

struct bdev *bdev_find(const char *name)
{
	struct bdev_private *priv;
	struct bdev *bdev = NULL;

	pthread_mutex_lock(&lock);
	priv = find(name);
	if (priv && !is_removed(priv))
		bdev = priv->bdev;
	pthread_mutex_unlock(&lock);
	return bdev;
}

static bool valid(const struct bdev *bdev)
{
	size_t len = strnlen(bdev->name, sizeof(bdev->name));

	return len && len <= BDEV_NAME_MAX && bdev->ops && bdev->ops->type && bdev->ops->submit &&
	       bdev->ops->destroy && (bdev->block_size == 512 || bdev->block_size == 4096) &&
	       bdev->nblocks && bdev->nblocks <= (uint64_t)INT64_MAX / bdev->block_size;
}

int bdev_register(struct bdev *bdev)
{
	struct bdev_private *priv;

	if (!valid(bdev))
		return -EINVAL;
	if (bdev->levels > BDEV_LEVELS_MAX)
		return -ELOOP;
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return -ENOMEM;
	bdev->block_shift = (uint8_t)__builtin_ctz(bdev->block_size);
	memcpy(priv->name, bdev->name, sizeof(priv->name));
	bdev_gate_init(&priv->gate);
	priv->bdev = bdev;
	priv->refs = 1;
	pthread_mutex_lock(&lock);
	if (find(bdev->name)) {
		pthread_mutex_unlock(&lock);
		bdev_gate_fini(&priv->gate);
		free(priv);
		return -EEXIST;
	}
	bdev->priv = priv;
	priv->next = registry;
	registry = priv;
	pthread_mutex_unlock(&lock);
	return 0;
}

/* --- the end of a bdev --- */

static void forget(struct bdev_private *priv)
{
	struct bdev_private **at;

	pthread_mutex_lock(&lock);
	for (at = &registry; *at != priv; at = &(*at)->next)
		;
	*at = priv->next;
	pthread_mutex_unlock(&lock);
}

/* In this order: a bdev can be made with the same name as soon as that works with the same file. */
static void put_ref(struct bdev_private *priv)
{
	unsigned int left;

	pthread_mutex_lock(&lock);
	left = --priv->refs;
	pthread_mutex_unlock(&lock);
	if (left)
		return;
	priv->bdev->ops->destroy(priv->bdev);
	forget(priv);
	log_debug("bdev %s: removed", priv->name);
	if (priv->done)
		priv->done(priv->done_arg);
	bdev_gate_fini(&priv->gate);
	free(priv);
}

/* The lock is held; it is released while the user is told. */
static void tell(struct bdev_private *priv, struct bdev_desc *desc, enum bdev_event event)
{
	bdev_event_fn fn = desc->event_fn;

	desc->told |= 1u << event;
	if (!fn)
		return;
	priv->telling = desc;
	priv->telling_thread = pthread_self();
	pthread_mutex_unlock(&lock);
	fn(desc, event, desc->arg);
	pthread_mutex_lock(&lock);
	priv->telling = NULL;
	pthread_cond_broadcast(&told_cond);
}

/* Likewise. Who is told may close descriptors, and open others. */
static void tell_all(struct bdev_private *priv, enum bdev_event event)
{
	struct bdev_desc *desc;
	bool told;

	for (desc = priv->descs; desc; desc = desc->next)
		desc->told &= ~(1u << event);
	for (desc = priv->descs; desc && (event == BDEV_EVENT_REMOVED || !is_removed(priv));
	     desc = told ? desc->next : priv->descs) {
		told = desc->told & 1u << event;
		if (!told)
			tell(priv, desc, event);
	}
}

int bdev_resize(struct bdev *bdev, uint64_t nblocks)
{
	struct bdev_private *priv = bdev->priv;
	bool there;

	if (nblocks < bdev->nblocks || nblocks > (uint64_t)INT64_MAX / bdev->block_size)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	priv->refs++; /* who is told may remove it */
	there = !is_removed(priv);
	if (there && nblocks != bdev->nblocks) {
		__atomic_store_n(&bdev->nblocks, nblocks, __ATOMIC_RELAXED);
		tell_all(priv, BDEV_EVENT_RESIZED);
	}
	pthread_mutex_unlock(&lock);
	put_ref(priv);
	return there ? 0 : -EBUSY;
}

void bdev_remove(struct bdev *bdev, void (*done)(void *arg), void *arg)
{
	struct bdev_private *priv = bdev->priv;

	pthread_mutex_lock(&lock);
	if (is_removed(priv)) {
		pthread_mutex_unlock(&lock);
		log_error("bdev %s: removed twice", bdev->name);
		return;
	}
	atomic_fetch_or(&priv->gate.flags, BDEV_GATE_REMOVED);
	priv->done = done;
	priv->done_arg = arg;
	tell_all(priv, BDEV_EVENT_REMOVED);
	pthread_mutex_unlock(&lock);
	put_ref(priv);
}

/* --- descriptors --- */

/* The lock is held. */
static int open_check(const struct bdev_private *priv, enum bdev_access access,
		      char holder[BDEV_HOLDER_MAX])
{
	if (!priv)
		return -ENOENT;
	if (is_removed(priv))
		return -EBUSY;
	if (access == BDEV_READ)
		return 0;
	if (priv->bdev->read_only)
		return access == BDEV_WRITE_IF_ABLE ? 0 : -EROFS;
	if (!priv->claim)
		return 0;
	memcpy(holder, priv->claimed_by, BDEV_HOLDER_MAX);
	return -EBUSY;
}

int bdev_open(const char *name, enum bdev_access access, bdev_event_fn event, void *arg,
	      struct bdev_desc **out)
{
	struct bdev_desc *desc = calloc(1, sizeof(*desc));
	char holder[BDEV_HOLDER_MAX] = "";
	struct bdev_private *priv;
	int rc;

	if (!desc)
		return -ENOMEM;
	pthread_mutex_lock(&lock);
	priv = find(name);
	rc = open_check(priv, access, holder);
	if (rc) {
		pthread_mutex_unlock(&lock);
		free(desc);
		if (holder[0])
			log_error("bdev %s: it can't be opened for writing: %s has it", name,
				  holder);
		return rc;
	}
	desc->bdev = priv->bdev;
	desc->write = access != BDEV_READ && !priv->bdev->read_only;
	desc->event_fn = event;
	desc->arg = arg;
	desc->next = priv->descs;
	priv->descs = desc;
	priv->refs++;
	pthread_mutex_unlock(&lock);
	*out = desc;
	return 0;
}

void bdev_close(struct bdev_desc *desc)
{
	struct bdev_private *priv;
	struct bdev_desc **at;

	if (!desc)
		return;
	priv = desc->bdev->priv;
	pthread_mutex_lock(&lock);
	/* The remover is calling out with it; unless that is us, it must come back first. */
	while (priv->telling == desc && !pthread_equal(priv->telling_thread, pthread_self()))
		pthread_cond_wait(&told_cond, &lock);
	for (at = &priv->descs; *at != desc; at = &(*at)->next)
		;
	*at = desc->next;
	if (priv->claim == desc)
		priv->claim = NULL;
	pthread_mutex_unlock(&lock);
	free(desc);
	put_ref(priv);
}

struct bdev *bdev_desc_bdev(const struct bdev_desc *desc)
{
	return desc->bdev;
}

/* The lock is held. */
static bool others_write(const struct bdev_private *priv, const struct bdev_desc *self)
{
	const struct bdev_desc *desc;

	for (desc = priv->descs; desc; desc = desc->next)
		if (desc != self && desc->write)
			return true;
	return false;
}

int bdev_claim(struct bdev_desc *desc, const char *holder)
{
	struct bdev_private *priv = desc->bdev->priv;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (priv->claim || others_write(priv, desc)) {
		rc = -EBUSY;
	} else {
		priv->claim = desc;
		snprintf(priv->claimed_by, sizeof(priv->claimed_by), "%s", holder);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

bool bdev_claimed(const char *name, char holder[BDEV_HOLDER_MAX])
{
	const struct bdev_private *priv;
	bool claimed;

	pthread_mutex_lock(&lock);
	priv = find(name);
	claimed = priv && priv->claim;
	if (claimed)
		memcpy(holder, priv->claimed_by, BDEV_HOLDER_MAX);
	pthread_mutex_unlock(&lock);
	return claimed;
}

/* --- channels --- */

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
static uint32_t plain_blocks(const struct bdev *bdev)
{
	const uint32_t limits[] = {bdev->limits.max_transfer_bytes, bdev->limits.step_bytes};
	uint64_t blocks = min_t(uint64_t, bdev->nblocks, UINT32_MAX);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i])
			blocks = min_t(uint64_t, blocks, limits[i] >> bdev->block_shift);
	return (uint32_t)blocks;
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
	ch->plain_op = read_only ? BDEV_OP_READ : BDEV_OP_WRITE;
	ch->plain_blocks = plain_blocks(bdev);
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
	pthread_mutex_lock(&lock);
	ch = find_channel(bdev->priv, r, read_only);
	pthread_mutex_unlock(&lock);
	if (ch) {
		bdev_channel_hold(ch);
		return ch;
	}
	ch = make_channel(bdev, r, read_only);
	if (!ch)
		return NULL;
	pthread_mutex_lock(&lock);
	ch->next = bdev->priv->channels;
	bdev->priv->channels = ch;
	bdev->priv->refs++;
	pthread_mutex_unlock(&lock);
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

	pthread_mutex_lock(&lock);
	for (priv = registry; priv; priv = priv->next) {
		struct bdev_stats total = priv->gone;
		uint32_t inflight = 0;

		for (ch = priv->channels; ch; ch = ch->next) {
			add_stats(&total, &ch->stats);
			inflight += COUNTER_READ(ch->inflight);
		}
		fn(arg, priv->refs ? priv->bdev : NULL, &total, inflight);
	}
	pthread_mutex_unlock(&lock);
}

void bdev_channel_put(struct bdev_channel *ch)
{
	struct bdev *bdev;
	struct bdev_private *priv;
	struct bdev_channel **at;

	if (!ch || --ch->refs)
		return;
	bdev = ch->bdev;
	priv = bdev->priv;
	if (ch->inflight) {
		log_error("bdev %s: a channel was put with %u I/Os in flight", bdev->name,
			  ch->inflight);
		abort(); /* whatever completes them would write to freed memory */
	}
	pthread_mutex_lock(&lock);
	for (at = &priv->channels; *at != ch; at = &(*at)->next)
		;
	*at = ch->next;
	add_stats(&priv->gone, &ch->stats);
	pthread_mutex_unlock(&lock);
	if (bdev->ops->channel_destroy)
		bdev->ops->channel_destroy(bdev, ch);
	free_channel(ch);
	put_ref(priv);
}
