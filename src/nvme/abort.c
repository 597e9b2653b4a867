/* SPDX-License-Identifier: BSD-3-Clause */
/* Abort (NVMe 1.4, 5.1): the victim's I/O is cancelled in its backend; Abort completes after it. */
#include <endian.h>
#include <stdlib.h>

#include <shadowbell/bdev.h>

#include "nvme/abort.h"
#include "nvme/caps.h"
#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "reactor/reactor.h"

#define LOOK_UNITS (REACTOR_REQUEST_UNITS / 4) /* of one at a request */

static void abort_at_home(void *arg)
{
	struct vnvme_abort *abort = arg;

	abort->req->sq->group->ctrl->aborts--;
	abort->req->result = abort->aborted ? 0 : 1; /* bit 0: it was not aborted */
	vnvme_req_complete(abort->req, 0);
	free(abort);
}

void vnvme_abort_finish(struct vnvme_abort *abort, bool aborted)
{
	abort->aborted = aborted;
	abort->msg = (struct reactor_msg){.fn = abort_at_home, .arg = abort};
	reactor_send(abort->req->sq->group->reactor, &abort->msg);
}

/*
 * On the victim's reactor. The queue is still there: home sends the operation that would delete it
 * after this message. It is a message because an operation would make others wait for the victim.
 */
static void find_and_cancel(void *arg)
{
	struct vnvme_abort *abort = arg;
	struct vnvme_sq *sq = abort->sq;
	uint32_t i;

	/* The victim was submitted before its Abort, but may not have been fetched yet. */
	if (!sq->group->paused)
		vnvme_sq_fetch_all(sq);
	/* In a long queue this is more than an Abort otherwise costs. */
	vnvme_group_pay(sq->group, (uint64_t)sq->made_reqs * LOOK_UNITS);
	for (i = 0; i < sq->made_reqs; i++) {
		struct vnvme_req *victim = &sq->reqs[i];

		if (!victim->io_running || victim->sqe.cid != abort->cid || victim->abort)
			continue;
		victim->abort = abort;
		bdev_io_cancel(&victim->io);
		return;
	}
	vnvme_abort_finish(abort, false);
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
	struct vnvme_abort *abort;

	if (sqid > vnvme_max_qid(ctrl) || (sqid && !ctrl->sqs[sqid]))
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	if (!sqid) {
		req->result = !abort_async_event(ctrl, cid);
		return 0;
	}
	/* Its reactor can't be told now; an Abort may always come too late. */
	if (ctrl->sqs[sqid]->cq == ctrl->moving) {
		req->result = 1;
		return 0;
	}
	if (ctrl->aborts == VNVME_ACL)
		return NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT | NVME_SC_ABORT_LIMIT;
	abort = calloc(1, sizeof(*abort));
	if (!abort)
		return NVME_SC_INTERNAL;
	ctrl->aborts++;
	abort->req = req;
	abort->sq = ctrl->sqs[sqid];
	abort->cid = cid;
	abort->msg = (struct reactor_msg){.fn = find_and_cancel, .arg = abort};
	reactor_send(abort->sq->group->reactor, &abort->msg);
	return VNVME_PENDING;
}
