/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_LOG_PAGE_H
#define NVME_LOG_PAGE_H

/* Get Log Page (NVMe 1.4, 5.14). Home. */

#include <stdint.h>

struct vnvme_ctrl;
struct vnvme_req;

/* A threshold or a configuration has changed: tells the host if there is something to tell. */
void vnvme_smart_check(struct vnvme_ctrl *ctrl);
uint16_t vnvme_admin_get_log(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

#endif
