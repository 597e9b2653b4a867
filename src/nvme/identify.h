/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_IDENTIFY_H
#define NVME_IDENTIFY_H

/* Identify (NVMe 1.4, 5.15). Home. */

#include <stdint.h>

struct vnvme_ctrl;
struct vnvme_req;

uint16_t vnvme_admin_identify(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

#endif
