/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_VIRTQ_INFLIGHT_H
#define VIRTIO_VIRTQ_INFLIGHT_H

/*
 * Writing down what is in flight, so that a daemon that is started again after a crash finds it.
 * The order of the stores matters, not their visibility to other CPUs: the reader comes after our
 * death.
 */

#include "virtio/virtq.h"

#define inflight_order() __asm__ volatile("" ::: "memory")

/* A chain was taken. */
static inline void virtq_inflight_begin(struct virtq *vq, uint16_t head)
{
	if (!vq->inflight)
		return;
	vq->inflight->desc[head].counter = vq->inflight_counter++;
	inflight_order();
	vq->inflight->desc[head].inflight = 1;
}

/* Its used entry was written, but not shown yet: it belongs to the batch. */
static inline void virtq_inflight_push(struct virtq *vq, uint16_t head)
{
	if (!vq->inflight)
		return;
	vq->inflight->desc[head].next = vq->inflight->last_batch_head;
	inflight_order();
	vq->inflight->last_batch_head = head;
}

/* The batch was shown by the used index. */
void virtq_inflight_flush(struct virtq *vq);
/* Finds what was in flight. 0 or -ENOMEM. */
int virtq_inflight_init(struct virtq *vq);

#endif
