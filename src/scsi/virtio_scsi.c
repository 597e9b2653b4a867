/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport: virtqueues on one side, the SCSI device server on the other. */
#include "scsi/virtio_scsi.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"
#include "scsi/scsi_spec.h"
#include "scsi/virtio_scsi_now.h"
#include "util/log.h"
#include "util/util.h"
#include "virtio/virtio_dev.h"

#define QUEUE_CONTROL 0
#define QUEUE_EVENT   1
#define QUEUE_REQUEST 2 /* the first one */

/* Descriptors that a response may be spread over. */
#define MAX_PIECES 8

/*
 * Task management functions that go on at a time; more wait. Drivers have one, or one of each task
 * that is late; each goes round the reactors, and looks again and again for what it waits for.
 */
#define MAX_TMFS 32
/* The price of one: messages to other reactors, and the walk through the unit there. */
#define TMF_UNITS (2 * REACTOR_INTERRUPT_UNITS)

struct vs_req;

struct virtio_scsi {
	struct scsi_device *scsi;
	struct virtio_dev *dev;
	/* The reactor's that has the control queue. */
	unsigned int tmfs;
	bool starting_tmfs;
	struct vs_req *first_tmf, **last_tmfp; /* that wait */
};

struct vs_req {
	struct virtio_req req;	       /* first */
	struct iovec resp[MAX_PIECES]; /* guest memory: written once, at the end */
	unsigned int nresp;
	union {
		struct scsi_task task;
		struct {
			struct scsi_tmf tmf;
			union {
				struct virtio_fence fence;
				struct vs_req *next_tmf; /* before it has begun */
			};
		};
	};
};

static struct vs_req *vs_req_of(struct virtio_req *req)
{
	return container_of(req, struct vs_req, req);
}

/* The response goes to where it was cut off from, however many descriptors that were. */
static inline void respond(struct vs_req *r, const void *resp, size_t len, uint64_t data_in)
{
	struct iovec *iov = r->resp;
	unsigned int n = r->nresp;

	virtq_iov_put(&iov, &n, resp, len);
	virtio_req_complete(&r->req, (uint32_t)min_t(uint64_t, len + data_in, UINT32_MAX));
}

/* The same in any layout. */
static slow_path bool begin_pieces(struct vs_req *r, void *header, size_t header_len,
				   size_t resp_len)
{
	struct virtio_req *req = &r->req;

	if (!virtq_iov_take(&req->out, &req->nout, header, header_len)) {
		virtio_req_break(req, "a request is shorter than its header");
		return false;
	}
	r->nresp = virtq_iov_cut(&req->in, &req->nin, resp_len, r->resp, MAX_PIECES);
	if (!r->nresp)
		virtio_req_break(req, "a request has no room for its response");
	return r->nresp;
}

/*
 * Takes the request's header and cuts off the space of its response. False: the queue is broken.
 * Drivers have descriptors of their own for both.
 */
static inline bool begin(struct vs_req *r, void *header, size_t header_len, size_t resp_len)
{
	struct virtio_req *req = &r->req;

	if (unlikely(!req->nout || req->out->iov_len != header_len || !req->nin ||
		     req->in->iov_len != resp_len))
		return begin_pieces(r, header, header_len, resp_len);
	memcpy(header, req->out->iov_base, header_len);
	req->out++;
	req->nout--;
	r->resp[0] = *req->in;
	r->nresp = 1;
	req->in++;
	req->nin--;
	return true;
}

/* --- request queues (5.6.6.1) --- */

static uint8_t response_of(const struct scsi_task *task)
{
	switch ((enum scsi_response)task->response) {
	case SCSI_RESPONSE_OK:
		return VIRTIO_SCSI_S_OK;
	case SCSI_RESPONSE_OVERRUN:
		return VIRTIO_SCSI_S_OVERRUN;
	case SCSI_RESPONSE_ABORTED:
		return VIRTIO_SCSI_S_ABORTED;
	case SCSI_RESPONSE_RESET:
		return VIRTIO_SCSI_S_RESET;
	case SCSI_RESPONSE_BUSY:
		return VIRTIO_SCSI_S_BUSY;
	case SCSI_RESPONSE_TRANSPORT:
		return VIRTIO_SCSI_S_TRANSPORT_FAILURE;
	}
	return VIRTIO_SCSI_S_FAILURE;
}

/*
 * Status GOOD, all data transferred, and room for the response in one piece. All of the response is
 * written, as all of it is counted in the used element.
 */
