/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller as a whole: enabling (CC.EN), disabling, shutdown (CC.SHN) and fatal status
 * (NVMe 1.4, 3.1.5, 7.3 and 7.6). Home only.
 */
#include <inttypes.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "bdev/drain.h"
#include "guest_mem/guest_mem.h"
#include "nvme/admin.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/dbbuf.h"
#include "nvme/defs.h"
#include "nvme/enable.h"
#include "nvme/event.h"
#include "nvme/features.h"
#include "nvme/group.h"
#include "nvme/ns.h"
#include "nvme/op.h"
#include "nvme/queue.h"
#include "nvme/quiet.h"
#include "nvme/regs.h"
#include "nvme/slot.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"
#include "util/log_limit.h"
#include "util/steps.h"
#include "util/util.h"

#define CSTS_RDY	   (1u << 0)
#define CSTS_CFS	   (1u << 1)
#define CSTS_SHST_MASK	   (3u << 2)
#define CSTS_SHST_OCCURS   (1u << 2)
#define CSTS_SHST_COMPLETE (2u << 2)

#define CC_FIELD(cc, name) ((cc) >> NVME_CC_##name##_SHIFT & NVME_CC_##name##_MASK)

/* --- enabling --- */

static uint32_t admin_sq_size(const struct vnvme_ctrl *ctrl)
{
	return (ctrl->aqa & 0xfff) + 1;
}

static uint32_t admin_cq_size(const struct vnvme_ctrl *ctrl)
{
	return (ctrl->aqa >> 16) + 1;
}

static bool queue_ok(const struct vnvme_ctrl *ctrl, uint64_t gpa, uint64_t bytes)
{
	return !(gpa & (VNVME_PAGE - 1)) && guest_mem_ptr(ctrl->mem, gpa, bytes);
}

/* What is wrong with the configuration that the host enables; NULL: nothing. */
static const char *config_error(const struct vnvme_ctrl *ctrl)
{
	uint32_t cc = ctrl->cc;

	if (!ctrl->mem || !ctrl->doorbells)
		return "there is no memory table yet";
	if (atomic_load(&ctrl->mem->lost))
		return "the memory that the VMM shared was cut off under it";
	if (CC_FIELD(cc, MPS))
		return "CC.MPS: the only memory page size is 4 KiB";
	if (CC_FIELD(cc, CSS) != NVME_CC_CSS_NVM)
		return "CC.CSS: the only command set is NVM";
	if (CC_FIELD(cc, AMS))
		return "CC.AMS: the only arbitration is round robin";
	if (CC_FIELD(cc, IOSQES) && CC_FIELD(cc, IOSQES) != NVME_SQE_SHIFT)
		return "CC.IOSQES: the only size of submission queue entries is 2^6";
	if (CC_FIELD(cc, IOCQES) && CC_FIELD(cc, IOCQES) != NVME_CQE_SHIFT)
		return "CC.IOCQES: the only size of completion queue entries is 2^4";
	if (admin_sq_size(ctrl) < 2 || admin_cq_size(ctrl) < 2)
		return "AQA: an admin queue has 2 to 4096 entries";
	if (!queue_ok(ctrl, ctrl->asq, (uint64_t)admin_sq_size(ctrl) << NVME_SQE_SHIFT))
		return "ASQ: the admin submission queue is not aligned, or not in guest memory";
	if (!queue_ok(ctrl, ctrl->acq, (uint64_t)admin_cq_size(ctrl) << NVME_CQE_SHIFT))
		return "ACQ: the admin completion queue is not aligned, or not in guest memory";
	return NULL;
}

/* Home's own reactor is the home group's: its queues can be made directly. */
static const char *make_admin_queues(struct vnvme_ctrl *ctrl)
{
	struct vnvme_group *g = ctrl->home_group;
	struct vnvme_cq *cq;
	struct vnvme_sq *sq;

	/* No operation adds them. */
	vnvme_group_end_quiet(g);
	reactor_poller_poke(&g->poller);
	cq = vnvme_cq_create(ctrl, 0, (uint16_t)admin_cq_size(ctrl), ctrl->acq, g);
	if (!cq)
		return "out of memory";
	sq = vnvme_sq_create(ctrl, 0, (uint16_t)admin_sq_size(ctrl), ctrl->asq, cq,
			     vnvme_admin_execute);
	if (!sq) {
		vnvme_cq_free(cq);
		return "out of memory";
	}
	cq->irq_enabled = true;
	cq->nsqs = 1;
	ctrl->cqs[0] = cq;
	ctrl->sqs[0] = sq;
	vnvme_group_update_idle(g);
	return NULL;
}

