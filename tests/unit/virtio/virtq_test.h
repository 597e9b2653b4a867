/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_VIRTIO_VIRTQ_TEST_H
#define TESTS_UNIT_VIRTIO_VIRTQ_TEST_H

/*
 * A virtqueue in plain memory with the driver's side of it. Rings and in-flight region lie in one
 * block, so that a copy of the block is what a daemon finds that is started after a crash.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "../test.h"
#include "virtio/virtq.h"

#define RING_MAX    VIRTQ_MAX_SIZE
#define GPA_A	    0x10000ull /* two neighbours in the guest, apart in this process */
#define REGION	    0x10000ull
#define GPA_B	    (GPA_A + REGION)
#define GPA_C	    0x4000000ull /* on its own: for indirect tables */
#define REGION_C    0x40000ull
#define GPA_NOWHERE 0x3000000ull

struct ring_shared {
	struct vring_desc desc[RING_MAX] __attribute__((aligned(16)));
	uint16_t avail[3 + RING_MAX]; /* flags, index, entries, used event */
	struct {
		uint16_t flags, idx;
		struct vring_used_elem elems[RING_MAX + 1]; /* and the available event */
	} used __attribute__((aligned(4)));
	uint8_t inflight[sizeof(struct inflight_queue) + RING_MAX * sizeof(struct inflight_desc)]
		__attribute__((aligned(64)));
};

struct ring {
	struct ring_shared *s;
	uint16_t size;
	uint16_t avail_idx; /* the driver's own */
	struct guest_mem mem;
	struct virtq vq;
	struct iov_pool pool;
	struct iovec inline_iov[6];
	struct virtq_chain c;
};

static struct iov_budget *ring_budget;
static uint8_t region_a[REGION], region_b[REGION];
static uint8_t region_c[REGION_C] __attribute__((aligned(16)));

static inline struct inflight_queue *ring_inflight(struct ring *r)
{
	return (struct inflight_queue *)(void *)r->s->inflight;
}

static inline int ring_start(struct ring *r, uint16_t base, bool event_idx, bool inflight)
{
	struct virtq_params p = {
		.desc = r->s->desc,
		.avail = r->s->avail,
		.used = &r->s->used,
		.mem = &r->mem,
		.inflight = inflight ? r->s->inflight : NULL,
		.size = r->size,
		.base = base,
		.event_idx = event_idx,
		.call_fd = -1,
	};

	return virtq_init(&r->vq, &p);
}

/* All zero, as if the indices had been at `base` when the device was reset. */
static inline void ring_init(struct ring *r, struct ring_shared *s, uint16_t size, uint16_t base)
{
	memset(r, 0, sizeof(*r));
	memset(s, 0, sizeof(*s));
	r->s = s;
	r->size = size;
	r->avail_idx = s->avail[1] = s->used.idx = base;
	if (!ring_budget)
		ring_budget = iov_budget_create("ring", 0);
	iov_pool_init(&r->pool, ring_budget, NULL);
	guest_mem_add(&r->mem, GPA_A, REGION, region_a);
	guest_mem_add(&r->mem, GPA_B, REGION, region_b);
	guest_mem_add(&r->mem, GPA_C, REGION_C, region_c);
}

static inline void ring_fini(struct ring *r)
{
	virtq_fini(&r->vq);
	if (r->c.big)
		iov_pool_put(&r->pool, r->c.big);
	r->c.big = NULL;
	iov_pool_fini(&r->pool);
}

static inline void ring_desc(struct ring *r, uint16_t i, uint64_t addr, uint32_t len,
			     uint16_t flags, uint16_t next)
{
	r->s->desc[i] = (struct vring_desc){addr, len, flags, next};
}

static inline void ring_submit(struct ring *r, uint16_t head)
{
	r->s->avail[2 + (r->avail_idx & (r->size - 1))] = head;
	r->s->avail[1] = ++r->avail_idx;
}

static inline int ring_pop(struct ring *r)
{
	if (r->c.big)
		iov_pool_put(&r->pool, r->c.big);
	r->c = (struct virtq_chain){.iov = r->inline_iov, .room = 6, .pool = &r->pool};
	return virtq_pop(&r->vq, &r->c);
}

/* Wishes of the driver and of the device. */
static inline void ring_set_used_event(struct ring *r, uint16_t event)
{
	r->s->avail[2 + r->size] = event;
}

static inline uint16_t ring_avail_event(const struct ring *r)
{
	uint16_t event;

	memcpy(&event, &r->s->used.elems[r->size], sizeof(event));
	return event;
}

static inline struct vring_used_elem ring_used(const struct ring *r, uint16_t idx)
{
	return r->s->used.elems[idx & (r->size - 1)];
}

#endif
