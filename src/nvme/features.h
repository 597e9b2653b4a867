/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_FEATURES_H
#define NVME_FEATURES_H

/* Get and Set Features (NVMe 1.4, 5.14 and 5.21). Home. */

#include <stdbool.h>
#include <stdint.h>

#include "nvme/defs.h"

struct vnvme_ctrl;
struct vnvme_req;

struct vnvme_features {
	uint32_t arbitration, power, write_cache, irq_coalescing;
	uint32_t write_atomicity, async_config;
	uint16_t error_recovery[VNVME_MAX_NAMESPACES + 1]; /* by nsid */
	uint32_t num_queues;		/* result of Number of Queues, 0's based halves */
	uint16_t temp_over, temp_under; /* K */
	bool irq_coalescing_off[VNVME_MAX_QUEUES];
};

void vnvme_features_reset(struct vnvme_ctrl *ctrl);
/* What the log page of features says of each. */
uint32_t vnvme_feature_effects(const struct vnvme_ctrl *ctrl, unsigned int fid);
uint16_t vnvme_admin_get_features(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_set_features(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

#endif
