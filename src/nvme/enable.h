/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_ENABLE_H
#define NVME_ENABLE_H

/* Enabling, disabling, shutdown and fatal status (NVMe 1.4, 3.1.5, 7.3 and 7.6). Home. */

#include <stdbool.h>

struct vnvme_ctrl;

void vnvme_ctrl_enable(struct vnvme_ctrl *ctrl);
void vnvme_ctrl_disable(struct vnvme_ctrl *ctrl);
void vnvme_ctrl_shutdown(struct vnvme_ctrl *ctrl);
/* A pause is over: a shutdown that it cut short goes on. Harmless if there is none. */
void vnvme_shutdown_resume(struct vnvme_ctrl *ctrl);
/* A reset ends it. Harmless as well. */
void vnvme_shutdown_forget(struct vnvme_ctrl *ctrl);
bool vnvme_was_shut_down(const struct vnvme_ctrl *ctrl);
void vnvme_ctrl_fatal(struct vnvme_ctrl *ctrl, const char *reason);

#endif
