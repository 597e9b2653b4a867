/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_ADMIN_H
#define NVME_ADMIN_H

/* Admin commands (NVMe 1.4, 5). Home. */

#include <stdbool.h>
#include <stdint.h>

struct vnvme_req;

/* Always true: none is to be fetched again. */
bool vnvme_admin_execute(struct vnvme_req *req);
uint32_t vnvme_admin_effects(unsigned int opcode);

#endif
