/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_EVENTFDS_H
#define NVME_EVENTFDS_H

/* The eventfds of interrupts and doorbells. */

struct vnvme_ctrl;

/* Home, when nobody polls any more. */
void vnvme_close_eventfds(struct vnvme_ctrl *ctrl);

#endif
