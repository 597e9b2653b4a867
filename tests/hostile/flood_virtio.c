/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio queues that are always full: each used chain is made available again as it is. */
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <string.h>

#include "../frontend/fe_util.h"
#include "flood_virtio.h"

#define SECTOR	      512u
#define GIANT_SEGMENT (16u << 20)
#define BUFFER_BYTES  (16u << 20)
#define SCSI_BYTES    (16u << 20) /* a disk has at least that, it is taken */
#define READ_16	      0x88
#define SYNC_CACHE_10 0x35
#define UNMAP_10      0x42
#define WRITE_SAME_16 0x93
#define VERIFY_16     0x8f
#define REPORT_LUNS   0xa0

/* What one chain looks like, the same in all of a queue's. */
struct shape {
	unsigned int nsegs; /* of data */
	uint32_t seg_bytes;
	bool write;	 /* data for the device to write */
	uint32_t offset; /* into the buffer */
	unsigned int depth;
};

static struct shape shape_of(const struct vflood *f, enum h_request request)
{
	struct shape s = {1, 4096, true, 0, 128};
	bool blk = f->type == H_BLK;
	uint64_t nsegs = f->disk_bytes / GIANT_SEGMENT;

	if (request == H_TINY)
		s.seg_bytes = SECTOR;
	if (request == H_MISALIGNED)
		s.offset = 1;
	if (request == H_FLUSH)
		s.nsegs = 0;
	if (request == H_GIANT) {
		s.nsegs = blk ? (unsigned int)(nsegs > 64 ? 64 : nsegs ? nsegs : 1) : 1;
		s.seg_bytes =
			f->disk_bytes < GIANT_SEGMENT ? (uint32_t)f->disk_bytes : GIANT_SEGMENT;
		s.depth = blk ? 14 : 64;
	}
	if (request == H_DISCARD || request == H_ZERO) {
		s.write = false;
		s.seg_bytes = blk ? sizeof(struct virtio_blk_discard_write_zeroes) : SECTOR;
		if (!blk && request == H_DISCARD)
			s.seg_bytes = 24;
		s.depth = 32;
	}
	if (request == H_VERIFY)
		s.nsegs = 0;
	if (request == H_INQUIRE)
		s.seg_bytes = blk ? 20 : 4096;
	return s;
}

static uint32_t blk_type(enum h_request request)
{
	static const uint32_t types[] = {
		[H_FLUSH] = VIRTIO_BLK_T_FLUSH,
		[H_DISCARD] = VIRTIO_BLK_T_DISCARD,
		[H_ZERO] = VIRTIO_BLK_T_WRITE_ZEROES,
		[H_INQUIRE] = VIRTIO_BLK_T_GET_ID,
	};

	return request < sizeof(types) / sizeof(types[0]) ? types[request] : VIRTIO_BLK_T_IN;
}

