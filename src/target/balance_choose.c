/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/balance.h"

#include "util/util.h"

static void add_up(const struct balance_queue *queues, size_t nqueues,
		   struct balance_reactor *reactors, uint32_t nreactors)
{
	uint32_t r;
	size_t i;

	for (r = 0; r < nreactors; r++)
		reactors[r].work = 0;
	for (i = 0; i < nqueues; i++)
		if (queues[i].reactor != BALANCE_NOWHERE)
			reactors[queues[i].reactor].work += queues[i].work;
}

static uint32_t load_of(const struct balance_queue *q, const struct balance_reactor *r)
{
	return (uint32_t)((double)r->load * (double)q->work / (double)r->work);
}

/* By how much the busier of two has less to do if this queue goes from one to the other. */
static uint32_t gain(const struct balance_queue *q, const struct balance_reactor *from,
		     const struct balance_reactor *to)
{
	uint32_t load = load_of(q, from), left = from->load - load, then = to->load + load;
	uint32_t busier = left > then ? left : then;

	return busier < from->load ? from->load - busier : 0;
}

bool balance_choose(const struct balance_queue *queues, size_t nqueues,
		    struct balance_reactor *reactors, uint32_t nreactors,
		    struct balance_choice *out)
{
	uint32_t from, to, best = 0;
	size_t i;

	add_up(queues, nqueues, reactors, nreactors);
	for (i = 0; i < nqueues; i++) {
		const struct balance_queue *q = &queues[i];

		from = q->reactor;
		if (from == BALANCE_NOWHERE || reactors[from].load <= BALANCE_FULL || q->fixed ||
		    !q->work)
			continue;
		for (to = 0; to < nreactors; to++) {
			uint32_t this = to != from && q->may[to]
						? gain(q, &reactors[from], &reactors[to])
						: 0;

			if (this < reactors[from].load / 4 || this <= best)
				continue;
			best = this;
			*out = (struct balance_choice){.queue = i, .from = from, .to = to};
		}
	}
	return best;
}

void balance_see_place(struct balance_place *q, struct balance_place *chosen, bool just_moved,
		       uint32_t reactor)
{
	if (reactor == BALANCE_NOWHERE || q->reactor == BALANCE_NOWHERE) {
		q->shares = false;
		q->stays = 0;
	} else if (reactor != q->reactor && q != chosen) {
		q->shares = just_moved && q->controller == chosen->controller;
		chosen->shares |= q->shares;
		q->stays = 0;
	}
	q->reactor = reactor;
}
