/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_ADMIN_QUEUE_H
#define NVME_ADMIN_QUEUE_H

/* Create and Delete I/O Submission and Completion Queue (NVMe 1.4, 5.3 to 5.6). Home. */

#include <stdint.h>

struct vnvme_ctrl;
struct vnvme_req;

uint16_t vnvme_admin_create_cq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_create_sq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_delete_cq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_delete_sq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

#endif
