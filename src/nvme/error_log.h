/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_ERROR_LOG_H
#define NVME_ERROR_LOG_H

/* The error log of a controller (NVMe 1.4, 5.14.1.1). Any reactor; on errors only, as there is a
 * lock. */

#include <stddef.h>
#include <stdint.h>

#include "nvme/vnvme_spec.h"

struct vnvme_ctrl;

void vnvme_error_log_add(struct vnvme_ctrl *ctrl, const struct nvme_error_log_page *entry);
/* Copies the entries, the newest first; returns their room. */
size_t vnvme_error_log_read(struct vnvme_ctrl *ctrl, struct nvme_error_log_page *out);
/* How many there ever were. */
uint64_t vnvme_error_log_count(struct vnvme_ctrl *ctrl);

#endif
