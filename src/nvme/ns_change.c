/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces that come and go while the controller is there. Home does it by short operations on
 * all groups, between which others (resets, pauses, moves of queues) have their turns: none of them
 * waits for the disk of a namespace that goes. It waits for them, though: as long as a reset, a
 * pause or the deletion of a queue is held up by a disk that hangs, so is a change here, whatever
 * disk it is about.
 *
 * One that comes gets its channels; one that goes is closed to new I/O, then looked after until
 * nothing of it is in flight, and then gives its channels back.
 *
 * What is in flight to one that goes has the grace that all waits for I/O give (bdev/drain.h); then
 * it is cancelled and abandoned, as far as that goes.
 */
#include <errno.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "bdev/drain.h"
#include "nvme/ctrl.h"
#include "nvme/group.h"
#include "nvme/ns.h"
#include "nvme/op.h"
#include "nvme/slot.h"
#include "nvme/sq.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "reactor/reactor.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

#define LOOK_NS	     (2 * NS_PER_MS)   /* from one look at what is in flight to the next */
#define LATE_LOOK_NS (100 * NS_PER_MS) /* after all that could be has been abandoned */
#define AGAIN_NS     NS_PER_SEC	       /* from one pass that ends I/O early to the next */
#define LOOK_UNITS   (REACTOR_REQUEST_UNITS / 4) /* of one at a request */
#define END_UNITS    REACTOR_REQUEST_UNITS	 /* of ending one's I/O early */

static struct vnvme_ns *ns_of(struct vnvme_op *op)
{
	return container_of(op, struct vnvme_ns, op);
}

/* To who began it; the namespace is the main thread's from now on. Home. */
static void end(struct vnvme_ns *ns)
{
	ns->ended(ns->ended_arg);
}

/* --- going: the channels are given back --- */

static void free_slot(struct vnvme_group *g, struct vnvme_op *op)
{
	vnvme_slot_free(g, ns_of(op)->nsid);
}

static void slots_freed(struct vnvme_op *op)
{
	struct vnvme_ns *ns = ns_of(op);

	if (ns->logged)
		log_warn("%s: namespace %u: the I/O that its removal waited for has ended",
			 ns->ctrl->name, ns->nsid);
	end(ns);
}

/* --- going: what is in flight, in steps: a guest may have very much --- */

static bool is_on(const struct vnvme_req *req, const struct vnvme_ns *ns)
{
	return req->io_running && vnvme_req_nsid(req) == ns->nsid;
}

/* A Flush of all namespaces is at the next one when its I/O here has ended. */
static void end_early(struct vnvme_req *req, const struct vnvme_ns *ns)
{
	bdev_io_cancel(&req->io);
	if (is_on(req, ns) && ns->stage >= DRAIN_ABANDONED)
		bdev_io_abandon(&req->io);
}

static bool shutdown_is_on(const struct vnvme_group *g, const struct vnvme_ns *ns)
{
	const struct vnvme_ctrl *ctrl = g->ctrl;

	return g == ctrl->home_group && ctrl->shutdown_flushing && ctrl->shutdown_nsid == ns->nsid;
}

/* The flush of a shutdown is home's. */
static unsigned int look_at_shutdown(const struct vnvme_group *g, const struct vnvme_ns *ns)
{
	if (shutdown_is_on(g, ns) && ns->ends)
		bdev_io_cancel(&g->ctrl->shutdown_io);
	if (shutdown_is_on(g, ns) && ns->ends && ns->stage >= DRAIN_ABANDONED)
		bdev_io_abandon(&g->ctrl->shutdown_io);
	return shutdown_is_on(g, ns);
}

static void begin_look(struct vnvme_group *g, struct vnvme_op *op)
{
	g->look = (struct vnvme_look){0};
}

/* What is done in one poll of the group. */
struct step {
	unsigned int looks, ends;
};

/* False: the step is over, and there are more. */
static bool look_at_queue(const struct vnvme_sq *sq, const struct vnvme_ns *ns,
			  struct vnvme_look *l, struct step *s)
{
	for (; l->req < sq->made_reqs; l->req++, s->looks++) {
		struct vnvme_req *req = &sq->reqs[l->req];

		if (s->looks == DRAIN_STEP_LOOKS || s->ends == DRAIN_STEP_ENDS)
			return false;
		if (is_on(req, ns) && ns->ends) {
			end_early(req, ns);
			s->ends++;
		}
		l->found += is_on(req, ns);
	}
	return true;
}

