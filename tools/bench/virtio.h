/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_VIRTIO_H
#define BENCH_VIRTIO_H

/*
 * What virtio-blk and virtio-scsi have in common: the session, split virtqueues (VIRTIO 1.2, 2.7),
 * and chains of descriptors, whose place is each slot's own.
 */

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdio.h>

#include "device.h"
#include "job.h"
#include "util/util.h"
#include "vhost_user.h"

#define VIRTIO_BIT(n)	   (1ULL << (n))
#define RING_F_INDIRECT	   VIRTIO_BIT(28)
#define RING_F_EVENT_IDX   VIRTIO_BIT(29)
#define DEVICE_F_VERSION_1 VIRTIO_BIT(32)

#define VIRTQ_NO_SLOT 0xffff

struct virtq {
	struct queue q;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t size, mask;
	uint16_t avail_idx, kicked_idx, last_used;
	const void
		*expected; /* a hint for the caches: what will be looked at of the last request */
	bool event_idx;
	int kick_fd;
	/* A slot's chain: `segs_max` entries of `desc`, or of a table of its own if indirect. */
	bool indirect;
	unsigned int segs_max;
	struct vring_desc *tables;
	uint16_t *head_of; /* of a slot */
	uint16_t *slot_of; /* of a head; VIRTQ_NO_SLOT */
	/* What the type needs for each slot. */
	uint8_t *requests;
	const struct memory *mem;
	uint32_t segment;	/* bytes of a data descriptor, at most */
	uint32_t nlb, lba_size; /* of an I/O: logical blocks, and their bytes */
	uint8_t lun[8];		/* SCSI: what requests are for */
};

struct virtio_device {
	struct device dev;
	struct vhost_user vhost;
	struct virtq *queues; /* of the jobs */
	unsigned int first_queue, request_bytes;
	uint32_t segment; /* bytes of a data descriptor, at most */
};

/* A slot's chain while it is written. */
struct virtq_chain {
	struct vring_desc *at, *first;
	uint16_t index; /* of `at` */
};

static inline struct virtio_device *virtio_of(struct device *d)
{
	return container_of(d, struct virtio_device, dev);
}

/*
 * Connects and negotiates. request_bytes: for each slot, of a multiple of 64; first_queue: the
 * first that is for I/O. d->max_queues is what the target says.
 */
int virtio_open(struct virtio_device *v, const struct options *o, uint64_t features,
		unsigned int first_queue, unsigned int request_bytes);
/* Memory for all queues, whose chains have up to segs_max segments, and its way to the target. */
int virtio_map(struct virtio_device *v, unsigned int segs_max);
/* Makes and starts the queue of a job. */
int virtio_start_queue(struct virtio_device *v, unsigned int index);
/* Starts one that is not for I/O. */
int virtio_start_idle_queue(struct virtio_device *v, unsigned int index);
void virtio_close(struct device *d);

/* Submits the chain of slot 0 and waits for its end. 0, or -1 after a message. */
int virtq_exec(struct virtq *vq, uint64_t timeout_ns);

/* --- the I/O path --- */

static hot_inline struct virtq *virtq_of(struct queue *q)
{
	return container_of(q, struct virtq, q);
}

static hot_inline void *virtq_request(const struct virtq *vq, unsigned int slot, unsigned int bytes)
{
	return vq->requests + (uint64_t)slot * bytes;
}

/* Bytes of an indirect table, in whole lines. */
static hot_inline uint64_t virtq_table_bytes(unsigned int segs)
{
	return (segs * sizeof(struct vring_desc) + MEMORY_LINE - 1) & ~(uint64_t)(MEMORY_LINE - 1);
}

static hot_inline struct virtq_chain virtq_chain_begin(struct virtq *vq, unsigned int slot)
{
	uint16_t head = vq->head_of[slot];
	struct vring_desc *table;

	if (!vq->indirect)
		return (struct virtq_chain){&vq->desc[head], &vq->desc[head], head};
	table = (void *)((uint8_t *)vq->tables + slot * virtq_table_bytes(vq->segs_max));
	return (struct virtq_chain){table, table, 0};
}

/* flags: VRING_DESC_F_WRITE if it is for the device to write. */
static hot_inline void virtq_chain_add(struct virtq_chain *c, uint64_t gpa, uint32_t len,
				       uint16_t flags)
{
	*c->at++ = (struct vring_desc){
		.addr = htole64(gpa),
		.len = htole32(len),
		.flags = htole16(flags | VRING_DESC_F_NEXT),
		.next = htole16(++c->index),
	};
}

