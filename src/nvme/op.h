/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_OP_H
#define NVME_OP_H

/*
 * How home reaches into the groups, and how other threads reach home. Structural changes (queues
 * come and go, pause, memory) are operations, which run one at a time and in order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nvme/group.h"
#include "reactor/reactor.h"
#include "reactor/reactor_op.h"

struct guest_mem;
struct vnvme_ctrl;

/*
 * What home wants done in one group or in all: a reactor_op of the set ctrl->ops, with the group's
 * drain. The group's poller asks ready(). Home owns the object.
 */
struct vnvme_op {
	/*
	 * At home, just before the groups are asked: no other operation is under way, and none of
	 * them looks at what home shares with them.
	 */
	void (*prepare)(struct vnvme_op *op);
	void (*start)(struct vnvme_group *g, struct vnvme_op *op);
	bool (*ready)(struct vnvme_group *g, struct vnvme_op *op);
	void (*done)(struct vnvme_op *op);
	struct vnvme_group *only; /* NULL: all groups */
	/* Set by start() or ready() of an operation with `only`: whose turn is before done(). */
	struct vnvme_group *then;
	/* It waits for I/O, which is ended early after the grace: of one queue, or (NULL) of all.
	 */
	bool drains;
	uint64_t grace_ns;
	struct vnvme_sq *drain_sq;
	bool awake;		 /* ready() shall be called again and again: no sleep meanwhile */
	struct vnvme_ctrl *ctrl; /* set by vnvme_op_run() */
	struct reactor_op base;	 /* private */
};

/* Home. In the order of the calls, one at a time. */
void vnvme_op_run(struct vnvme_ctrl *ctrl, struct vnvme_op *op);
/* The one that has started in the group, where g->part.op is not NULL. */
struct vnvme_op *vnvme_group_op(const struct vnvme_group *g);
/*
 * What the transport's thread wants: runs fn at home, which ends at once, or by a later step, with
 * vnvme_sync_end(). Any thread but a reactor.
 */
struct vnvme_sync {
	struct vnvme_op op; /* for those that run one, with vnvme_sync_op_done() at its end */
	struct vnvme_ctrl *ctrl;
	void (*fn)(struct vnvme_sync *sync);
	void *arg;
	void (*then)(struct vnvme_sync *sync); /* its next part; NULL: this is the last */
	enum vnvme_pause why;		       /* of those that pause or resume */
	void (*ended)(void *arg);	       /* at home */
	void *ended_arg;
	struct reactor_msg msg;
};
/* Waits for the end. */
void vnvme_sync_run(struct vnvme_ctrl *ctrl, void (*fn)(struct vnvme_sync *sync), void *arg);
/*
 * Does not: ended(ended_arg) is called then. One at a time for each controller. `arg` may be in
 * ctrl->begun_args.
 */
void vnvme_sync_begin(struct vnvme_ctrl *ctrl, void (*fn)(struct vnvme_sync *sync), void *arg,
		      void (*ended)(void *arg), void *ended_arg);
void vnvme_sync_end(struct vnvme_sync *sync);
/* An op's done() that ends the sync it is embedded in. */
void vnvme_sync_op_done(struct vnvme_op *op);

/* What some of them are about. */
struct vnvme_reg_access {
	uint32_t offset, size;
	uint64_t value;
	uint64_t *out; /* of a read */
};

struct vnvme_memory_call {
	const struct guest_mem *mem;
	void *doorbells;
};

struct vnvme_irq_call {
	uint32_t vector;
	int fd, old;
	size_t seen; /* groups that have come by since */
};

union vnvme_args {
	struct vnvme_reg_access access;
	struct vnvme_memory_call memory;
	struct vnvme_irq_call irq;
	int kick_fd;
};

#endif
