/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_REGS_H
#define NVME_REGS_H

/* Controller registers (NVMe 1.4, 3.1). Home. */

struct vnvme_ctrl;

void vnvme_regs_reset(struct vnvme_ctrl *ctrl);

#endif
