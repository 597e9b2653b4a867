/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The emulations of a channel, which all who use the bdev on a reactor share. A user is a share of
 * the reactor's rounds: a controller, in most cases. Up to a limit there is one for who asks; above
 * it users have turns, and each has one emulation at least: what the others have begun may be
 * large, and end late.
 */
#include <errno.h>
#include <stdlib.h>

#include "bdev/bdev_emu_pool.h"

#define EMU_MAX	      16   /* at once, but for who has none */
#define COMPARE_ALIGN 4096 /* the strictest that a backend may want */

void bdev_emu_pool_init(struct bdev_emu_pool *pool)
{
	*pool = (struct bdev_emu_pool){0};
}

void bdev_emu_pool_fini(struct bdev_emu_pool *pool)
{
	struct bdev_emu *emu;

	while ((emu = pool->free)) {
		pool->free = emu->next;
		free(emu->buf);
		free(emu);
	}
}

/* --- emulations --- */

static void list_add(struct bdev_emu **list, struct bdev_emu *emu)
{
	emu->next = *list;
	emu->prevp = list;
	if (emu->next)
		emu->next->prevp = &emu->next;
	*list = emu;
}

static void list_remove(struct bdev_emu *emu)
{
	*emu->prevp = emu->next;
	if (emu->next)
		emu->next->prevp = emu->prevp;
}

static bool has_one(const struct bdev_emu_pool *pool, const struct reactor_share *user)
{
	const struct bdev_emu *emu;

	for (emu = pool->used; emu && emu->job.share != user; emu = emu->next)
		;
	return emu;
}

bool bdev_emu_pool_has_room(const struct bdev_emu_pool *pool, const struct reactor_share *user)
{
	return (!pool->waiting && pool->nused < EMU_MAX) || !has_one(pool, user);
}

int bdev_emu_pool_take(struct bdev_emu_pool *pool, struct bdev_io *io, enum bdev_emu_kind kind,
		       struct bdev_emu **out)
{
	struct bdev_emu *emu = pool->free;

	if (!emu) {
		emu = calloc(1, sizeof(*emu));
		if (!emu)
			return -ENOMEM;
		list_add(&pool->free, emu);
	}
	if (kind == BDEV_EMU_COMPARE && !emu->buf) {
		emu->buf = aligned_alloc(COMPARE_ALIGN, BDEV_EMU_COMPARE_BYTES);
		if (!emu->buf)
			return -ENOMEM;
	}
	list_remove(emu);
	list_add(&pool->used, emu);
	pool->nused++;
	emu->job.share = bdev_emu_parent(io)->user;
	*out = emu;
	return 0;
}

/* --- who waits --- */

/* Where the user's first one is named, or where it would be. */
static struct bdev_io **first_of(struct bdev_emu_pool *pool, const struct reactor_share *user)
{
	struct bdev_io **at = &pool->waiting;

	while (*at && bdev_emu_parent(*at)->user != user)
		at = &bdev_emu_parent(*at)->next_user;
	return at;
}

void bdev_emu_pool_wait(struct bdev_emu_pool *pool, struct bdev_io *io)
{
	struct bdev_emu_parent *parent = bdev_emu_parent(io);
	struct bdev_io **first = first_of(pool, parent->user);

	parent->next = parent->next_user = NULL;
	parent->last = io;
	if (*first) {
		bdev_emu_parent(bdev_emu_parent(*first)->last)->next = io;
		bdev_emu_parent(*first)->last = io;
	} else {
		*first = io;
	}
}

/* *first goes; the next one of its user, or of another one, takes its place. */
static void remove_first(struct bdev_io **first)
{
	struct bdev_emu_parent *parent = bdev_emu_parent(*first), *next;

	if (!parent->next) {
		*first = parent->next_user;
		return;
	}
	next = bdev_emu_parent(parent->next);
	next->last = parent->last;
	next->next_user = parent->next_user;
	*first = parent->next;
}

bool bdev_emu_pool_leave(struct bdev_emu_pool *pool, struct bdev_io *io)
{
	struct bdev_io **first = first_of(pool, bdev_emu_parent(io)->user), *before;

	if (*first == io) {
		remove_first(first);
		return true;
	}
	for (before = *first; before && bdev_emu_parent(before)->next != io;)
		before = bdev_emu_parent(before)->next;
	if (!before)
		return false;
	bdev_emu_parent(before)->next = bdev_emu_parent(io)->next;
	if (bdev_emu_parent(*first)->last == io)
		bdev_emu_parent(*first)->last = before;
	return true;
}

/* The user's turn is the next, or the last. */
static void move_user(struct bdev_emu_pool *pool, struct bdev_io **first, bool to_front)
{
	struct bdev_io *io = *first, **at = &pool->waiting;

	*first = bdev_emu_parent(io)->next_user;
	while (!to_front && *at)
		at = &bdev_emu_parent(*at)->next_user;
	bdev_emu_parent(io)->next_user = *at;
	*at = io;
}

struct bdev_io *bdev_emu_pool_next(struct bdev_emu_pool *pool)
{
	struct bdev_io *io = pool->waiting;
	struct bdev_emu_parent *parent;

	if (!io)
		return NULL;
	parent = bdev_emu_parent(io);
	if (pool->nused >= EMU_MAX && has_one(pool, parent->user))
		return NULL;
	remove_first(&pool->waiting);
	if (parent->next)
		move_user(pool, &pool->waiting, false);
	return io;
}

void bdev_emu_pool_give(struct bdev_emu_pool *pool, struct bdev_emu *emu)
{
	const struct reactor_share *user = emu->job.share;
	struct bdev_io **first = first_of(pool, user);

	emu->parent = NULL;
	list_remove(emu);
	list_add(&pool->free, emu);
	pool->nused--;
	if (*first && !has_one(pool, user))
		move_user(pool, first, true);
}
