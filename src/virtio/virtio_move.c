/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue goes from one group to another: an operation (reactor_op.h) that begins on the reactor it
 * leaves and, when nothing of it is in flight there, goes on to the one it comes to. What the
 * control thread wants of it meanwhile waits in its slot.
 */
#include <errno.h>
#include <semaphore.h>

#include "reactor/reactor_op.h"
#include "util/time.h"
#include "virtio/virtio_internal.h"

/*
 * It takes nothing new while it drains, so that what is in flight comes to an end. It stays if that
 * takes long all the same: nothing ends for so long and the CPU is not what it waits for (a disk
 * may hang), or it takes so long in all, or a call of the control thread waits for us.
 */
#define STUCK_NS (20 * NS_PER_MS)
#define DRAIN_NS (200 * NS_PER_MS)

/* Owned by the reactor that the operation is on. */
struct virtio_move {
	struct reactor_op op;
	struct reactor_part part;
	struct virtio_vq *vq;
	struct virtio_group *from, *to;
	uint64_t until_ns, look_ns;
	unsigned int outstanding; /* at the last look */
	bool away;		  /* in neither group */
	bool over;		  /* where it is it stays */
	int rc;
	sem_t ended;
};

static struct virtio_group *group_on(const struct virtio_dev *dev, const struct reactor *r)
{
	size_t i;

	for (i = 0; i < dev->ngroups; i++)
		if (dev->groups[i]->reactor == r)
			return dev->groups[i];
	return NULL;
}

/* --- on the reactors --- */

static void begin(struct virtio_move *m)
{
	uint64_t now_ns = time_now_ns();

	m->until_ns = now_ns + DRAIN_NS;
	m->look_ns = now_ns + STUCK_NS;
	m->outstanding = m->vq->outstanding;
	m->vq->move = m;
	m->vq->stopping = true;
	reactor_poller_poke(&m->from->poller); /* which sees that all has ended */
}

static void stay(struct virtio_move *m, int rc)
{
	m->vq->stopping = false;
	m->vq->move = NULL;
	m->over = true;
	m->rc = rc;
}

static void go_to(struct virtio_move *m, const struct virtio_group *g)
{
	m->part.reactor = g->reactor;
	m->op.then = &m->part;
}

/* Without memory it goes back to where there still is room for it. */
static void join(struct virtio_move *m)
{
	bool there = m->part.reactor == m->to->reactor;

	if (!virtio_vq_join(m->vq, there ? m->to : m->from))
		stay(m, there ? 0 : -ENOMEM);
}

static void start(struct reactor_part *part, struct reactor_op *op)
{
	struct virtio_move *m = container_of(part, struct virtio_move, part);

	if (m->away)
		join(m);
	else
		begin(m);
}

/* Copies go on by jobs: they are slow, but nothing hangs. */
static bool may_drain(struct virtio_move *m)
{
	unsigned int left = m->vq->outstanding;
	uint64_t now_ns = time_now_ns();
	bool goes_on = left < m->outstanding || reactor_share_has_jobs(&m->from->poller.share);

	if (virtio_slot_call_waits(m->vq->slot))
		return false;
	if (now_ns < m->look_ns)
		return true;
	m->look_ns = now_ns + STUCK_NS;
	m->outstanding = left;
	return goes_on && now_ns < m->until_ns;
}

static void leave(struct virtio_move *m)
{
	virtq_flush(&m->vq->ring);
	virtio_group_remove(m->from, m->vq);
	m->away = true;
	go_to(m, m->to);
}

static bool ready(struct reactor_part *part, struct reactor_op *op)
{
	struct virtio_move *m = container_of(part, struct virtio_move, part);

	if (m->over)
		return true;
	if (m->away)
		go_to(m, part->reactor == m->to->reactor ? m->from : m->to);
	else if (!m->vq->outstanding)
		leave(m);
	else if (!may_drain(m))
		stay(m, -EAGAIN);
	else
		return false;
	return true;
}

bool virtio_vq_move_if_drained(struct virtio_vq *vq)
{
	const struct virtio_group *g = vq->group;
	unsigned int nvqs = g->nvqs;

	reactor_op_poll(&vq->move->part); /* from here on it may be elsewhere */
	return g->nvqs < nvqs;
}

static void done(struct reactor_op *op)
{
	sem_post(&container_of(op, struct virtio_move, op)->ended);
}

/* --- main thread --- */

static int move(struct virtio_vq *vq, struct virtio_group *to)
{
	struct virtio_move m = {
		.op = {.start = start, .ready = ready, .done = done},
		.part = {.reactor = vq->group->reactor},
		.vq = vq,
		.from = vq->group,
		.to = to,
	};

	if (to == vq->group)
		return -EALREADY;
	sem_init(&m.ended, 0, 0);
	reactor_op_send(&m.op, &m.part, NULL);
	while (sem_wait(&m.ended) && errno == EINTR)
		;
	sem_destroy(&m.ended);
	return m.rc;
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
