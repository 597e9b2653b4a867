/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BLK_INTERNAL_H
#define BLK_INTERNAL_H

#include <linux/virtio_blk.h>
#include <pthread.h>
#include <stdatomic.h>

#include "blk/blk.h"
#include "util/steps.h"
#include "virtio/virtio_dev.h"

/* Ranges of one discard or write zeroes request. */
#define BLK_MAX_RANGES 64
/* Of these, what a request has copies of at a time. */
#define BLK_OWN_RANGES 4
/* Data segments that a driver may use; with header and status a chain fits into 128 entries. */
#define BLK_SEG_MAX 126
/* What is taken all the same: some drivers use more than they were told. */
#define BLK_MAX_DATA_IOV 1024
#define BLK_SECTOR_SHIFT 9

struct blk {
	char name[64];
	char serial[BLK_SERIAL_MAX];
	struct bdev_desc *desc; /* NULL: it has been given up. The main thread's */
	/* What the configuration space tells of; requests use their channel's. */
	const struct bdev *bdev;
	struct bdev past;     /* `bdev`, when the disk has been given up: what it was */
	pthread_mutex_t lock; /* of `bdev`: for the control thread, and the main thread */
	struct virtio_dev *dev;
	unsigned int queues;
	bool read_only;
	bool default_cache;  /* what a guest finds */
	atomic_bool cache;   /* write-back; written on the control thread */
	atomic_bool removed; /* the bdev is; written on the main thread */
	bool dropped;	     /* and the disk is being given up, or has been. The main thread's */
};

struct blk_req {
	struct virtio_req req; /* first */
	uint8_t *status;       /* in guest memory: written once, at the end */
	uint32_t written;      /* bytes of data, without the status */
	/* Discard and write zeroes. */
	struct steps steps;
	struct virtio_blk_discard_write_zeroes ranges[BLK_OWN_RANGES]; /* ours: the next ones */
	unsigned int range, nranges; /* of `ranges`: the next one, and how many there are */
	unsigned int left;	     /* behind these, in the guest's memory */
	struct reactor_share *payer; /* of all ranges */
	uint8_t result;
};

/* blk_req.c */
extern const struct virtio_ops blk_virtio_ops;
void blk_complete(struct blk_req *r, uint8_t status);
uint8_t blk_status_of(enum bdev_status status);

/* blk_now.c: virtio_ops.run_now */
unsigned int blk_run_now(const struct virtio_now *now, unsigned int max);

/* blk_ranges.c: both end in blk_complete(). */
void blk_handle_ranges(struct blk_req *r, struct blk *blk, enum bdev_op op);

/* blk_config.c */
extern const struct vhost_feature_name blk_feature_names[];
uint64_t blk_features(const struct blk *blk);
int blk_get_config(void *arg, uint32_t offset, uint32_t size, void *buf);
int blk_set_config(void *arg, uint32_t offset, uint32_t size, const void *buf);
/* Whether a write must be on stable media when it completes. */
bool blk_write_through(const struct blk_req *r);

#endif