static void put_be(uint8_t *p, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static void fill_cdb(const struct vflood *f, uint8_t *cdb, enum h_request request, uint64_t lba,
		     uint32_t nblocks)
{
	uint64_t all = f->disk_bytes / SECTOR;
	uint32_t most = all > UINT32_MAX ? UINT32_MAX : (uint32_t)all;

	cdb[0] = READ_16;
	put_be(cdb + 2, lba, 8);
	put_be(cdb + 10, nblocks, 4);
	if (request == H_FLUSH) {
		memset(cdb, 0, 16);
		cdb[0] = SYNC_CACHE_10;
	} else if (request == H_DISCARD) {
		memset(cdb, 0, 16);
		cdb[0] = UNMAP_10;
		put_be(cdb + 7, 24, 2);
	} else if (request == H_ZERO || request == H_VERIFY) {
		cdb[0] = request == H_ZERO ? WRITE_SAME_16 : VERIFY_16;
		put_be(cdb + 2, 0, 8);
		put_be(cdb + 10, most, 4);
	} else if (request == H_INQUIRE) {
		memset(cdb, 0, 16);
		cdb[0] = REPORT_LUNS;
		put_be(cdb + 6, 4096, 4);
	}
}

/* What the device reads for a discard, in the buffer. */
static void fill_data(const struct vflood *f, enum h_request request)
{
	uint64_t blocks = f->disk_bytes / SECTOR;
	uint32_t most = blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks;
	struct virtio_blk_discard_write_zeroes range = {.num_sectors = most};

	if (f->type == H_BLK && (request == H_DISCARD || request == H_ZERO)) {
		memcpy(f->buf, &range, sizeof(range));
	} else if (request == H_DISCARD) {
		put_be(f->buf, 22, 2);
		put_be(f->buf + 2, 16, 2);
		put_be(f->buf + 16, most, 4);
	}
}

/* Header, data, and what the device answers; scsi has its response before data that it writes. */
static int add_chain(struct vflood *f, struct fe_vq *q, const struct shape *s,
		     enum h_request request)
{
	struct fe_seg segs[80];
	uint16_t id = q->free_list[q->nfree - 1];
	uint64_t bytes = (uint64_t)s->nsegs * s->seg_bytes, room = f->disk_bytes - bytes;
	uint64_t lba = request == H_GIANT || !room ? 0 : fe_random(&f->random) % room / 4096 * 8;
	unsigned int n = 0, i;
	bool scsi = f->type == H_SCSI;

	if (scsi) {
		struct virtio_scsi_cmd_req *req = &f->reqs[q->index][id];

		memset(req, 0, sizeof(*req));
		req->lun[0] = 1;
		req->tag = id;
		fill_cdb(f, req->cdb, request, lba, (uint32_t)(bytes / SECTOR));
		segs[n++] = (struct fe_seg){f->reqs_gpa[q->index] + id * sizeof(*req), sizeof(*req),
					    false};
	} else {
		q->hdrs[id] = (struct virtio_blk_outhdr){.type = blk_type(request), .sector = lba};
		if (blk_type(request) != VIRTIO_BLK_T_IN)
			q->hdrs[id].sector = 0;
		segs[n++] = (struct fe_seg){q->hdrs_gpa + id * sizeof(*q->hdrs), sizeof(*q->hdrs),
					    false};
	}
	if (scsi && s->write)
		segs[n++] = (struct fe_seg){f->resps_gpa[q->index] + id * sizeof(**f->resps),
					    sizeof(**f->resps), true};
	for (i = 0; i < s->nsegs; i++)
		segs[n++] = (struct fe_seg){f->buf_gpa + s->offset, s->seg_bytes, s->write};
	if (scsi && !s->write)
		segs[n++] = (struct fe_seg){f->resps_gpa[q->index] + id * sizeof(**f->resps),
					    sizeof(**f->resps), true};
	if (!scsi)
		segs[n++] = (struct fe_seg){q->status_gpa + id, 1, true};
	return fe_vq_chain(q, segs, n);
}

static int fill_queue(struct vflood *f, struct fe_vq *q, const struct shape *s,
		      enum h_request request)
{
	unsigned int i;
	int head;

	for (i = 0; i < s->depth; i++) {
		head = add_chain(f, q, s, request);
		if (head < 0)
			return i ? 0 : head;
		q->avail[2 + q->avail_idx++ % q->size] = (uint16_t)head;
	}
	return 0;
}

static void make_scsi_requests(struct vflood *f, struct fe_vq *q)
{
	f->reqs[q->index] =
		fe_mem_alloc(&f->dev.mem, q->size * sizeof(**f->reqs), &f->reqs_gpa[q->index]);
	f->resps[q->index] =
		fe_mem_alloc(&f->dev.mem, q->size * sizeof(**f->resps), &f->resps_gpa[q->index]);
}

int h_vflood_open(struct vflood *f, const struct h_options *o)
{
	uint64_t sectors = 0;
	int err = fe_virtio_open(&f->dev, o->socket,
				 ~(FE_VIRTIO_F_EVENT_IDX | 1ULL << 34)); /* nor packed */

	if (err)
		return err;
	f->type = o->type;
	f->first = o->type == H_SCSI ? 2 : 0;
	f->nqueues = h_limit(o->queues, (unsigned int)f->dev.nqueues - f->first);
	if (f->nqueues > H_QUEUES_MAX)
		f->nqueues = H_QUEUES_MAX;
	f->disk_bytes = SCSI_BYTES;
	if (o->type == H_BLK && fe_virtio_get_config(&f->dev, 0, 8, &sectors) == 0)
		f->disk_bytes = sectors * SECTOR;
	f->buf = fe_mem_alloc_in(&f->dev.mem, 1, BUFFER_BYTES + 4096, 4096, &f->buf_gpa);
	return f->buf ? 0 : -ENOMEM;
}

int h_vflood_fill(struct vflood *f, const struct h_options *o, enum h_request request)
{
	struct shape s = shape_of(f, request);
	unsigned int i, descs = s.nsegs + 2, size = 16;
	int err = 0;

	if (o->depth)
		s.depth = o->depth;
	while (size < s.depth * descs && size < FE_VQ_MAX)
		size *= 2;
	fill_data(f, request);
	if (f->type == H_SCSI && !err)
		err = fe_vq_start(fe_vq_make(&f->dev, 0, 64), 0);
	for (i = 0; i < f->nqueues && !err; i++) {
		struct fe_vq *q = fe_vq_make(&f->dev, f->first + i, (uint16_t)size);

		q->avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
		if (f->type == H_SCSI)
			make_scsi_requests(f, q);
		err = fill_queue(f, q, &s, request);
		if (!err)
			err = fe_vq_start(q, 0);
	}
	return err;
}

static bool failed(const struct vflood *f, const struct fe_vq *q, uint32_t id)
{
	if (f->type == H_BLK)
		return q->status[id];
	return f->resps[q->index][id].response || f->resps[q->index][id].status;
}

void h_vflood_submit(struct fe_vq *q)
{
	__atomic_store_n(&q->avail[1], q->avail_idx, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&q->used->flags, __ATOMIC_SEQ_CST) & VRING_USED_F_NO_NOTIFY))
		fe_vq_kick(q);
}

