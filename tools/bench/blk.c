/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk (VIRTIO 1.2, 5.2) as a driver has it. */
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "message.h"
#include "vhost_user_wire.h"
#include "virtio.h"

#define SECTOR	     512u
#define CONFIG_BYTES 60u /* up to the write-zeroes fields: what every version has */
#define STATUS_UNSET 0xff

/* In one cache line, as Linux has it: header, status, and the range of a discard. */
struct blk_request {
	struct virtio_blk_outhdr hdr;
	uint8_t status;
	uint8_t padding[15];
	struct virtio_blk_discard_write_zeroes range;
	uint8_t padding2[16];
};

_Static_assert(sizeof(struct blk_request) == 64, "one cache line");
_Static_assert(offsetof(struct virtio_blk_config, unused1) + 3 == CONFIG_BYTES, "wire layout");

static hot_inline struct blk_request *request(const struct virtq *vq, unsigned int slot)
{
	return virtq_request(vq, slot, sizeof(struct blk_request));
}

static hot_inline void blk_format(struct queue *q, unsigned int slot, enum io_op op)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD};
	struct virtq *vq = virtq_of(q);
	struct blk_request *r = request(vq, slot);
	uint64_t gpa = memory_gpa(vq->mem, r);
	struct virtq_chain c = virtq_chain_begin(vq, slot);

	r->hdr = (struct virtio_blk_outhdr){.type = htole32(types[op])};
	virtq_chain_add(&c, gpa, sizeof(r->hdr), 0);
	if (unlikely(op == OP_TRIM)) {
		r->range.num_sectors = htole32(vq->nlb);
		virtq_chain_add(&c, gpa + offsetof(struct blk_request, range), sizeof(r->range), 0);
	} else {
		virtq_chain_add_data(vq, &c, slot, op == OP_READ ? VRING_DESC_F_WRITE : 0);
	}
	virtq_chain_add(&c, gpa + offsetof(struct blk_request, status), 1, VRING_DESC_F_WRITE);
	virtq_chain_end(vq, &c, slot);
}

static hot_inline void blk_put(struct queue *q, unsigned int slot, enum io_op op, uint64_t lba)
{
	struct virtq *vq = virtq_of(q);
	struct blk_request *r = request(vq, slot);

	if (unlikely(op == OP_TRIM))
		r->range.sector = htole64(lba);
	else
		r->hdr.sector = htole64(lba);
	r->status = STATUS_UNSET;
	vq->expected = r;
	virtq_put(vq, slot);
}

static int bad_status(struct virtq *vq, unsigned int slot)
{
	uint8_t status = request(vq, slot)->status;

	return virtq_bad(vq, (int)slot,
			 status == VIRTIO_BLK_S_IOERR	 ? "I/O error"
			 : status == VIRTIO_BLK_S_UNSUPP ? "not supported by the target"
			 : status == STATUS_UNSET	 ? "completed without a status"
							 : "unknown status",
			 status);
}

static hot_inline int blk_reap(struct queue *q, uint16_t *done, unsigned int max)
{
	struct virtq *vq = virtq_of(q);
	int n = virtq_reap(vq, done, max), i;

	for (i = 0; i < n; i++)
		if (unlikely(request(vq, done[i])->status != VIRTIO_BLK_S_OK))
			return bad_status(vq, done[i]);
	return n;
}

static const struct path blk_path = {
	.format = blk_format,
	.put = blk_put,
	.ring = virtq_ring,
	.reap = blk_reap,
	.arm = virtq_arm,
	.expect = virtq_expect,
};

static void blk_run(struct job *j)
{
	loop_job(j, &blk_path);
}

/* --- the device --- */

static int read_config(struct virtio_device *v, struct virtio_blk_config *config)
{
	struct vhost_user_config msg = {.size = CONFIG_BYTES};
	uint32_t len = offsetof(struct vhost_user_config, region) + CONFIG_BYTES;

	memset(config, 0, sizeof(*config));
	if (vhost_user_call(&v->vhost, VHOST_USER_GET_CONFIG, &msg, len, &msg, len))
		return -1;
	memcpy(config, msg.region, CONFIG_BYTES);
	return 0;
}