static inline void respond_good(struct vs_req *r, bool out, uint64_t bytes)
{
	uint32_t written = (uint32_t)sizeof(struct virtio_scsi_cmd_resp);

	virtio_req_count(&r->req, out ? BDEV_OP_WRITE : BDEV_OP_READ, bytes);
	/* VIRTIO_SCSI_S_OK, no sense data, no residual */
	memset(r->resp[0].iov_base, 0, sizeof(struct virtio_scsi_cmd_resp));
	virtio_req_complete(&r->req, out ? written : written + (uint32_t)bytes);
}

static slow_path void respond_any(struct vs_req *r, const struct scsi_task *task)
{
	struct virtio_scsi_cmd_resp resp = {
		.response = response_of(task),
		.status = task->status,
		.sense_len = htole32(task->sense_len),
		.resid = htole32((uint32_t)min_t(uint64_t, task->residual, UINT32_MAX)),
	};

	memcpy(resp.sense, task->sense, task->sense_len);
	if (task->response != SCSI_RESPONSE_OK && virtio_req_leave(&r->req))
		return;
	if (resp.response != VIRTIO_SCSI_S_OK || resp.status)
		COUNTER_ADD(r->req.stats->errors, 1);
	else if (task->in_len)
		virtio_req_count(&r->req, BDEV_OP_READ, task->in_len - task->residual);
	else if (task->out_len)
		virtio_req_count(&r->req, BDEV_OP_WRITE, task->out_len - task->residual);
	respond(r, &resp, sizeof(resp),
		task->in_len - min_t(uint64_t, task->in_len, task->residual));
}

static void task_done(struct scsi_task *task)
{
	struct vs_req *r = container_of(task, struct vs_req, task);
	const uint64_t bytes = task->in_len + task->out_len;

	/* Data in one direction, and no more of it than a used element can count. */
	if (likely(task->response == SCSI_RESPONSE_OK && task->status == SCSI_STATUS_GOOD &&
		   !task->residual && r->nresp == 1 && bytes - 1 < UINT32_MAX / 2 &&
		   !(task->in_len && task->out_len)))
		respond_good(r, !task->in_len, bytes);
	else
		respond_any(r, task);
}

static void handle_command(struct virtio_req *req)
{
	struct vs_req *r = vs_req_of(req);
	struct scsi_task *task = &r->task;
	struct virtio_scsi_cmd_req cmd;

	if (unlikely(!begin(r, &cmd, sizeof(cmd), sizeof(struct virtio_scsi_cmd_resp))))
		return;
	if (unlikely(!scsi_group_address(virtio_req_group_ctx(req), cmd.lun, task))) {
		struct virtio_scsi_cmd_resp resp = {.response = VIRTIO_SCSI_S_BAD_TARGET};

		respond(r, &resp, sizeof(resp), 0);
		return;
	}
	memcpy(task->cdb, cmd.cdb, sizeof(task->cdb));
	task->out_iov = req->out;
	task->out_cnt = req->nout;
	task->out_len = req->out_len - sizeof(cmd);
	task->in_iov = req->in;
	task->in_cnt = req->nin;
	task->in_len = req->in_len - sizeof(struct virtio_scsi_cmd_resp);
	task->tag = le64toh(cmd.tag);
	task->done = task_done;
	scsi_task_execute(task);
}

/* --- control queue (5.6.6.2) --- */

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
		virtio_fence_fetched(&r->fence, &r->req, QUEUE_REQUEST, start_tmf);
	}
	vs->starting_tmfs = false;
}

