/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the session's control thread wants of a queue: to start, to stop, another eventfd. It begins
 * that, and is told of its end by a call on the queue's reactor. While the queue moves to another
 * reactor, the call waits for its arrival; nobody waits for anybody else.
 */
#include <errno.h>
#include <stdlib.h>

#include "virtio/virtio_internal.h"

/* Stops with less between them, and no start, are one of the device: queue by queue, with one
 * grace. */
#define ONE_STOP_NS NS_PER_SEC

/* --- slots --- */

int virtio_slots_create(struct virtio_dev *dev)
{
	unsigned int i;

	dev->slots = calloc(dev->queues, sizeof(struct virtio_slot));
	if (!dev->slots)
		return -ENOMEM;
	for (i = 0; i < dev->queues; i++)
		dev->slots[i].dev = dev;
	return 0;
}

/* The reactor leaves this to us: it may take long. */
static void reap(struct virtio_slot *slot)
{
	struct virtio_vq *vq;

	pthread_mutex_lock(&slot->dev->lock);
	vq = slot->stopped;
	slot->stopped = NULL;
	pthread_mutex_unlock(&slot->dev->lock);
	if (vq)
		virtio_vq_destroy(vq);
}

void virtio_slots_reap(struct virtio_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->queues; i++)
		reap(&dev->slots[i]);
}

/* --- calls --- */

/* The lock is held. */
static void send_call(struct virtio_slot *slot)
{
	atomic_store_explicit(&slot->waits, slot->moving, memory_order_relaxed);
	if (!slot->moving)
		reactor_send(slot->vq->group->reactor, &slot->call.msg);
}

static void begin(struct virtio_slot *slot, const struct virtio_call *call, void (*fn)(void *arg))
{
	pthread_mutex_lock(&slot->dev->lock);
	slot->call = *call;
	slot->call.msg = (struct reactor_msg){.fn = fn, .arg = slot};
	slot->busy = true;
	send_call(slot);
	pthread_mutex_unlock(&slot->dev->lock);
}

/* On the queue's reactor. `vq`: what is in the slot from now on. */
static void end(struct virtio_slot *slot, struct virtio_vq *vq)
{
	void (*ended)(void *arg) = slot->call.ended;
	void *arg = slot->call.arg;

	pthread_mutex_lock(&slot->dev->lock);
	if (vq != slot->vq)
		slot->stopped = slot->vq;
	slot->vq = vq;
	slot->busy = false;
	pthread_mutex_unlock(&slot->dev->lock);
	ended(arg); /* last: the next call may begin at once */
}

int virtio_slot_begin_move(struct virtio_slot *slot)
{
	int rc;

	pthread_mutex_lock(&slot->dev->lock);
	rc = !slot->vq ? -ENOENT : slot->busy || slot->moving ? -EAGAIN : 0;
	slot->moving |= !rc;
	pthread_mutex_unlock(&slot->dev->lock);
	return rc;
}

bool virtio_slot_call_waits(struct virtio_slot *slot)
{
	return atomic_load_explicit(&slot->waits, memory_order_relaxed);
}

void virtio_slot_end_move(struct virtio_slot *slot)
{
	pthread_mutex_lock(&slot->dev->lock);
	slot->moving = false;
	if (slot->waits)
		send_call(slot);
	pthread_mutex_unlock(&slot->dev->lock);
}

/* --- start --- */

static void renew_notices(const struct virtio_vq *vq)
{
	const struct virtio_dev *dev = vq->group->dev;

	if (vq->idle && dev->ops->notice_renew && !vq->ring.last_avail && !vq->ring.used_idx)
		dev->ops->notice_renew(dev->arg);
}

static void start_on_reactor(void *arg)
{
	struct virtio_slot *slot = arg;
	int rc = virtio_vq_join(slot->vq, slot->vq->group);

	/*
	 * What is in the used ring may be unknown to the guest: a daemon that wrote it died before
	 * it told of it, or told by an eventfd that nobody listened to any more. A guest that is
	 * told for nothing looks, and goes on; QEMU's own back-ends do the same, also for a new
	 * queue, and its tests wait for that.
	 */
	if (!rc) {
		virtq_kick_guest(&slot->vq->ring);
		renew_notices(slot->vq);
		virtio_vq_notice(slot->vq);
	}
	*slot->call.rc = rc;
	end(slot, rc ? NULL : slot->vq);
}

int virtio_vring_start_begin(struct virtio_dev *dev, unsigned int index,
			     const struct vhost_vring *vring, int *rc, void (*ended)(void *arg),
			     void *arg)
{
	struct virtio_slot *slot = &dev->slots[index];
	struct virtio_call call = {.rc = rc, .ended = ended, .arg = arg};
	struct virtio_vq *vq;
	int err;

	err = virtio_vq_create(dev->groups[index % dev->ngroups], slot, vring, &vq);
	if (err)
		return err;
	virtio_vq_take_left(vq, slot->stopped);
	reap(slot);
	pthread_mutex_lock(&dev->lock);
	slot->vq = vq;
	slot->busy = true;
	dev->grace_end_ns = 0;
	pthread_mutex_unlock(&dev->lock);
	begin(slot, &call, start_on_reactor);
	return 0;
}

/* --- stop --- */

static void stop_on_reactor(void *arg)
{
	struct virtio_slot *slot = arg;

	virtio_vq_stop(slot->vq, slot->call.grace_ns);
}

void virtio_slot_stopped(struct virtio_slot *slot)
{
	*slot->call.base = slot->vq->ring.last_avail;
	pthread_mutex_lock(&slot->dev->lock);
	slot->dev->last_stopped_ns = time_now_ns();
	pthread_mutex_unlock(&slot->dev->lock);
	end(slot, NULL);
}

/*
 * QEMU stops one queue after the other, and each could wait for the same disk. The front-end's end
 * ends all patience.
 */
static uint64_t grace_ns(struct virtio_dev *dev, enum vhost_stop how)
{
	uint64_t now = time_now_ns(), end_ns;

	if (how == VHOST_STOP_END)
		return 0;
	pthread_mutex_lock(&dev->lock);
	if (!dev->grace_end_ns ||
	    (now > dev->grace_end_ns && now - dev->last_stopped_ns > ONE_STOP_NS))
		dev->grace_end_ns = now + drain_times.grace_ns;
	end_ns = dev->grace_end_ns;
	pthread_mutex_unlock(&dev->lock);
	return end_ns > now ? end_ns - now : 0;
}

void virtio_vring_stop_begin(struct virtio_dev *dev, unsigned int index, enum vhost_stop how,
			     uint16_t *base, void (*ended)(void *arg), void *arg)
{
	struct virtio_call call = {
		.how = how,
		.grace_ns = grace_ns(dev, how),
		.base = base,
		.ended = ended,
		.arg = arg,
	};

	begin(&dev->slots[index], &call, stop_on_reactor);
}

/* --- another eventfd --- */

static void set_call_on_reactor(void *arg)
{
	struct virtio_slot *slot = arg;
	struct virtq *ring = &slot->vq->ring;

	ring->call_fd = slot->call.fd;
	/* What the old one was signalled for may not have arrived. */
	if (ring->call_fd >= 0)
		virtq_kick_guest(ring);
	virtio_vq_notice(slot->vq);
	end(slot, slot->vq);
}

void virtio_vring_call_begin(struct virtio_dev *dev, unsigned int index, int fd,
			     void (*ended)(void *arg), void *arg)
{
	struct virtio_call call = {.fd = fd, .ended = ended, .arg = arg};

	begin(&dev->slots[index], &call, set_call_on_reactor);
}
