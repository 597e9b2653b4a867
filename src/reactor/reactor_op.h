/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REACTOR_OP_H
#define REACTOR_OP_H

/*
 * The one way to change something on other reactors. An operation reaches *parts*: what it is about
 * on one reactor each. start() runs there; then, if ready() is given, that is asked until it says
 * true, and the part is over; when all are, done() runs at home. Nobody waits: all goes by message.
 *
 * A *set* is an object's parts and the operations on them, which run one at a time and in the order
 * of the calls: two of them never meet. An operation that a request waits for must end without
 * another one: that could be queued behind one that waits for the request.
 *
 * An operation without a set goes by itself, from one part to another, beside any others.
 *
 * Operations and parts are embedded in their owners' objects, nothing is allocated, and no call
 * fails.
 */

#include "reactor/reactor.h"

struct reactor_op;

/* Zeroed but for its reactor it is ready for use. */
struct reactor_part {
	struct reactor *reactor; /* the owner's to change, between operations or before `then` */
	/* Which one has started here, or NULL. The reactor's. */
	struct reactor_op *op;
	/* private */
	struct reactor_op *coming; /* written with msg */
	struct reactor_msg msg;	   /* to the part, and back */
	struct reactor_part *next; /* in its set */
};

struct reactor_op_set {
	/* private, all home's but for `waits` */
	struct reactor *home;
	struct reactor_part *parts, **parts_tail;
	struct reactor_op *ops, **ops_tail; /* the first one runs */
	atomic_bool waits;		    /* and there is another one */
};

/* All is optional but done(). */
struct reactor_op {
	/*
	 * Of an operation of a set, at home, just before the parts are asked: no other one is under
	 * way, and no part looks at what home shares with them. It may set `only`.
	 */
	void (*prepare)(struct reactor_op *op);
	/* On the part's reactor. */
	void (*start)(struct reactor_part *part, struct reactor_op *op);
	/* Likewise: after start(), and at each reactor_op_poll(). */
	bool (*ready)(struct reactor_part *part, struct reactor_op *op);
	/* At home. The operation is its owner's again, who may free it, or run it or others. */
	void (*done)(struct reactor_op *op);
	struct reactor_part *only; /* of a set; NULL: all parts of it, at the same time */
	/* Set by start() or ready() of an operation in one part: whose turn is before done(). */
	struct reactor_part *then;
	/* private */
	struct reactor *home;
	struct reactor_op_set *set;
	struct reactor_op *next;
	unsigned int pending;
};

/* Before its first operation. Any thread. */
void reactor_op_set_init(struct reactor_op_set *set, struct reactor *home);
/* Likewise. The part stays its owner's, and there as long as the set has operations. */
void reactor_op_set_add(struct reactor_op_set *set, struct reactor_part *part);

/* In the order of the calls, one at a time; never inside the call. Home. */
void reactor_op_run(struct reactor_op_set *set, struct reactor_op *op);
/* Whether one is under way, whose done() has not been called. Home. */
static inline bool reactor_op_busy(const struct reactor_op_set *set)
{
	return set->ops;
}
/* Whether one is queued behind that: who can give up should. Any thread. */
static inline bool reactor_op_waits(const struct reactor_op_set *set)
{
	return atomic_load_explicit(&set->waits, memory_order_relaxed);
}

/*
 * One that belongs to no set: from the part `first` on to what `then` says. done() is called on
 * `home`, or if that is NULL, on the last part's reactor. Any thread.
 */
void reactor_op_send(struct reactor_op *op, struct reactor_part *first, struct reactor *home);

/*
 * Something has happened that ready() may have waited for. Does nothing in a part that no operation
 * waits in. The part's reactor; not inside start() or ready().
 */
void reactor_op_poll(struct reactor_part *part);

#endif
