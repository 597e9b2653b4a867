/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_GROUP_H
#define NVME_GROUP_H

/*
 * A group: the queues of a controller on one reactor, and the poller that serves them. All of it is
 * that reactor's, unless another one is named.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <shadowbell/bdev.h>

#include "bdev/drain.h"
#include "bdev/iov_pool.h"
#include "nvme/defs.h"
#include "reactor/reactor.h"
#include "reactor/reactor_op.h"
#include "stats/slow_io.h"
#include "util/log.h"
#include "util/log_limit.h"

/* Written by the group's reactor only, read by home. */
struct vnvme_counters {
	uint64_t media_errors;
	uint64_t busy_ns; /* with a command in an I/O queue; kept when it was noticed */
};

enum vnvme_pause {
	VNVME_PAUSE_MEMORY = 1,	   /* no memory table */
	VNVME_PAUSE_VM = 2,	   /* the VM is stopped */
	VNVME_PAUSE_FATAL = 4,	   /* CSTS.CFS */
	VNVME_PAUSE_SHUTDOWN = 8,  /* CSTS.SHST is complete, and the host has not reset yet */
	VNVME_PAUSE_UNMAPPED = 16, /* a queue is in memory that the transport is yet to give */
	/* By the front-end, which waits until nothing is in flight. */
	VNVME_PAUSES = VNVME_PAUSE_MEMORY | VNVME_PAUSE_VM,
};

struct vnvme_ctrl;
struct vnvme_cq;
struct vnvme_op;
struct vnvme_slot;
struct vnvme_sq;

/* How far a look at all requests has come: ns_change.c. */
struct vnvme_look {
	uint32_t queue, req;
	unsigned int found;
};

/* A doorbell of a submission queue, and its value at the last full look. */
struct vnvme_watch {
	const uint32_t *at;
	uint32_t value;
};

struct vnvme_group {
	/*
	 * Quiet: nothing is under way or owed, so that nothing but a doorbell, or what ends this
	 * state by vnvme_group_end_quiet(), can make work. A look at a quiet group touches these
	 * lines and the doorbells, and nothing else.
	 */
	bool quiet;
	uint32_t nwatches;
	uint32_t quiet_looks; /* since it became quiet; not in the queues' counters yet */
	struct vnvme_watch watches[2 * VNVME_MAX_QUEUES];

	struct vnvme_ctrl *ctrl;
	struct reactor *reactor;
	struct reactor_poller poller;
	bool polling;	     /* the poller is registered */
	bool failed;	     /* told home that the controller can't go on */
	unsigned int paused; /* enum vnvme_pause: not 0: the rings are left alone */
	uint32_t nsqs, ncqs;
	struct vnvme_sq *sqs[VNVME_MAX_QUEUES];
	struct vnvme_cq *cqs[VNVME_MAX_QUEUES];
	uint32_t outstanding; /* sum over the sqs */
	uint32_t completed;   /* since the last poll: keeps the reactor awake */
	/* The first queue that had to wait as the round's share was used up, or NULL. */
	struct vnvme_sq *held;
	uint32_t next_sq; /* round robin */
	const struct guest_mem *mem;
	struct iov_pool lists; /* of segments or ranges, of commands that have many */
	uint16_t last_region;  /* of `mem`, where data was found */
	int kick_fd;	       /* watched; -1: none */
	struct vnvme_counters counters;
	struct log_limit limit;

	struct reactor_part part; /* in operations of ctrl->ops */
	struct drain drain;	  /* what one waits for, if it `drains` */
	bool cancelling;	  /* its grace is over: no command goes on by another step */

	struct slow_watch slow;
	atomic_bool look_sent;
	struct reactor_msg look_msg;

	const char *fatal_reason;
	struct reactor_msg fatal_msg;
	atomic_uint events; /* of type error: bits of information values */
	atomic_bool events_sent;
	struct reactor_msg event_msg;

	uint64_t busy_since_ns; /* 0: idle */
	uint32_t idle_rounds, busy_rounds;

	uint32_t max_nsid;
	struct vnvme_slot *slots; /* by nsid */
	struct vnvme_look look;
	/* By nsid: those of bdevs in memory, for io_now.h. */
	struct bdev_channel *now[VNVME_MAX_NAMESPACES + 1];
};

/* From its share of the round. */
static inline void vnvme_group_pay(struct vnvme_group *g, uint64_t units)
{
	reactor_share_pay(&g->poller.share, units);
}

/* Main thread. */
int vnvme_groups_create(struct vnvme_ctrl *ctrl, const struct vnvme_params *p);
void vnvme_groups_destroy(struct vnvme_ctrl *ctrl);

/* Of operations. */
void vnvme_group_start_polling(struct vnvme_group *g, struct vnvme_op *op);
void vnvme_group_stop_polling(struct vnvme_group *g, struct vnvme_op *op);
/* No I/O in flight, and nothing that is owed to the host. */
bool vnvme_op_idle(struct vnvme_group *g, struct vnvme_op *op);

/* After a change of its queues, of what is paused, or of how doorbells come. */
void vnvme_group_update_idle(struct vnvme_group *g);
/* The controller can't go on: CSTS.CFS, and why. */
void vnvme_group_fatal(struct vnvme_group *g, const char *reason);
/* A doorbell value that can't be: an error event, once, and an entry of the error log. */
void vnvme_bad_doorbell(struct vnvme_group *g, const char *kind, uint16_t qid, uint16_t size,
			uint32_t value, uint32_t *reported);
/* The queue is polled by this group from now on; or by no group, until it is added to one. */
void vnvme_group_add_cq(struct vnvme_group *g, struct vnvme_cq *cq);
void vnvme_group_add_sq(struct vnvme_group *g, struct vnvme_sq *sq);
void vnvme_group_remove_cq(struct vnvme_group *g, struct vnvme_cq *cq);
void vnvme_group_remove_sq(struct vnvme_group *g, struct vnvme_sq *sq);

#endif
