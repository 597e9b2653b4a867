/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/reactor_op.h"

static void send_to_part(struct reactor_part *part, struct reactor_op *op);
static void start_first(struct reactor_op_set *set, struct reactor_op *op);

/* --- at home --- */

static void part_done(void *arg)
{
	struct reactor_op *op = arg;
	struct reactor_op_set *set = op->set;
	struct reactor_op *next;

	if (--op->pending)
		return;
	if (!set) {
		op->done(op);
		return;
	}
	next = op->next;
	set->ops = next;
	if (!next)
		set->ops_tail = &set->ops;
	/* It may queue another one, which starts at once only if there was none. */
	op->done(op);
	if (next)
		start_first(set, next);
}

/* --- on a part's reactor --- */

static void leave(struct reactor_part *part, struct reactor_op *op)
{
	struct reactor_part *then = op->then;

	if (then) {
		op->then = NULL;
		send_to_part(then, op);
		return;
	}
	/* Without a home it is over here. */
	if (!op->home) {
		part_done(op);
		return;
	}
	part->msg = (struct reactor_msg){.fn = part_done, .arg = op};
	reactor_send(op->home, &part->msg);
}

static bool is_ready(struct reactor_part *part, struct reactor_op *op)
{
	return !op->ready || op->ready(part, op);
}

static void enter(void *arg)
{
	struct reactor_part *part = arg;
	struct reactor_op *op = part->coming;

	part->op = op;
	if (op->start)
		op->start(part, op);
	reactor_op_poll(part);
}

void reactor_op_poll(struct reactor_part *part)
{
	struct reactor_op *op = part->op;

	if (!op || !is_ready(part, op))
		return;
	part->op = NULL;
	leave(part, op);
}

static void send_to_part(struct reactor_part *part, struct reactor_op *op)
{
	part->coming = op;
	part->msg = (struct reactor_msg){.fn = enter, .arg = part};
	reactor_send(part->reactor, &part->msg);
}

/* --- starting --- */

/* Counted before the first is sent: it may be over at once. */
static void start_all(struct reactor_op_set *set, struct reactor_op *op)
{
	struct reactor_part *part;

	op->pending = 0;
	for (part = set->parts; part; part = part->next)
		op->pending++;
	for (part = set->parts; part; part = part->next)
		send_to_part(part, op);
}

static void start_first(struct reactor_op_set *set, struct reactor_op *op)
{
	atomic_store_explicit(&set->waits, op->next, memory_order_relaxed);
	if (op->prepare)
		op->prepare(op);
	if (op->only) {
		op->pending = 1;
		send_to_part(op->only, op);
	} else {
		start_all(set, op);
	}
}

void reactor_op_run(struct reactor_op_set *set, struct reactor_op *op)
{
	bool idle = !set->ops;

	op->set = set;
	op->home = set->home;
	op->then = NULL;
	op->next = NULL;
	*set->ops_tail = op;
	set->ops_tail = &op->next;
	if (idle)
		start_first(set, op);
	else
		atomic_store_explicit(&set->waits, true, memory_order_relaxed);
}

void reactor_op_send(struct reactor_op *op, struct reactor_part *first, struct reactor *home)
{
	op->set = NULL;
	op->home = home;
	op->then = NULL;
	op->pending = 1;
	send_to_part(first, op);
}

void reactor_op_set_init(struct reactor_op_set *set, struct reactor *home)
{
	*set = (struct reactor_op_set){.home = home};
	set->parts_tail = &set->parts;
	set->ops_tail = &set->ops;
}

void reactor_op_set_add(struct reactor_op_set *set, struct reactor_part *part)
{
	part->next = NULL;
	*set->parts_tail = part;
	set->parts_tail = &part->next;
}
