/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BLK_BLK_H
#define BLK_BLK_H

/* virtio-blk over vhost-user (VIRTIO 1.2, 5.2). Main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/vhost.h"

struct blk;
struct reactor;

#define BLK_SERIAL_MAX 20 /* VIRTIO 1.2, 5.2.6: the device ID string */
#define BLK_MAX_QUEUES 64

struct blk_params {
	const char *name;
	const char *bdev;
	const char *serial;  /* up to BLK_SERIAL_MAX ASCII characters */
	unsigned int queues; /* 1..BLK_MAX_QUEUES */
	bool read_only;
	bool write_cache; /* whether the guest finds it on; it may switch it */
	struct reactor *const *reactors;
	size_t nreactors;
	uint64_t idle_ns;
	uint64_t request_memory; /* bytes, for requests of many segments */
	unsigned int weight;	 /* of its share of a round, 1..REACTOR_WEIGHT_MAX; 0: 1 */
	const struct socket_params *socket;
};

/* 0 or -errno, having logged the reason. */
int blk_create(const struct blk_params *params, struct blk **out);
void blk_destroy(struct blk *blk);
/*
 * Gives up the disk, if its bdev was removed and this was not called before: false, if not. What is
 * in flight ends, then ended(arg) is called on a reactor, after which blk_drop_disk_end() closes
 * the bdev; blk_destroy() comes after that. All I/O fails.
 */
bool blk_drop_disk_begin(struct blk *blk, void (*ended)(void *arg), void *arg);
void blk_drop_disk_end(struct blk *blk);
/* Its bdev's name; NULL: it has been given up. */
const char *blk_bdev(const struct blk *blk);
/* As virtio_dev_look(). */
void blk_look(struct blk *blk);
/* As virtio_dev_move_queue(). */
int blk_move_queue(struct blk *blk, unsigned int queue, const struct reactor *to);

#endif
