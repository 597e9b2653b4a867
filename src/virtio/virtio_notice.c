/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues that the guest fills with empty buffers, for the device to tell it something: what the
 * personality has to tell goes into the next one (virtio_ops.notice). They are looked at only then,
 * and the guest is not asked to notify us: one that leaves them empty is looked at again by a
 * timer. All on the queue's reactor, but for virtio_dev_notice().
 */
#include "util/util.h"
#include "virtio/virtio_internal.h"

/* Between two looks at a queue that the guest has left empty: first, and at most. */
#define LOOK_NS	     NS_PER_MS
#define LOOK_MOST_NS (256 * NS_PER_MS)

static bool has_buffer(struct virtq *ring)
{
	return !ring->broken && (virtq_left(ring) || virtq_look(ring) > 0);
}

/* False: the queue is broken, or has no list of segments for the chain now. */
static bool take_buffer(struct virtio_vq *vq, const void *notice, size_t len)
{
	struct iovec own[VIRTIO_INLINE_IOV], *in;
	struct virtq_chain chain = {
		.iov = own,
		.room = VIRTIO_INLINE_IOV,
		.pool = &vq->group->lists,
	};
	int rc = virtq_pop(&vq->ring, &chain);

	if (rc > 0) {
		in = chain.iov + chain.nout;
		if (virtq_iov_put(&in, &chain.nin, notice, len)) {
			virtq_push(&vq->ring, chain.head, (uint32_t)len);
			COUNTER_ADD(vq->stats->commands, 1);
		} else {
			vq->ring.broken = "a buffer for events has no room for one";
			vq->ring.broken_value = chain.head;
		}
	}
	if (chain.big)
		iov_pool_put(chain.pool, chain.big);
	return rc > 0 && !vq->ring.broken;
}

static void look_again(void *arg)
{
	virtio_vq_notice(arg);
}

/* Less and less often. */
static void look_later(struct virtio_vq *vq)
{
	vq->notice_timer.fn = look_again;
	vq->notice_timer.arg = vq;
	vq->notice_wait_ns = vq->notice_wait_ns
				     ? min_t(uint64_t, 2 * vq->notice_wait_ns, LOOK_MOST_NS)
				     : LOOK_NS;
	reactor_timer_start(vq->group->reactor, &vq->notice_timer, vq->notice_wait_ns);
}

void virtio_vq_notice(struct virtio_vq *vq)
{
	const struct virtio_dev *dev = vq->group->dev;
	uint8_t notice[VIRTIO_NOTICE_MAX];
	size_t len = 1;

	if (!vq->idle || !dev->ops->notice || vq->stopping)
		return;
	while (len && has_buffer(&vq->ring)) {
		len = dev->ops->notice(dev->arg, vq->features, notice);
		if (len && !take_buffer(vq, notice, len)) {
			dev->ops->notice_lost(dev->arg);
			break;
		}
		vq->notice_wait_ns = 0;
	}
	virtio_vq_flush(vq);
	if (vq->ring.broken)
		virtio_vq_log_broken(vq);
	else if (len && dev->ops->notice(dev->arg, vq->features, NULL))
		look_later(vq);
}

void virtio_vq_notice_end(struct virtio_vq *vq)
{
	reactor_timer_cancel(&vq->notice_timer);
}

/* --- from elsewhere --- */

/* While a call is under way, the queue is about to start, which looks too, or to stop. */
static void notice_on_reactor(void *arg)
{
	struct virtio_slot *slot = arg;
	struct virtio_vq *vq;

	pthread_mutex_lock(&slot->dev->lock);
	slot->notice_sent = false;
	vq = slot->busy ? NULL : slot->vq;
	pthread_mutex_unlock(&slot->dev->lock);
	if (vq)
		virtio_vq_notice(vq);
}

void virtio_dev_notice(struct virtio_dev *dev, unsigned int index)
{
	struct virtio_slot *slot = &dev->slots[index];

	pthread_mutex_lock(&dev->lock);
	if (slot->vq && !slot->notice_sent) {
		slot->notice_sent = true;
		slot->notice = (struct reactor_msg){.fn = notice_on_reactor, .arg = slot};
		reactor_send(slot->vq->group->reactor, &slot->notice);
	}
	pthread_mutex_unlock(&dev->lock);
}
