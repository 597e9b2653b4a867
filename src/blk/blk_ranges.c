/* SPDX-License-Identifier: BSD-3-Clause */
/* Discard and write zeroes: a list of ranges, one after the other (VIRTIO 1.2, 5.2.6). */
#include <endian.h>

#include "bdev/bdev_iov.h"
#include "blk/blk_internal.h"
#include "util/util.h"

#define RANGE_UNMAP 1u

static const struct virtio_blk_discard_write_zeroes *range_of(const struct blk_req *r)
{
	return &r->ranges[r->range];
}

/*
 * The whole blocks of a range. A discard is a hint and leaves partial ones as they are; writing
 * zeroes to a part of a block is an error. False: there is none.
 */
static bool set_blocks(struct bdev_io *io, const struct bdev *bdev, uint64_t sector, uint32_t n)
{
	unsigned int shift = bdev->block_shift - BLK_SECTOR_SHIFT;
	uint64_t first = (sector + (1u << shift) - 1) >> shift, end = (sector + n) >> shift;

	if (end <= first)
		return false;
	io->lba = first;
	io->nblocks = (uint32_t)(end - first);
	return true;
}

static void range_done(struct bdev_io *io);

static uint8_t check_ranges(const struct virtio_blk_discard_write_zeroes *ranges, unsigned int n,
			    const struct bdev *bdev, enum bdev_op op);

/*
 * True: there is a further range, in our memory. All were checked at first, but what is copied now
 * may be something else.
 */
static bool has_range(struct blk_req *r, const struct bdev *bdev)
{
	struct virtio_req *req = &r->req;

	if (r->result != VIRTIO_BLK_S_OK)
		return false;
	if (r->range < r->nranges)
		return true;
	r->range = 0;
	r->nranges = min_t(unsigned int, r->left, BLK_OWN_RANGES);
	r->left -= r->nranges;
	virtq_iov_take(&req->out, &req->nout, r->ranges, r->nranges * sizeof(r->ranges[0]));
	r->result = check_ranges(r->ranges, r->nranges, bdev, (enum bdev_op)req->io.op);
	return r->nranges && r->result == VIRTIO_BLK_S_OK;
}

static bool next_range(void *arg)
{
	struct blk_req *r = arg;
	struct bdev_channel *ch = virtio_req_channel(&r->req, 0);
	struct bdev_io *io = &r->req.io;

	if (!ch)
		r->result = VIRTIO_BLK_S_IOERR;
	for (; ch && has_range(r, ch->bdev); r->range++) {
		const struct virtio_blk_discard_write_zeroes *range = range_of(r);

		if (!set_blocks(io, ch->bdev, le64toh(range->sector), le32toh(range->num_sectors)))
			continue;
		if (io->op == BDEV_OP_WRITE_ZEROES && le32toh(range->flags) & RANGE_UNMAP)
			io->flags |= BDEV_IO_UNMAP;
		else
			io->flags &= (uint8_t)~BDEV_IO_UNMAP;
		r->range++;
		bdev_submit(ch, io);
		return true;
	}
	blk_complete(r, r->result);
	return false;
}

static void range_done(struct bdev_io *io)
{
	struct blk_req *r = container_of(io, struct blk_req, req.io);

	/* A discard that the backend can't do here was still only a hint. */
	if (io->op != BDEV_OP_DISCARD || io->status != BDEV_STATUS_UNSUPPORTED)
		r->result = blk_status_of(io->status);
	if (r->range < r->nranges && virtio_req_must_end(&r->req))
		r->result = VIRTIO_BLK_S_IOERR;
	reactor_set_payer(r->payer);
	steps_run(&r->steps, next_range, r);
}

static uint8_t check_ranges(const struct virtio_blk_discard_write_zeroes *ranges, unsigned int n,
			    const struct bdev *bdev, enum bdev_op op)
{
	unsigned int shift = bdev->block_shift - BLK_SECTOR_SHIFT, i;
	uint64_t capacity = bdev_nblocks(bdev) << shift;
	uint32_t known = op == BDEV_OP_WRITE_ZEROES ? RANGE_UNMAP : 0;

	for (i = 0; i < n; i++) {
		uint64_t sector = le64toh(ranges[i].sector);
		uint32_t count = le32toh(ranges[i].num_sectors);

		if (le32toh(ranges[i].flags) & ~known)
			return VIRTIO_BLK_S_UNSUPP;
		if (count > capacity || sector > capacity - count)
			return VIRTIO_BLK_S_IOERR;
		if (op == BDEV_OP_WRITE_ZEROES && (sector | count) & ((1u << shift) - 1))
			return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

/* All or nothing: no range is touched if one of them is wrong. */
static uint8_t check_all(const struct virtio_req *req, unsigned int n, const struct bdev *bdev,
			 enum bdev_op op)
{
	struct virtio_blk_discard_write_zeroes ranges[BLK_MAX_RANGES];
	struct bdev_iov_pos pos = {0};

	bdev_iov_copy(req->out, req->nout, &pos, ranges, n * sizeof(ranges[0]), BDEV_IOV_TO_BUF);
	return check_ranges(ranges, n, bdev, op);
}

void blk_handle_ranges(struct blk_req *r, struct blk *blk, enum bdev_op op)
{
	struct virtio_req *req = &r->req;
	const struct bdev_channel *ch = virtio_req_channel(req, 0);
	uint64_t bytes = req->out_len - sizeof(struct virtio_blk_outhdr);

	if (!ch || !bytes || bytes % sizeof(r->ranges[0]) ||
	    bytes > BLK_MAX_RANGES * sizeof(r->ranges[0]) || blk->read_only) {
		blk_complete(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	r->left = (unsigned int)(bytes / sizeof(r->ranges[0]));
	r->result = check_all(req, r->left, ch->bdev, op);
	if (r->result != VIRTIO_BLK_S_OK) {
		blk_complete(r, r->result);
		return;
	}
	r->range = r->nranges = 0;
	r->payer = reactor_payer();
	r->steps = (struct steps){0};
	req->io.op = (uint8_t)op;
	req->io.flags = blk_write_through(r) ? BDEV_IO_FUA : 0;
	req->io.iov = NULL;
	req->io.iovcnt = 0;
	req->io.done = range_done;
	steps_run(&r->steps, next_range, r);
}
