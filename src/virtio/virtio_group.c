/* SPDX-License-Identifier: BSD-3-Clause */
/* The queues of a device on one reactor, and the poller that serves them. */
#include <errno.h>
#include <stdlib.h>

#include "util/util.h"
#include "virtio/virtio_internal.h"

/* The next round begins with the queue that could not have its turn in this one. */
static slow_path void held_back(struct virtio_group *g)
{
	unsigned int i;

	for (i = 0; i < g->nvqs && g->vqs[i] != g->held; i++)
		;
	g->first = i < g->nvqs ? i : 0;
	COUNTER_ADD(g->held->stats->held_back, 1);
	g->held = NULL;
}

static bool goes_if_drained(struct virtio_vq *vq)
{
	return vq->move ? virtio_vq_move_if_drained(vq) : virtio_vq_stop_if_drained(vq);
}

static unsigned int group_poll(void *arg)
{
	struct virtio_group *g = arg;
	unsigned int i, work = 0, first = g->first;

	g->poller.waits = false;
	if (unlikely(first >= g->nvqs))
		first = 0;
	for (i = first; i < g->nvqs; i++)
		work += virtio_vq_poll(g->vqs[i]);
	for (i = 0; i < first; i++)
		work += virtio_vq_poll(g->vqs[i]);
	if (unlikely(g->held)) {
		held_back(g);
		work++; /* it is to be polled on */
	}
	work += g->completed;
	g->completed = 0;
	/* Last: these may go, and the poller with them. */
	for (i = 0; i < g->nvqs;)
		if (likely(!g->vqs[i]->stopping) || !goes_if_drained(g->vqs[i]))
			i++;
	return work;
}

static bool group_arm(void *arg)
{
	struct virtio_group *g = arg;
	bool work = false;
	unsigned int i;

	for (i = 0; i < g->nvqs; i++) {
		work |= g->vqs[i]->move != NULL; /* which looks at the clock */
		if (!g->vqs[i]->stopping && !g->vqs[i]->idle)
			work |= virtq_arm(&g->vqs[i]->ring) && g->vqs[i]->free &&
				!g->vqs[i]->starved;
	}
	return work;
}

static void group_disarm(void *arg)
{
	struct virtio_group *g = arg;
	unsigned int i;

	for (i = 0; i < g->nvqs; i++) {
		struct virtio_vq *vq = g->vqs[i];

		if (vq->stopping || vq->idle)
			continue;
		if (virtq_moved(&vq->ring)) /* it was asked to notify us */
			COUNTER_ADD(vq->stats->kicks, 1);
		virtq_disarm(&vq->ring);
	}
}

/* A queue without an eventfd can't wake us. */
static void update_idle(struct virtio_group *g)
{
	unsigned int i;

	g->poller.idle_ns = g->dev->idle_ns;
	for (i = 0; i < g->nvqs; i++)
		if (!g->vqs[i]->kick_watched)
			g->poller.idle_ns = REACTOR_NEVER_SLEEP;
}

static int group_add(struct virtio_group *g, struct virtio_vq *vq)
{
	if (g->nvqs == g->vqs_size) {
		unsigned int size = g->vqs_size ? 2 * g->vqs_size : 8;
		struct virtio_vq **bigger = realloc(g->vqs, size * sizeof(struct virtio_vq *));

		if (!bigger)
			return -ENOMEM;
		g->vqs = bigger;
		g->vqs_size = size;
	}
	vq->kick_watched = vq->kick_fd >= 0 && !reactor_wake_fd_add(g->reactor, vq->kick_fd);
	g->vqs[g->nvqs++] = vq;
	queue_stats_here(vq->stats, reactor_cpu(g->reactor), vq->ring.size);
	if (g->nvqs == 1) {
		g->poller = (struct reactor_poller){
			.name = g->dev->name,
			.poll = group_poll,
			.arm = group_arm,
			.disarm = group_disarm,
			.arg = g,
			.share.weight = g->dev->weight,
		};
		reactor_poller_add(g->reactor, &g->poller);
	}
	update_idle(g);
	return 0;
}

int virtio_vq_join(struct virtio_vq *vq, struct virtio_group *g)
{
	int rc;

	vq->group = g;
	vq->now.ctx = g->ctx;
	vq->now.share = &g->poller.share;
	vq->now.disk = g->channels[0];
	rc = group_add(g, vq);
	if (!rc)
		virtq_disarm(&vq->ring);
	return rc;
}

void virtio_group_remove(struct virtio_group *g, struct virtio_vq *vq)
{
	unsigned int i;

	for (i = 0; i < g->nvqs && g->vqs[i] != vq; i++)
		;
	g->vqs[i] = g->vqs[--g->nvqs];
	queue_stats_place(vq->stats, QUEUE_NOWHERE);
	if (vq->kick_watched)
		reactor_wake_fd_remove(g->reactor, vq->kick_fd);
	if (!g->nvqs)
		reactor_poller_remove(g->reactor, &g->poller);
	else
		update_idle(g);
}

/* --- making and destroying; main thread --- */

struct start_call {
	struct virtio_group *g;
	bool ok;
};

static void start_on_reactor(void *arg)
{
	struct start_call *call = arg;
	struct virtio_group *g = call->g;
	const struct virtio_ops *ops = g->dev->ops;
	size_t i;

	iov_pool_init(&g->lists, g->dev->lists, g->reactor);
	for (i = 0; i < g->dev->ndisks; i++) {
		g->channels[i] = bdev_channel_get(g->dev->disks[i]);
		if (!g->channels[i])
			return;
	}
	g->has_ctx = ops->group_start && !ops->group_start(g->dev->arg, &g->ctx);
	call->ok = g->has_ctx || !ops->group_start;
}

static void stop_on_reactor(void *arg)
{
	struct virtio_group *g = arg;
	size_t i;

	if (g->has_ctx)
		g->dev->ops->group_stop(g->ctx);
	virtio_group_drop_end(g);
	for (i = 0; i < g->dev->ndisks; i++)
		if (g->channels[i])
			bdev_channel_put(g->channels[i]);
	iov_pool_fini(&g->lists);
}

static void destroy_group(struct virtio_group *g)
{
	reactor_call(g->reactor, stop_on_reactor, g);
	free(g->channels);
	free(g->vqs);
	free(g);
}

static struct virtio_group *create_group(struct virtio_dev *dev, struct reactor *reactor)
{
	struct virtio_group *g = calloc(1, sizeof(*g));
	struct start_call call = {.g = g};

	if (!g)
		return NULL;
	g->dev = dev;
	g->reactor = reactor;
	g->channels = calloc(2 * dev->ndisks + 1, sizeof(struct bdev_channel *));
	if (!g->channels) {
		free(g);
		return NULL;
	}
	g->dropped = g->channels + dev->ndisks;
	reactor_call(reactor, start_on_reactor, &call);
	if (call.ok)
		return g;
	destroy_group(g);
	return NULL;
}

int virtio_groups_create(struct virtio_dev *dev, struct reactor *const *reactors, size_t n)
{
	size_t i;

	dev->groups = calloc(n, sizeof(struct virtio_group *));
	if (!dev->groups)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		dev->groups[i] = create_group(dev, reactors[i]);
		if (!dev->groups[i])
			return -ENOMEM;
		dev->ngroups++;
	}
	return 0;
}

void virtio_groups_destroy(struct virtio_dev *dev)
{
	while (dev->ngroups)
		destroy_group(dev->groups[--dev->ngroups]);
	free(dev->groups);
}
