/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue that stops with requests in flight: they get a grace, then they are ended early
 * (bdev/drain.h). One that is ended so is left as it was taken, without an answer, if somebody will
 * take it again: who reads the in-flight region, or this daemon when the queue starts again. Else
 * it ends with an error. All on the queue's reactor.
 */
#include <stdlib.h>

#include "util/util.h"
#include "virtio/virtio_internal.h"

/* --- requests that are left --- */

/* False: out of memory. */
static bool need_left(struct virtio_vq *vq)
{
	if (!vq->left)
		vq->left = calloc(vq->ring.size, sizeof(*vq->left));
	return vq->left;
}

bool virtio_req_leave(struct virtio_req *req)
{
	struct virtio_vq *vq = req->vq;

	if (likely(!vq->leaving))
		return false;
	if (vq->left && vq->nleft < vq->ring.size)
		vq->left[vq->nleft++] = req->id.head;
	virtio_req_free(req);
	return true;
}

bool virtio_req_must_end(const struct virtio_req *req)
{
	return req->vq->cancelling;
}

/* Whether somebody will take again what is left. */
static bool may_leave(struct virtio_vq *vq)
{
	if (vq->ring.inflight || vq->slot->call.how == VHOST_STOP_END)
		return true;
	return vq->slot->call.how == VHOST_STOP_RESTART && need_left(vq);
}

/* What was to be taken again, and has not been yet. */
static void leave_resubmits(struct virtio_vq *vq)
{
	struct virtq *ring = &vq->ring;

	if (likely(ring->next_resubmit == ring->nresubmit) || ring->inflight)
		return;
	if (!need_left(vq)) {
		log_error("%s: queue %u: out of memory: %d requests are lost", vq->group->dev->name,
			  vq->index, ring->nresubmit - ring->next_resubmit);
		return;
	}
	while (ring->next_resubmit < ring->nresubmit && vq->nleft < ring->size)
		vq->left[vq->nleft++] = ring->resubmit[ring->next_resubmit++];
}

/* Control thread. A queue that the guest has begun anew has other indices. */
void virtio_vq_take_left(struct virtio_vq *vq, struct virtio_vq *before)
{
	if (!before || !before->nleft || vq->ring.inflight || vq->ring.size != before->ring.size ||
	    vq->ring.last_avail != before->ring.last_avail ||
	    vq->ring.used_idx != before->ring.used_idx)
		return;
	vq->ring.resubmit = before->left;
	vq->ring.nresubmit = before->nleft;
	before->left = NULL;
}

/* --- ending them --- */

static struct virtio_vq *vq_of(struct drain *d)
{
	return container_of(d, struct virtio_vq, drain);
}

/* A step's worth of those that are active, from *at on. False: there are no more. */
static bool some_active(const struct virtio_vq *vq, unsigned int *at,
			void (*fn)(struct virtio_req *req))
{
	unsigned int ends = 0, looks = 0;

	while (*at < vq->made_reqs && ends < DRAIN_STEP_ENDS && looks++ < DRAIN_STEP_LOOKS) {
		struct virtio_req *req = virtio_vq_req(vq, (uint16_t)(*at)++);

		if (!virtio_req_is_active(req))
			continue;
		fn(req);
		ends++;
	}
	return *at < vq->made_reqs;
}

static void cancel_req(struct virtio_req *req)
{
	req->vq->group->dev->ops->cancel(req);
}

static void abandon_req(struct virtio_req *req)
{
	struct bdev_io *io = req->vq->group->dev->ops->io_of(req);

	if (io)
		bdev_io_abandon(io);
}

static bool cancel(struct drain *d, unsigned int *at)
{
	struct virtio_vq *vq = vq_of(d);

	if (!*at) {
		vq->cancelling = true;
		vq->leaving = may_leave(vq);
	}
	return some_active(vq, at, cancel_req);
}

static bool abandon(struct drain *d, unsigned int *at)
{
	return some_active(vq_of(d), at, abandon_req);
}

static unsigned int left(struct drain *d, const struct bdev_io **io)
{
	struct virtio_vq *vq = vq_of(d);
	uint16_t i;

	for (i = 0; i < vq->made_reqs && !*io; i++) {
		struct virtio_req *req = virtio_vq_req(vq, i);

		if (virtio_req_is_active(req))
			*io = vq->group->dev->ops->io_of(req);
	}
	return vq->outstanding;
}

static const struct drain_ops drain_ops = {
	.cancel = cancel,
	.abandon = abandon,
	.left = left,
};

/* --- */

bool virtio_vq_stop_if_drained(struct virtio_vq *vq)
{
	if (vq->outstanding)
		return false;
	drain_end(&vq->drain);
	virtq_flush(&vq->ring);
	virtio_group_remove(vq->group, vq);
	leave_resubmits(vq);
	virtio_slot_stopped(vq->slot);
	return true;
}

void virtio_vq_stop(struct virtio_vq *vq, uint64_t grace_ns)
{
	struct virtio_group *g = vq->group;

	vq->stopping = true;
	virtio_vq_notice_end(vq);
	if (virtio_vq_stop_if_drained(vq))
		return;
	vq->drain.ops = &drain_ops;
	vq->drain.name = g->dev->name;
	vq->drain.reactor = g->reactor;
	drain_start(&vq->drain, grace_ns);
	reactor_poller_poke(&g->poller); /* which sees that all has ended */
}
