/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks for commands that have been in flight for long: stats/slow_io.h. */
#include "nvme/ctrl.h"
#include "nvme/group.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme.h"
#include "stats/slow_io.h"

static bool has(const void *arg, unsigned int queue)
{
	const struct vnvme_group *g = arg;
	uint32_t i;

	for (i = 0; i < g->nsqs && g->sqs[i]->qid != queue; i++)
		;
	return i < g->nsqs;
}

/* Those that wait for no I/O are the host's to end, or wait for room that it is to make. */
static uint32_t look_at(struct vnvme_group *g, struct vnvme_sq *sq)
{
	const struct slow_queue q = {
		.watch = &g->slow,
		.controller = g->ctrl->name,
		.number = sq->qid,
		.stats = sq->stats,
	};
	uint32_t i, n = sq->outstanding ? sq->made_reqs : 0;

	for (i = 0; i < n; i++)
		if (sq->reqs[i].io_running)
			slow_see(&q, &sq->reqs[i], &sq->reqs[i].slow_mark, &sq->reqs[i].io);
	slow_end_of_queue(&q);
	return n;
}

static void look(void *arg)
{
	struct vnvme_group *g = arg;
	uint32_t i, seen = 0, first = g->slow.next < g->nsqs ? g->slow.next : 0;

	atomic_store(&g->look_sent, false);
	slow_begin(&g->slow);
	for (i = 0; i < g->nsqs; i++)
		COUNTER_SET(g->sqs[i]->stats->in_flight, g->sqs[i]->outstanding);
	for (i = 0; i < g->nsqs && seen < SLOW_REQUESTS; i++)
		seen += look_at(g, g->sqs[(first + i) % g->nsqs]);
	g->slow.next = first + i;
	if (g->nsqs)
		g->slow.next %= g->nsqs;
	slow_end(&g->slow, g->ctrl->name, has, g);
}

void vnvme_look(struct vnvme_ctrl *ctrl)
{
	size_t i;

	for (i = 0; i < ctrl->ngroups; i++) {
		struct vnvme_group *g = ctrl->groups[i];

		if (atomic_exchange(&g->look_sent, true))
			continue;
		g->look_msg = (struct reactor_msg){.fn = look, .arg = g};
		reactor_send(g->reactor, &g->look_msg);
	}
}
