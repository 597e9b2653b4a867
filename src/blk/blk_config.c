/* SPDX-License-Identifier: BSD-3-Clause */
/* Features and configuration space (VIRTIO 1.2, 5.2.3 and 5.2.4). */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "blk/blk_internal.h"
#include "util/util.h"

#define BIT(n) (1ull << (n))

const struct vhost_feature_name blk_feature_names[] = {
	{VIRTIO_BLK_F_SEG_MAX, "VIRTIO_BLK_F_SEG_MAX"},
	{VIRTIO_BLK_F_RO, "VIRTIO_BLK_F_RO"},
	{VIRTIO_BLK_F_BLK_SIZE, "VIRTIO_BLK_F_BLK_SIZE"},
	{VIRTIO_BLK_F_FLUSH, "VIRTIO_BLK_F_FLUSH"},
	{VIRTIO_BLK_F_TOPOLOGY, "VIRTIO_BLK_F_TOPOLOGY"},
	{VIRTIO_BLK_F_CONFIG_WCE, "VIRTIO_BLK_F_CONFIG_WCE"},
	{VIRTIO_BLK_F_MQ, "VIRTIO_BLK_F_MQ"},
	{VIRTIO_BLK_F_DISCARD, "VIRTIO_BLK_F_DISCARD"},
	{VIRTIO_BLK_F_WRITE_ZEROES, "VIRTIO_BLK_F_WRITE_ZEROES"},
	{0},
};

/*
 * Not SIZE_MAX: segments have no limit here, and no number serves all drivers. SeaBIOS 1.16.2,
 * which multiplies it with seg_max, can't read a disk that says 1 GiB; FreeBSD 14 wants 1 MiB.
 */
uint64_t blk_features(const struct blk *blk)
{
	uint64_t f = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
		     BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_FLUSH) |
		     BIT(VIRTIO_BLK_F_CONFIG_WCE);

	if (blk->read_only)
		return f | BIT(VIRTIO_BLK_F_RO);
	f |= BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	if (blk->bdev->limits.discard_granularity_bytes)
		f |= BIT(VIRTIO_BLK_F_DISCARD);
	return f;
}

/* VIRTIO 1.2, 5.2.6.2: who can switch the cache decides; else it is on if the driver knows to
 * flush. */
bool blk_write_through(const struct blk_req *r)
{
	const struct blk *blk = virtio_req_arg(&r->req);
	uint64_t f = virtio_req_features(&r->req);

	if (f & BIT(VIRTIO_BLK_F_CONFIG_WCE))
		return !atomic_load_explicit(&blk->cache, memory_order_relaxed);
	return !(f & BIT(VIRTIO_BLK_F_FLUSH)) || !blk->default_cache;
}

static uint32_t sectors_of(uint64_t bytes)
{
	uint64_t sectors = bytes >> BLK_SECTOR_SHIFT;

	/* 0 is "no limit" here; and no number of sectors that makes a length overflow 32 bits. */
	return !bytes || sectors > UINT32_MAX >> BLK_SECTOR_SHIFT ? UINT32_MAX >> BLK_SECTOR_SHIFT
								  : (uint32_t)sectors;
}

static uint8_t log2_of(uint32_t v)
{
	return v ? (uint8_t)(31 - __builtin_clz(v)) : 0;
}

static void fill_config(const struct blk *blk, struct virtio_blk_config *c)
{
	const struct bdev *bdev = blk->bdev;
	const struct bdev_limits *l = &bdev->limits;
	uint32_t physical = l->discard_granularity_bytes;

	if (!atomic_load(&blk->removed))
		c->capacity = htole64(bdev_nblocks(bdev) << (bdev->block_shift - BLK_SECTOR_SHIFT));
	c->seg_max = htole32(BLK_SEG_MAX);
	c->blk_size = htole32(bdev->block_size);
	/* In logical blocks: a 4 KiB physical block is what file systems align to. */
	if (physical > bdev->block_size && physical <= 4096)
		c->physical_block_exp = (uint8_t)(log2_of(physical) - bdev->block_shift);
	c->min_io_size = htole16(1);
	c->opt_io_size = htole32(l->preferred_bytes >> bdev->block_shift);
	c->wce = atomic_load(&blk->cache);
	c->num_queues = htole16((uint16_t)blk->queues);
	if (l->discard_granularity_bytes) {
		c->max_discard_sectors = htole32(sectors_of(l->max_discard_bytes));
		c->max_discard_seg = htole32(BLK_MAX_RANGES);
		c->discard_sector_alignment =
			htole32(l->discard_granularity_bytes >> BLK_SECTOR_SHIFT);
	}
	c->max_write_zeroes_sectors = htole32(sectors_of(l->max_write_zeroes_bytes));
	c->max_write_zeroes_seg = htole32(BLK_MAX_RANGES);
	c->write_zeroes_may_unmap = 1;
}

int blk_get_config(void *arg, uint32_t offset, uint32_t size, void *buf)
{
	struct blk *blk = arg;
	/* Front-ends may know a longer structure: what this device does not have is 0. */
	union {
		struct virtio_blk_config c;
		uint8_t bytes[256];
	} space = {.bytes = {0}};

	if (offset > sizeof(space) || size > sizeof(space) - offset)
		return -EINVAL;
	pthread_mutex_lock(&blk->lock);
	fill_config(blk, &space.c);
	pthread_mutex_unlock(&blk->lock);
	memcpy(buf, space.bytes + offset, size);
	return 0;
}

/* The cache mode is all that a driver may write. */
int blk_set_config(void *arg, uint32_t offset, uint32_t size, const void *buf)
{
	struct blk *blk = arg;
	uint8_t wce;

	if (offset != offsetof(struct virtio_blk_config, wce) || size != 1)
		return -EINVAL;
	memcpy(&wce, buf, 1);
	atomic_store(&blk->cache, wce & 1);
	return 0;
}
