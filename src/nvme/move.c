/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A completion queue and the submission queues that feed it go from one group to another: an
 * operation that begins on the reactor they leave and, when nothing of theirs is in flight there,
 * goes on to the one they come to. Meanwhile their rings just fill up. As it is one operation, no
 * pause, reset or new memory finds them in neither group.
 */
#include <errno.h>

#include "nvme/caps.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/op.h"
#include "nvme/sq.h"
#include "nvme/vnvme.h"
#include "reactor/reactor.h"
#include "util/time.h"
#include "util/util.h"

/*
 * They take nothing new while they drain, so that what is in flight comes to an end. They stay if
 * that takes long all the same: nothing ends for so long and the CPU is not what it waits for (a
 * disk may hang), or it takes so long in all, or another operation is queued behind this one.
 */
#define STUCK_NS (20 * NS_PER_MS)
#define DRAIN_NS (200 * NS_PER_MS)

struct move {
	unsigned int sqid;
	const struct reactor *reactor;
	struct vnvme_group *from, *to;
	struct vnvme_cq *cq; /* NULL: there is nothing to do, `rc` says why */
	struct vnvme_sq *sqs[VNVME_MAX_QUEUES];
	uint32_t nsqs;
	uint64_t until_ns, look_ns;
	uint32_t outstanding; /* at the last look */
	bool away;	      /* in neither group */
	bool over;	      /* where they are they stay */
	int rc;
};

static struct move *move_of(struct vnvme_op *op)
{
	return container_of(op, struct vnvme_sync, op)->arg;
}

/* --- at home --- */

static struct vnvme_group *group_on(const struct vnvme_ctrl *ctrl, const struct reactor *r)
{
	size_t i;

	for (i = 0; i < ctrl->ngroups; i++)
		if (ctrl->groups[i]->reactor == r)
			return ctrl->groups[i];
	return NULL;
}

/* NULL: no such queue, or it is about to go. */
static struct vnvme_cq *cq_of(const struct vnvme_ctrl *ctrl, unsigned int sqid)
{
	const struct vnvme_sq *sq;

	if (!sqid || sqid > vnvme_max_qid(ctrl) || !ctrl->sqs[sqid])
		return NULL;
	sq = ctrl->sqs[sqid];
	return ctrl->cqs[sq->cq->qid] == sq->cq ? sq->cq : NULL;
}

static void prepare(struct vnvme_op *op)
{
	struct move *m = move_of(op);
	struct vnvme_ctrl *ctrl = op->ctrl;

	m->to = group_on(ctrl, m->reactor);
	m->cq = cq_of(ctrl, m->sqid);
	m->rc = m->cq ? -EAGAIN : -ENOENT;
	if (m->cq && (!m->to || m->to == m->cq->group)) {
		m->rc = m->to ? -EALREADY : -EINVAL;
		m->cq = NULL;
	}
	m->from = m->cq ? m->cq->group : ctrl->home_group;
	op->only = m->from;
	ctrl->moving = m->cq;
}

static void moved(struct vnvme_op *op)
{
	op->ctrl->moving = NULL;
	vnvme_sync_op_done(op);
}

/* --- on the reactors --- */

static void hold(const struct move *m, bool on)
{
	uint32_t i;

	for (i = 0; i < m->nsqs; i++)
		m->sqs[i]->held = on;
}

static uint32_t in_flight(const struct move *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < m->nsqs; i++)
		n += m->sqs[i]->outstanding;
	return n;
}

/* Now and then. Copies go on by jobs: they are slow, but nothing hangs. */
static bool may_drain(struct move *m, const struct vnvme_group *g)
{
	uint64_t now_ns = time_now_ns();
	uint32_t left = in_flight(m);
	bool goes_on = left < m->outstanding || reactor_share_has_jobs(&g->poller.share);

	if (reactor_op_waits(&g->ctrl->ops))
		return false;
	if (now_ns < m->look_ns)
		return true;
	m->look_ns = now_ns + STUCK_NS;
	m->outstanding = left;
	return goes_on && now_ns < m->until_ns;
}

static void begin(struct move *m, const struct vnvme_group *g)
{
	uint32_t i;

	for (i = 0; i < g->nsqs; i++)
		if (g->sqs[i]->cq == m->cq)
			m->sqs[m->nsqs++] = g->sqs[i];
	m->outstanding = in_flight(m);
	m->until_ns = time_now_ns() + DRAIN_NS;
	m->look_ns = m->until_ns - DRAIN_NS + STUCK_NS;
	hold(m, true);
}

static void give_up(struct move *m)
{
	hold(m, false);
	m->over = true;
}

static void leave_group(struct move *m, struct vnvme_group *g)
{
	uint32_t i;

	for (i = 0; i < m->nsqs; i++)
		vnvme_group_remove_sq(g, m->sqs[i]);
	vnvme_group_remove_cq(g, m->cq);
	vnvme_group_update_idle(g);
	m->away = true;
}

static void join_group(struct move *m, struct vnvme_group *g)
{
	uint32_t i;

	vnvme_group_add_cq(g, m->cq);
	for (i = 0; i < m->nsqs; i++)
		vnvme_group_add_sq(g, m->sqs[i]);
	hold(m, false);
	vnvme_group_update_idle(g);
	m->away = false;
	m->over = true;
	if (g == m->to)
		m->rc = 0;
}

static void start(struct vnvme_group *g, struct vnvme_op *op)
{
	struct move *m = move_of(op);

	if (!m->cq)
		m->over = true;
	else if (!m->away)
		begin(m, g);
	else if (g == m->from || !g->paused)
		join_group(m, g);
}

static bool ready(struct vnvme_group *g, struct vnvme_op *op)
{
	struct move *m = move_of(op);

	if (m->over)
		return true;
	if (m->away) { /* at the new one, which is paused: the old one takes them in any case */
		op->then = m->from;
		return true;
	}
	if (g->paused) {
		give_up(m);
	} else if (!in_flight(m)) {
		leave_group(m, g);
		op->then = m->to;
	} else if (!may_drain(m, g)) {
		give_up(m);
	} else {
		return false;
	}
	return true;
}

static void move_at_home(struct vnvme_sync *sync)
{
	struct move *m = sync->arg;

	/* What is under way may wait for I/O for long. */
	if (reactor_op_busy(&sync->ctrl->ops)) {
		m->rc = -EAGAIN;
		vnvme_sync_end(sync);
		return;
	}
	sync->op = (struct vnvme_op){
		.prepare = prepare,
		.start = start,
		.ready = ready,
		.done = moved,
		.awake = true,
	};
	vnvme_op_run(sync->ctrl, &sync->op);
}

int vnvme_move_queue(struct vnvme_ctrl *ctrl, unsigned int sqid, const struct reactor *to)
{
	struct move m = {.sqid = sqid, .reactor = to};

	vnvme_sync_run(ctrl, move_at_home, &m);
	return m.rc;
}
