/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_NS_H
#define NVME_NS_H

/*
 * Namespaces. The main thread has the list of all, those that are just coming or going included;
 * home has those that are active, by nsid; and each group has a slot for each nsid, with its
 * channel (slot.h). What happens to a bdev comes to home, which tells the host: a namespace whose
 * bdev is removed is not active any more, and its I/O ends in Invalid Field in Command.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shadowbell/bdev.h>

#include "nvme/op.h"
#include "reactor/reactor.h"
#include "util/timers.h"

struct vnvme_ctrl;
struct vnvme_params;

struct vnvme_ns {
	struct vnvme_ctrl *ctrl;
	uint32_t nsid;
	bool read_only; /* by configuration, or because the bdev is */
	uint8_t uuid[16];
	struct bdev *bdev;
	struct bdev_desc *desc;
	/* Written by the thread that removes and resizes bdevs. */
	atomic_bool changed, removed; /* home has not heard of it yet; for good */
	bool gone;		      /* not active. Home's */

	/* The main thread's. */
	struct vnvme_ns *next;
	bool busy; /* it comes or goes */
	/* Home's, while it comes or goes: ns_change.c. */
	struct reactor_msg msg;
	struct vnvme_op op;
	struct timer timer;
	uint64_t since_ns;
	unsigned int stage; /* enum drain_stage, of the I/O that is waited for */
	bool ends;	    /* the next look ends I/O early, as the stage says */
	uint64_t ends_ns;   /* the last one that did */
	bool logged;
	int rc;
	void (*ended)(void *arg);
	void *ended_arg;
	/* Written by all groups. */
	atomic_bool no_channel;
	atomic_uint in_flight; /* at the last look */
};

/* Main thread. After an error, too, vnvme_namespaces_close() is to be called. */
int vnvme_namespaces_open(struct vnvme_ctrl *ctrl, const struct vnvme_params *p);
void vnvme_namespaces_close(struct vnvme_ctrl *ctrl);
/* Main thread: one more in its list, on an open bdev; NULL and -errno, having logged it. */
struct vnvme_ns *vnvme_ns_open(struct vnvme_ctrl *ctrl, const struct vnvme_ns_params *p, int *rc);
void vnvme_ns_close(struct vnvme_ns *ns);

/* Home. NULL, and a status: there is none of that id. */
struct vnvme_ns *vnvme_ns_of(const struct vnvme_ctrl *ctrl, uint32_t nsid, uint16_t *status);
/* Home. The next one after that id; NULL: there is none. */
struct vnvme_ns *vnvme_ns_next(const struct vnvme_ctrl *ctrl, uint32_t nsid);
/* Home: it has come, gone or changed, and the host asks for the list when it has been told. */
void vnvme_ns_tell(struct vnvme_ctrl *ctrl, uint32_t nsid);
/*
 * Home. Whether there is a volatile write cache (VWC) is settled when the host enables the
 * controller; one that comes later must not be noticed then.
 */
void vnvme_ns_settle_cache(struct vnvme_ctrl *ctrl);
void vnvme_ns_respect_cache(struct vnvme_ctrl *ctrl, const struct vnvme_ns *ns);
/* The Changed Namespace List (NVMe 1.4, 5.14.1.4), as a log page; and it was read. Home. */
size_t vnvme_ns_changes(struct vnvme_ctrl *ctrl, void *data);
void vnvme_ns_changes_read(struct vnvme_ctrl *ctrl);

#endif
