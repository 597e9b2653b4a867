/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Create and Delete I/O Submission and Completion Queue (NVMe 1.4, 5.3 to 5.6). Home checks and
 * keeps the books; the queue itself is made and freed on its group's reactor, by an operation.
 */
#include <endian.h>
#include <stdlib.h>

#include "guest_mem/guest_mem.h"
#include "nvme/admin_queue.h"
#include "nvme/caps.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/io.h"
#include "nvme/op.h"
#include "nvme/queue.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

struct queue_op {
	struct vnvme_op op;
	struct vnvme_req *req;
	uint16_t qid, size, vector;
	bool irq_enabled;
	uint64_t gpa;
	struct vnvme_cq *cq; /* of a new submission queue, or the one to delete */
	struct vnvme_sq *sq;
};

static uint16_t run(struct vnvme_ctrl *ctrl, const struct queue_op *init)
{
	struct queue_op *qop = malloc(sizeof(*qop));

	if (!qop)
		return NVME_SC_INTERNAL;
	*qop = *init;
	vnvme_op_run(ctrl, &qop->op);
	return VNVME_PENDING;
}

static void finish(struct queue_op *qop, uint16_t status)
{
	vnvme_req_complete(qop->req, status);
	free(qop);
}

static struct queue_op *queue_op_of(struct vnvme_op *op)
{
	return container_of(op, struct queue_op, op);
}

/* Not before its turn: an operation ahead of it may move the completion queue. */
static void at_its_group(struct vnvme_op *op)
{
	op->only = queue_op_of(op)->cq->group;
}

/* What both kinds of Create have in common: id, size, place. */
static uint16_t check_create(const struct vnvme_ctrl *ctrl, const struct vnvme_req *req, bool used,
			     size_t entry_shift, struct queue_op *qop)
{
	uint32_t cdw10 = le32toh(req->sqe.cdw10), cdw11 = le32toh(req->sqe.cdw11);
	uint32_t entries = (cdw10 >> 16) + 1; /* 0's based */
	uint64_t gpa = le64toh(req->sqe.prp1);

	qop->qid = (uint16_t)cdw10;
	if (!qop->qid || qop->qid > vnvme_max_qid(ctrl) || used)
		return VNVME_CMD(NVME_SC_QID_INVALID);
	if (entries < 2 || entries > VNVME_MAX_ENTRIES)
		return VNVME_CMD(NVME_SC_QUEUE_SIZE);
	/* The host may set these as late as now (NVMe 1.4, 3.1.5). */
	if ((ctrl->cc >> NVME_CC_IOSQES_SHIFT & NVME_CC_IOSQES_MASK) != NVME_SQE_SHIFT ||
	    (ctrl->cc >> NVME_CC_IOCQES_SHIFT & NVME_CC_IOCQES_MASK) != NVME_CQE_SHIFT)
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	if (!(cdw11 & 1)) /* PC: CAP.CQR asks for contiguous queues */
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	if (gpa & (VNVME_PAGE - 1))
		return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	if (!guest_mem_ptr(ctrl->mem, gpa, (uint64_t)entries << entry_shift))
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	qop->size = (uint16_t)entries;
	qop->gpa = gpa;
	return 0;
}

/* Whether an id is in range; the arrays may be indexed with it then. */
static bool qid_ok(const struct vnvme_ctrl *ctrl, uint32_t qid)
{
	return qid && qid <= vnvme_max_qid(ctrl);
}

/* --- Create I/O Completion Queue (5.3) --- */

static void make_cq(struct vnvme_group *g, struct vnvme_op *op)
{
	struct queue_op *qop = queue_op_of(op);

	qop->cq = vnvme_cq_create(g->ctrl, qop->qid, qop->size, qop->gpa, g);
	if (!qop->cq)
		return;
	qop->cq->vector = qop->vector;
	qop->cq->irq_enabled = qop->irq_enabled;
	vnvme_group_update_idle(g);
}

static void cq_made(struct vnvme_op *op)
{
	struct queue_op *qop = queue_op_of(op);

	op->ctrl->cq_busy[qop->qid] = false;
	op->ctrl->cqs[qop->qid] = qop->cq;
	finish(qop, qop->cq ? 0 : NVME_SC_INTERNAL);
}

uint16_t vnvme_admin_create_cq(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t qid = le32toh(req->sqe.cdw10) & 0xffff, cdw11 = le32toh(req->sqe.cdw11);
	struct queue_op qop = {
		.req = req,
		.vector = (uint16_t)(cdw11 >> 16),
		.irq_enabled = cdw11 & 2,
		.op = {.start = make_cq, .done = cq_made},
	};
	bool used = qid_ok(ctrl, qid) && (ctrl->cqs[qid] || ctrl->cq_busy[qid]);
	uint16_t status = check_create(ctrl, req, used, NVME_CQE_SHIFT, &qop);

	if (status)
		return status;
	/* Without interrupts the vector means nothing. */
	if (!qop.irq_enabled)
		qop.vector = 0;
	if (qop.vector >= vnvme_vectors(ctrl))
		return VNVME_CMD(NVME_SC_INVALID_VECTOR);
	qop.op.only = ctrl->groups[ctrl->next_group++ % ctrl->ngroups];
	ctrl->cq_busy[qop.qid] = true;
	status = run(ctrl, &qop);
	ctrl->cq_busy[qop.qid] = status == VNVME_PENDING;
	return status;
}

