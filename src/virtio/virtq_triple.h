/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_VIRTQ_TRIPLE_H
#define VIRTIO_VIRTQ_TRIPLE_H

/*
 * The usual chain of a disk's driver: a buffer to read, a buffer either way and a buffer to write,
 * in the ring or in a table of their own. For those who need no list of segments then; all other
 * chains, and all that is wrong with one, are virtq_pop()'s.
 */

#include "virtio/virtq.h"
#include "virtio/virtq_inflight.h"

/* The head that virtq_pop() would take next, of those seen; it may be out of range. */
static inline uint16_t virtq_next_head(const struct virtq *vq)
{
	return le16toh(__atomic_load_n(&vq->avail->ring[vq->last_avail & (vq->size - 1)],
				       __ATOMIC_RELAXED));
}

/* Copies the chain's descriptors. False: it is another one than described above. */
static inline bool virtq_read_triple(struct virtq *vq, uint16_t head, struct virtq_desc d[3])
{
	const void *table = vq->desc;
	uint32_t n = vq->size;

	if (unlikely(head >= n))
		return false;
	d[0] = virtq_read_desc(table, head);
	if (VIRTQ_DESC_FLAGS(d[0]) == VRING_DESC_F_INDIRECT) {
		n = 3;
		if (unlikely(VIRTQ_DESC_LEN(d[0]) != n * sizeof(struct vring_desc)))
			return false;
		table = guest_mem_ptr_near(vq->mem, d[0].addr, n * sizeof(struct vring_desc),
					   &vq->last_region);
		if (unlikely(!table))
			return false;
		d[0] = virtq_read_desc(table, 0);
	}
	if (unlikely(VIRTQ_DESC_FLAGS(d[0]) != VRING_DESC_F_NEXT || VIRTQ_DESC_NEXT(d[0]) >= n))
		return false;
	d[1] = virtq_read_desc(table, VIRTQ_DESC_NEXT(d[0]));
	if (unlikely((VIRTQ_DESC_FLAGS(d[1]) | VRING_DESC_F_WRITE) !=
			     (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE) ||
		     VIRTQ_DESC_NEXT(d[1]) >= n))
		return false;
	d[2] = virtq_read_desc(table, VIRTQ_DESC_NEXT(d[1]));
	return VIRTQ_DESC_FLAGS(d[2]) == VRING_DESC_F_WRITE;
}

/*
 * Where the device may access all of a buffer of at least one byte, or NULL. `near` is a copy, for
 * all buffers of a chain, of the region vq->last_region.
 */
static inline void *virtq_desc_ptr(struct virtq *vq, const struct guest_mem_region *near,
				   const struct virtq_desc *d)
{
	uint64_t at = d->addr - near->gpa, len = VIRTQ_DESC_LEN(*d);

	if (likely(at < near->size && len <= near->size - at))
		return near->host + at;
	return guest_mem_ptr_elsewhere(vq->mem, d->addr, len, &vq->last_region);
}

#endif
