/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_CTRL_H
#define NVME_CTRL_H

/*
 * Who owns what. The *home* reactor, the first of the controller, owns the registers, the admin
 * queue and everything that admin commands change. Each reactor has a *group*: the queues that it
 * polls; the home group has the admin queue as well. A completion queue and the submission queues
 * that feed it are always in one group, so that the I/O path has no lock. Home reaches into groups
 * by *operations* (op.c), one at a time.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <shadowbell/bdev.h>

#include "bdev/iov_pool.h"
#include "nvme/defs.h"
#include "nvme/event.h"
#include "nvme/features.h"
#include "nvme/group.h"
#include "nvme/ns.h"
#include "nvme/op.h"
#include "nvme/vnvme.h"
#include "reactor/reactor_op.h"
#include "stats/queue_stats.h"
#include "util/log_limit.h"
#include "util/steps.h"

struct vnvme_cq;
struct vnvme_req;
struct vnvme_sq;

struct vnvme_ctrl {
	char name[64];
	char serial[VNVME_SERIAL_LEN + 1], model[VNVME_MODEL_LEN + 1];
	uint16_t cntlid;
	uint32_t io_queues;
	uint64_t idle_ns;
	unsigned int weight;
	uint32_t max_nsid;
	struct vnvme_ns *namespaces; /* all; the main thread's */
	struct vnvme_group **groups;
	size_t ngroups;
	struct reactor *home;
	struct vnvme_group *home_group;

	/* Read by all groups: relaxed atomics, or changed while they are paused. */
	atomic_bool write_through; /* Volatile Write Cache is switched off */
	atomic_uint burst;	   /* commands of one queue before the next one's turn */
	atomic_bool wary;	   /* an eventfd of the VMM's has blocked: see reactor_signal() */
	atomic_int irq_fds[VNVME_MAX_QUEUES];
	/* By vector: features 08h and 09h together: TIME << 8 | THR; 0: off. */
	atomic_uint irq_coalescing[VNVME_MAX_QUEUES];
	/* At home: what a group tells it. */
	void (*fatal)(struct vnvme_ctrl *ctrl, const char *reason);
	void (*error_event)(struct vnvme_ctrl *ctrl, uint8_t info);
	/* By queue id, kept over resets; of a CQ and the SQ with the same id. Their reactor's. */
	struct queue_stats *stats;
	struct iov_budget *lists; /* what the groups' lists may use */
	uint8_t *doorbells;
	const struct guest_mem *mem; /* NULL: none at present */

	bool memory_in_pieces;	 /* struct vnvme_params */
	struct vnvme_sync begun; /* the call that the transport's thread does not wait for */
	union vnvme_args begun_args;

	/* Home's own from here on. */
	struct vnvme_ns **by_nsid;	     /* those that are active */
	bool write_cache;		     /* what VWC says */
	bool irq_replaced[VNVME_MAX_QUEUES]; /* the vector had an eventfd that was taken away */
	int kick_fd;			     /* -1: none */
	uint32_t cc, csts, aqa, intms;
	uint64_t asq, acq;
	bool enabled; /* from CC.EN = 1 until all queues are gone again */
	bool disabling;
	bool enable_again;	      /* CC.EN was set again before the controller was disabled */
	struct vnvme_sync *resetting; /* who waits for the end of disabling */
	struct vnvme_op disable_op, fatal_op;
	struct reactor_op_set ops;  /* on the groups */
	struct bdev_io shutdown_io; /* the flushes of a shutdown, one namespace after the other */
	uint32_t shutdown_nsid;
	struct steps shutdown_steps;
	bool shutdown_enabled; /* there were queues to leave alone when it began */
	struct vnvme_op shutdown_op;
	bool shutting_down;
	bool shutdown_flushing; /* shutdown_io is with its bdev */
	bool shutdown_put_off;	/* a pause has ended its flush; it goes on after the pause */
	struct vnvme_sq *sqs[VNVME_MAX_QUEUES]; /* by id; the objects are the groups' */
	struct vnvme_cq *cqs[VNVME_MAX_QUEUES];
	bool sq_busy[VNVME_MAX_QUEUES]; /* an operation makes or deletes it */
	bool cq_busy[VNVME_MAX_QUEUES];
	struct vnvme_cq *moving; /* where it and its submission queues are is not known now */
	uint32_t next_group;	 /* for the next completion queue */
	uint64_t shadow_gpa, eventidx_gpa; /* 0: no shadow doorbells */
	bool shadow;
	uint32_t *shadow_page, *eventidx_page;

	struct vnvme_features features;
	struct vnvme_req *aers[VNVME_AERL];
	uint32_t naers;
	struct vnvme_event events[8];		  /* by type */
	bool ns_listed[VNVME_MAX_NAMESPACES + 1]; /* in the Changed Namespace List */
	atomic_bool ns_sent;			  /* ns_msg is: another thread's until it arrives */
	struct reactor_msg ns_msg;
	uint32_t aborts;
	uint64_t power_on_ns;
	uint64_t power_cycles, unsafe_shutdowns;
	struct log_limit limit;

	/* The error log is written by all groups, on errors only. */
	pthread_mutex_t error_lock;
	struct nvme_error_log_page errors[VNVME_ERROR_LOG];
	uint64_t nerrors;
};

#endif
