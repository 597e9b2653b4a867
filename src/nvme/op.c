/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How home reaches into the groups, and how other threads reach home. Structural changes (queues
 * come and go, pause, memory) are operations of the controller's set (reactor_op.h): two of them
 * never meet in a group. An operation that a request waits for must end without another one: that
 * could be queued behind a pause, which waits for the request.
 */
#include <errno.h>
#include <semaphore.h>

#include "nvme/ctrl.h"
#include "nvme/drain.h"
#include "nvme/group.h"
#include "nvme/op.h"
#include "nvme/quiet.h"
#include "reactor/reactor.h"
#include "util/util.h"

static struct vnvme_group *group_of(struct reactor_part *part)
{
	return container_of(part, struct vnvme_group, part);
}

static struct vnvme_op *op_of(struct reactor_op *base)
{
	return container_of(base, struct vnvme_op, base);
}

struct vnvme_op *vnvme_group_op(const struct vnvme_group *g)
{
	return op_of(g->part.op);
}

static void prepare(struct reactor_op *base)
{
	struct vnvme_op *op = op_of(base);

	if (op->prepare)
		op->prepare(op);
	base->only = op->only ? &op->only->part : NULL;
}

static void start(struct reactor_part *part, struct reactor_op *base)
{
	struct vnvme_group *g = group_of(part);
	struct vnvme_op *op = op_of(base);

	vnvme_group_end_quiet(g);
	if (op->start)
		op->start(g, op);
}

static bool ready(struct reactor_part *part, struct reactor_op *base)
{
	struct vnvme_group *g = group_of(part);
	struct vnvme_op *op = op_of(base);

	if (op->ready && !op->ready(g, op)) {
		vnvme_drain_start(g);
		return false;
	}
	vnvme_drain_end(g);
	/* Of an operation in one group; others' groups must not write to it side by side. */
	if (op->then) {
		base->then = &op->then->part;
		op->then = NULL;
	}
	return true;
}

static void done(struct reactor_op *base)
{
	struct vnvme_op *op = op_of(base);

	op->done(op);
}

void vnvme_op_run(struct vnvme_ctrl *ctrl, struct vnvme_op *op)
{
	op->ctrl = ctrl;
	op->base = (struct reactor_op){
		.prepare = prepare,
		.start = start,
		.ready = ready,
		.done = done,
	};
	reactor_op_run(&ctrl->ops, &op->base);
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
