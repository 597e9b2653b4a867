/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests (VIRTIO 1.2, 5.2.6): decode, hand to the bdev, complete. */
#include <endian.h>
#include <string.h>

#include "bdev/bdev_now.h"
#include "blk/blk_internal.h"
#include "util/util.h"

/* The one table from the block layer's errors to virtio-blk's. */
uint8_t blk_status_of(enum bdev_status status)
{
	switch (status) {
	case BDEV_STATUS_OK:
		return VIRTIO_BLK_S_OK;
	case BDEV_STATUS_UNSUPPORTED:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

void blk_complete(struct blk_req *r, uint8_t status)
{
	if (unlikely(status != VIRTIO_BLK_S_OK)) {
		if (virtio_req_leave(&r->req))
			return;
		COUNTER_ADD(r->req.stats->errors, 1);
	}
	*r->status = status;
	virtio_req_complete(&r->req, (status == VIRTIO_BLK_S_OK ? r->written : 0) + 1);
}

static void io_done(struct bdev_io *io)
{
	struct blk_req *r = container_of(io, struct blk_req, req.io);

	if (likely(io->status == BDEV_STATUS_OK))
		virtio_req_count(&r->req, io->op,
				 (uint64_t)io->nblocks << io->channel->bdev->block_shift);
	blk_complete(r, blk_status_of(io->status));
}

/* --- read and write --- */

/*
 * From sectors and bytes to blocks. False: not whole blocks, or beyond what can be counted. No
 * bytes are as good as other multiples of a block, where there is a disk.
 */
static bool set_range(struct bdev_io *io, const struct bdev *bdev, uint64_t sector, uint64_t bytes)
{
	unsigned int shift = bdev->block_shift - BLK_SECTOR_SHIFT;

	if (bytes & (bdev->block_size - 1) || sector & ((1u << shift) - 1) ||
	    bytes >> bdev->block_shift > UINT32_MAX)
		return false;
	io->lba = sector >> shift;
	io->nblocks = (uint32_t)(bytes >> bdev->block_shift);
	return bytes || io->lba <= bdev_nblocks(bdev);
}

static void transfer(struct blk_req *r, struct blk *blk, enum bdev_op op, uint64_t sector)
{
	struct virtio_req *req = &r->req;
	struct bdev_channel *ch = virtio_req_channel(req, 0);
	struct iovec *iov = op == BDEV_OP_READ ? req->in : req->out;
	unsigned int n = op == BDEV_OP_READ ? req->nin : req->nout;
	uint64_t bytes = op == BDEV_OP_READ ? req->in_len - 1
					    : req->out_len - sizeof(struct virtio_blk_outhdr);

	if (unlikely(!ch || n > BLK_MAX_DATA_IOV || !set_range(&req->io, ch->bdev, sector, bytes) ||
		     (op == BDEV_OP_WRITE && blk->read_only))) {
		blk_complete(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (unlikely(!bytes)) {
		/* A buffer for the other direction is a mistake that must not look like success. */
		bool none = !(op == BDEV_OP_READ ? req->nout : req->nin);

		blk_complete(r, none ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
		return;
	}
	r->written = op == BDEV_OP_READ ? (uint32_t)bytes : 0;
	/* In memory it makes no difference whether it must be on stable media. */
	if (ch->now && n == 1 && bdev_now(ch, op, req->io.lba, req->io.nblocks, iov->iov_base)) {
		virtio_req_count(req, op, bytes);
		blk_complete(r, VIRTIO_BLK_S_OK);
		return;
	}
	req->io.op = (uint8_t)op;
	req->io.iov = iov;
	req->io.iovcnt = (uint16_t)n;
	req->io.flags = op == BDEV_OP_WRITE && blk_write_through(r) ? BDEV_IO_FUA : 0;
	req->io.done = io_done;
	bdev_submit(ch, &req->io);
}

/* --- the others --- */

static void flush(struct blk_req *r)
{
	struct bdev_channel *ch = virtio_req_channel(&r->req, 0);
	struct bdev_io *io = &r->req.io;

	if (!ch) {
		blk_complete(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	io->op = BDEV_OP_FLUSH;
	io->flags = 0;
	io->iov = NULL;
	io->iovcnt = 0;
	io->lba = 0;
	io->nblocks = 0;
	io->done = io_done;
	bdev_submit(ch, io);
}

static void get_id(struct blk_req *r, const struct blk *blk)
{
	struct virtio_req *req = &r->req;
	size_t len = min_t(uint64_t, req->in_len - 1, sizeof(blk->serial));

	virtq_iov_put(&req->in, &req->nin, blk->serial, len);
	r->written = (uint32_t)len;
	blk_complete(r, VIRTIO_BLK_S_OK);
}

static void dispatch(struct blk_req *r, struct blk *blk, const struct virtio_blk_outhdr *hdr)
{
	switch (le32toh(hdr->type)) {
	case VIRTIO_BLK_T_IN:
		transfer(r, blk, BDEV_OP_READ, le64toh(hdr->sector));
		break;
	case VIRTIO_BLK_T_OUT:
		transfer(r, blk, BDEV_OP_WRITE, le64toh(hdr->sector));
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(r);
		break;
	case VIRTIO_BLK_T_GET_ID:
		get_id(r, blk);
		break;
	case VIRTIO_BLK_T_DISCARD:
		blk_handle_ranges(r, blk, BDEV_OP_DISCARD);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		blk_handle_ranges(r, blk, BDEV_OP_WRITE_ZEROES);
		break;
	default:
		blk_complete(r, VIRTIO_BLK_S_UNSUPP);
		break;
	}
}

static void handle(struct virtio_req *req)
{
	struct blk_req *r = container_of(req, struct blk_req, req);
	struct virtio_blk_outhdr hdr;

	r->written = 0;
	/* The status is the last byte that the device may write, wherever descriptors end. */
	if (unlikely(!virtq_iov_take_tail(req->in, &req->nin, &r->status))) {
		virtio_req_break(req, "a request has no room for its status");
		return;
	}
	/* The header, copied once, in as many pieces as it comes. */
	if (unlikely(!virtq_iov_take(&req->out, &req->nout, &hdr, sizeof(hdr)))) {
		virtio_req_break(req, "a request is shorter than its header");
		return;
	}
	dispatch(r, virtio_req_arg(req), &hdr);
}

static void cancel(struct virtio_req *req)
{
	bdev_io_cancel(&req->io);
}

static struct bdev_io *io_of(struct virtio_req *req)
{
	return &req->io;
}

static void session(void *arg, bool begins)
{
	struct blk *blk = arg;

	if (begins)
		atomic_store(&blk->cache, blk->default_cache);
}

const struct virtio_ops blk_virtio_ops = {
	.feature_names = blk_feature_names,
	.req_size = sizeof(struct blk_req),
	.handle = handle,
	.cancel = cancel,
	.io_of = io_of,
	.run_now = blk_run_now,
	.session = session,
	.get_config = blk_get_config,
	.set_config = blk_set_config,
};
