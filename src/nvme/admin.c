/* SPDX-License-Identifier: BSD-3-Clause */
/* Admin commands (NVMe 1.4, 5): one table, indexed by opcode. */
#include "nvme/admin.h"
#include "nvme/abort.h"
#include "nvme/admin_queue.h"
#include "nvme/ctrl.h"
#include "nvme/dbbuf.h"
#include "nvme/defs.h"
#include "nvme/event.h"
#include "nvme/features.h"
#include "nvme/group.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"

struct admin_command {
	uint16_t (*execute)(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
	uint32_t effects; /* NVMe 1.4, 5.14.1.5 */
};

#define SUPPORTED NVME_CMD_EFFECTS_CSUPP

static const struct admin_command commands[256] = {
	[nvme_admin_delete_sq] = {vnvme_admin_delete_sq, SUPPORTED},
	[nvme_admin_create_sq] = {vnvme_admin_create_sq, SUPPORTED},
	[nvme_admin_get_log_page] = {vnvme_admin_get_log, SUPPORTED},
	[nvme_admin_delete_cq] = {vnvme_admin_delete_cq, SUPPORTED},
	[nvme_admin_create_cq] = {vnvme_admin_create_cq, SUPPORTED},
	[nvme_admin_identify] = {vnvme_admin_identify, SUPPORTED},
	[nvme_admin_abort_cmd] = {vnvme_admin_abort, SUPPORTED},
	[nvme_admin_set_features] = {vnvme_admin_set_features, SUPPORTED},
	[nvme_admin_get_features] = {vnvme_admin_get_features, SUPPORTED},
	[nvme_admin_async_event] = {vnvme_admin_async_event, SUPPORTED},
	[nvme_admin_dbbuf] = {vnvme_admin_dbbuf, SUPPORTED},
};

uint32_t vnvme_admin_effects(unsigned int opcode)
{
	return commands[opcode].effects;
}

bool vnvme_admin_execute(struct vnvme_req *req)
{
	struct vnvme_ctrl *ctrl = req->sq->group->ctrl;
	const struct admin_command *cmd = &commands[req->sqe.opcode];
	uint16_t status;

	if (!cmd->execute) {
		log_debug("%s: admin opcode %02x is not supported", ctrl->name, req->sqe.opcode);
		status = VNVME_DNR(NVME_SC_INVALID_OPCODE);
	} else if (NVME_SQE_FUSE(&req->sqe) || NVME_SQE_PSDT(&req->sqe)) {
		/* PRPs only on the admin queue (NVMe 1.4, 4.2), and no fused commands. */
		status = VNVME_DNR(NVME_SC_INVALID_FIELD);
	} else {
		status = cmd->execute(ctrl, req);
	}
	if (status != VNVME_PENDING)
		vnvme_req_complete(req, status);
	return true;
}
