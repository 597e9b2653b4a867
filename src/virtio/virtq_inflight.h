/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_VIRTQ_INFLIGHT_H
#define VIRTIO_VIRTQ_INFLIGHT_H

/*
 * Writing down what is in flight, so that a daemon that is started again after a crash finds it:
 * what is not done for each chain (virtq.h).
 */

#include "virtio/virtq.h"

/* The batch, of n used entries, was shown by the used index. */
void virtq_inflight_flush(struct virtq *vq, uint16_t n);
/* Finds what was in flight. 0 or -ENOMEM. */
int virtq_inflight_init(struct virtq *vq);

#endif
