/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_MIRROR_BDEV_H
#define TESTS_UNIT_MIRROR_BDEV_H

/*
 * A bdev on two others: what changes data goes to both by a child each, all else to one, by turns.
 * An I/O ends when its last child has, with the first error. Enough of a mirror to show that a bdev
 * may stand on several, with several children at a time.
 */

#include "bdev/bdev_child.h"
#include "bdev_test.h"

#define MIRROR_BASES 2

struct mirror {
	struct bdev bdev;
	struct bdev_desc *bases[MIRROR_BASES];
};

struct mirror_channel {
	struct bdev_channel *bases[MIRROR_BASES];
	struct bdev_child_pool children;
	unsigned int turn;
};

/* In io->backend, of a parent. */
struct mirror_io {
	struct bdev_child *children[MIRROR_BASES]; /* those that have not ended */
	unsigned int left;
	uint32_t status;
	struct iovec *iov; /* of the second one: the layer may change that of an I/O under way */
};

static inline struct mirror_io *mirror_io_of(struct bdev_io *io)
{
	return (struct mirror_io *)&io->backend;
}

static inline void mirror_child_done(struct bdev_io *io)
{
	struct bdev_child *child = bdev_child_of(io);
	struct bdev_io *parent = child->parent;
	struct mirror_channel *mc = parent->channel->ctx;
	struct mirror_io *mio = mirror_io_of(parent);
	unsigned int i;

	for (i = 0; i < MIRROR_BASES; i++)
		if (mio->children[i] == child)
			mio->children[i] = NULL;
	if (!mio->status)
		mio->status = io->status;
	bdev_child_give(&mc->children, child);
	if (--mio->left)
		return;
	free(mio->iov);
	bdev_io_complete(parent, (enum bdev_status)mio->status);
}

/* All are taken before the first one begins: it may end inside its submission. */
static inline void mirror_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	bool one = io->op == BDEV_OP_READ || io->op == BDEV_OP_COMPARE;
	struct mirror_channel *mc = ch->ctx;
	struct mirror_io *mio = mirror_io_of(io);
	struct bdev_child *children[MIRROR_BASES];
	unsigned int i, n = one ? 1 : MIRROR_BASES, from = one ? mc->turn++ : 0;

	*mio = (struct mirror_io){.left = n};
	for (i = 0; i < n; i++) {
		children[i] = mio->children[i] = bdev_child_take(&mc->children);
		if (!children[i])
			abort();
		bdev_child_like(children[i], io);
		children[i]->io.done = mirror_child_done;
	}
	if (n > 1 && io->iovcnt) {
		mio->iov = malloc(io->iovcnt * sizeof(*mio->iov));
		if (!mio->iov)
			abort();
		memcpy(mio->iov, io->iov, io->iovcnt * sizeof(*mio->iov));
		children[1]->io.iov = mio->iov;
	}
	for (i = 0; i < n; i++)
		bdev_submit(mc->bases[(from + i) % MIRROR_BASES], &children[i]->io);
}

static inline void mirror_cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	struct bdev_child *children[MIRROR_BASES];
	unsigned int i;

	/* The parent may end inside, with the last one. */
	memcpy(children, mirror_io_of(io)->children, sizeof(children));
	for (i = 0; i < MIRROR_BASES; i++)
		if (children[i])
			bdev_io_cancel(&children[i]->io);
}

static inline int mirror_channel_create(struct bdev *bdev, struct bdev_channel *ch)
{
	const struct mirror *m = bdev->ctx;
	struct mirror_channel *mc = calloc(1, sizeof(*mc));
	unsigned int i;

	if (!mc)
		return -ENOMEM;
	for (i = 0; i < MIRROR_BASES; i++)
		mc->bases[i] = bdev_channel_get(m->bases[i]);
	ch->ctx = mc;
	return 0;
}

static inline void mirror_channel_destroy(struct bdev *bdev, struct bdev_channel *ch)
{
	struct mirror_channel *mc = ch->ctx;
	unsigned int i;

	for (i = 0; i < MIRROR_BASES; i++)
		bdev_channel_put(mc->bases[i]);
	bdev_child_pool_fini(&mc->children);
	free(mc);
}

static inline void mirror_destroy(struct bdev *bdev)
{
	struct mirror *m = bdev->ctx;
	unsigned int i;

	for (i = 0; i < MIRROR_BASES; i++)
		bdev_close(m->bases[i]);
	free(m);
}

static inline void mirror_base_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct mirror *m = arg;

	if (event == BDEV_EVENT_REMOVED && bdev_find(m->bdev.name) == &m->bdev)
		bdev_remove(&m->bdev, NULL, NULL);
}

static const struct bdev_ops mirror_ops = {
	.type = "mirror",
	.channel_create = mirror_channel_create,
	.channel_destroy = mirror_channel_destroy,
	.submit = mirror_submit,
	.cancel = mirror_cancel,
	.destroy = mirror_destroy,
};

static inline void mirror_make(const char *name, const char *a, const char *b)
{
	const char *const names[MIRROR_BASES] = {a, b};
	struct mirror *m = calloc(1, sizeof(*m));
	const struct bdev *base;
	unsigned int i;

	if (!m)
		abort();
	for (i = 0; i < MIRROR_BASES; i++) {
		CU_ASSERT_EQUAL_FATAL(bdev_open(names[i], true, mirror_base_event, m, &m->bases[i]),
				      0);
		CU_ASSERT_EQUAL_FATAL(bdev_claim(m->bases[i], "mirror"), 0);
		base = bdev_desc_bdev(m->bases[i]);
		if (m->bdev.levels <= base->levels)
			m->bdev.levels = (uint8_t)(base->levels + 1);
	}
	base = bdev_desc_bdev(m->bases[0]);
	snprintf(m->bdev.name, sizeof(m->bdev.name), "%s", name);
	m->bdev.block_size = base->block_size;
	m->bdev.nblocks = base->nblocks;
	m->bdev.limits.buffer_align = 1;
	m->bdev.limits.write_cache = true;
	m->bdev.limits.write_zeroes = true;
	m->bdev.limits.compare = true;
	m->bdev.limits.discard_granularity_bytes = base->block_size;
	m->bdev.limits.discard_zeroes = base->limits.discard_zeroes;
	m->bdev.ops = &mirror_ops;
	m->bdev.ctx = m;
	CU_ASSERT_EQUAL_FATAL(bdev_register(&m->bdev), 0);
}

#endif
