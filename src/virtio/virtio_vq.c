/* SPDX-License-Identifier: BSD-3-Clause */
/* A running virtqueue: its requests, fetched and completed, and how it starts and stops. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/time.h"
#include "util/util.h"
#include "virtio/virtio_internal.h"

/* Chains of one queue before the next one's turn. */
#define BURST VIRTQ_PREFETCH_MAX

/* One batch in so many has its first request timed, one request at a time. */
#define TIMED_BATCHES 8

#define REQS_AT_ONCE 16

/* --- requests --- */

struct bdev_channel *virtio_req_channel(const struct virtio_req *req, size_t i)
{
	return req->vq->group->channels[i];
}

void *virtio_req_group_ctx(const struct virtio_req *req)
{
	return req->vq->group->ctx;
}

unsigned int virtio_req_queue(const struct virtio_req *req)
{
	return req->vq->index;
}

void *virtio_req_arg(const struct virtio_req *req)
{
	return req->vq->group->dev->arg;
}

uint64_t virtio_req_features(const struct virtio_req *req)
{
	return req->vq->features;
}

static slow_path void end_timing(struct virtio_vq *vq)
{
	latency_add(vq->stats->latency_ns, &vq->stats->latency_sum_ns,
		    time_now_ns() - vq->timed_since_ns);
	vq->timed = NULL;
}

static inline void free_req(struct virtio_req *req)
{
	struct virtio_vq *vq = req->vq;

	if (unlikely(req->big)) {
		iov_pool_put(&vq->group->lists, req->big);
		req->big = NULL;
	}

	if (unlikely(vq->timed == req))
		end_timing(vq);
	req->next = vq->free; /* it is active no more */
	vq->free = req;
	vq->outstanding--;
	vq->group->completed++;
	reactor_poller_poke(&vq->group->poller); /* it shows it to the guest */
}

void virtio_req_free(struct virtio_req *req)
{
	free_req(req);
}

void virtio_req_complete(struct virtio_req *req, uint32_t written)
{
	virtq_push(&req->vq->ring, req->id.head, written);
	free_req(req);
}

void virtio_req_break(struct virtio_req *req, const char *why)
{
	struct virtq *ring = &req->vq->ring;

	if (!ring->broken) {
		ring->broken = why;
		ring->broken_value = req->id.head;
	}
	free_req(req);
}

void virtio_vq_log_broken(struct virtio_vq *vq)
{
	struct virtio_dev *dev = vq->group->dev;

	if (vq->broken_logged)
		return;
	vq->broken_logged = true;
	log_limited(&dev->limit, LOG_LEVEL_WARN, dev->name,
		    "%s: queue %u is broken and stopped until the guest resets the device: %s (%u)",
		    dev->name, vq->index, vq->ring.broken, vq->ring.broken_value);
}

/* What is in the front of the ring for the personality's short way. */
static inline unsigned int run_now(struct virtio_vq *vq, unsigned int max)
{
	if (!vq->run_now || unlikely(vq->ring.broken) ||
	    unlikely(vq->ring.next_resubmit < vq->ring.nresubmit))
		return 0;
	return vq->run_now(&vq->now, max);
}

/* A descriptor of no bytes has no segment, one of several memory regions more than one. */
static inline uint64_t units_of_chain(const struct virtq_chain *chain)
{
	unsigned int segs = chain->nout + chain->nin;

	return REACTOR_REQUEST_UNITS +
	       REACTOR_SEGMENT_UNITS * (segs > chain->descs ? segs : chain->descs);
}

/* The price of a request by the long way; of much data, that of the first step. */
static inline uint64_t units_of(const struct virtq_chain *chain)
{
	return units_of_chain(chain) +
	       min_t(uint64_t, chain->out_len + chain->in_len, REACTOR_STEP_BYTES);
}

/*
 * Some more requests for the free list: a queue of which few entries are in flight has few, as each
 * takes up memory once it was touched.
 */