static bool has(const struct virtio_device *v, unsigned int feature)
{
	return v->vhost.features & VIRTIO_BIT(feature);
}

/* Bytes of a data segment, and how many an I/O needs; 0: more than the target takes. */
static unsigned int segments(const struct virtio_device *v, const struct virtio_blk_config *c,
			     uint32_t *segment)
{
	uint64_t bs = v->dev.o->bs, n;

	*segment = has(v, VIRTIO_BLK_F_SIZE_MAX) ? le32toh(c->size_max) : UINT32_MAX;
	/* Some targets say 0; less than a page is a page, as in Linux. */
	*segment = *segment < MEMORY_PAGE ? MEMORY_PAGE : *segment & ~(SECTOR - 1);
	n = (bs + *segment - 1) / *segment;
	if (has(v, VIRTIO_BLK_F_SEG_MAX) && n > le32toh(c->seg_max))
		return 0;
	return n <= 1022 ? (unsigned int)n : 0;
}

static int take_config(struct virtio_device *v, const struct virtio_blk_config *c)
{
	struct device *d = &v->dev;
	uint64_t sectors = le64toh(c->capacity);

	if (sectors > UINT64_MAX / SECTOR)
		return bench_error(
			"the target has a capacity of %llu sectors, which makes no sense",
			(unsigned long long)sectors);
	d->size = sectors * SECTOR;
	if (has(v, VIRTIO_BLK_F_BLK_SIZE))
		d->block_size = le32toh(c->blk_size);
	if (d->block_size < SECTOR || d->block_size > 65536 || d->block_size & (d->block_size - 1))
		return bench_error("the target has blocks of %u bytes, which makes no sense",
				   d->block_size);
	if (has(v, VIRTIO_BLK_F_DISCARD))
		d->max_trim = (uint64_t)le32toh(c->max_discard_sectors) * SECTOR;
	d->read_only = has(v, VIRTIO_BLK_F_RO);
	return 0;
}

static int blk_add_queue(struct device *d, struct job *j)
{
	struct virtio_device *v = virtio_of(d);

	j->queue = &v->queues[j->number].q;
	return virtio_start_queue(v, j->number);
}

static const struct device_ops ops = {
	.add_queue = blk_add_queue,
	.run = blk_run,
	.close = virtio_close,
};

static int bring_up(struct virtio_device *v)
{
	const uint64_t features =
		VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) |
		VIRTIO_BIT(VIRTIO_BLK_F_RO) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |
		VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE) |
		VIRTIO_BIT(VIRTIO_BLK_F_MQ) | VIRTIO_BIT(VIRTIO_BLK_F_DISCARD);
	struct virtio_blk_config config = {0};
	unsigned int n;

	if (virtio_open(v, v->dev.o, features, 0, sizeof(struct blk_request)))
		return -1;
	v->dev.block_size = v->dev.lba_size = SECTOR;
	v->dev.max_io = UINT64_MAX;
	if (v->vhost.protocol & VHOST_USER_PF_CONFIG) {
		if (read_config(v, &config) || take_config(v, &config))
			return -1;
	} else {
		/* Nothing tells the limits then; segments of any size, one for each I/O. */
		v->vhost.features &=
			~(VIRTIO_BIT(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX));
	}
	n = segments(v, &config, &v->segment);
	if (!n)
		return bench_option_error(
			"--bs: the target takes at most %u segments of %u bytes; use a "
			"smaller one",
			le32toh(config.seg_max), le32toh(config.size_max));
	return virtio_map(v, n + 2);
}

int blk_open(const struct options *o, const char *socket, struct device **out)
{
	struct virtio_device *v = calloc(1, sizeof(*v));

	if (!v) {
		*out = NULL;
		return bench_error("out of memory");
	}
	*out = &v->dev; /* the caller closes it */
	v->dev.ops = &ops;
	v->dev.o = o;
	v->dev.socket = socket;
	v->dev.fd = v->dev.mem.fd = v->vhost.fd = -1;
	return bring_up(v);
}
