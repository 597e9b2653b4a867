/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_SCSI_VIRTIO_SCSI_H
#define VIRTIO_SCSI_VIRTIO_SCSI_H

/* virtio-scsi over vhost-user (VIRTIO 1.2, 5.6). Main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/vhost.h"

struct reactor;
struct scsi_lu_op;
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
/*
 * LUNs that come and go while it is there; as scsi_device_add_lu_begin() and its like
 * (scsi/scsi.h), err with room for SCSI_ERR_MAX bytes.
 */
int virtio_scsi_add_lun_begin(struct virtio_scsi *vs, const struct virtio_scsi_lun_params *lun,
			      void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
			      char *err);
int virtio_scsi_remove_lun_begin(struct virtio_scsi *vs, unsigned int target, unsigned int lun,
				 void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
				 char *err);
bool virtio_scsi_lost_lun(const struct virtio_scsi *vs, unsigned int *target, unsigned int *lun);
void virtio_scsi_bdevs(const struct virtio_scsi *vs, void (*fn)(void *arg, const char *name),
		       void *arg);
/* As virtio_dev_look(). */
void virtio_scsi_look(struct virtio_scsi *vs);
/* As virtio_dev_move_queue(): request queues, from 2 on. */
int virtio_scsi_move_queue(struct virtio_scsi *vs, unsigned int queue, const struct reactor *to);

#endif
