/* SPDX-License-Identifier: BSD-3-Clause */
/* Abort (NVMe 1.4, 5.1): the victim's I/O is cancelled in its backend; Abort completes after it. */
#include "nvme/vnvme_internal.h"

struct abort_op {
	struct vnvme_op op;
	struct vnvme_req *req;
	struct vnvme_sq *sq;
	uint16_t cid;
	struct vnvme_abort abort;
};

static void find_and_cancel(struct vnvme_group *g, struct vnvme_op *op)
{
	struct abort_op *aop = container_of(op, struct abort_op, op);
	struct vnvme_sq *sq = aop->sq;
	uint16_t i;

	/* The victim was submitted before its Abort, but may not have been fetched yet. */
	if (!g->paused)
		vnvme_sq_poll(sq, sq->size);
	for (i = 0; i < sq->size; i++) {
		struct vnvme_req *victim = &sq->reqs[i];

		if (!victim->io_running || victim->sqe.cid != aop->cid || victim->abort)
			continue;
		aop->abort.found = true;
		victim->abort = &aop->abort;
		bdev_io_cancel(&victim->io);
		return;
	}
}

static bool victim_gone(struct vnvme_group *g, struct vnvme_op *op)
{
	const struct abort_op *aop = container_of(op, struct abort_op, op);

	return !aop->abort.found || aop->abort.finished;
}

static void abort_done(struct vnvme_op *op)
{
	struct abort_op *aop = container_of(op, struct abort_op, op);

	op->ctrl->aborts--;
	aop->req->result = aop->abort.aborted ? 0 : 1; /* bit 0: it was not aborted */
	vnvme_req_complete(aop->req, 0);
	free(aop);
}

/* An Asynchronous Event Request waits at home. True if it was there. */
static bool abort_async_event(struct vnvme_ctrl *ctrl, uint16_t cid)
{
	uint32_t i;

	for (i = 0; i < ctrl->naers; i++) {
		struct vnvme_req *victim = ctrl->aers[i];

		if (victim->sqe.cid != cid)
			continue;
		ctrl->aers[i] = ctrl->aers[--ctrl->naers];
		victim->sq->outstanding++; /* as completion expects it */
		victim->sq->group->outstanding++;
		vnvme_req_complete(victim, NVME_SC_ABORT_REQ);
		return true;
	}
	return false;
}

uint16_t vnvme_admin_abort(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t cdw10 = le32toh(req->sqe.cdw10), sqid = cdw10 & 0xffff;
	uint16_t cid = htole16((uint16_t)(cdw10 >> 16)); /* compared as it stands in the SQE */
	struct abort_op *aop;

	if (sqid > ctrl->io_queues || (sqid && !ctrl->sqs[sqid]))
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	if (!sqid) {
		req->result = !abort_async_event(ctrl, cid);
		return 0;
	}
	if (ctrl->aborts == VNVME_ACL)
		return NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT | NVME_SC_ABORT_LIMIT;
	aop = calloc(1, sizeof(*aop));
	if (!aop)
		return NVME_SC_INTERNAL;
	ctrl->aborts++;
	aop->req = req;
	aop->sq = ctrl->sqs[sqid];
	aop->cid = cid;
	aop->op = (struct vnvme_op){
		.start = find_and_cancel,
		.ready = victim_gone,
		.done = abort_done,
		.only = aop->sq->group,
	};
	vnvme_op_run(ctrl, &aop->op);
	return VNVME_PENDING;
}