/* The slot's data buffer. */
static hot_inline void virtq_chain_add_data(struct virtq *vq, struct virtq_chain *c,
					    unsigned int slot, uint16_t flags)
{
	uint64_t gpa = memory_gpa(vq->mem, queue_buffer(&vq->q, slot));
	uint64_t left = (uint64_t)vq->nlb * vq->lba_size;

	while (left) {
		uint32_t len = left < vq->segment ? (uint32_t)left : vq->segment;

		virtq_chain_add(c, gpa, len, flags);
		gpa += len;
		left -= len;
	}
}

static hot_inline void virtq_chain_end(struct virtq *vq, struct virtq_chain *c, unsigned int slot)
{
	c->at[-1].flags &= htole16(VRING_DESC_F_WRITE);
	c->at[-1].next = 0;
	if (vq->indirect)
		vq->desc[vq->head_of[slot]] = (struct vring_desc){
			.addr = htole64(memory_gpa(vq->mem, c->first)),
			.len = htole32((uint32_t)((c->at - c->first) * sizeof(*c->at))),
			.flags = htole16(VRING_DESC_F_INDIRECT),
		};
}

static hot_inline void virtq_put(struct virtq *vq, unsigned int slot)
{
	vq->avail->ring[vq->avail_idx++ & vq->mask] = htole16(vq->head_of[slot]);
}

void virtq_kick(struct virtq *vq);

static hot_inline void virtq_ring(struct queue *q)
{
	struct virtq *vq = virtq_of(q);
	uint16_t old = vq->kicked_idx;
	bool kick;

	if (vq->avail_idx == old)
		return;
	vq->kicked_idx = vq->avail_idx;
	__atomic_store_n((uint16_t *)&vq->avail->idx, htole16(vq->avail_idx), __ATOMIC_RELEASE);
	/*
	 * Between the available index and the look at what the device wants. Its partner is the
	 * device's barrier between asking for a kick and looking at the index again
	 * (VIRTIO 1.2, 2.7.13.4.1).
	 */
	full_barrier();
	if (vq->event_idx) {
		const uint16_t *at = (const uint16_t *)&vq->used->ring[vq->size];

		kick = vring_need_event(le16toh(__atomic_load_n(at, __ATOMIC_RELAXED)),
					vq->avail_idx, old);
	} else {
		kick = !(le16toh(__atomic_load_n((uint16_t *)&vq->used->flags, __ATOMIC_RELAXED)) &
			 VRING_USED_F_NO_NOTIFY);
	}
	if (unlikely(kick))
		virtq_kick(vq);
}

/* Sets q->error; -1. */
int virtq_bad(struct virtq *vq, int slot, const char *what, uint32_t value);

/*
 * What will be read and written now: the stores would get their lines one after the other.
 * With more in flight the device may be about to write another request's answer.
 */
static hot_inline void virtq_prefetch(const struct virtq *vq)
{
	if (vq->q.depth == 1)
		prefetch_write(vq->expected);
	prefetch_write(&vq->avail->ring[vq->avail_idx & vq->mask]);
	prefetch_write(&vq->avail->idx);
}

/*
 * Slots that the device has given back. Their length is not looked at: devices disagree about it
 * for writes, and drivers ignore it.
 */
static hot_inline int virtq_reap(struct virtq *vq, uint16_t *done, unsigned int max)
{
	uint16_t idx = le16toh(__atomic_load_n((uint16_t *)&vq->used->idx, __ATOMIC_ACQUIRE));
	unsigned int pending = (uint16_t)(idx - vq->last_used), n, i;

	if (!pending) {
		/* So that it comes together with the index. */
		if (vq->q.prefetch)
			__builtin_prefetch(&vq->used->ring[vq->last_used & vq->mask]);
		return 0;
	}
	if (vq->q.prefetch)
		virtq_prefetch(vq);
	if (unlikely(pending > vq->q.depth))
		return virtq_bad(vq, -1, "the used index is ahead of what was submitted", idx);
	n = pending < max ? pending : max;
	for (i = 0; i < n; i++) {
		uint32_t head = le32toh(vq->used->ring[vq->last_used++ & vq->mask].id);

		if (unlikely(head >= vq->size || vq->slot_of[head] == VIRTQ_NO_SLOT))
			return virtq_bad(vq, -1, "a used entry is none that was submitted", head);
		done[i] = vq->slot_of[head];
	}
	return (int)n;
}

bool virtq_arm(struct queue *q);

static hot_inline void virtq_expect(const struct queue *q)
{
	const struct virtq *vq = container_of(q, const struct virtq, q);

	__builtin_prefetch(&vq->used->idx);
}

#endif
