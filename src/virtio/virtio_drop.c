/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that loses its disks: each group gives its channels back when none of its requests is in
 * flight that has come before. Those that come later find no channel, and end at once, so that this
 * does not take longer than the I/O that there is; which gets the grace of all waits for I/O
 * (bdev/drain.h) before it is ended early.
 */
#include "bdev/drain.h"
#include "util/time.h"
#include "util/util.h"
#include "virtio/virtio_internal.h"

#define LOOK_NS	   (2 * NS_PER_MS)
#define LOOK_UNITS (REACTOR_REQUEST_UNITS / 4) /* of one at a request */
#define END_UNITS  REACTOR_REQUEST_UNITS       /* of ending one early */

static unsigned int outstanding(const struct virtio_group *g)
{
	unsigned int i, n = 0;

	for (i = 0; i < g->nvqs; i++)
		n += g->vqs[i]->outstanding;
	return n;
}

static void end_early(struct virtio_req *req, bool abandons)
{
	const struct virtio_ops *ops = req->vq->group->dev->ops;
	struct bdev_io *io;

	ops->cancel(req);
	io = abandons && virtio_req_is_active(req) ? ops->io_of(req) : NULL;
	if (io)
		bdev_io_abandon(io);
}

struct step {
	unsigned int looks, ends;
};

/* False: the step is over, and there are more. */
static bool end_some_of(const struct virtio_vq *vq, struct virtio_drop *d, bool abandons,
			struct step *s)
{
	for (; d->req < vq->made_reqs; d->req++, s->looks++) {
		struct virtio_req *req = virtio_vq_req(vq, (uint16_t)d->req);

		if (s->looks == DRAIN_STEP_LOOKS || s->ends == DRAIN_STEP_ENDS)
			return false;
		if (!virtio_req_is_active(req))
			continue;
		end_early(req, abandons);
		s->ends++;
	}
	return true;
}

/*
 * A step, which goes on where the last one has ended. The queues may have changed since: what is
 * passed over is met in the next pass.
 */
static void end_some(struct virtio_group *g, bool abandons)
{
	struct virtio_drop *d = &g->drop;
	struct step s = {0};

	for (; d->queue < g->nvqs; d->queue++, d->req = 0)
		if (!end_some_of(g->vqs[d->queue], d, abandons, &s))
			break;
	if (d->queue >= g->nvqs)
		d->queue = d->req = 0;
	reactor_share_pay(&g->poller.share,
			  (uint64_t)s.looks * LOOK_UNITS + (uint64_t)s.ends * END_UNITS);
	if (g->nvqs) /* it shows what has ended */
		reactor_poller_poke(&g->poller);
}

static void give_back(struct virtio_group *g)
{
	struct virtio_dev *dev = g->dev;
	size_t i;

	g->drop.waits = false;
	for (i = 0; i < dev->ndisks; i++)
		bdev_channel_put(g->dropped[i]);
	if (atomic_fetch_sub(&dev->dropping, 1) == 1)
		dev->dropped(dev->dropped_arg);
}

static void look(void *arg)
{
	struct virtio_group *g = arg;
	uint64_t waited_ns = time_now_ns() - g->drop.since_ns;
	uint64_t cancel_ns = drain_wait_ns(drain_times.grace_ns);

	if (outstanding(g) && waited_ns >= cancel_ns)
		end_some(g, waited_ns >= cancel_ns + drain_wait_ns(drain_times.cancel_ns));
	if (outstanding(g))
		reactor_timer_start(g->reactor, &g->drop.timer, LOOK_NS);
	else
		give_back(g);
}

static void begin(void *arg)
{
	struct virtio_group *g = arg;
	struct virtio_drop *d = &g->drop;
	unsigned int i;

	for (i = 0; i < g->dev->ndisks; i++) {
		g->dropped[i] = g->channels[i];
		g->channels[i] = NULL;
	}
	for (i = 0; i < g->nvqs; i++)
		g->vqs[i]->now.disk = NULL;
	d->timer = (struct timer){.fn = look, .arg = g};
	d->since_ns = time_now_ns();
	d->waits = true;
	look(g);
}

void virtio_group_drop_end(struct virtio_group *g)
{
	if (!g->drop.waits)
		return;
	reactor_timer_cancel(&g->drop.timer);
	give_back(g);
}

void virtio_dev_drop_disks_begin(struct virtio_dev *dev, void (*dropped)(void *arg), void *arg)
{
	size_t i;

	dev->dropped = dropped;
	dev->dropped_arg = arg;
	atomic_store(&dev->dropping, dev->ngroups);
	for (i = 0; i < dev->ngroups; i++) {
		struct virtio_group *g = dev->groups[i];

		g->drop.msg = (struct reactor_msg){.fn = begin, .arg = g};
		reactor_send(g->reactor, &g->drop.msg);
	}
}
