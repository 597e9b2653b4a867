/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that loses its disks: each group gives its channels back when none of its requests is in
 * flight that has come before. Those that come later find no channel, and end at once, so that this
 * does not take longer than the I/O that there is; which gets the grace of all waits for I/O
 * (bdev/drain.h) before it is ended early.
 */
#include "bdev/drain.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"
#include "virtio/virtio_internal.h"

#define LOOK_NS	     (2 * NS_PER_MS)   /* from one look at what is in flight to the next */
#define LATE_LOOK_NS (100 * NS_PER_MS) /* after all that could be has been abandoned */
#define AGAIN_NS     NS_PER_SEC	       /* from one pass that ends I/O early to the next */

static unsigned int outstanding(const struct virtio_group *g)
{
	unsigned int i, n = 0;

	for (i = 0; i < g->nvqs; i++)
		n += g->vqs[i]->outstanding;
	return n;
}

/* --- ending requests: a pass is a job of as many steps as it takes --- */

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
static bool end_some_of(const struct virtio_vq *vq, struct virtio_drop *d, struct step *s)
{
	for (; d->req < vq->made_reqs; d->req++, s->looks++) {
		struct virtio_req *req = virtio_vq_req(vq, (uint16_t)d->req);

		if (s->looks == DRAIN_STEP_LOOKS || s->ends == DRAIN_STEP_ENDS)
			return false;
		if (!virtio_req_is_active(req))
			continue;
		end_early(req, d->stage >= DRAIN_ABANDONED);
		s->ends++;
	}
	return true;
}

/* There are queues: only then is there a poller that pays. One that waits may be another's by now.
 */
static void start_job(struct virtio_group *g)
{
	if (reactor_job_waits(&g->drop.job))
		return;
	g->drop.job.share = &g->poller.share;
	reactor_job_start(g->reactor, &g->drop.job);
}

/*
 * A step, which goes on where the last one has ended. The queues may have changed since: what is
 * passed over is met in the next pass.
 */
static void end_some(void *arg)
{
	struct virtio_group *g = arg;
	struct virtio_drop *d = &g->drop;
	struct step s = {0};

	for (; d->queue < g->nvqs; d->queue++, d->req = 0)
		if (!end_some_of(g->vqs[d->queue], d, &s))
			break;
	if (s.ends && g->nvqs) /* it shows what has ended */
		reactor_poller_poke(&g->poller);
	if (d->queue < g->nvqs)
		start_job(g);
}

/*
 * Once in each stage, and now and then after that: what a disk that hangs did not give back at once
 * it does not give back at the next look, and a guest may have very much there.
 */
static void enter(struct virtio_group *g, enum drain_stage stage)
{
	struct virtio_drop *d = &g->drop;
	uint64_t now_ns = time_now_ns();
	bool ends = stage != d->stage || (stage != DRAIN_GRACE && now_ns - d->ends_ns >= AGAIN_NS);

	d->stage = stage;
	if (!ends)
		return;
	d->ends_ns = now_ns;
	d->queue = d->req = 0;
	start_job(g);
}

/* --- for what is waited --- */

/* One that is with a bdev; NULL: none is, now. */
static const struct bdev_io *find_io(const struct virtio_group *g)
{
	const struct bdev_io *io;
	unsigned int i, j;

	for (i = 0; i < g->nvqs; i++) {
		for (j = 0; j < g->vqs[i]->made_reqs; j++) {
			struct virtio_req *req = virtio_vq_req(g->vqs[i], (uint16_t)j);

			io = virtio_req_is_active(req) ? g->dev->ops->io_of(req) : NULL;
			if (io)
				return io;
		}
	}
	return NULL;
}

static void log_wait(struct virtio_group *g)
{
	const struct bdev_io *io = find_io(g);

	if (!io)
		return;
	g->drop.logged = true;
	log_warn("%s: the removal of bdev \"%s\" waits for %u requests that can't be ended early: "
		 "%s of %u blocks at LBA %llu of bdev %s; a device may have the guest's memory",
		 g->dev->name, g->dropped[0]->bdev->name, outstanding(g),
		 bdev_op_str((enum bdev_op)io->op), io->nblocks, (unsigned long long)io->lba,
		 io->channel->bdev->name);
}

/* What becomes of I/O that is still there at the next look. */
static void advance(struct virtio_group *g)
{
	uint64_t waited_ns = time_now_ns() - g->drop.since_ns;
	uint64_t cancel_ns = drain_wait_ns(drain_times.grace_ns);
	uint64_t abandon_ns = cancel_ns + drain_wait_ns(drain_times.cancel_ns);

	enter(g, waited_ns < cancel_ns	  ? DRAIN_GRACE
		 : waited_ns < abandon_ns ? DRAIN_CANCELLED
					  : DRAIN_ABANDONED);
	if (!g->drop.logged && waited_ns >= abandon_ns + drain_wait_ns(drain_times.abandon_ns))
		log_wait(g);
}

static void give_back(struct virtio_group *g)
{
	struct virtio_dev *dev = g->dev;
	size_t i;

	if (g->drop.logged)
		log_warn("%s: the I/O that the removal of bdev \"%s\" waited for has ended",
			 dev->name, g->dropped[0]->bdev->name);
	g->drop.waits = false;
	reactor_job_cancel(&g->drop.job);
	for (i = 0; i < dev->ndisks; i++)
		bdev_channel_put(g->dropped[i]);
	if (atomic_fetch_sub(&dev->dropping, 1) == 1)
		dev->dropped(dev->dropped_arg);
}

static void look(void *arg)
{
	struct virtio_group *g = arg;

	if (!outstanding(g)) {
		give_back(g);
		return;
	}
	advance(g);
	reactor_timer_start(g->reactor, &g->drop.timer, g->drop.logged ? LATE_LOOK_NS : LOOK_NS);
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
	d->job = (struct reactor_job){.fn = end_some, .arg = g};
	d->stage = DRAIN_GRACE;
	d->logged = false;
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
