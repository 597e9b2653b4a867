/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The eventfds of interrupts and doorbells: a reactor may be about to use one, so that each is
 * closed when all have come by that could.
 */
#include <errno.h>
#include <unistd.h>

#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/eventfds.h"
#include "nvme/group.h"
#include "nvme/op.h"
#include "nvme/vnvme.h"
#include "reactor/reactor.h"
#include "util/log_limit.h"
#include "util/util.h"

/* --- interrupts --- */

static void irq_is_set(void *arg)
{
	struct vnvme_sync *sync = arg;
	const struct vnvme_irq_call *call = sync->arg;

	if (call->old >= 0)
		close(call->old);
	/* What the old one was signalled for may not have arrived, nor that of one before. */
	if (call->fd >= 0 && sync->ctrl->irq_replaced[call->vector])
		reactor_signal(sync->ctrl->home, call->fd, &sync->ctrl->wary);
	vnvme_sync_end(sync);
}

/* On each group's reactor, in turn. */
static void come_by(void *arg);

static void visit_next(struct vnvme_sync *sync)
{
	const struct vnvme_ctrl *ctrl = sync->ctrl;
	struct vnvme_irq_call *call = sync->arg;
	bool all = call->seen == ctrl->ngroups;

	sync->msg = (struct reactor_msg){.fn = all ? irq_is_set : come_by, .arg = sync};
	reactor_send(all ? ctrl->home : ctrl->groups[call->seen++]->reactor, &sync->msg);
}

static void come_by(void *arg)
{
	visit_next(arg);
}

/*
 * The groups come by not only for the old one's sake: each looks at the interrupts that are due,
 * which may have waited for the new one.
 */
static void irq_at_home(struct vnvme_sync *sync)
{
	struct vnvme_irq_call *call = sync->arg;

	call->old = atomic_exchange(&sync->ctrl->irq_fds[call->vector], call->fd);
	if (call->old >= 0)
		sync->ctrl->irq_replaced[call->vector] = true;
	call->seen = 0;
	visit_next(sync);
}

static bool vector_ok(const struct vnvme_ctrl *ctrl, uint32_t vector, int fd)
{
	if (vector < vnvme_vectors(ctrl))
		return true;
	if (fd >= 0)
		close(fd);
	return false;
}

int vnvme_set_irq(struct vnvme_ctrl *ctrl, uint32_t vector, int fd)
{
	struct vnvme_irq_call call = {.vector = vector, .fd = fd};

	if (!vector_ok(ctrl, vector, fd))
		return -EINVAL;
	vnvme_sync_run(ctrl, irq_at_home, &call);
	return 0;
}

int vnvme_set_irq_begin(struct vnvme_ctrl *ctrl, uint32_t vector, int fd, void (*ended)(void *arg),
			void *arg)
{
	struct vnvme_irq_call *call = &ctrl->begun_args.irq;

	if (!vector_ok(ctrl, vector, fd))
		return -EINVAL;
	*call = (struct vnvme_irq_call){.vector = vector, .fd = fd};
	vnvme_sync_begin(ctrl, irq_at_home, call, ended, arg);
	return 0;
}

/* On a reactor, as only there a write that blocks is ended. */
static void trigger_at_home(struct vnvme_sync *sync)
{
	const struct vnvme_irq_call *call = sync->arg;
	int fd = atomic_load(&sync->ctrl->irq_fds[call->vector]);

	if (fd >= 0)
		reactor_signal(sync->ctrl->home, fd, &sync->ctrl->wary);
	vnvme_sync_end(sync);
}

void vnvme_trigger_irq(struct vnvme_ctrl *ctrl, uint32_t vector)
{
	struct vnvme_irq_call call = {.vector = vector};

	if (vector < vnvme_vectors(ctrl))
		vnvme_sync_run(ctrl, trigger_at_home, &call);
}

int vnvme_trigger_irq_begin(struct vnvme_ctrl *ctrl, uint32_t vector, void (*ended)(void *arg),
			    void *arg)
{
	struct vnvme_irq_call *call = &ctrl->begun_args.irq;

	if (vector >= vnvme_vectors(ctrl))
		return -EINVAL;
	*call = (struct vnvme_irq_call){.vector = vector};
	vnvme_sync_begin(ctrl, trigger_at_home, call, ended, arg);
	return 0;
}

/* --- doorbells --- */

static void watch_kick(struct vnvme_group *g, struct vnvme_op *op)
{
	const int *fd = container_of(op, struct vnvme_sync, op)->arg;

	if (g->kick_fd >= 0)
		reactor_wake_fd_remove(g->reactor, g->kick_fd);
	g->kick_fd = -1;
	/* A doorbell that cannot be watched is polled, as if there was no eventfd. */
	if (*fd >= 0 && !reactor_wake_fd_add(g->reactor, *fd))
		g->kick_fd = *fd;
	vnvme_group_update_idle(g);
}

static void kick_is_set(struct vnvme_op *op)
{
	const int *fd = container_of(op, struct vnvme_sync, op)->arg;
	struct vnvme_ctrl *ctrl = op->ctrl;

	if (ctrl->kick_fd >= 0)
		close(ctrl->kick_fd);
	ctrl->kick_fd = *fd;
	if (*fd < 0)
		log_limited(
			&ctrl->limit, LOG_LEVEL_INFO, ctrl->name,
			"%s: doorbells are mapped into the guest: its queues are polled as long "
			"as the controller is enabled, and the reactor does not sleep",
			ctrl->name);
	vnvme_sync_op_done(op);
}

static void kick_at_home(struct vnvme_sync *sync)
{
	sync->op = (struct vnvme_op){.start = watch_kick, .done = kick_is_set};
	vnvme_op_run(sync->ctrl, &sync->op);
}

void vnvme_set_kick(struct vnvme_ctrl *ctrl, int fd)
{
	vnvme_sync_run(ctrl, kick_at_home, &fd);
}

void vnvme_set_kick_begin(struct vnvme_ctrl *ctrl, int fd, void (*ended)(void *arg), void *arg)
{
	ctrl->begun_args.kick_fd = fd;
	vnvme_sync_begin(ctrl, kick_at_home, &ctrl->begun_args.kick_fd, ended, arg);
}

/* --- the end: nobody polls --- */

void vnvme_close_eventfds(struct vnvme_ctrl *ctrl)
{
	unsigned int i;

	if (ctrl->kick_fd >= 0)
		close(ctrl->kick_fd);
	ctrl->kick_fd = -1;
	for (i = 0; i < VNVME_MAX_QUEUES; i++) {
		int fd = atomic_exchange(&ctrl->irq_fds[i], -1);

		ctrl->irq_replaced[i] = false;
		if (fd >= 0)
			close(fd);
	}
}
