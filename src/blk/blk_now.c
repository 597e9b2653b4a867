/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way of most requests to bdevs in memory: a read or write of one buffer between header
 * and status is done here, and nothing but its used entry is left of it. All others, and all that
 * is wrong with a request, take the long way: blk_req.c.
 */
#include "bdev/bdev_now.h"
#include "blk/blk_internal.h"
#include "util/util.h"
#include "virtio/virtq_triple.h"

/* What a batch works with. */
struct batch {
	struct virtq *ring;
	struct bdev_channel *ch;
	unsigned int block_shift;
	uint32_t block_mask; /* bytes */
	bool read_only;
	struct virtio_now_batch now;
};

/* False: nothing has happened. */
static inline bool run(const struct virtio_now *now, struct batch *batch, uint16_t head)
{
	struct virtq *ring = batch->ring;
	struct guest_mem_region near;
	struct virtq_desc d[3];
	const uint8_t *hdr;
	uint64_t sector, lba;
	uint32_t type, bytes;
	uint8_t *status;
	enum bdev_op op;
	void *data;

	if (unlikely(!virtq_read_triple(ring, head, d) ||
		     VIRTQ_DESC_LEN(d[0]) != sizeof(struct virtio_blk_outhdr) ||
		     VIRTQ_DESC_LEN(d[2]) != 1))
		return false;
	bytes = VIRTQ_DESC_LEN(d[1]);
	near = ring->mem->regions[ring->last_region];
	hdr = virtq_desc_ptr(ring, &near, &d[0]);
	data = virtq_desc_ptr(ring, &near, &d[1]);
	status = virtq_desc_ptr(ring, &near, &d[2]);
	if (unlikely(!hdr || !data || !status))
		return false;
	ring->expected = hdr;
	type = (uint32_t)virtq_read64(hdr);
	sector = virtq_read64(hdr + offsetof(struct virtio_blk_outhdr, sector));
	op = VIRTQ_DESC_FLAGS(d[1]) & VRING_DESC_F_WRITE ? BDEV_OP_READ : BDEV_OP_WRITE;
	if (unlikely(type != (op == BDEV_OP_READ ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT) ||
		     (bytes | sector << BLK_SECTOR_SHIFT) & batch->block_mask ||
		     (op == BDEV_OP_WRITE && batch->read_only)))
		return false;
	lba = sector >> (batch->block_shift - BLK_SECTOR_SHIFT);
	if (unlikely(!bdev_now_may(batch->ch, op, lba, bytes >> batch->block_shift)))
		return false;
	virtq_inflight_begin(ring, head);
	/* Whether it must be on stable media makes no difference in memory. */
	bdev_now_run(batch->ch, op, lba, bytes >> batch->block_shift, data);
	*status = VIRTIO_BLK_S_OK;
	virtio_now_did(now, &batch->now, op, bytes);
	virtq_push(ring, head, (op == BDEV_OP_READ ? bytes : 0) + 1);
	return true;
}

unsigned int blk_run_now(const struct virtio_now *now, unsigned int max)
{
	const struct blk *blk = now->arg;
	struct bdev_channel *ch = now->disk;
	struct virtq *ring = now->ring;
	struct batch batch;
	unsigned int n;

	if (unlikely(!ch || !ch->now))
		return 0;
	batch = (struct batch){
		.ring = ring,
		.ch = ch,
		.block_shift = ch->bdev->block_shift,
		.block_mask = ch->bdev->block_size - 1,
		.read_only = blk->read_only,
		.now.max = max,
	};
	for (n = 0; n < batch.now.max && ring->last_avail != ring->seen_avail; n++) {
		if (unlikely(!run(now, &batch, virtq_next_head(ring))))
			break;
		ring->last_avail++;
	}
	return virtio_now_end(now, &batch.now, n);
}
