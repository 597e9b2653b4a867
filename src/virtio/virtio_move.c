/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue goes from one group to another: it stops as it does at a session's end, but then the old
 * reactor hands it to the new one, without waiting for any other thread. What the control thread
 * wants of it meanwhile waits in its slot.
 */
#include <errno.h>
#include <unistd.h>

#include "util/time.h"
#include "virtio/virtio_internal.h"

/*
 * It takes nothing new while it drains, so that what is in flight comes to an end. It stays if that
 * takes long all the same: nothing ends for so long and the CPU is not what it waits for (a disk
 * may hang), or it takes so long in all, or a call of the control thread waits for us.
 */
#define STUCK_NS (20 * NS_PER_MS)
#define DRAIN_NS (200 * NS_PER_MS)
#define LOOK_US	 100

static struct virtio_group *group_on(const struct virtio_dev *dev, const struct reactor *r)
{
	size_t i;

	for (i = 0; i < dev->ngroups; i++)
		if (dev->groups[i]->reactor == r)
			return dev->groups[i];
	return NULL;
}

/* --- on the reactors --- */

struct move_call {
	struct virtio_vq *vq;
	struct virtio_group *from, *to;
	uint64_t until_ns;
	unsigned int outstanding; /* at the last look */
	bool wanted;		  /* a call waits */
	int rc;
};

static void begin(void *arg)
{
	struct move_call *call = arg;
	struct virtio_vq *vq = call->vq;

	call->outstanding = vq->outstanding;
	vq->to = call->to;
	vq->stopping = true;
	virtio_vq_stop_if_drained(vq);
}

/* Where it comes to. Without memory it goes back to where there still is room for it. */
static void arrive(void *arg)
{
	struct virtio_vq *vq = arg;
	struct virtio_group *from = vq->group;

	vq->stopping = false;
	if (!virtio_vq_join(vq, vq->to)) {
		vq->to = NULL;
		sem_post(&vq->moved);
		return;
	}
	vq->to = from;
	virtio_vq_hand_over(vq);
}

void virtio_vq_hand_over(struct virtio_vq *vq)
{
	vq->join_msg = (struct reactor_msg){.fn = arrive, .arg = vq};
	reactor_send(vq->to->reactor, &vq->join_msg);
}

/* Copies go on by jobs: they are slow, but nothing hangs. */
static bool makes_progress(const struct move_call *call)
{
	return call->vq->outstanding < call->outstanding ||
	       reactor_share_has_jobs(&call->from->poller.share);
}

/* The old reactor, now and then. If the queue is still there for no good reason it goes on. */
static void look(void *arg)
{
	struct move_call *call = arg;
	struct virtio_vq *vq = call->vq;
	unsigned int i;

	for (i = 0; i < call->from->nvqs && call->from->vqs[i] != vq; i++)
		;
	if (i == call->from->nvqs || !vq->to)
		return; /* on its way, or there and back */
	if (!call->wanted && time_now_ns() < call->until_ns && makes_progress(call)) {
		call->outstanding = vq->outstanding;
		return;
	}
	vq->to = NULL;
	vq->stopping = false;
	call->rc = -EAGAIN;
}

/* --- main thread --- */

/* False: it is time for a look. */
static bool arrived(struct move_call *call)
{
	uint64_t end_ns = time_now_ns() + STUCK_NS;

	while (sem_trywait(&call->vq->moved)) {
		call->wanted = virtio_slot_call_waits(call->vq->slot);
		if (call->wanted || time_now_ns() >= end_ns)
			return false;
		usleep(LOOK_US);
	}
	return true;
}

static int move(struct virtio_vq *vq, struct virtio_group *to)
{
	struct move_call call = {.vq = vq, .from = vq->group, .to = to};

	if (to == vq->group)
		return -EALREADY;
	sem_init(&vq->moved, 0, 0);
	call.until_ns = time_now_ns() + DRAIN_NS;
	reactor_call(call.from->reactor, begin, &call);
	while (!call.rc && !arrived(&call))
		reactor_call(call.from->reactor, look, &call);
	sem_destroy(&vq->moved);
	if (!call.rc && vq->group != to)
		call.rc = -ENOMEM;
	return call.rc;
}

int virtio_dev_move_queue(struct virtio_dev *dev, unsigned int index, const struct reactor *to)
{
	struct virtio_group *g = group_on(dev, to);
	struct virtio_slot *slot;
	int rc;

	if (!g)
		return -EINVAL;
	if (index < dev->ops->first_now_queue || index >= dev->queues)
		return -ENOENT;
	slot = &dev->slots[index];
	rc = virtio_slot_begin_move(slot);
	if (rc)
		return rc;
	rc = move(slot->vq, g);
	virtio_slot_end_move(slot);
	return rc;
}