/* Sets RDY or CFS; later, if the host did not wait for RDY = 0 before it set CC.EN again. */
void vnvme_ctrl_enable(struct vnvme_ctrl *ctrl)
{
	const char *error;

	if (ctrl->disabling) {
		ctrl->enable_again = true; /* it goes on in disabled() */
		ctrl->csts &= ~CSTS_RDY;   /* the old RDY must not be taken for the new one */
		return;
	}
	ctrl->enabled = true;
	vnvme_ns_settle_cache(ctrl);
	error = config_error(ctrl);
	if (!error)
		error = make_admin_queues(ctrl);
	if (error) {
		log_limited(&ctrl->limit, LOG_LEVEL_WARN, ctrl->name,
			    "%s: the guest cannot enable the controller (CSTS.CFS): %s; CC %#x, "
			    "AQA %#x, ASQ %#" PRIx64 ", ACQ %#" PRIx64,
			    ctrl->name, error, ctrl->cc, ctrl->aqa, ctrl->asq, ctrl->acq);
		ctrl->csts |= CSTS_CFS;
	} else {
		log_debug("%s: enabled", ctrl->name);
		ctrl->csts |= CSTS_RDY;
	}
}

/* --- disabling --- */

static void drop_queues(struct vnvme_group *g, struct vnvme_op *op)
{
	uint32_t i;

	for (i = 0; i < g->nsqs; i++) {
		g->sqs[i]->deleting = true;
		g->sqs[i]->dropped = true;
	}
}

static bool queues_drained(struct vnvme_group *g, struct vnvme_op *op)
{
	if (g->outstanding)
		return false;
	while (g->nsqs)
		vnvme_sq_free(g->sqs[0]);
	while (g->ncqs)
		vnvme_cq_free(g->cqs[0]);
	g->failed = false;
	g->paused &=
		~(unsigned int)(VNVME_PAUSE_FATAL | VNVME_PAUSE_SHUTDOWN | VNVME_PAUSE_UNMAPPED);
	vnvme_group_update_idle(g);
	return true;
}

static void disabled(struct vnvme_op *op)
{
	struct vnvme_ctrl *ctrl = op->ctrl;
	struct vnvme_sync *resetting = ctrl->resetting;
	bool again = ctrl->enable_again && ctrl->cc & 1;

	memset(ctrl->sqs, 0, sizeof(ctrl->sqs));
	memset(ctrl->cqs, 0, sizeof(ctrl->cqs));
	vnvme_event_reset(ctrl);
	vnvme_features_reset(ctrl);
	ctrl->shadow = false;
	vnvme_dbbuf_map(ctrl);
	ctrl->csts = 0;
	ctrl->enabled = false;
	ctrl->disabling = false;
	ctrl->enable_again = false;
	ctrl->resetting = NULL;
	vnvme_shutdown_forget(ctrl);
	log_debug("%s: disabled", ctrl->name);
	if (resetting) {
		vnvme_regs_reset(ctrl);
		vnvme_sync_end(resetting);
	} else if (again) {
		vnvme_ctrl_enable(ctrl);
	}
}

/* CSTS.RDY becomes 0 when no I/O is in flight any more. */
void vnvme_ctrl_disable(struct vnvme_ctrl *ctrl)
{
	if (!ctrl->enabled || ctrl->disabling)
		return;
	ctrl->disabling = true;
	/* From now on no admin command may queue an operation behind this one. */
	if (ctrl->sqs[0])
		ctrl->sqs[0]->deleting = true;
	ctrl->disable_op = (struct vnvme_op){
		.start = drop_queues,
		.ready = queues_drained,
		.done = disabled,
		.drains = true,
	};
	vnvme_op_run(ctrl, &ctrl->disable_op);
}

/* --- shutdown: what is cached goes to the media --- */

static void shutdown_complete(struct vnvme_ctrl *ctrl)
{
	ctrl->shutting_down = false;
	if (ctrl->disabling)
		return;
	ctrl->csts = (ctrl->csts & ~CSTS_SHST_MASK) | CSTS_SHST_COMPLETE;
	log_debug("%s: shutdown complete", ctrl->name);
}

static void pause_shutdown(struct vnvme_group *g, struct vnvme_op *op)
{
	g->paused |= VNVME_PAUSE_SHUTDOWN;
	vnvme_group_update_idle(g);
}

static void paused_shutdown(struct vnvme_op *op)
{
	shutdown_complete(op->ctrl);
}

/*
 * A host that has seen the shutdown complete gives the queues and the shadow doorbells' pages to
 * somebody else, and leaves CC.EN set: no byte of them may change any more.
 */
static void leave_rings(struct vnvme_ctrl *ctrl)
{
	ctrl->home_group->outstanding--;
	reactor_poller_poke(&ctrl->home_group->poller);
	if (!ctrl->shutdown_enabled || ctrl->disabling) {
		shutdown_complete(ctrl);
		return;
	}
	ctrl->home_group->paused |= VNVME_PAUSE_SHUTDOWN;
	ctrl->shutdown_op = (struct vnvme_op){
		.start = pause_shutdown,
		.ready = vnvme_op_idle,
		.done = paused_shutdown,
		.drains = true,
		.grace_ns = drain_times.grace_ns,
	};
	vnvme_op_run(ctrl, &ctrl->shutdown_op);
}