static slow_path void make_more_reqs(struct virtio_vq *vq)
{
	unsigned int n;

	for (n = 0; n < REQS_AT_ONCE && vq->made_reqs < vq->ring.size; n++) {
		struct virtio_req *req = virtio_vq_req(vq, vq->made_reqs++);

		req->vq = vq;
		req->stats = vq->stats;
		req->next = vq->free;
		vq->free = req;
	}
}

/* Nothing was fetched. A chain that has to wait was looked at all the same, and will be again. */
static slow_path bool not_fetched(struct virtio_vq *vq, const struct virtq_chain *chain, int rc)
{
	if (chain->big)
		iov_pool_put(chain->pool, chain->big);
	vq->starved = rc == -EAGAIN;
	if (vq->starved)
		reactor_share_pay(vq->now.share, units_of_chain(chain));
	return false;
}

/*
 * False: nothing to fetch, or the queue is broken, or has to wait for others to end. Not inlined:
 * it needs all registers, and who goes the short way would save them in vain.
 */
static bool __attribute__((noinline)) fetch(struct virtio_vq *vq)
{
	struct virtio_req *req = vq->free;
	struct virtq_chain chain = {
		.iov = req->inline_iov,
		.room = VIRTIO_INLINE_IOV,
		.pool = &vq->group->lists,
	};
	int rc = virtq_pop(&vq->ring, &chain);

	if (unlikely(rc <= 0))
		return not_fetched(vq, &chain, rc);
	vq->free = req->next;
	if (unlikely(!vq->free))
		make_more_reqs(vq);
	virtio_req_set_active(req);
	vq->outstanding++;
	req->big = chain.big;
	req->id = (typeof(req->id)){.head = chain.head};
	req->out = chain.iov;
	req->nout = chain.nout;
	req->in = chain.iov + chain.nout;
	req->nin = chain.nin;
	req->out_len = chain.out_len;
	req->in_len = chain.in_len;
	reactor_share_pay(vq->now.share, units_of(&chain));
	vq->group->dev->ops->handle(req);
	return true;
}

static inline void flush(struct virtio_vq *vq)
{
	switch (virtq_flush(&vq->ring)) {
	case VIRTQ_NOTIFIED:
		COUNTER_ADD(vq->stats->interrupts, 1);
		if (vq->ring.call_fd >= 0)
			reactor_share_pay(vq->now.share, REACTOR_INTERRUPT_UNITS);
		break;
	case VIRTQ_SUPPRESSED:
		COUNTER_ADD(vq->stats->interrupts_saved, 1);
		break;
	case VIRTQ_NOTHING:
		break;
	}
}

void virtio_vq_flush(struct virtio_vq *vq)
{
	flush(vq);
}

/* Runs one request at most: one that goes the short way. */
static slow_path unsigned int start_timing(struct virtio_vq *vq)
{
	if (vq->timed)
		return 0;
	vq->timed_since_ns = time_now_ns();
	if (run_now(vq, 1)) {
		end_timing(vq);
		return 1;
	}
	vq->timed = vq->free; /* the next one that is fetched */
	return 0;
}

/*
 * There is something to fetch, and a share left to pay for it: a batch, and what has completed is
 * shown to the guest.
 */
unsigned int __attribute__((noinline)) virtio_vq_run(struct virtio_vq *vq)
{
	const struct reactor_share *share = vq->now.share;
	struct queue_stats *stats = vq->stats;
	unsigned int n = 0;

	vq->starved = false;
	virtq_prefetch(&vq->ring, pace_one_by_one(&vq->pace));
	if (vq->counted_avail != vq->ring.seen_avail) {
		vq->counted_avail = vq->ring.seen_avail;
		COUNTER_ADD(stats->doorbells, 1);
	}
	if (unlikely(stats->batches % TIMED_BATCHES == 0))
		n = start_timing(vq);
	while (n < BURST && virtq_left(&vq->ring)) {
		n += run_now(vq, BURST - n);
		if (n == BURST || !virtq_left(&vq->ring) || share->credit <= 0 || !vq->free ||
		    !fetch(vq))
			break;
		n++;
	}
	if (unlikely(vq->ring.broken))
		virtio_vq_log_broken(vq);
	COUNTER_ADD(stats->batches, n != 0);
	COUNTER_ADD(stats->commands, n);
	flush(vq);
	return n;
}

