/* SPDX-License-Identifier: BSD-3-Clause */
/* The control queue (virtio 1.2, 5.6.6.2): task management functions, and events that there are
 * none of. */
#include <endian.h>
#include <linux/virtio_scsi.h>
#include <string.h>

#include "reactor/reactor.h"
#include "scsi/scsi.h"
#include "util/util.h"
#include "virtio/virtio_dev.h"
#include "virtio_scsi/virtio_scsi_internal.h"

/*
 * Task management functions that go on at a time; more wait. Drivers have one, or one of each task
 * that is late; each goes round the reactors, and looks again and again for what it waits for.
 */
#define MAX_TMFS 32
/* The price of one: messages to other reactors, and the walk through the unit there. */
#define TMF_UNITS (2 * REACTOR_INTERRUPT_UNITS)

static uint8_t tmf_response_of(const struct scsi_tmf *tmf)
{
	switch ((enum scsi_tmf_response)tmf->response) {
	case SCSI_TMF_COMPLETE:
		return VIRTIO_SCSI_S_OK; /* also FUNCTION COMPLETE */
	case SCSI_TMF_SUCCEEDED:
		return VIRTIO_SCSI_S_FUNCTION_SUCCEEDED;
	case SCSI_TMF_REJECTED:
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	case SCSI_TMF_BAD_TARGET:
		return VIRTIO_SCSI_S_BAD_TARGET;
	case SCSI_TMF_INCORRECT_LUN:
		return VIRTIO_SCSI_S_INCORRECT_LUN;
	}
	return VIRTIO_SCSI_S_FAILURE;
}

static void start_tmf(struct virtio_fence *fence)
{
	struct vs_req *r = container_of(fence, struct vs_req, fence);

	scsi_tmf_start(virtio_req_group_ctx(&r->req), &r->tmf);
}

/* A loop, not a recursion through answer_tmf(): one may be over at once. */
static void start_tmfs(struct virtio_scsi *vs)
{
	struct vs_req *r;

	if (vs->starting_tmfs)
		return;
	vs->starting_tmfs = true;
	while (vs->tmfs < MAX_TMFS && (r = vs->first_tmf)) {
		vs->first_tmf = r->next_tmf;
		if (!vs->first_tmf)
			vs->last_tmfp = &vs->first_tmf;
		vs->tmfs++;
		/* No command that it is about may be executed, and completed, after it was
		 * answered. */
		virtio_fence_fetched(&r->fence, &r->req, VS_QUEUE_REQUEST, start_tmf);
	}
	vs->starting_tmfs = false;
}

static void answer_tmf(struct virtio_fence *fence)
{
	struct vs_req *r = container_of(fence, struct vs_req, fence);
	struct virtio_scsi_ctrl_tmf_resp resp = {.response = tmf_response_of(&r->tmf)};
	struct virtio_scsi *vs = virtio_req_arg(&r->req);

	vs_respond(r, &resp, sizeof(resp), 0);
	vs->tmfs--;
	start_tmfs(vs);
}

/* The commands that it ended have completed, but maybe not for the guest. */
static void tmf_done(struct scsi_tmf *tmf)
{
	struct vs_req *r = container_of(tmf, struct vs_req, tmf);

	virtio_fence_shown(&r->fence, &r->req, answer_tmf);
}

static void queue_tmf(struct vs_req *r)
{
	struct virtio_scsi *vs = virtio_req_arg(&r->req);

	r->next_tmf = NULL;
	*vs->last_tmfp = r;
	vs->last_tmfp = &r->next_tmf;
	reactor_pay(TMF_UNITS);
	start_tmfs(vs);
}

static void handle_tmf(struct vs_req *r)
{
	static const uint8_t functions[] = {
		[VIRTIO_SCSI_T_TMF_ABORT_TASK] = SCSI_TMF_ABORT_TASK,
		[VIRTIO_SCSI_T_TMF_ABORT_TASK_SET] = SCSI_TMF_ABORT_TASK_SET,
		[VIRTIO_SCSI_T_TMF_CLEAR_ACA] = SCSI_TMF_CLEAR_ACA,
		[VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET] = SCSI_TMF_CLEAR_TASK_SET,
		[VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET] = SCSI_TMF_NEXUS_RESET,
		[VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET] = SCSI_TMF_LU_RESET,
		[VIRTIO_SCSI_T_TMF_QUERY_TASK] = SCSI_TMF_QUERY_TASK,
		[VIRTIO_SCSI_T_TMF_QUERY_TASK_SET] = SCSI_TMF_QUERY_TASK_SET,
	};
	struct virtio_scsi_ctrl_tmf_req tmf;
	struct virtio_scsi_ctrl_tmf_resp resp = {.response = VIRTIO_SCSI_S_FUNCTION_REJECTED};
	uint32_t subtype;

	if (!vs_begin(r, &tmf.subtype, sizeof(tmf) - sizeof(tmf.type), sizeof(resp)))
		return;
	subtype = le32toh(tmf.subtype);
	if (subtype >= ARRAY_SIZE(functions)) {
		vs_respond(r, &resp, sizeof(resp), 0);
		return;
	}
	r->tmf.function = functions[subtype];
	memcpy(r->tmf.lun, tmf.lun, sizeof(r->tmf.lun));
	r->tmf.tag = le64toh(tmf.tag);
	r->tmf.done = tmf_done;
	queue_tmf(r);
}

/* Asynchronous notification, query and subscribe: there are no such events. */
static void handle_an(struct vs_req *r)
{
	struct virtio_scsi_ctrl_an_req an;
	struct virtio_scsi_ctrl_an_resp resp = {.response = VIRTIO_SCSI_S_OK};

	if (vs_begin(r, (uint8_t *)&an + sizeof(an.type), sizeof(an) - sizeof(an.type),
		     sizeof(resp)))
		vs_respond(r, &resp, sizeof(resp), 0);
}

/*
 * A request of a later version of the standard, or of another one: what comes behind its type is
 * not known, nor how long its response is. As QEMU and SPDK do, it ends with an error, where there
 * is room to say so.
 */
static void reject(struct vs_req *r)
{
	struct virtio_req *req = &r->req;
	uint8_t response = VIRTIO_SCSI_S_FUNCTION_REJECTED;
	bool room = virtq_iov_put(&req->in, &req->nin, &response, sizeof(response));

	COUNTER_ADD(req->stats->errors, 1);
	virtio_req_complete(req, room ? sizeof(response) : 0);
}

void vs_handle_control(struct virtio_req *req)
{
	struct vs_req *r = vs_req_of(req);
	uint32_t type;

	if (!virtq_iov_take(&req->out, &req->nout, &type, sizeof(type))) {
		virtio_req_break(req, "a control request is shorter than its type");
		return;
	}
	switch (le32toh(type)) {
	case VIRTIO_SCSI_T_TMF:
		handle_tmf(r);
		break;
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		handle_an(r);
		break;
	default:
		reject(r);
		break;
	}
}