/* No queue comes or goes meanwhile, as that is an operation, too. */
static bool look(struct vnvme_group *g, struct vnvme_op *op)
{
	struct vnvme_ns *ns = ns_of(op);
	struct vnvme_look *l = &g->look;
	struct step s = {0};

	for (; l->queue < g->nsqs; l->queue++, l->req = 0)
		if (!look_at_queue(g->sqs[l->queue], ns, l, &s))
			break;
	vnvme_group_pay(g, (uint64_t)s.looks * LOOK_UNITS + (uint64_t)s.ends * END_UNITS);
	if (l->queue < g->nsqs)
		return false;
	atomic_fetch_add(&ns->in_flight, l->found + look_at_shutdown(g, ns));
	return true;
}

static void run_look(struct vnvme_ns *ns);

static void look_again(void *arg)
{
	run_look(arg);
}

/*
 * Once in each stage, and now and then after that: what a disk that hangs did not give back at once
 * it does not give back at the next look, and a guest may have very much there.
 */
static void enter(struct vnvme_ns *ns, enum drain_stage stage)
{
	uint64_t now_ns = time_now_ns();

	ns->ends = stage != ns->stage || (stage != DRAIN_GRACE && now_ns - ns->ends_ns >= AGAIN_NS);
	if (ns->ends)
		ns->ends_ns = now_ns;
	ns->stage = stage;
}

/* What becomes of I/O that is still there at the next look. */
static void advance(struct vnvme_ns *ns)
{
	uint64_t waited_ns = time_now_ns() - ns->since_ns;
	uint64_t cancel_ns = drain_wait_ns(drain_times.grace_ns);
	uint64_t abandon_ns = cancel_ns + drain_wait_ns(drain_times.cancel_ns);

	enter(ns, waited_ns < cancel_ns	   ? DRAIN_GRACE
		  : waited_ns < abandon_ns ? DRAIN_CANCELLED
					   : DRAIN_ABANDONED);
	if (ns->logged || waited_ns < abandon_ns + drain_wait_ns(drain_times.abandon_ns))
		return;
	ns->logged = true;
	log_warn("%s: namespace %u: its removal waits for %u requests that can't be ended early; a "
		 "device may have the guest's memory",
		 ns->ctrl->name, ns->nsid, atomic_load(&ns->in_flight));
}

static void looked(struct vnvme_op *op)
{
	struct vnvme_ns *ns = ns_of(op);

	if (!atomic_load(&ns->in_flight)) {
		ns->op = (struct vnvme_op){.start = free_slot, .done = slots_freed};
		vnvme_op_run(ns->ctrl, &ns->op);
		return;
	}
	advance(ns);
	ns->timer = (struct timer){.fn = look_again, .arg = ns};
	reactor_timer_start(ns->ctrl->home, &ns->timer, ns->logged ? LATE_LOOK_NS : LOOK_NS);
}

static void run_look(struct vnvme_ns *ns)
{
	atomic_store(&ns->in_flight, 0);
	ns->op = (struct vnvme_op){
		.start = begin_look,
		.ready = look,
		.done = looked,
		.awake = true,
	};
	vnvme_op_run(ns->ctrl, &ns->op);
}

/* --- going: closed to new I/O --- */

static void close_slot(struct vnvme_group *g, struct vnvme_op *op)
{
	vnvme_slot_close(g, ns_of(op)->nsid);
}

/* The grace begins here: until now there may have been new I/O. */
static void slots_closed(struct vnvme_op *op)
{
	struct vnvme_ns *ns = ns_of(op);

	ns->since_ns = time_now_ns();
	run_look(ns);
}

static void run_close(struct vnvme_ns *ns)
{
	ns->stage = DRAIN_GRACE;
	ns->ends = false;
	ns->logged = false;
	ns->op = (struct vnvme_op){.start = close_slot, .done = slots_closed};
	vnvme_op_run(ns->ctrl, &ns->op);
}

/* The id is inactive for admin commands at once. */
static void remove_at_home(void *arg)
{
	struct vnvme_ns *ns = arg;

	ns->ctrl->by_nsid[ns->nsid] = NULL;
	vnvme_ns_tell(ns->ctrl, ns->nsid);
	run_close(ns);
}

/* --- coming --- */

