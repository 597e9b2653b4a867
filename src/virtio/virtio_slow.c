/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks for requests that have been in flight for long: stats/slow_io.h. */
#include "virtio/virtio_internal.h"

static bool has(const void *arg, unsigned int queue)
{
	const struct virtio_group *g = arg;
	unsigned int i;

	for (i = 0; i < g->nvqs && g->vqs[i]->index != queue; i++)
		;
	return i < g->nvqs;
}

static unsigned int look_at(struct virtio_group *g, struct virtio_vq *vq)
{
	const struct slow_queue q = {
		.watch = &g->slow,
		.controller = g->dev->name,
		.number = vq->index,
		.stats = vq->stats,
	};
	uint16_t i, n = vq->outstanding ? vq->made_reqs : 0;

	for (i = 0; i < n; i++) {
		struct virtio_req *req = virtio_vq_req(vq, i);

		if (virtio_req_is_active(req))
			slow_see(&q, req, &req->id.slow_mark, g->dev->ops->io_of(req));
	}
	slow_end_of_queue(&q);
	return n;
}

static void look(void *arg)
{
	struct virtio_group *g = arg;
	unsigned int i, seen = 0, first = g->slow.next < g->nvqs ? g->slow.next : 0;

	atomic_store(&g->look_sent, false);
	slow_begin(&g->slow);
	for (i = 0; i < g->nvqs; i++)
		COUNTER_SET(g->vqs[i]->stats->in_flight, g->vqs[i]->outstanding);
	for (i = 0; i < g->nvqs && seen < SLOW_REQUESTS; i++)
		seen += look_at(g, g->vqs[(first + i) % g->nvqs]);
	g->slow.next = first + i;
	if (g->nvqs)
		g->slow.next %= g->nvqs;
	slow_end(&g->slow, g->dev->name, has, g);
}

void virtio_dev_look(struct virtio_dev *dev)
{
	size_t i;

	for (i = 0; i < dev->ngroups; i++) {
		struct virtio_group *g = dev->groups[i];

		if (atomic_exchange(&g->look_sent, true))
			continue;
		g->look_msg = (struct reactor_msg){.fn = look, .arg = g};
		reactor_send(g->reactor, &g->look_msg);
	}
}