/* By a pause, and not by a reset: what was not flushed yet has to be. */
static bool cut_short(const struct vnvme_ctrl *ctrl)
{
	const struct vnvme_group *g = ctrl->home_group;

	return g->cancelling && !ctrl->disabling && g->paused & VNVME_PAUSES;
}

static void shutdown_flushed(struct bdev_io *io);

static bool flush_next(void *arg)
{
	struct vnvme_ctrl *ctrl = arg;
	const struct vnvme_ns *ns = vnvme_ns_next(ctrl, ctrl->shutdown_nsid);

	if (cut_short(ctrl)) {
		ctrl->shutdown_put_off = true;
		ctrl->home_group->outstanding--;
		reactor_poller_poke(&ctrl->home_group->poller);
		return false;
	}
	if (!ns || ctrl->home_group->cancelling) {
		leave_rings(ctrl);
		return false;
	}
	ctrl->shutdown_nsid = ns->nsid;
	ctrl->shutdown_io = (struct bdev_io){.op = BDEV_OP_FLUSH, .done = shutdown_flushed};
	ctrl->shutdown_flushing = true;
	bdev_submit(ctrl->home_group->slots[ns->nsid].channel, &ctrl->shutdown_io);
	return true;
}

static void shutdown_flushed(struct bdev_io *io)
{
	struct vnvme_ctrl *ctrl = container_of(io, struct vnvme_ctrl, shutdown_io);

	ctrl->shutdown_flushing = false;
	reactor_set_payer(&ctrl->home_group->poller.share);
	/* By a reset or a pause, or its bdev was removed. */
	if (io->status && io->status != BDEV_STATUS_ABORTED && io->status != BDEV_STATUS_GONE)
		log_limited(&ctrl->limit, LOG_LEVEL_ERROR, ctrl->name,
			    "%s: flush of namespace %u at shutdown: %s", ctrl->name,
			    ctrl->shutdown_nsid, bdev_status_str(io->status));
	if (io->status && cut_short(ctrl))
		ctrl->shutdown_nsid--; /* the next one is this one again */
	steps_run(&ctrl->shutdown_steps, flush_next, ctrl);
}

static void flush_on(struct vnvme_ctrl *ctrl)
{
	ctrl->home_group->outstanding++; /* so that reset and detach wait for it */
	ctrl->shutdown_steps = (struct steps){0};
	steps_run(&ctrl->shutdown_steps, flush_next, ctrl);
}

void vnvme_ctrl_shutdown(struct vnvme_ctrl *ctrl)
{
	if (ctrl->shutting_down || ctrl->disabling)
		return;
	ctrl->csts = (ctrl->csts & ~CSTS_SHST_MASK) | CSTS_SHST_OCCURS;
	ctrl->shutting_down = true;
	ctrl->shutdown_enabled = ctrl->enabled;
	ctrl->shutdown_nsid = 0;
	flush_on(ctrl);
}

void vnvme_shutdown_resume(struct vnvme_ctrl *ctrl)
{
	if (!ctrl->shutdown_put_off || ctrl->home_group->paused & VNVME_PAUSES)
		return;
	ctrl->shutdown_put_off = false;
	flush_on(ctrl);
}

void vnvme_shutdown_forget(struct vnvme_ctrl *ctrl)
{
	if (!ctrl->shutdown_put_off)
		return;
	ctrl->shutdown_put_off = false;
	ctrl->shutting_down = false;
}

bool vnvme_was_shut_down(const struct vnvme_ctrl *ctrl)
{
	return (ctrl->csts & CSTS_SHST_MASK) == CSTS_SHST_COMPLETE;
}

/* --- fatal status --- */

static void pause_fatal(struct vnvme_group *g, struct vnvme_op *op)
{
	g->paused |= VNVME_PAUSE_FATAL;
	vnvme_group_update_idle(g);
}

static void paused_fatal(struct vnvme_op *op)
{
}

/* Nothing more is fetched until the host resets the controller. */
void vnvme_ctrl_fatal(struct vnvme_ctrl *ctrl, const char *reason)
{
	if (!ctrl->enabled || ctrl->disabling || ctrl->csts & CSTS_CFS)
		return;
	ctrl->csts |= CSTS_CFS;
	log_limited(&ctrl->limit, LOG_LEVEL_WARN, ctrl->name,
		    "%s: fatal controller status (CSTS.CFS): %s", ctrl->name, reason);
	ctrl->home_group->paused |= VNVME_PAUSE_FATAL;
	ctrl->fatal_op = (struct vnvme_op){.start = pause_fatal, .done = paused_fatal};
	vnvme_op_run(ctrl, &ctrl->fatal_op);
}
