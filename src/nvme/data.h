/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_DATA_H
#define NVME_DATA_H

/* The data of a command, by PRPs or an SGL. On the request's reactor. Return a status, or
 * VNVME_STARVED. */

#include <stdbool.h>
#include <stdint.h>

struct vnvme_req;

/* Its data become req->io.iov. */
uint16_t vnvme_req_map(struct vnvme_req *req, uint32_t len);
uint16_t vnvme_req_to_guest(struct vnvme_req *req, const void *data, uint32_t len);
uint16_t vnvme_req_from_guest(struct vnvme_req *req, void *data, uint32_t len);
/* A list of n segments or ranges. False: the command is to be fetched again. */
bool vnvme_req_need_big(struct vnvme_req *req, unsigned int n);

#endif
