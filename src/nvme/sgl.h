/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_SGL_H
#define NVME_SGL_H

/* SGLs (NVMe 1.4, 4.4), as they are in guest memory. Any reactor. */

#include <stdint.h>
#include <sys/uio.h>

struct guest_mem;

void *vnvme_sgl_run(const struct guest_mem *mem, uint64_t low, uint64_t high, uint32_t len,
		    uint16_t *last_region);
uint16_t vnvme_sgl_map(const struct guest_mem *mem, uint64_t low, uint64_t high, uint32_t len,
		       struct iovec *iov, unsigned int max, unsigned int *niov);

#endif
