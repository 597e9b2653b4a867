/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller's life and what a transport does with it: vnvme.h. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bdev/drain.h"
#include "bdev/iov_pool.h"
#include "nvme/caps.h"
#include "nvme/ctrl.h"
#include "nvme/dbbuf.h"
#include "nvme/defs.h"
#include "nvme/enable.h"
#include "nvme/event.h"
#include "nvme/eventfds.h"
#include "nvme/features.h"
#include "nvme/group.h"
#include "nvme/ns.h"
#include "nvme/op.h"
#include "nvme/queue.h"
#include "nvme/regs.h"
#include "nvme/vnvme.h"
#include "stats/queue_stats.h"
#include "util/time.h"
#include "util/util.h"

/* --- making and destroying --- */

static bool params_ok(const struct vnvme_params *p)
{
	size_t i;

	if (!p->io_queues || p->io_queues > VNVME_MAX_IO_QUEUES || !p->nreactors ||
	    p->nnamespaces > VNVME_MAX_NAMESPACES || p->max_namespaces > VNVME_MAX_NAMESPACES)
		return false;
	for (i = 0; i < p->nnamespaces; i++)
		if (!p->namespaces[i].nsid || p->namespaces[i].nsid > VNVME_MAX_NAMESPACES)
			return false;
	return true;
}

int vnvme_ctrl_create(const struct vnvme_params *p, struct vnvme_ctrl **out)
{
	struct vnvme_ctrl *ctrl;
	unsigned int i;
	int rc;

	if (!params_ok(p))
		return -EINVAL;
	ctrl = calloc(1, sizeof(*ctrl));
	if (!ctrl)
		return -ENOMEM;
	snprintf(ctrl->name, sizeof(ctrl->name), "%s", p->name);
	snprintf(ctrl->serial, sizeof(ctrl->serial), "%s", p->serial);
	snprintf(ctrl->model, sizeof(ctrl->model), "%s", p->model);
	ctrl->cntlid = p->cntlid;
	ctrl->io_queues = p->io_queues;
	ctrl->idle_ns = p->idle_ns;
	ctrl->weight = p->weight ? p->weight : 1;
	ctrl->memory_in_pieces = p->memory_in_pieces;
	ctrl->fatal = vnvme_ctrl_fatal;
	ctrl->error_event = vnvme_event_error;
	ctrl->power_on_ns = time_now_ns();
	ctrl->kick_fd = -1;
	pthread_mutex_init(&ctrl->error_lock, NULL);
	for (i = 0; i < VNVME_MAX_QUEUES; i++)
		atomic_init(&ctrl->irq_fds[i], -1);
	vnvme_features_reset(ctrl);
	ctrl->home = p->reactors[0];
	ctrl->stats = queue_stats_create(ctrl->name, vnvme_max_qid(ctrl) + 1);
	ctrl->lists = iov_budget_create(ctrl->name, p->request_memory);
	rc = ctrl->stats && ctrl->lists ? vnvme_namespaces_open(ctrl, p) : -ENOMEM;
	if (!rc)
		rc = vnvme_groups_create(ctrl, p);
	if (rc) {
		vnvme_ctrl_destroy(ctrl);
		return rc;
	}
	*out = ctrl;
	return 0;
}

void vnvme_ctrl_destroy(struct vnvme_ctrl *ctrl)
{
	if (!ctrl)
		return;
	vnvme_groups_destroy(ctrl);
	vnvme_namespaces_close(ctrl);
	pthread_mutex_destroy(&ctrl->error_lock);
	queue_stats_destroy(ctrl->stats);
	iov_budget_destroy(ctrl->lists);
	free(ctrl);
}

/* --- pause and resume --- */

static enum vnvme_pause why_of(const struct vnvme_op *op)
{
	return container_of(op, struct vnvme_sync, op)->why;
}

static void pause_group(struct vnvme_group *g, struct vnvme_op *op)
{
	g->paused |= why_of(op);
	vnvme_group_update_idle(g);
}

static bool group_paused(struct vnvme_group *g, struct vnvme_op *op)
{
	if (!vnvme_op_idle(g, op))
		return false;
	if (why_of(op) == VNVME_PAUSE_MEMORY) {
		g->mem = NULL;
		vnvme_queues_unmap(g);
	}
	return true;
}

