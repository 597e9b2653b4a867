/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_PRP_H
#define NVME_PRP_H

/* PRPs (NVMe 1.4, 4.3), as they are in guest memory. Any reactor. */

#include <stdint.h>
#include <sys/uio.h>

struct guest_mem;

void *vnvme_prp_run(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		    uint16_t *last_region);
uint16_t vnvme_prp_map(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		       uint16_t *last_region, struct iovec *iov, unsigned int *niov);

#endif
