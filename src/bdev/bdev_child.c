/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/bdev_child.h"

#include <stdlib.h>

#define SLAB_CHILDREN 32

struct bdev_child_slab {
	struct bdev_child_slab *next;
	struct bdev_child children[SLAB_CHILDREN];
};

static void make_slab(struct bdev_child_pool *pool)
{
	struct bdev_child_slab *slab = calloc(1, sizeof(*slab));
	unsigned int i;

	if (!slab)
		return;
	slab->next = pool->slabs;
	pool->slabs = slab;
	pool->made += SLAB_CHILDREN;
	for (i = 0; i < SLAB_CHILDREN; i++)
		bdev_child_give(pool, &slab->children[i]);
}

void bdev_child_pool_fini(struct bdev_child_pool *pool)
{
	struct bdev_child_slab *slab;

	while ((slab = pool->slabs)) {
		pool->slabs = slab->next;
		free(slab);
	}
}

struct bdev_child *bdev_child_take(struct bdev_child_pool *pool)
{
	struct bdev_child *child;

	if (!pool->free && pool->made < BDEV_CHILDREN_MAX)
		make_slab(pool);
	child = pool->free;
	if (child)
		pool->free = child->next_free;
	return child;
}

void bdev_child_give(struct bdev_child_pool *pool, struct bdev_child *child)
{
	child->next_free = pool->free;
	pool->free = child;
}

void bdev_child_like(struct bdev_child *child, struct bdev_io *parent)
{
	child->parent = parent;
	child->io.op = parent->op;
	child->io.flags = parent->flags;
	child->io.lba = parent->lba;
	child->io.nblocks = parent->nblocks;
	child->io.iov = parent->iov;
	child->io.iovcnt = parent->iovcnt;
}
