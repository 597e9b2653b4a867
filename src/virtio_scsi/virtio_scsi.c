/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport: virtqueues on one side, the SCSI device server on the other. */
#include "virtio_scsi/virtio_scsi.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"
#include "scsi/scsi_spec.h"
#include "util/log.h"
#include "util/util.h"
#include "virtio/virtio_dev.h"
#include "virtio_scsi/virtio_scsi_internal.h"
#include "virtio_scsi/virtio_scsi_now.h"

slow_path bool vs_begin_pieces(struct vs_req *r, void *header, size_t header_len, size_t resp_len)
{
	struct virtio_req *req = &r->req;

	if (!virtq_iov_take(&req->out, &req->nout, header, header_len)) {
		virtio_req_break(req, "a request is shorter than its header");
		return false;
	}
	r->nresp = virtq_iov_cut(&req->in, &req->nin, resp_len, r->resp, VS_MAX_PIECES);
	if (!r->nresp)
		virtio_req_break(req, "a request has no room for its response");
	return r->nresp;
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
	vs_respond(r, &resp, sizeof(resp),
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

	if (unlikely(!vs_begin(r, &cmd, sizeof(cmd), sizeof(struct virtio_scsi_cmd_resp))))
		return;
	if (unlikely(!scsi_group_address(virtio_req_group_ctx(req), cmd.lun, task))) {
		struct virtio_scsi_cmd_resp resp = {.response = VIRTIO_SCSI_S_BAD_TARGET};

		vs_respond(r, &resp, sizeof(resp), 0);
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

/* --- the device --- */

static void handle(struct virtio_req *req)
{
	unsigned int queue = virtio_req_queue(req);

	if (likely(queue >= VS_QUEUE_REQUEST))
		handle_command(req);
	else
		vs_handle_control(req);
}

/* What is on the control queue waits for the tasks that it is about. */
static struct scsi_task *task_of(struct virtio_req *req)
{
	return virtio_req_queue(req) >= VS_QUEUE_REQUEST ? &vs_req_of(req)->task : NULL;
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

	if (!begins)
		return;
	scsi_device_reset(vs->scsi, SCSI_RESET_POWER_ON);
	vs_notice_renew(arg);
}

static const struct vhost_feature_name feature_names[] = {
	{VIRTIO_SCSI_F_HOTPLUG, "VIRTIO_SCSI_F_HOTPLUG"},
	{VIRTIO_SCSI_F_CHANGE, "VIRTIO_SCSI_F_CHANGE"},
	{0},
};

static const struct virtio_ops virtio_scsi_ops = {
	.feature_names = feature_names,
	.req_size = sizeof(struct vs_req),
	.handle = handle,
	.cancel = cancel,
	.io_of = io_of,
	.run_now = virtio_scsi_run_now,
	.first_now_queue = VS_QUEUE_REQUEST,
	.group_start = group_start,
	.group_stop = group_stop,
	.session = session,
	/* The guest's buffers for events wait in their ring until there are any. */
	.idle_queues = 1u << VS_QUEUE_EVENT,
	.notice = vs_notice,
	.notice_lost = vs_notice_lost,
	.notice_renew = vs_notice_renew,
};

static struct scsi_lu_params lu_params(const struct virtio_scsi_lun_params *l)
{
	return (struct scsi_lu_params){
		.target = l->target,
		.lun = l->lun,
		.bdev = l->bdev,
		.read_only = l->read_only,
		.serial = l->serial,
	};
}

static int add_luns(struct virtio_scsi *vs, const struct virtio_scsi_params *p)
{
	char err[SCSI_ERR_MAX] = "";
	size_t i;
	int rc;

	for (i = 0; i < p->nluns; i++) {
		const struct virtio_scsi_lun_params *l = &p->luns[i];
		struct scsi_lu_params lu = lu_params(l);

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
		.queues = VS_QUEUE_REQUEST + p->queues,
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
	pthread_mutex_init(&vs->events.lock, NULL);
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
	scsi_device_tell(vs->scsi, vs_unit_changed, vs);
	*out = vs;
	return 0;

destroy_device:
	scsi_device_destroy(vs->scsi);
free_vs:
	pthread_mutex_destroy(&vs->events.lock);
	free(vs);
	return rc;
}

int virtio_scsi_add_lun_begin(struct virtio_scsi *vs, const struct virtio_scsi_lun_params *lun,
			      void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
			      char *err)
{
	struct scsi_lu_params lu = lu_params(lun);

	return scsi_device_add_lu_begin(vs->scsi, &lu, done, arg, out, err);
}

int virtio_scsi_remove_lun_begin(struct virtio_scsi *vs, unsigned int target, unsigned int lun,
				 void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
				 char *err)
{
	return scsi_device_remove_lu_begin(vs->scsi, target, lun, done, arg, out, err);
}

bool virtio_scsi_lost_lun(const struct virtio_scsi *vs, unsigned int *target, unsigned int *lun)
{
	return scsi_device_lost_lu(vs->scsi, target, lun);
}

void virtio_scsi_bdevs(const struct virtio_scsi *vs, void (*fn)(void *arg, const char *name),
		       void *arg)
{
	scsi_device_bdevs(vs->scsi, fn, arg);
}

void virtio_scsi_look(struct virtio_scsi *vs)
{
	virtio_dev_look(vs->dev);
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
	pthread_mutex_destroy(&vs->events.lock);
	free(vs);
}
