/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_SCSI_VIRTIO_SCSI_H
#define VIRTIO_SCSI_VIRTIO_SCSI_H

/* virtio-scsi over vhost-user (VIRTIO 1.2, 5.6). Main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/vhost.h"

struct reactor;
struct virtio_scsi;

#define VIRTIO_SCSI_MAX_QUEUES 64

struct virtio_scsi_lun_params {
	unsigned int target, lun; /* 0..255 */
	const char *bdev;
	const char *serial; /* NULL: from the bdev's identity */
	bool read_only;
};

struct virtio_scsi_params {
	const char *name;
	unsigned int queues; /* request queues, 1..VIRTIO_SCSI_MAX_QUEUES */
	const struct virtio_scsi_lun_params *luns;
	size_t nluns;
	struct reactor *const *reactors;
	size_t nreactors;
	uint64_t idle_ns;
	uint64_t request_memory; /* bytes, for requests of many segments */
	unsigned int weight;	 /* of its share of a round, 1..REACTOR_WEIGHT_MAX; 0: 1 */
	const struct socket_params *socket;
};

/* 0 or -errno, having logged the reason. */
int virtio_scsi_create(const struct virtio_scsi_params *params, struct virtio_scsi **out);
/* Ends the session, waiting for its I/O. */
void virtio_scsi_destroy(struct virtio_scsi *vs);
/* As virtio_dev_move_queue(): request queues, from 2 on. */
int virtio_scsi_move_queue(struct virtio_scsi *vs, unsigned int queue, const struct reactor *to);

#endif
