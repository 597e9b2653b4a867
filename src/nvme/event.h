/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_EVENT_H
#define NVME_EVENT_H

/* Asynchronous events (NVMe 1.4, 5.2). Home. */

#include <stdbool.h>
#include <stdint.h>

struct vnvme_ctrl;
struct vnvme_req;

struct vnvme_event {
	bool pending, masked;
	uint8_t info, log_page;
};

enum { VNVME_EVENT_ERROR = 0, VNVME_EVENT_SMART = 1, VNVME_EVENT_NOTICE = 2 };
void vnvme_event_raise(struct vnvme_ctrl *ctrl, unsigned int type, uint8_t info, uint8_t log_page);
void vnvme_event_log_read(struct vnvme_ctrl *ctrl, uint8_t log_page);
void vnvme_event_reset(struct vnvme_ctrl *ctrl);
/* What waited while the rings were to be left alone. */
void vnvme_event_deliver(struct vnvme_ctrl *ctrl);
/* An Error event; `info` is its information value. */
void vnvme_event_error(struct vnvme_ctrl *ctrl, uint8_t info);
uint16_t vnvme_admin_async_event(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

#endif
