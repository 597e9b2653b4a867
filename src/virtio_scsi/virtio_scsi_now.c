/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way of most commands to bdevs in memory: a READ or WRITE whose header, data and
 * response have a descriptor each is done here, and nothing but its used entry is left of it. All
 * others, and all that is wrong with a request, take the long way: virtio_scsi.c.
 */
#include "virtio_scsi/virtio_scsi_now.h"

#include <linux/virtio_scsi.h>

#include "bdev/bdev_now.h"
#include "scsi/scsi.h"
#include "virtio/virtq_triple.h"

/* 16 bytes at once: an LBA that is then read across two smaller stores would wait for both. */
typedef uint64_t pair __attribute__((vector_size(16), may_alias));
typedef pair guest_pair __attribute__((aligned(1)));

/* What a batch works with. */
struct batch {
	struct virtq *ring;
	struct scsi_group *group;
	struct virtio_now_batch now;
};

/* A request's buffers; the addresses are guest memory. */
struct buffers {
	const uint8_t *req;
	uint8_t *resp;
	void *data;
	uint32_t bytes; /* of data */
	bool out;	/* the data is the guest's: a write */
};

/* False: it is another kind of chain. */
static inline bool find_buffers(struct virtq *ring, uint16_t head, struct buffers *b)
{
	struct guest_mem_region near;
	struct virtq_desc d[3], resp, data;

	if (unlikely(!virtq_read_triple(ring, head, d)))
		return false;
	/* The response stands before data to the guest, and behind data from it. */
	b->out = !(VIRTQ_DESC_FLAGS(d[1]) & VRING_DESC_F_WRITE);
	data = b->out ? d[1] : d[2];
	resp = b->out ? d[2] : d[1];
	b->bytes = VIRTQ_DESC_LEN(data);
	if (unlikely(VIRTQ_DESC_LEN(d[0]) != sizeof(struct virtio_scsi_cmd_req) ||
		     VIRTQ_DESC_LEN(resp) != sizeof(struct virtio_scsi_cmd_resp) || !b->bytes))
		return false;
	near = ring->mem->regions[ring->last_region];
	b->req = virtq_desc_ptr(ring, &near, &d[0]);
	b->data = virtq_desc_ptr(ring, &near, &data);
	b->resp = virtq_desc_ptr(ring, &near, &resp);
	return likely(b->req && b->data && b->resp);
}

/*
 * VIRTIO_SCSI_S_OK, status GOOD, no sense data, no residual, and zeroes where sense data would be,
 * as all of the response is counted in the used element. Those are mostly there already, and then
 * their cache lines stay with the guest's CPU.
 */
static inline void put_good(uint8_t *resp)
{
	enum { HEAD = offsetof(struct virtio_scsi_cmd_resp, sense) };
	pair sense[6], any;

	_Static_assert(HEAD + sizeof(sense) == sizeof(struct virtio_scsi_cmd_resp), "all of it");
	memset(resp, 0, HEAD);
	memcpy(sense, resp + HEAD, sizeof(sense));
	any = (sense[0] | sense[1]) | (sense[2] | sense[3]) | (sense[4] | sense[5]);
	if (unlikely(any[0] | any[1]))
		memset(resp + HEAD, 0, sizeof(sense));
}

/* False: nothing has happened. */
static inline bool run(const struct virtio_now *now, struct batch *batch, uint16_t head)
{
	struct virtq *ring = batch->ring;
	struct buffers b;
	uint64_t lun;
	pair cdb;
	struct scsi_rw rw;

	if (unlikely(!find_buffers(ring, head, &b)))
		return false;
	ring->expected = b.req;
	/* Once: the guest may change its header while we look at it. */
	lun = htole64(virtq_read64(b.req + offsetof(struct virtio_scsi_cmd_req, lun)));
	cdb = *(const volatile guest_pair *)(b.req + offsetof(struct virtio_scsi_cmd_req, cdb));
	if (unlikely(!scsi_rw_now(batch->group, (const uint8_t *)&lun, (const uint8_t *)&cdb, b.out,
				  b.bytes, &rw)))
		return false;
	virtq_inflight_begin(ring, head);
	/* While the data is copied: put_good() looks at all of it. */
	__builtin_prefetch(b.resp + offsetof(struct virtio_scsi_cmd_resp, sense));
	__builtin_prefetch(b.resp + sizeof(struct virtio_scsi_cmd_resp) - 1);
	bdev_now_run(rw.ch, rw.op, rw.lba, rw.nblocks, b.data);
	put_good(b.resp);
	virtio_now_did(now, &batch->now, rw.op, b.bytes);
	virtq_push(ring, head,
		   (uint32_t)sizeof(struct virtio_scsi_cmd_resp) + (b.out ? 0 : b.bytes));
	return true;
}

unsigned int virtio_scsi_run_now(const struct virtio_now *now, unsigned int max)
{
	struct virtq *ring = now->ring;
	struct batch batch = {.ring = ring, .group = now->ctx, .now.max = max};
	unsigned int n;

	for (n = 0; n < batch.now.max && ring->last_avail != ring->seen_avail; n++) {
		if (unlikely(!run(now, &batch, virtq_next_head(ring))))
			break;
		ring->last_avail++;
	}
	return virtio_now_end(now, &batch.now, n);
}
