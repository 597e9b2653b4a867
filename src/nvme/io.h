/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_IO_H
#define NVME_IO_H

/* I/O commands (NVMe 1.4, 6). On the queue's reactor. */

#include <stdbool.h>
#include <stdint.h>

#include <shadowbell/bdev.h>

struct vnvme_req;

/* False: it was not executed, but is to be fetched again. */
bool vnvme_io_execute(struct vnvme_req *req);
uint32_t vnvme_io_effects(unsigned int opcode);
uint16_t vnvme_status_of(enum bdev_status status, enum bdev_op op);
/* Of a command whose I/O has failed. The queue's reactor. */
uint16_t vnvme_failed_status(const struct vnvme_req *req);

#endif