static bool memory_lost(const struct virtio_vq *vq)
{
	return atomic_load_explicit(&vq->ring.mem->lost, memory_order_relaxed);
}

/* Whether there is something to take now that was not seen before. */
static inline bool look(struct virtio_vq *vq)
{
	struct virtq *ring = &vq->ring;

	if (!virtq_look(ring))
		return false;
	if (unlikely(ring->broken) ||
	    likely(pace_take(&vq->pace, (uint16_t)(ring->seen_avail - ring->last_avail))))
		return true;
	ring->seen_avail = ring->last_avail;
	return false;
}

unsigned int virtio_vq_poll(struct virtio_vq *vq)
{
	if (unlikely(memory_lost(vq)) && !vq->ring.broken) {
		vq->ring.broken = "the memory that the VMM shared was cut off under it";
		virtio_vq_log_broken(vq);
	}
	if (pace_early(&vq->pace) && !virtq_left(&vq->ring)) {
		vq->group->poller.waits = true;
		flush(vq);
		return 0;
	}
	COUNTER_ADD(vq->stats->polls, 1);
	if (likely(!vq->stopping && !vq->idle && vq->free) && (virtq_left(&vq->ring) || look(vq))) {
		if (likely(reactor_share_any_left(vq->now.share)))
			return virtio_vq_run(vq);
		if (!vq->group->held)
			vq->group->held = vq;
	}
	if (!vq->pace.batch)
		virtq_prefetch_entry(&vq->ring);
	flush(vq);
	return 0;
}

/* --- start and stop --- */

static size_t reqs_bytes(const struct virtio_vq *vq)
{
	return vq->ring.size * vq->group->dev->ops->req_size;
}

static int make_reqs(struct virtio_vq *vq)
{
	vq->reqs = pages_alloc(reqs_bytes(vq));
	if (!vq->reqs)
		return -ENOMEM;
	make_more_reqs(vq);
	return 0;
}

void virtio_vq_destroy(struct virtio_vq *vq)
{
	pages_free(vq->reqs, reqs_bytes(vq));
	free(vq->left);
	virtq_fini(&vq->ring);
	free(vq);
}

int virtio_vq_create(struct virtio_group *g, struct virtio_slot *slot,
		     const struct vhost_vring *vring, struct virtio_vq **out)
{
	unsigned int index = (unsigned int)(slot - g->dev->slots);
	struct virtio_vq *vq = calloc(1, sizeof(*vq));
	struct virtq_params p = {
		.desc = vring->desc,
		.avail = vring->avail,
		.used = vring->used,
		.mem = &g->dev->memory.mem,
		.inflight = vring->inflight,
		.size = (uint16_t)vring->size,
		.base = vring->base,
		.event_idx = vring->features >> VIRTIO_F_EVENT_IDX & 1,
		.call_fd = vring->call_fd,
		.wary = &g->dev->wary,
	};
	int rc;

	if (!vq)
		return -ENOMEM;
	vq->group = g;
	vq->slot = slot;
	vq->index = index;
	vq->stats = &g->dev->stats[index];
	vq->kick_fd = vring->kick_fd;
	vq->features = vring->features;
	vq->idle = index < 64 && g->dev->ops->idle_queues >> index & 1;
	vq->run_now = index >= g->dev->ops->first_now_queue ? g->dev->ops->run_now : NULL;
	vq->now = (struct virtio_now){
		.ring = &vq->ring,
		.stats = vq->stats,
		.arg = g->dev->arg,
	};
	rc = virtq_init(&vq->ring, &p);
	vq->counted_avail = vq->ring.seen_avail;
	if (!rc)
		rc = make_reqs(vq);
	if (rc) {
		virtio_vq_destroy(vq);
		return rc;
	}
	*out = vq;
	return 0;
}
