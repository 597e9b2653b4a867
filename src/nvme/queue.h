/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_QUEUE_H
#define NVME_QUEUE_H

/* Submission and completion queues: making and freeing them, their place in guest memory. On their
 * reactor. */

#include <stdbool.h>
#include <stdint.h>

#include "nvme/cq.h"
#include "nvme/sq.h"

struct vnvme_ctrl;

/* NULL: no memory, or the ring is not in the guest's. */
struct vnvme_cq *vnvme_cq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_group *g);
struct vnvme_sq *vnvme_sq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_cq *cq, bool (*execute)(struct vnvme_req *req));
void vnvme_cq_free(struct vnvme_cq *cq);
void vnvme_sq_free(struct vnvme_sq *sq);
bool vnvme_queues_map(struct vnvme_group *g);
void vnvme_queues_unmap(struct vnvme_group *g);

#endif