/* --- Create I/O Submission Queue (5.4) --- */

static void make_sq(struct vnvme_group *g, struct vnvme_op *op)
{
	struct queue_op *qop = queue_op_of(op);

	qop->sq =
		vnvme_sq_create(g->ctrl, qop->qid, qop->size, qop->gpa, qop->cq, vnvme_io_execute);
}

static void sq_made(struct vnvme_op *op)
{
	struct queue_op *qop = queue_op_of(op);

	op->ctrl->sq_busy[qop->qid] = false;
	op->ctrl->sqs[qop->qid] = qop->sq;
	if (!qop->sq)
		qop->cq->nsqs--;
	finish(qop, qop->sq ? 0 : NVME_SC_INTERNAL);
}

uint16_t vnvme_admin_create_sq(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t qid = le32toh(req->sqe.cdw10) & 0xffff;
	uint32_t cqid = le32toh(req->sqe.cdw11) >> 16;
	struct queue_op qop = {
		.req = req,
		.op = {.prepare = at_its_group, .start = make_sq, .done = sq_made},
	};
	bool used = qid_ok(ctrl, qid) && (ctrl->sqs[qid] || ctrl->sq_busy[qid]);
	uint16_t status;

	if (!qid_ok(ctrl, cqid) || !ctrl->cqs[cqid] || ctrl->cq_busy[cqid])
		return VNVME_CMD(qid_ok(ctrl, cqid) ? NVME_SC_CQ_INVALID : NVME_SC_QID_INVALID);
	status = check_create(ctrl, req, used, NVME_SQE_SHIFT, &qop);
	if (status)
		return status;
	qop.cq = ctrl->cqs[cqid];
	qop.cq->nsqs++;
	ctrl->sq_busy[qop.qid] = true;
	status = run(ctrl, &qop);
	if (status != VNVME_PENDING) {
		ctrl->sq_busy[qop.qid] = false;
		qop.cq->nsqs--;
	}
	return status;
}

/* --- Delete I/O Submission Queue (5.6): what is in flight completes, early if possible --- */

static void stop_sq(struct vnvme_group *g, struct vnvme_op *op)
{
	queue_op_of(op)->sq->deleting = true;
}

static bool sq_drained(struct vnvme_group *g, struct vnvme_op *op)
{
	struct vnvme_sq *sq = queue_op_of(op)->sq;

	if (sq->outstanding)
		return false;
	vnvme_sq_free(sq);
	return true;
}

static void sq_deleted(struct vnvme_op *op)
{
	struct queue_op *qop = queue_op_of(op);

	op->ctrl->sq_busy[qop->qid] = false;
	qop->cq->nsqs--;
	finish(qop, 0);
}

uint16_t vnvme_admin_delete_sq(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t qid = le32toh(req->sqe.cdw10) & 0xffff;
	struct queue_op qop = {
		.req = req,
		.qid = (uint16_t)qid,
		.op = {.prepare = at_its_group,
		       .start = stop_sq,
		       .ready = sq_drained,
		       .done = sq_deleted,
		       .drains = true},
	};
	uint16_t status;

	if (!qid_ok(ctrl, qid) || !ctrl->sqs[qid])
		return VNVME_CMD(NVME_SC_QID_INVALID);
	qop.sq = ctrl->sqs[qid];
	qop.cq = qop.sq->cq;
	qop.op.drain_sq = qop.sq;
	status = run(ctrl, &qop);
	if (status == VNVME_PENDING) {
		ctrl->sqs[qid] = NULL;
		ctrl->sq_busy[qid] = true;
	}
	return status;
}

/* --- Delete I/O Completion Queue (5.5) --- */

static void remove_cq(struct vnvme_group *g, struct vnvme_op *op)
{
	vnvme_cq_free(queue_op_of(op)->cq);
	vnvme_group_update_idle(g);
}

static void cq_deleted(struct vnvme_op *op)
{
	struct queue_op *qop = queue_op_of(op);

	op->ctrl->cq_busy[qop->qid] = false;
	finish(qop, 0);
}

uint16_t vnvme_admin_delete_cq(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t qid = le32toh(req->sqe.cdw10) & 0xffff;
	struct queue_op qop = {
		.req = req,
		.qid = (uint16_t)qid,
		.op = {.prepare = at_its_group, .start = remove_cq, .done = cq_deleted},
	};
	uint16_t status;

	if (!qid_ok(ctrl, qid) || !ctrl->cqs[qid])
		return VNVME_CMD(NVME_SC_QID_INVALID);
	qop.cq = ctrl->cqs[qid];
	if (qop.cq->nsqs)
		return VNVME_CMD(NVME_SC_INVALID_QUEUE);
	status = run(ctrl, &qop);
	if (status == VNVME_PENDING) {
		ctrl->cqs[qid] = NULL;
		ctrl->cq_busy[qid] = true;
	}
	return status;
}
