/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that concern what lies in other queues: the guest has put that there before, and relies
 * on it that it is found, but a queue may be about to be looked at, may have used up its share, or
 * may be on its way to another reactor. A fence goes round the reactors until each queue has been
 * fetched as far as it was filled when the fence came. It does not wait for ever: a queue without
 * memory for its next request may wait for the very requests that the guest wants to end.
 *
 * And the other way round: what has been completed is shown to the guest before it is told so in
 * another queue.
 */
#include "util/time.h"
#include "util/util.h"
#include "virtio/virtio_internal.h"

#define LOOK_NS	  NS_PER_MS
#define MAX_LOOKS 200
/* A message, and the queues' indices. */
#define VISIT_UNITS (4 * REACTOR_REQUEST_UNITS)

static bool knows(const struct virtio_fence *f, unsigned int queue)
{
	return f->known[queue / 64] >> queue % 64 & 1;
}

static void look_at(struct virtio_fence *f, struct virtio_vq *vq)
{
	unsigned int queue = vq->index;

	if (queue < f->first_queue || queue >= VIRTIO_FENCE_QUEUES || vq->ring.broken ||
	    vq->starved || (vq->stopping && !vq->move))
		return;
	if (!f->looks) {
		f->upto[queue] = virtq_avail_idx(&vq->ring);
		f->known[queue / 64] |= 1ull << queue % 64;
	}
	if (knows(f, queue) && (int16_t)(f->upto[queue] - vq->ring.last_avail) > 0)
		f->behind = true;
}

static bool any_moves(struct virtio_dev *dev)
{
	bool moves = false;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < dev->queues; i++)
		moves |= dev->slots[i].moving;
	pthread_mutex_unlock(&dev->lock);
	return moves;
}

static void arrive(void *arg);

static void send_to(struct virtio_fence *f, struct reactor *r)
{
	f->msg = (struct reactor_msg){.fn = arrive, .arg = f};
	reactor_send(r, &f->msg);
}

static void again(void *arg)
{
	struct virtio_fence *f = arg;

	f->group = 0;
	f->behind = false;
	arrive(f);
}

/* All groups were looked at; on the reactor where it began. */
static void looked(struct virtio_fence *f)
{
	if (f->visit == look_at && (f->behind || any_moves(f->dev)) && ++f->looks < MAX_LOOKS) {
		f->timer = (struct timer){.fn = again, .arg = f};
		reactor_timer_start(f->home, &f->timer, LOOK_NS);
		return;
	}
	f->passed(f);
}

static void arrive(void *arg)
{
	struct virtio_fence *f = arg;

	for (; f->group < f->dev->ngroups; f->group++) {
		struct virtio_group *g = f->dev->groups[f->group];
		unsigned int i;

		if (g->reactor != reactor_self()) {
			send_to(f, g->reactor);
			return;
		}
		if (g->nvqs) /* the poller, and with it the share, is there */
			reactor_share_pay(&g->poller.share, VISIT_UNITS);
		for (i = 0; i < g->nvqs; i++)
			f->visit(f, g->vqs[i]);
	}
	if (f->home == reactor_self())
		looked(f);
	else
		send_to(f, f->home);
}

static void begin(struct virtio_fence *f, struct virtio_req *req, unsigned int first_queue,
		  void (*visit)(struct virtio_fence *f, struct virtio_vq *vq),
		  void (*passed)(struct virtio_fence *f))
{
	*f = (struct virtio_fence){
		.dev = req->vq->group->dev,
		.home = req->vq->group->reactor,
		.first_queue = first_queue,
		.visit = visit,
		.passed = passed,
	};
	arrive(f);
}

void virtio_fence_fetched(struct virtio_fence *f, struct virtio_req *req, unsigned int first_queue,
			  void (*passed)(struct virtio_fence *f))
{
	begin(f, req, first_queue, look_at, passed);
}

static void show(struct virtio_fence *f, struct virtio_vq *vq)
{
	virtio_vq_flush(vq);
}

void virtio_fence_shown(struct virtio_fence *f, struct virtio_req *req,
			void (*passed)(struct virtio_fence *f))
{
	begin(f, req, 0, show, passed);
}