static void open_slot(struct vnvme_group *g, struct vnvme_op *op)
{
	struct vnvme_ns *ns = ns_of(op);

	if (!vnvme_slot_open(g, ns))
		atomic_store(&ns->no_channel, true);
}

static void slots_opened(struct vnvme_op *op)
{
	struct vnvme_ns *ns = ns_of(op);
	struct vnvme_ctrl *ctrl = ns->ctrl;

	if (atomic_load(&ns->no_channel)) {
		ns->rc = -ENOMEM;
		run_close(ns);
		return;
	}
	ctrl->by_nsid[ns->nsid] = ns;
	atomic_store(&ns->changed, false);
	ns->gone = atomic_load(&ns->removed);
	vnvme_ns_respect_cache(ctrl, ns);
	vnvme_ns_tell(ctrl, ns->nsid);
	end(ns);
}

static void add_at_home(void *arg)
{
	struct vnvme_ns *ns = arg;
	struct vnvme_ctrl *ctrl = ns->ctrl;

	ctrl->features.error_recovery[ns->nsid] = 0;
	vnvme_ns_respect_cache(ctrl, ns);
	ns->op = (struct vnvme_op){.start = open_slot, .done = slots_opened};
	vnvme_op_run(ctrl, &ns->op);
}

/* --- the main thread --- */

static struct vnvme_ns *find(const struct vnvme_ctrl *ctrl, uint32_t nsid)
{
	struct vnvme_ns *ns;

	for (ns = ctrl->namespaces; ns && ns->nsid != nsid; ns = ns->next)
		;
	return ns;
}

static void begin(struct vnvme_ns *ns, void (*fn)(void *arg), void (*ended)(void *arg), void *arg)
{
	ns->busy = true;
	ns->rc = 0;
	ns->ended = ended;
	ns->ended_arg = arg;
	ns->msg = (struct reactor_msg){.fn = fn, .arg = ns};
	reactor_send(ns->ctrl->home, &ns->msg);
}

uint32_t vnvme_max_namespaces(const struct vnvme_ctrl *ctrl)
{
	return ctrl->max_nsid;
}

bool vnvme_ns_has(const struct vnvme_ctrl *ctrl, uint32_t nsid, bool *busy)
{
	const struct vnvme_ns *ns = find(ctrl, nsid);

	*busy = ns && ns->busy;
	return ns;
}

uint32_t vnvme_ns_lost(const struct vnvme_ctrl *ctrl)
{
	const struct vnvme_ns *ns;

	for (ns = ctrl->namespaces; ns && (ns->busy || !atomic_load(&ns->removed)); ns = ns->next)
		;
	return ns ? ns->nsid : 0;
}

bool vnvme_ns_has_uuid(const struct vnvme_ctrl *ctrl, const uint8_t uuid[16])
{
	const struct vnvme_ns *ns;

	for (ns = ctrl->namespaces; ns; ns = ns->next)
		if (!memcmp(ns->uuid, uuid, sizeof(ns->uuid)))
			return true;
	return false;
}

int vnvme_ns_add_begin(struct vnvme_ctrl *ctrl, const struct vnvme_ns_params *p,
		       void (*ended)(void *arg), void *arg, struct vnvme_ns **out)
{
	struct vnvme_ns *ns;
	int rc;

	if (!p->nsid || p->nsid > ctrl->max_nsid)
		return -EINVAL;
	if (find(ctrl, p->nsid) || vnvme_ns_has_uuid(ctrl, p->uuid))
		return -EEXIST;
	ns = vnvme_ns_open(ctrl, p, &rc);
	if (!ns)
		return rc;
	*out = ns;
	begin(ns, add_at_home, ended, arg);
	return 0;
}

int vnvme_ns_add_end(struct vnvme_ns *ns)
{
	int rc = ns->rc;

	ns->busy = false;
	if (rc)
		vnvme_ns_close(ns);
	return rc;
}

int vnvme_ns_remove_begin(struct vnvme_ctrl *ctrl, uint32_t nsid, void (*ended)(void *arg),
			  void *arg, struct vnvme_ns **out)
{
	struct vnvme_ns *ns = find(ctrl, nsid);

	if (!ns)
		return -ENOENT;
	if (ns->busy)
		return -EBUSY;
	*out = ns;
	begin(ns, remove_at_home, ended, arg);
	return 0;
}

void vnvme_ns_remove_end(struct vnvme_ns *ns)
{
	vnvme_ns_close(ns);
}
