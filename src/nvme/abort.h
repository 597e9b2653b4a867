/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_ABORT_H
#define NVME_ABORT_H

/* Abort (NVMe 1.4, 5.1). */

#include <stdbool.h>
#include <stdint.h>

#include "reactor/reactor.h"

struct vnvme_ctrl;
struct vnvme_req;
struct vnvme_sq;

/* An Abort command looks for its victim, on the victim's reactor. */
struct vnvme_abort {
	struct vnvme_req *req; /* the command */
	struct vnvme_sq *sq;   /* the victim's */
	uint16_t cid;
	bool aborted; /* the victim ended early */
	struct reactor_msg msg;
};

/* The victim has completed, on its reactor; the abort is home's again. */
void vnvme_abort_finish(struct vnvme_abort *abort, bool aborted);
/* Home. */
uint16_t vnvme_admin_abort(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

#endif
