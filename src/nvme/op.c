/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How home reaches into the groups, and how other threads reach home. Structural changes (queues
 * come and go, pause, memory) are operations, which run one at a time and in order: two of them
 * never meet in a group. An operation that a request waits for must end without another one: that
 * could be queued behind a pause, which waits for the request.
 */
#include <semaphore.h>

#include "nvme/vnvme_internal.h"

static void start_op(struct vnvme_ctrl *ctrl, struct vnvme_op *op);
static void send_op(struct vnvme_group *g, struct vnvme_op *op);

/* At home, when a group has done its part. */
static void group_done(void *arg)
{
	struct vnvme_group *g = arg;
	struct vnvme_ctrl *ctrl = g->ctrl;
	struct vnvme_op *op = ctrl->ops, *next;

	if (--op->pending)
		return;
	next = op->next;
	ctrl->ops = next;
	if (!next)
		ctrl->ops_tail = &ctrl->ops;
	/* It may queue another one, which starts at once only if there is no next. */
	op->done(op);
	if (next)
		start_op(ctrl, next);
}

static void leave(struct vnvme_group *g)
{
	struct vnvme_op *op = g->op;
	struct vnvme_group *then = op->then;

	vnvme_drain_end(g);
	g->op = NULL;
	if (then) {
		op->then = NULL;
		send_op(then, op);
		return;
	}
	g->done_msg = (struct reactor_msg){.fn = group_done, .arg = g};
	reactor_send(g->ctrl->home, &g->done_msg);
}

static void enter(void *arg)
{
	struct vnvme_group *g = arg;
	struct vnvme_op *op = g->next_op;

	vnvme_group_end_quiet(g);
	g->op = op;
	if (op->start)
		op->start(g, op);
	if (!op->ready || op->ready(g, op))
		leave(g);
	else
		vnvme_drain_start(g);
}

void vnvme_op_poll(struct vnvme_group *g)
{
	if (g->op && g->op->ready(g, g->op))
		leave(g);
}

static void send_op(struct vnvme_group *g, struct vnvme_op *op)
{
	g->next_op = op;
	g->op_msg = (struct reactor_msg){.fn = enter, .arg = g};
	reactor_send(g->reactor, &g->op_msg);
}

static void start_op(struct vnvme_ctrl *ctrl, struct vnvme_op *op)
{
	size_t i;

	if (op->prepare)
		op->prepare(op);
	if (op->only) {
		op->pending = 1;
		send_op(op->only, op);
		return;
	}
	op->pending = (unsigned int)ctrl->ngroups;
	for (i = 0; i < ctrl->ngroups; i++)
		send_op(ctrl->groups[i], op);
}

void vnvme_op_run(struct vnvme_ctrl *ctrl, struct vnvme_op *op)
{
	bool idle = !ctrl->ops;

	op->ctrl = ctrl;
	op->next = NULL;
	*ctrl->ops_tail = op;
	ctrl->ops_tail = &op->next;
	if (idle)
		start_op(ctrl, op);
	else
		atomic_store_explicit(&ctrl->op_waits, true, memory_order_relaxed);
}

/* --- from outside --- */

static void run_sync(void *arg)
{
	struct vnvme_sync *sync = arg;

	sync->fn(sync);
}

static void send_sync(struct vnvme_sync *sync)
{
	sync->msg = (struct reactor_msg){.fn = run_sync, .arg = sync};
	reactor_send(sync->ctrl->home, &sync->msg);
}

static void post_sem(void *arg)
{
	sem_post(arg);
}

void vnvme_sync_run(struct vnvme_ctrl *ctrl, void (*fn)(struct vnvme_sync *sync), void *arg)
{
	sem_t sem;
	struct vnvme_sync sync = {
		.ctrl = ctrl,
		.fn = fn,
		.arg = arg,
		.ended = post_sem,
		.ended_arg = &sem,
	};

	sem_init(&sem, 0, 0);
	send_sync(&sync);
	while (sem_wait(&sem) && errno == EINTR)
		;
	sem_destroy(&sem);
}

void vnvme_sync_begin(struct vnvme_ctrl *ctrl, void (*fn)(struct vnvme_sync *sync), void *arg,
		      void (*ended)(void *arg), void *ended_arg)
{
	ctrl->begun = (struct vnvme_sync){
		.ctrl = ctrl,
		.fn = fn,
		.arg = arg,
		.ended = ended,
		.ended_arg = ended_arg,
	};
	send_sync(&ctrl->begun);
}

void vnvme_sync_end(struct vnvme_sync *sync)
{
	void (*then)(struct vnvme_sync * sync) = sync->then;

	sync->then = NULL;
	if (then)
		then(sync);
	else
		sync->ended(sync->ended_arg);
}

void vnvme_sync_op_done(struct vnvme_op *op)
{
	vnvme_sync_end(container_of(op, struct vnvme_sync, op));
}