static void paused(struct vnvme_op *op)
{
	if (why_of(op) == VNVME_PAUSE_MEMORY) {
		op->ctrl->mem = NULL;
		op->ctrl->doorbells = NULL;
	}
	vnvme_sync_op_done(op);
}

static void pause_at_home(struct vnvme_sync *sync, enum vnvme_pause why)
{
	/* At once: no admin command may queue an operation behind this one. */
	sync->ctrl->home_group->paused |= why;
	sync->why = why;
	sync->op = (struct vnvme_op){
		.start = pause_group,
		.ready = group_paused,
		.done = paused,
		.drains = true,
		.grace_ns = drain_times.grace_ns,
	};
	vnvme_op_run(sync->ctrl, &sync->op);
}

static void map_again(struct vnvme_group *g)
{
	const struct vnvme_ctrl *ctrl = g->ctrl;
	bool complete;

	g->mem = ctrl->mem;
	complete = vnvme_queues_map(g) && (!ctrl->shadow || ctrl->shadow_page);
	g->paused &= ~(unsigned int)VNVME_PAUSE_UNMAPPED;
	if (complete)
		return;
	if (ctrl->memory_in_pieces)
		g->paused |= VNVME_PAUSE_UNMAPPED;
	else
		vnvme_group_fatal(g, "a queue is not in the new memory table");
}

static void resume_group(struct vnvme_group *g, struct vnvme_op *op)
{
	enum vnvme_pause why = why_of(op);

	if (why == VNVME_PAUSE_MEMORY)
		map_again(g);
	g->paused &= ~(unsigned int)why;
	vnvme_group_update_idle(g);
}

static void resumed(struct vnvme_op *op)
{
	vnvme_event_deliver(op->ctrl);
	vnvme_shutdown_resume(op->ctrl);
	vnvme_sync_op_done(op);
}

static void resume_at_home(struct vnvme_sync *sync, enum vnvme_pause why)
{
	sync->why = why;
	sync->op = (struct vnvme_op){.start = resume_group, .done = resumed};
	vnvme_op_run(sync->ctrl, &sync->op);
}

static void stop_at_home(struct vnvme_sync *sync)
{
	pause_at_home(sync, VNVME_PAUSE_VM);
}

void vnvme_stop(struct vnvme_ctrl *ctrl)
{
	vnvme_sync_run(ctrl, stop_at_home, NULL);
}

void vnvme_stop_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg)
{
	vnvme_sync_begin(ctrl, stop_at_home, NULL, ended, arg);
}

static void start_at_home(struct vnvme_sync *sync)
{
	resume_at_home(sync, VNVME_PAUSE_VM);
}

void vnvme_start(struct vnvme_ctrl *ctrl)
{
	vnvme_sync_run(ctrl, start_at_home, NULL);
}

void vnvme_start_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg)
{
	vnvme_sync_begin(ctrl, start_at_home, NULL, ended, arg);
}

/* --- memory --- */

static void memory_stop_at_home(struct vnvme_sync *sync)
{
	pause_at_home(sync, VNVME_PAUSE_MEMORY);
}

void vnvme_memory_stop(struct vnvme_ctrl *ctrl)
{
	vnvme_sync_run(ctrl, memory_stop_at_home, NULL);
}

void vnvme_memory_stop_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg)
{
	vnvme_sync_begin(ctrl, memory_stop_at_home, NULL, ended, arg);
}

static void memory_at_home(struct vnvme_sync *sync)
{
	const struct vnvme_memory_call *call = sync->arg;
	struct vnvme_ctrl *ctrl = sync->ctrl;

	ctrl->mem = call->mem;
	ctrl->doorbells = call->doorbells;
	if (!vnvme_dbbuf_map(ctrl) && !ctrl->memory_in_pieces)
		vnvme_ctrl_fatal(ctrl, "the shadow doorbells are not in the new memory table");
	resume_at_home(sync, VNVME_PAUSE_MEMORY);
}

