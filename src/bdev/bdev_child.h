/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_BDEV_CHILD_H
#define BDEV_BDEV_CHILD_H

/*
 * For bdevs that stand on others: I/Os of their own (children), on channels of other bdevs and with
 * their own completion, for an I/O that they got (the parent), which may have several. Children
 * come from a pool, which a channel of the bdev has; it allocates when it needs more than ever
 * before, up to a limit. All on the channel's reactor.
 */

#include <shadowbell/bdev_backend.h>

/* Of a pool. Whoever gets none waits until one is given back. */
#define BDEV_CHILDREN_MAX 1024

struct bdev_child {
	struct bdev_io io;	/* the owner fills it as any user does, io.done included */
	struct bdev_io *parent; /* the owner's to use */
	struct bdev_child *next_free;
};

struct bdev_child_pool {
	struct bdev_child *free;
	struct bdev_child_slab *slabs;
	unsigned int made;
};

static inline struct bdev_child *bdev_child_of(struct bdev_io *io)
{
	return (struct bdev_child *)((char *)io - offsetof(struct bdev_child, io));
}

/* Zeroed is a pool without children. All of them have been given back. */
void bdev_child_pool_fini(struct bdev_child_pool *pool);
/* NULL: the limit is reached, or there is no memory. */
struct bdev_child *bdev_child_take(struct bdev_child_pool *pool);
void bdev_child_give(struct bdev_child_pool *pool, struct bdev_child *child);
/* Makes it an I/O like the parent: same operation, range and memory. */
void bdev_child_like(struct bdev_child *child, struct bdev_io *parent);

#endif
