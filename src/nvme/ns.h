/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_NS_H
#define NVME_NS_H

/*
 * Namespaces: opened with the controller. What happens to a bdev comes to home, which tells the
 * host: one that is removed is not active any more, and its I/O ends in Invalid Field in Command.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shadowbell/bdev.h>

struct vnvme_ctrl;
struct vnvme_params;

struct vnvme_ns {
	uint32_t nsid;
	bool read_only; /* by configuration, or because the bdev is */
	uint8_t uuid[16];
	struct bdev *bdev;
	struct bdev_desc *desc;
	unsigned int index; /* in the groups' channels */
	/* Written by the thread that removes and resizes bdevs. */
	atomic_bool changed, removed; /* home has not heard of it yet; for good */
	/* Home's. */
	bool gone;   /* not active */
	bool listed; /* in the Changed Namespace List */
};

/* Main thread. After an error, too, vnvme_namespaces_close() is to be called. */
int vnvme_namespaces_open(struct vnvme_ctrl *ctrl, const struct vnvme_params *p);
void vnvme_namespaces_close(struct vnvme_ctrl *ctrl);

/* Any reactor. NULL, and a status: there is none of that id. */
struct vnvme_ns *vnvme_ns_of(const struct vnvme_ctrl *ctrl, uint32_t nsid, uint16_t *status);
bool vnvme_has_write_cache(const struct vnvme_ctrl *ctrl);
/* The Changed Namespace List (NVMe 1.4, 5.14.1.4), as a log page; and it was read. Home. */
size_t vnvme_ns_changes(struct vnvme_ctrl *ctrl, void *data);
void vnvme_ns_changes_read(struct vnvme_ctrl *ctrl);

#endif
