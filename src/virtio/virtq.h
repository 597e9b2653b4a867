/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_VIRTQ_H
#define VIRTIO_VIRTQ_H

/*
 * Split virtqueues, the device's side (VIRTIO 1.2, 2.7): taking chains of descriptors, giving them
 * back, and notifications in both directions. Rings are plain memory here, shared with a guest that
 * may change them at any time. A queue belongs to one reactor, which makes all calls.
 */

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guest_mem/guest_mem.h"
#include "vhost/inflight.h"

#define VIRTQ_MAX_SIZE 1024
/*
 * Segments of one chain in host memory: 1024 of data, a header and a status, and some for buffers
 * that lie across memory regions. More make the queue broken.
 */
#define VIRTQ_MAX_IOV 1040

struct virtq {
	/* Constant while it runs. */
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	const struct guest_mem *mem;
	struct inflight_queue *inflight; /* NULL: nobody tracks */
	uint16_t size;
	bool event_idx;
	int call_fd; /* -1: the guest is not notified */

	uint16_t last_avail; /* the next available entry to take */
	uint16_t used_idx;   /* the next used entry to write */
	uint16_t published;  /* as the guest sees it */
	bool quiet;	     /* we have asked the guest not to notify */
	uint64_t inflight_counter;
	uint16_t *resubmit; /* heads that were in flight when the last daemon died */
	uint16_t nresubmit, next_resubmit;
	/* Sticky: the guest broke the rules, and what it was. */
	const char *broken;
	uint32_t broken_value;
	uint64_t notified, suppressed; /* notifications sent, and not needed */
};

/* A chain of descriptors, translated: first what the device reads, then what it writes. */
struct virtq_chain {
	/* In: room for `room` entries, and where to keep VIRTQ_MAX_IOV if they are not enough. */
	struct iovec *iov;
	unsigned int room;
	struct iovec **big; /* made at the first need, the caller's to free */
	/* Out. */
	unsigned int nout, nin;
	uint64_t out_len, in_len; /* bytes */
	uint16_t head;
};

struct virtq_params {
	void *desc, *avail, *used;
	const struct guest_mem *mem;
	void *inflight;
	uint16_t size, base;
	bool event_idx;
	int call_fd;
};

/* Starts a queue, and finds what was in flight in it. 0 or -ENOMEM. */
int virtq_init(struct virtq *vq, const struct virtq_params *params);
void virtq_fini(struct virtq *vq);

/* Takes the next chain: 1, 0: there is none, or -EPROTO: the queue is broken (now or before). */
int virtq_pop(struct virtq *vq, struct virtq_chain *chain);
/* Gives a chain back with `written` bytes written; the guest sees it after virtq_flush(). */
void virtq_push(struct virtq *vq, uint16_t head, uint32_t written);
/* Shows what was pushed and notifies the guest if it wants that. */
void virtq_flush(struct virtq *vq);
/* Notifies the guest in any case. */
void virtq_kick_guest(struct virtq *vq);
static inline bool virtq_unflushed(const struct virtq *vq)
{
	return vq->used_idx != vq->published;
}

/* Asks to be notified of the next chain. True: there is one already. */
bool virtq_arm(struct virtq *vq);
/* Asks not to be notified. */
void virtq_disarm(struct virtq *vq);

/* Bytes from the front or the back of segments that are used up by it. False: there are not as
 * many. */
bool virtq_iov_take(struct iovec **iov, unsigned int *n, void *buf, size_t len);
bool virtq_iov_take_tail(struct iovec *iov, unsigned int *n, uint8_t **byte);
/*
 * Cuts the first `len` bytes off into `pieces` (room for max), to be written later. Returns how
 * many pieces that makes; 0: there are not as many bytes, or too many pieces.
 */
unsigned int virtq_iov_cut(struct iovec **iov, unsigned int *n, size_t len, struct iovec *pieces,
			   unsigned int max);
/* Writes to the front, and uses it up. */
bool virtq_iov_put(struct iovec **iov, unsigned int *n, const void *buf, size_t len);

#endif
