/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations that wait for a group's I/O, and how it is ended early: bdev/drain.h. On the group's
 * reactor, from the operation's start in the group to its end there.
 */
#include <shadowbell/bdev.h>

#include "bdev/drain.h"
#include "nvme/ctrl.h"
#include "nvme/drain.h"
#include "nvme/group.h"
#include "nvme/op.h"
#include "nvme/sq.h"
#include "reactor/reactor.h"
#include "util/util.h"

static struct vnvme_group *group_of(struct drain *d)
{
	return container_of(d, struct vnvme_group, drain);
}

/* A step's worth of the I/Os of a group's queues, or of one. */
struct step {
	unsigned int skip; /* places before the first */
	unsigned int ends, looks;
	void (*fn)(struct bdev_io *io);
};

static bool is_full(const struct step *s)
{
	return s->ends == DRAIN_STEP_ENDS || s->looks == DRAIN_STEP_LOOKS;
}

static void some_in_queue(const struct vnvme_sq *sq, struct step *s)
{
	uint32_t i;

	if (s->skip >= sq->made_reqs) {
		s->skip -= sq->made_reqs;
		return;
	}
	for (i = s->skip; i < sq->made_reqs && !is_full(s); i++, s->looks++) {
		if (!sq->reqs[i].io_running)
			continue;
		s->fn(&sq->reqs[i].io);
		s->ends++;
	}
	s->skip = 0;
}

/* The flush of a shutdown is home's, and counts as outstanding there. */
static struct bdev_io *shutdown_io(const struct vnvme_group *g)
{
	struct vnvme_ctrl *ctrl = g->ctrl;

	return g == ctrl->home_group && ctrl->shutdown_flushing ? &ctrl->shutdown_io : NULL;
}

/* From place *at on. False: there are no more. */
static bool some_io(const struct vnvme_group *g, unsigned int *at, void (*fn)(struct bdev_io *io))
{
	const struct vnvme_sq *sq = vnvme_group_op(g)->drain_sq;
	struct step s = {.skip = *at, .fn = fn};
	uint32_t i;

	if (sq)
		some_in_queue(sq, &s);
	for (i = 0; !sq && i < g->nsqs && !is_full(&s); i++)
		some_in_queue(g->sqs[i], &s);
	*at += s.looks;
	if (is_full(&s))
		return true;
	if (!sq && shutdown_io(g))
		fn(shutdown_io(g));
	return false;
}

static bool cancel(struct drain *d, unsigned int *at)
{
	struct vnvme_group *g = group_of(d);

	/* The commands of other queues than the one that is deleted go on. */
	g->cancelling = !vnvme_group_op(g)->drain_sq;
	return some_io(g, at, bdev_io_cancel);
}

static void abandon_io(struct bdev_io *io)
{
	bdev_io_abandon(io);
}

static bool abandon(struct drain *d, unsigned int *at)
{
	return some_io(group_of(d), at, abandon_io);
}

static const struct bdev_io *first_in_queue(const struct vnvme_sq *sq)
{
	uint32_t i;

	for (i = 0; i < sq->made_reqs; i++)
		if (sq->reqs[i].io_running)
			return &sq->reqs[i].io;
	return NULL;
}

static unsigned int left(struct drain *d, const struct bdev_io **io)
{
	struct vnvme_group *g = group_of(d);
	const struct vnvme_sq *sq = vnvme_group_op(g)->drain_sq;
	uint32_t i;

	if (sq) {
		*io = first_in_queue(sq);
		return sq->outstanding;
	}
	for (i = 0; i < g->nsqs && !*io; i++)
		*io = first_in_queue(g->sqs[i]);
	if (!*io)
		*io = shutdown_io(g);
	return g->outstanding;
}

static const struct drain_ops ops = {
	.cancel = cancel,
	.abandon = abandon,
	.left = left,
};

void vnvme_drain_start(struct vnvme_group *g)
{
	const struct vnvme_op *op = vnvme_group_op(g);

	if (!op->drains || g->drain.stage != DRAIN_OFF)
		return;
	g->drain.ops = &ops;
	g->drain.name = g->ctrl->name;
	g->drain.reactor = g->reactor;
	drain_start(&g->drain, op->grace_ns);
	reactor_poller_poke(&g->poller); /* which sees that all has ended */
}

void vnvme_drain_end(struct vnvme_group *g)
{
	drain_end(&g->drain);
	g->cancelling = false;
}
