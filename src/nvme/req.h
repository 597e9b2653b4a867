/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_REQ_H
#define NVME_REQ_H

/* A command from fetch to completion. On the reactor of its queue. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <shadowbell/bdev.h>

#include "bdev/iov_pool.h"
#include "nvme/defs.h"
#include "util/steps.h"

struct vnvme_abort;
struct vnvme_sq;

/* A command from fetch to completion. The pool of a submission queue holds them. */
struct vnvme_req {
	struct bdev_io io;
	struct nvme_sqe sqe; /* our copy: the host's may change */
	struct vnvme_sq *sq;
	struct vnvme_req *next; /* in the free list, or among those that wait for CQ room */
	union {
		struct {
			uint32_t result;
			uint16_t slow_mark; /* see stats/slow_io.h */
		};
		uint64_t begun; /* both of them: 0 when it begins */
	};
	uint16_t status;
	bool io_running;	   /* between bdev_submit() and done() */
	struct vnvme_abort *abort; /* who waits for its early end, or NULL */

	/* Commands of several steps: io_multi.c. */
	uint16_t step, nsteps;
	struct steps steps;
	uint16_t step_status;

	struct iovec iov[VNVME_INLINE_IOV];
	void *big; /* more iovecs, or DSM ranges, in a list of the group's; NULL: none */
};

_Static_assert(sizeof(struct nvme_dsm_range) == sizeof(struct iovec), "a list has room for either");
_Static_assert(VNVME_MAX_IOV <= IOV_POOL_MEDIUM, "the lists' size");

/* The end of every command: its completion queue entry is posted, or waits for room. */
void vnvme_req_complete(struct vnvme_req *req, uint16_t status);

#endif