static void answer_tmf(struct virtio_fence *fence)
{
	struct vs_req *r = container_of(fence, struct vs_req, fence);
	struct virtio_scsi_ctrl_tmf_resp resp = {.response = tmf_response_of(&r->tmf)};
	struct virtio_scsi *vs = virtio_req_arg(&r->req);

	respond(r, &resp, sizeof(resp), 0);
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

	if (!begin(r, &tmf.subtype, sizeof(tmf) - sizeof(tmf.type), sizeof(resp)))
		return;
	subtype = le32toh(tmf.subtype);
	if (subtype >= ARRAY_SIZE(functions)) {
		respond(r, &resp, sizeof(resp), 0);
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

	if (begin(r, (uint8_t *)&an + sizeof(an.type), sizeof(an) - sizeof(an.type), sizeof(resp)))
		respond(r, &resp, sizeof(resp), 0);
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

static void handle_control(struct virtio_req *req)
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

/* --- the device --- */

static void handle(struct virtio_req *req)
{
	unsigned int queue = virtio_req_queue(req);

	if (likely(queue >= QUEUE_REQUEST))
		handle_command(req);
	else
		handle_control(req);
}

/* What is on the control queue waits for the tasks that it is about. */
static struct scsi_task *task_of(struct virtio_req *req)
{
	return virtio_req_queue(req) >= QUEUE_REQUEST ? &vs_req_of(req)->task : NULL;
}

/* Linux tries again what ends so. */
static void cancel(struct virtio_req *req)
{
	struct scsi_task *task = task_of(req);

	if (task)
		scsi_task_cancel(task, SCSI_RESPONSE_RESET);
}

static struct bdev_io *io_of(struct virtio_req *req)
{
	struct scsi_task *task = task_of(req);

	return task ? scsi_task_io(task) : NULL;
}

static int group_start(void *arg, void **ctx)
{
	const struct virtio_scsi *vs = arg;

	return scsi_group_get(vs->scsi, (struct scsi_group **)ctx);
}

static void group_stop(void *ctx)
{
	scsi_group_put(ctx);
}

static void session(void *arg, bool begins)
{
	const struct virtio_scsi *vs = arg;

	if (begins)
		scsi_device_reset(vs->scsi, SCSI_RESET_POWER_ON);
}

static const struct virtio_ops virtio_scsi_ops = {
	.req_size = sizeof(struct vs_req),
	.handle = handle,
	.cancel = cancel,
	.io_of = io_of,
	.run_now = virtio_scsi_run_now,
	.first_now_queue = QUEUE_REQUEST,
	.group_start = group_start,
	.group_stop = group_stop,
	.session = session,
	/* The guest's buffers for events wait in their ring until there are any. */
	.idle_queues = 1u << QUEUE_EVENT,
};

static int add_luns(struct virtio_scsi *vs, const struct virtio_scsi_params *p)
{
	char err[SCSI_ERR_MAX] = "";
	size_t i;
	int rc;

	for (i = 0; i < p->nluns; i++) {
		const struct virtio_scsi_lun_params *l = &p->luns[i];
		struct scsi_lu_params lu = {
			.target = l->target,
			.lun = l->lun,
			.bdev = l->bdev,
			.read_only = l->read_only,
			.serial = l->serial,
		};

		rc = scsi_device_add_lu(vs->scsi, &lu, err);
		if (rc) {
			log_error("%s: target %u, LUN %u: %s", p->name, l->target, l->lun,
				  err[0] ? err : strerror(-rc));
			return rc;
		}
	}
	return 0;
}

int virtio_scsi_create(const struct virtio_scsi_params *p, struct virtio_scsi **out)
{
	struct virtio_params vp = {
		.name = p->name,
		.ops = &virtio_scsi_ops,
		.features = 1ull << VIRTIO_SCSI_F_HOTPLUG | 1ull << VIRTIO_SCSI_F_CHANGE,
		.queues = QUEUE_REQUEST + p->queues,
		.reactors = p->reactors,
		.nreactors = p->nreactors,
		.idle_ns = p->idle_ns,
		.request_memory = p->request_memory,
		.weight = p->weight,
		.socket = p->socket,
	};
	struct virtio_scsi *vs;
	int rc;

	if (!p->queues || p->queues > VIRTIO_SCSI_MAX_QUEUES || !p->nreactors)
		return -EINVAL;
	vs = calloc(1, sizeof(*vs));
	if (!vs)
		return -ENOMEM;
	vs->last_tmfp = &vs->first_tmf;
	rc = scsi_device_create(p->name, &vs->scsi);
	if (rc)
		goto free_vs;
	scsi_device_limit_memory(vs->scsi, p->request_memory);
	rc = add_luns(vs, p);
	if (rc)
		goto destroy_device;
	vp.arg = vs;
	rc = virtio_dev_create(&vp, &vs->dev);
	if (rc)
		goto destroy_device;
	*out = vs;
	return 0;

destroy_device:
	scsi_device_destroy(vs->scsi);
free_vs:
	free(vs);
	return rc;
}

int virtio_scsi_move_queue(struct virtio_scsi *vs, unsigned int queue, const struct reactor *to)
{
	return virtio_dev_move_queue(vs->dev, queue, to);
}

void virtio_scsi_destroy(struct virtio_scsi *vs)
{
	if (!vs)
		return;
	virtio_dev_destroy(vs->dev);
	scsi_device_destroy(vs->scsi);
	free(vs);
}
