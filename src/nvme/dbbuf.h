/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_DBBUF_H
#define NVME_DBBUF_H

/* Doorbell Buffer Config (NVMe 1.4, 5.7): shadow doorbells. */

#include <stdbool.h>
#include <stdint.h>

#include "nvme/db.h"

struct vnvme_ctrl;
struct vnvme_req;

/* Home. The host addresses of the pages, again after a change of the memory table. False: not
 * there. */
bool vnvme_dbbuf_map(struct vnvme_ctrl *ctrl);
uint16_t vnvme_admin_dbbuf(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
/* On the queue's reactor: where its doorbell is; `fresh`: the shadow's value does not count yet. */
void vnvme_queue_set_shadow(struct vnvme_ctrl *ctrl, struct vnvme_db *db, uint16_t qid, bool cq,
			    bool fresh);

#endif
