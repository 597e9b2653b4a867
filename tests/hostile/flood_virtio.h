/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_HOSTILE_FLOOD_VIRTIO_H
#define TESTS_HOSTILE_FLOOD_VIRTIO_H

#include <linux/virtio_scsi.h>

#include "../frontend/fe_virtio.h"
#include "hostile.h"

/* A virtio device with all its queues full. */
struct vflood {
	struct fe_virtio dev;
	enum h_type type;
	unsigned int first, nqueues; /* request queues */
	uint64_t disk_bytes;	     /* scsi: not what it has, but no more */
	/* Told of each completion; NULL: nobody is. `slot` names the request among its queue's. */
	void (*done)(void *arg, unsigned int slot, bool failed);
	void *arg;
	uint8_t *buf; /* for all data of all requests */
	uint64_t buf_gpa, random;
	struct virtio_scsi_cmd_req *reqs[FE_VIRTIO_QUEUES];
	struct virtio_scsi_cmd_resp *resps[FE_VIRTIO_QUEUES];
	uint64_t reqs_gpa[FE_VIRTIO_QUEUES], resps_gpa[FE_VIRTIO_QUEUES];
};

/* Connected, with memory. 0 or -errno, as the others. */
int h_vflood_open(struct vflood *f, const struct h_options *o);
/* The queues run, and hold requests that h_vflood_submit() tells the device of. */
int h_vflood_fill(struct vflood *f, const struct h_options *o, enum h_request request);
void h_vflood_submit(struct fe_vq *q);
/* Submits again what has completed; how many these were. */
unsigned int h_vflood_pump(struct vflood *f);
/* Whether the daemon still answers. */
int h_vflood_alive(struct vflood *f);

#endif
