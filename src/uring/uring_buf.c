/* SPDX-License-Identifier: BSD-3-Clause */
/* The bounce buffers of a ring. */
#include <errno.h>
#include <stdlib.h>

#include "uring/uring.h"
#include "uring/uring_internal.h"

/* Of a ring; and a user's reserve, which it has even then. */
#define BUFS_MAX 128
#define RESERVE	 2
/* Of those that nobody has, as many are kept. */
#define KEPT_MAX 32

struct free_buf {
	struct free_buf *next;
};

static bool may_have(const struct uring_user *user)
{
	const struct uring *u = user->ring;
	unsigned int used = u->nbufs - u->nfree_bufs;

	return user->bufs + used < BUFS_MAX || user->bufs < RESERVE;
}

static void *take(struct uring *u)
{
	struct free_buf *buf = u->free_bufs;

	if (buf) {
		u->free_bufs = buf->next;
		u->nfree_bufs--;
		return buf;
	}
	buf = aligned_alloc(URING_BUF_ALIGN, URING_BUF_BYTES);
	if (buf)
		u->nbufs++;
	return buf;
}

int uring_buf_get(struct uring_user *user, struct uring_op *op, void **buf)
{
	*buf = NULL;
	op->user = user;
	if (!user->buf_waiting.first && may_have(user)) {
		*buf = take(user->ring);
		if (*buf) {
			user->bufs++;
			return 0;
		}
		if (!user->bufs) /* nothing would end its wait */
			return -ENOMEM;
	}
	op->state = OP_WAITS_FOR_BUF;
	op_list_append(&user->buf_waiting, op);
	if (!user->buf_turn.prevp)
		TURNS_APPEND(&user->ring->buf_turns, user, buf_turn);
	return -EBUSY;
}

/* Of the users that wait, the first that may have one; those that don't wait any more leave. */
static struct uring_user *next_user(struct uring *u)
{
	struct uring_user *user, *next;

	for (user = u->buf_turns.first; user; user = next) {
		next = user->buf_turn.next;
		if (!user->buf_waiting.first)
			TURNS_REMOVE(&u->buf_turns, user, buf_turn);
		else if (may_have(user))
			return user;
	}
	return NULL;
}

static bool give_one(struct uring *u)
{
	struct uring_user *user = next_user(u);
	struct uring_op *op;
	void *buf = user ? take(u) : NULL;

	if (!buf)
		return false;
	op = user->buf_waiting.first;
	op_list_remove(&user->buf_waiting, op);
	TURNS_REMOVE(&u->buf_turns, user, buf_turn);
	if (user->buf_waiting.first)
		TURNS_APPEND(&u->buf_turns, user, buf_turn);
	user->bufs++;
	op->state = OP_IDLE;
	op->type->got_buf(op, buf);
	return true;
}

void uring_buf_put(struct uring_user *user, void *buf)
{
	struct uring *u = user->ring;
	struct free_buf *free_buf = buf;

	user->bufs--;
	if (u->nfree_bufs < KEPT_MAX) {
		free_buf->next = u->free_bufs;
		u->free_bufs = free_buf;
		u->nfree_bufs++;
	} else {
		free(buf);
		u->nbufs--;
	}
	/* Not inside of a got_buf() that gives its buffer back: its caller goes on. */
	if (u->giving_bufs)
		return;
	u->giving_bufs = true;
	while (give_one(u))
		;
	u->giving_bufs = false;
}

void uring_free_bufs(struct uring *u)
{
	struct free_buf *buf;

	while ((buf = u->free_bufs)) {
		u->free_bufs = buf->next;
		free(buf);
	}
}
