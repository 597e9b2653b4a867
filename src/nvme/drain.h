/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_DRAIN_H
#define NVME_DRAIN_H

/* Operations that wait for a group's I/O, and how it is ended early. On the group's reactor. */

struct vnvme_group;

void vnvme_drain_start(struct vnvme_group *g);
void vnvme_drain_end(struct vnvme_group *g);

#endif
