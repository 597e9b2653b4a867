/* SPDX-License-Identifier: BSD-3-Clause */
/* The users of a ring, and how those that wait take turns. */
#include "uring/uring.h"
#include "uring/uring_internal.h"

#define QUANTUM 16 /* operations of a user, before it is another's turn */
/* Users that are looked at in a poll round: those whose disks hang may wait for long. */
#define LOOKS_MAX 16

void uring_user_init(struct uring_user *user, struct uring *u)
{
	void (*blocked)(struct uring_user *, uint64_t) = user->blocked;

	*user = (struct uring_user){.ring = u, .blocked = blocked};
	op_list_init(&user->waiting);
	op_list_init(&user->buf_waiting);
}

void uring_user_fini(struct uring_user *user)
{
	struct uring *u = user->ring;

	if (user->turn.prevp)
		TURNS_REMOVE(&u->turns, user, turn);
	if (user->buf_turn.prevp)
		TURNS_REMOVE(&u->buf_turns, user, buf_turn);
}

void uring_wait_for_sqe(struct uring_user *user, struct uring_op *op)
{
	op->state = OP_WAITS_FOR_SQE;
	op_list_append(&user->waiting, op);
	if (!user->turn.prevp)
		TURNS_APPEND(&user->ring->turns, user, turn);
}

static unsigned int feed_user(struct uring_user *user)
{
	struct uring_op *op;
	unsigned int n;

	for (n = 0; n < QUANTUM && (op = user->waiting.first); n++) {
		op_list_remove(&user->waiting, op);
		if (uring_submit(user, op))
			continue;
		op->next = user->waiting.first;
		op->prevp = &user->waiting.first;
		if (op->next)
			op->next->prevp = &op->next;
		else
			user->waiting.lastp = &op->next;
		user->waiting.first = op;
		break;
	}
	return n;
}

unsigned int uring_feed(struct uring *u)
{
	struct uring_user *user;
	unsigned int looks, fed = 0;

	for (looks = 0; looks < LOOKS_MAX && (user = u->turns.first); looks++) {
		if (!io_uring_sq_space_left(&u->ring))
			break;
		fed += feed_user(user);
		TURNS_REMOVE(&u->turns, user, turn);
		if (user->waiting.first)
			TURNS_APPEND(&u->turns, user, turn);
	}
	return fed;
}

bool uring_is_hungry(const struct uring *u)
{
	const struct uring_user *user;

	for (user = u->turns.first; user; user = user->turn.next)
		if (user->waiting.first && uring_has_room(u, user))
			return true;
	return false;
}
