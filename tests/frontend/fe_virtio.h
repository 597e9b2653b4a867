/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_VIRTIO_H
#define TESTS_FRONTEND_FE_VIRTIO_H

/*
 * A virtio device as its VMM and its guest have it: handshake, guest memory, split virtqueues with
 * chains of descriptors, and virtio-blk requests. One thread per device.
 *
 * Functions return 0 or -errno unless said otherwise.
 */

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "fe_mem.h"
#include "fe_vhost.h"

#define FE_VQ_MAX	 1024
#define FE_VIRTIO_QUEUES 66

enum {
	FE_VHOST_GET_CONFIG = 24,
	FE_VHOST_SET_CONFIG = 25,
	FE_VHOST_GET_INFLIGHT_FD = 31,
	FE_VHOST_SET_INFLIGHT_FD = 32,
};

#define FE_VIRTIO_F_EVENT_IDX (1ULL << 29)
#define FE_VIRTIO_F_INDIRECT  (1ULL << 28)
#define FE_VIRTIO_F_VERSION_1 (1ULL << 32)

struct fe_vring_state {
	uint32_t index, num;
};

struct fe_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log; /* the front-end's addresses */
};

struct fe_config_msg {
	uint32_t offset, size, flags;
	uint8_t region[512];
};

struct fe_inflight_msg {
	uint64_t mmap_size, mmap_offset;
	uint16_t num_queues, queue_size;
};

struct fe_virtio;

struct fe_vq {
	struct fe_virtio *dev;
	unsigned int index;
	uint16_t size;
	struct vring_desc *desc;
	uint16_t *avail; /* flags, index, entries, used event */
	struct vring_used *used;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t avail_idx, last_used;
	int call_fd, kick_fd;
	/* The driver's own: free descriptors, and the length of the chain that begins at each. */
	uint16_t free_list[FE_VQ_MAX], nfree;
	uint16_t next[FE_VQ_MAX], length[FE_VQ_MAX];
	/* For each head a header and a status. */
	struct virtio_blk_outhdr *hdrs;
	uint8_t *status;
	uint64_t hdrs_gpa, status_gpa;
};

struct fe_virtio {
	struct fe_vhost vhost;
	struct fe_mem mem; /* two regions of 32 MiB, at 0 and 4 GiB */
	uint64_t offered, protocol_offered, features;
	uint64_t nqueues; /* that the device has */
	struct fe_vq q[FE_VIRTIO_QUEUES];
	struct fe_inflight_msg inflight;
	int inflight_fd; /* -1: none */
	bool initialised;
};

/* A buffer of a chain. */
struct fe_seg {
	uint64_t gpa;
	uint32_t len;
	bool write; /* for the device */
};

/* Fine twice, and on one that is all zeroes. */
void fe_virtio_close(struct fe_virtio *dev);
/* Connects, and negotiates these of the features (0: all that are offered) in a fresh device. */
int fe_virtio_connect(struct fe_virtio *dev, const char *socket, uint64_t features);
/* The same for a device that lives on: memory and rings stay, as when a VMM reconnects. */
int fe_virtio_reconnect(struct fe_virtio *dev, const char *socket);
/* The above, memory and its table. */
int fe_virtio_open(struct fe_virtio *dev, const char *socket, uint64_t features);
/* Memory for queue `index`, and its indices at 0. */
struct fe_vq *fe_vq_make(struct fe_virtio *dev, unsigned int index, uint16_t size);
/* As a guest that resets its device: everything in the rings is forgotten. */
void fe_vq_reset(struct fe_vq *q);
/* Size, base, addresses, call, kick, enable. */
int fe_vq_start(struct fe_vq *q, uint16_t base);
int fe_vq_set_addr(struct fe_vq *q);
/* GET_VRING_BASE. */
int fe_vq_stop(struct fe_vq *q, uint16_t *base);
int fe_vq_message(struct fe_virtio *dev, uint32_t request, uint32_t index, uint32_t num);

/* GET_INFLIGHT_FD and SET_INFLIGHT_FD of what it gave. */
int fe_virtio_inflight(struct fe_virtio *dev, uint16_t queues, uint16_t size);
int fe_virtio_get_inflight(struct fe_virtio *dev, uint16_t queues, uint16_t size);
int fe_virtio_set_inflight(struct fe_virtio *dev);

/* -EINVAL: refused. */
int fe_virtio_get_config(struct fe_virtio *dev, uint32_t offset, uint32_t size, void *buf);
int fe_virtio_set_config(struct fe_virtio *dev, uint32_t offset, uint32_t size, const void *buf);

/* Writes a chain of direct descriptors: its head, or -ENOSPC. Not yet available. */
int fe_vq_chain(struct fe_vq *q, const struct fe_seg *segs, unsigned int n);
/* Makes a head available and kicks, whatever stands there. */
void fe_vq_submit(struct fe_vq *q, uint16_t head);
void fe_vq_kick(struct fe_vq *q);
/* A used entry's head, freed again, or -EAGAIN; -EPROTO: no head of ours. len may be NULL. */
int fe_vq_poll(struct fe_vq *q, uint32_t *len);
/* The same, waiting; -ETIMEDOUT. */
int fe_vq_wait(struct fe_vq *q, uint32_t *len, int timeout_ms);

/* Submits a request with one buffer (len 0: none); its head or -errno. */
int fe_blk_submit(struct fe_vq *q, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len);
/* One request and its status: 0..2, or -errno. */
int fe_blk_exec(struct fe_vq *q, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len);
/* Any chain of which the last byte is a status at status_gpa of head 0's. A status or -errno. */
int fe_blk_exec_chain(struct fe_vq *q, const struct fe_seg *segs, unsigned int n,
		      const uint8_t *status, uint32_t *len);
/* Writes a pattern, wipes the buffer, reads back, compares: 0, a status, or -EILSEQ. */
int fe_blk_verify(struct fe_vq *q, uint64_t sector, uint8_t *va, uint64_t gpa, uint32_t len,
		  uint64_t seed);

#endif
