/* SPDX-License-Identifier: BSD-3-Clause */
/* What a controller is from its creation on. */
#include "nvme/caps.h"
#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"

uint64_t vnvme_cap(const struct vnvme_ctrl *ctrl)
{
	return (uint64_t)(VNVME_MAX_ENTRIES - 1) << NVME_CAP_MQES_SHIFT |
	       1ull << NVME_CAP_CQR_SHIFT | (uint64_t)VNVME_CAP_TO << NVME_CAP_TO_SHIFT |
	       (uint64_t)NVME_CAP_CSS_NVM << NVME_CAP_CSS_SHIFT;
}

uint32_t vnvme_vs(const struct vnvme_ctrl *ctrl)
{
	return 0x00010400;
}

uint32_t vnvme_io_queues(const struct vnvme_ctrl *ctrl)
{
	return ctrl->io_queues;
}

uint32_t vnvme_vectors(const struct vnvme_ctrl *ctrl)
{
	return ctrl->io_queues + 1;
}