void vnvme_memory_start(struct vnvme_ctrl *ctrl, const struct guest_mem *mem, void *doorbells)
{
	struct vnvme_memory_call call = {.mem = mem, .doorbells = doorbells};

	vnvme_sync_run(ctrl, memory_at_home, &call);
}

void vnvme_memory_start_begin(struct vnvme_ctrl *ctrl, const struct guest_mem *mem, void *doorbells,
			      void (*ended)(void *arg), void *arg)
{
	struct vnvme_memory_call *call = &ctrl->begun_args.memory;

	*call = (struct vnvme_memory_call){.mem = mem, .doorbells = doorbells};
	vnvme_sync_begin(ctrl, memory_at_home, call, ended, arg);
}

/* --- attach, reset, detach --- */

static void attach_group(struct vnvme_group *g, struct vnvme_op *op)
{
	g->paused = VNVME_PAUSE_MEMORY;
	vnvme_group_start_polling(g, op);
}

static void attach_at_home(struct vnvme_sync *sync)
{
	struct vnvme_ctrl *ctrl = sync->ctrl;

	vnvme_regs_reset(ctrl);
	vnvme_features_reset(ctrl);
	ctrl->power_cycles++;
	sync->op = (struct vnvme_op){.start = attach_group, .done = vnvme_sync_op_done};
	vnvme_op_run(ctrl, &sync->op);
}

void vnvme_attach(struct vnvme_ctrl *ctrl)
{
	vnvme_sync_run(ctrl, attach_at_home, NULL);
}

void vnvme_attach_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg)
{
	vnvme_sync_begin(ctrl, attach_at_home, NULL, ended, arg);
}

static void shutdown_ended(struct vnvme_op *op)
{
	vnvme_shutdown_forget(op->ctrl);
	vnvme_regs_reset(op->ctrl);
	vnvme_sync_op_done(op);
}

/* Of a controller that is not enabled: there are no queues, but flushes. */
static void end_shutdown(struct vnvme_sync *sync)
{
	sync->op = (struct vnvme_op){
		.ready = vnvme_op_idle,
		.done = shutdown_ended,
		.drains = true,
	};
	vnvme_op_run(sync->ctrl, &sync->op);
}

static void reset_at_home(struct vnvme_sync *sync)
{
	struct vnvme_ctrl *ctrl = sync->ctrl;

	if (ctrl->enabled && !vnvme_was_shut_down(ctrl) && !ctrl->disabling)
		ctrl->unsafe_shutdowns++;
	if (!ctrl->enabled && ctrl->shutting_down) {
		end_shutdown(sync);
		return;
	}
	if (!ctrl->enabled) {
		vnvme_regs_reset(ctrl);
		vnvme_sync_end(sync);
		return;
	}
	ctrl->resetting = sync; /* ended by disabled() */
	vnvme_ctrl_disable(ctrl);
}

void vnvme_reset(struct vnvme_ctrl *ctrl)
{
	vnvme_sync_run(ctrl, reset_at_home, NULL);
}

void vnvme_reset_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg)
{
	vnvme_sync_begin(ctrl, reset_at_home, NULL, ended, arg);
}

/* Detaching has three parts: nothing is in flight, no memory is used, nothing is polled. */
static void detached(struct vnvme_op *op)
{
	vnvme_close_eventfds(op->ctrl);
	vnvme_sync_op_done(op);
}

static void stop_polling_at_home(struct vnvme_sync *sync)
{
	sync->op = (struct vnvme_op){.start = vnvme_group_stop_polling, .done = detached};
	vnvme_op_run(sync->ctrl, &sync->op);
}

static void drop_memory_at_home(struct vnvme_sync *sync)
{
	sync->then = stop_polling_at_home;
	memory_stop_at_home(sync);
}

static void detach_at_home(struct vnvme_sync *sync)
{
	sync->then = drop_memory_at_home;
	reset_at_home(sync);
}

void vnvme_detach(struct vnvme_ctrl *ctrl)
{
	vnvme_sync_run(ctrl, detach_at_home, NULL);
}

void vnvme_detach_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg)
{
	vnvme_sync_begin(ctrl, detach_at_home, NULL, ended, arg);
}
