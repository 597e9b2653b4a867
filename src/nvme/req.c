/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of every command. */
#include <endian.h>

#include "bdev/iov_pool.h"
#include "nvme/abort.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/error_log.h"
#include "nvme/group.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "reactor/reactor.h"
#include "util/counter.h"
#include "util/log.h"
#include "util/util.h"
/* After what it needs itself. */
#include <nvme/util.h>

/* The status as it will be posted, with the phase tag (NVMe 1.4, figure 197). */
static void log_failure(struct vnvme_req *req, uint16_t status)
{
	unsigned int phase = vnvme_cq_next_phase(req->sq->cq);
	struct vnvme_ctrl *ctrl = req->sq->group->ctrl;
	const struct nvme_sqe *sqe = &req->sqe;
	struct nvme_error_log_page entry = {
		.sqid = htole16(req->sq->qid),
		.cmdid = sqe->cid,
		.status_field = htole16((uint16_t)(status << 1 | phase)),
		.parm_error_location = 0xffff,
		.nsid = sqe->nsid,
	};

	if (req->sq->qid)
		entry.lba = htole64((uint64_t)le32toh(sqe->cdw11) << 32 | le32toh(sqe->cdw10));
	vnvme_error_log_add(ctrl, &entry);
	log_debug("%s: queue %u: opcode %02x nsid %u: %s", ctrl->name, req->sq->qid, sqe->opcode,
		  le32toh(sqe->nsid), nvme_status_to_string(status, false));
}

/* The host asked for an early end, with Abort or by deleting the queue. */
static uint16_t aborted_status(struct vnvme_req *req, uint16_t status)
{
	bool aborted = status == NVME_SC_ABORT_REQ;

	if (req->abort) {
		vnvme_abort_finish(req->abort, aborted);
		req->abort = NULL;
	} else if (aborted && req->sq->deleting) {
		return NVME_SC_ABORT_QUEUE;
	}
	return status;
}

/* What the host is told; Abort and the error log have their part in it. */
static slow_path uint16_t final_status(struct vnvme_req *req, uint16_t status)
{
	status = aborted_status(req, status);
	/* The error log page has more to say. */
	if (status && status != NVME_SC_ABORT_QUEUE && status != NVME_SC_ABORT_REQ) {
		status |= NVME_SC_MORE;
		log_failure(req, status);
	}
	if (status)
		COUNTER_ADD(req->sq->stats->errors, 1);
	return status;
}

void vnvme_req_complete(struct vnvme_req *req, uint16_t status)
{
	struct vnvme_sq *sq = req->sq;
	struct vnvme_group *g = sq->group;

	if (unlikely(req->big)) {
		iov_pool_put(&g->lists, req->big);
		req->big = NULL;
	}
	if (unlikely(status || req->abort))
		status = final_status(req, status);
	if (unlikely(sq->timed == req))
		vnvme_sq_end_timing(sq);
	req->status = status;
	sq->outstanding--;
	g->outstanding--;
	g->completed++;
	reactor_poller_poke(&g->poller); /* it sends the interrupt */
	if (unlikely(sq->dropped))
		vnvme_req_free(req);
	else
		vnvme_cq_post(sq->cq, req);
}
