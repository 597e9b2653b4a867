/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_CAPS_H
#define NVME_CAPS_H

/* What a controller is from its creation on. Any thread. */

#include <stdint.h>

#include "nvme/ctrl.h"

/* Ids of I/O queues are 1 to this. */
static inline uint32_t vnvme_max_qid(const struct vnvme_ctrl *ctrl)
{
	return ctrl->io_queues < VNVME_MIN_QUEUE_IDS ? VNVME_MIN_QUEUE_IDS : ctrl->io_queues;
}

#endif
