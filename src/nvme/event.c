/* SPDX-License-Identifier: BSD-3-Clause */
/* Asynchronous events (NVMe 1.4, 5.2). Home only. */
#include <string.h>

#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/event.h"
#include "nvme/group.h"
#include "nvme/ns.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

/* Hands pending events to waiting requests; a type that was told stays masked until its log is
 * read. */
void vnvme_event_deliver(struct vnvme_ctrl *ctrl)
{
	unsigned int type;

	if (ctrl->home_group->paused)
		return; /* the rings are to be left alone; resuming looks here again */

	for (type = 0; type < ARRAY_SIZE(ctrl->events) && ctrl->naers; type++) {
		struct vnvme_event *ev = &ctrl->events[type];
		struct vnvme_req *req;

		if (!ev->pending || ev->masked)
			continue;
		req = ctrl->aers[0];
		memmove(ctrl->aers, ctrl->aers + 1, --ctrl->naers * sizeof(struct vnvme_req *));
		ev->pending = false;
		ev->masked = true;
		req->result = type | (uint32_t)ev->info << 8 | (uint32_t)ev->log_page << 16;
		req->sq->outstanding++; /* as completion expects it */
		req->sq->group->outstanding++;
		vnvme_req_complete(req, 0);
	}
}

void vnvme_event_raise(struct vnvme_ctrl *ctrl, unsigned int type, uint8_t info, uint8_t log_page)
{
	if (!ctrl->enabled || ctrl->disabling)
		return;
	ctrl->events[type] = (struct vnvme_event){
		.pending = true,
		.masked = ctrl->events[type].masked,
		.info = info,
		.log_page = log_page,
	};
	vnvme_event_deliver(ctrl);
}

void vnvme_event_error(struct vnvme_ctrl *ctrl, uint8_t info)
{
	vnvme_event_raise(ctrl, VNVME_EVENT_ERROR, info, NVME_LOG_LID_ERROR);
}

/* The host has read a log page without Retain Asynchronous Event. */
void vnvme_event_log_read(struct vnvme_ctrl *ctrl, uint8_t log_page)
{
	unsigned int type;

	for (type = 0; type < ARRAY_SIZE(ctrl->events); type++)
		if (ctrl->events[type].log_page == log_page)
			ctrl->events[type].masked = false;
	vnvme_event_deliver(ctrl);
}

void vnvme_event_reset(struct vnvme_ctrl *ctrl)
{
	ctrl->naers = 0; /* the requests go with the admin queue */
	memset(ctrl->events, 0, sizeof(ctrl->events));
	vnvme_ns_changes_read(ctrl); /* the host looks at all of them again */
}

uint16_t vnvme_admin_async_event(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	if (ctrl->naers == VNVME_AERL)
		return VNVME_CMD(NVME_SC_ASYNC_LIMIT);
	/* It may wait for ever: neither a pause nor a reset waits for it. */
	req->sq->outstanding--;
	req->sq->group->outstanding--;
	ctrl->aers[ctrl->naers++] = req;
	vnvme_event_deliver(ctrl);
	return VNVME_PENDING;
}
