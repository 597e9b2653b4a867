/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_SCSI_VIRTIO_SCSI_NOW_H
#define VIRTIO_SCSI_VIRTIO_SCSI_NOW_H

#include "virtio/virtio_dev.h"

/* virtio_ops.run_now, of request queues; now->ctx is their struct scsi_group. */
unsigned int virtio_scsi_run_now(const struct virtio_now *now, unsigned int max);

#endif