unsigned int h_vflood_pump(struct vflood *f)
{
	unsigned int i, total = 0;

	for (i = 0; i < f->nqueues; i++) {
		struct fe_vq *q = &f->dev.q[f->first + i];
		uint16_t idx = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE), n;

		n = (uint16_t)(idx - q->last_used);
		while (q->last_used != idx) {
			uint32_t id = q->used->ring[q->last_used++ % q->size].id % q->size;

			h_counts.errors += failed(f, q, id);
			if (f->done)
				f->done(f->arg, id, failed(f, q, id));
			q->avail[2 + q->avail_idx++ % q->size] = (uint16_t)id;
		}
		if (n)
			h_vflood_submit(q);
		total += n;
	}
	h_counts.done += total;
	return total;
}

int h_vflood_alive(struct vflood *f)
{
	uint64_t features;

	return fe_vhost_call(&f->dev.vhost, FE_VHOST_GET_FEATURES, NULL, 0, &features, 8);
}

int h_flood_virtio(const struct h_options *o, enum h_request request)
{
	static struct vflood f;
	unsigned int i;
	int err = h_vflood_open(&f, o);

	if (!err)
		err = h_vflood_fill(&f, o, request);
	if (err)
		return err;
	for (i = 0; i < f.nqueues; i++)
		h_vflood_submit(&f.dev.q[f.first + i]);
	h_running();
	for (i = 0; !h_over() && !err;) {
		if (h_vflood_pump(&f))
			continue;
		fe_sleep_us(50);
		/* Whether the session is still there. */
		if (++i % 4096 == 0)
			err = h_vflood_alive(&f);
	}
	fe_virtio_close(&f.dev);
	return err;
}
