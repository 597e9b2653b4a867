/* SPDX-License-Identifier: BSD-3-Clause */
/* The data of a command: where it is in our address space, and copying it for admin commands. */
#include <endian.h>
#include <string.h>

#include "bdev/iov_pool.h"
#include "nvme/data.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/prp.h"
#include "nvme/req.h"
#include "nvme/sgl.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

/* A list of n segments or ranges. False: the command is to be fetched again. */
bool vnvme_req_need_big(struct vnvme_req *req, unsigned int n)
{
	if (!req->big)
		req->big = iov_pool_get(&req->sq->group->lists, n);
	return req->big;
}

/* What a command of one page costs is paid after the batch; of more, the first step is paid here.
 */
static inline void pay_for_data(const struct vnvme_req *req, uint32_t len)
{
	if (len > VNVME_PAGE)
		vnvme_group_pay(req->sq->group,
				min_t(uint32_t, len, REACTOR_STEP_BYTES) - VNVME_PAGE);
}

static uint16_t map_sgl(struct vnvme_req *req, uint32_t len)
{
	const struct nvme_sqe *sqe = &req->sqe;
	struct vnvme_group *g = req->sq->group;
	unsigned int n;
	uint16_t status;
	void *run =
		vnvme_sgl_run(g->mem, le64toh(sqe->prp1), le64toh(sqe->prp2), len, &g->last_region);

	if (run) {
		pay_for_data(req, len);
		vnvme_group_pay(g, REACTOR_SEGMENT_UNITS);
		req->iov[0] = (struct iovec){.iov_base = run, .iov_len = len};
		req->io.iov = req->iov;
		req->io.iovcnt = 1;
		return 0;
	}
	if (!vnvme_req_need_big(req, VNVME_MAX_IOV))
		return VNVME_STARVED;
	pay_for_data(req, len);
	status = vnvme_sgl_map(g->mem, le64toh(sqe->prp1), le64toh(sqe->prp2), len, req->big,
			       VNVME_MAX_IOV, &n);
	req->io.iov = req->big;
	req->io.iovcnt = (uint16_t)n;
	if (!status)
		vnvme_group_pay(g, n * REACTOR_SEGMENT_UNITS);
	return status;
}

/* Maps the command's data into req->io.iov. */
uint16_t vnvme_req_map(struct vnvme_req *req, uint32_t len)
{
	const struct nvme_sqe *sqe = &req->sqe;
	struct iovec *iov = req->iov;
	unsigned int n;
	uint16_t status;

	if (unlikely(NVME_SQE_PSDT(sqe)))
		return map_sgl(req, len);
	/* Pages at most, with one for an offset: what inline segments hold. */
	if (unlikely(len > (VNVME_INLINE_IOV - 1) * VNVME_PAGE)) {
		if (!vnvme_req_need_big(req, len / VNVME_PAGE + 2))
			return VNVME_STARVED;
		iov = req->big;
	}
	pay_for_data(req, len);
	status = vnvme_prp_map(req->sq->group->mem, le64toh(sqe->prp1), le64toh(sqe->prp2), len,
			       &req->sq->group->last_region, iov, &n);
	if (unlikely(status))
		return status;
	req->io.iov = iov;
	req->io.iovcnt = (uint16_t)n;
	return 0;
}

static void copy_iov(const struct iovec *iov, unsigned int n, uint8_t *data, bool to_guest)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (to_guest)
			memcpy(iov[i].iov_base, data, iov[i].iov_len);
		else
			memcpy(data, iov[i].iov_base, iov[i].iov_len);
		data += iov[i].iov_len;
	}
}

/* The data of admin commands, by way of our own memory: at most VNVME_MAX_TRANSFER. */
uint16_t vnvme_req_to_guest(struct vnvme_req *req, const void *data, uint32_t len)
{
	uint16_t status = vnvme_req_map(req, len);

	if (!status)
		copy_iov(req->io.iov, req->io.iovcnt, (uint8_t *)(uintptr_t)data, true);
	return status;
}

uint16_t vnvme_req_from_guest(struct vnvme_req *req, void *data, uint32_t len)
{
	uint16_t status = vnvme_req_map(req, len);

	if (!status)
		copy_iov(req->io.iov, req->io.iovcnt, data, false);
	return status;
}
