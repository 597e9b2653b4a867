/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_IO_MULTI_H
#define NVME_IO_MULTI_H

/* I/O commands of several steps. On the queue's reactor. */

#include <stdint.h>

struct vnvme_slot;
struct vnvme_req;

uint16_t vnvme_io_dsm(struct vnvme_req *req, const struct vnvme_slot *slot);
uint16_t vnvme_io_flush(struct vnvme_req *req);

#endif
