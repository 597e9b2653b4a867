/* SPDX-License-Identifier: BSD-3-Clause */
/* A group: the queues of a controller on one reactor, and the poller that serves them. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include <shadowbell/bdev.h>

#include "bdev/iov_pool.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/error_log.h"
#include "nvme/group.h"
#include "nvme/op.h"
#include "nvme/quiet.h"
#include "nvme/slot.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "reactor/reactor.h"
#include "stats/queue_stats.h"
#include "util/counter.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

static bool memory_lost(const struct vnvme_group *g)
{
	/* Without queues nobody looks at it; enabling the controller does. */
	return g->ncqs && g->mem && atomic_load_explicit(&g->mem->lost, memory_order_relaxed);
}

/* The queues by turns, `burst` commands each (NVMe 1.4, 4.13: round robin arbitration). */
static unsigned int poll_sqs(struct vnvme_group *g)
{
	unsigned int burst = atomic_load_explicit(&g->ctrl->burst, memory_order_relaxed);
	uint32_t i, at = g->next_sq, n = g->nsqs;
	unsigned int fetched = 0;

	for (i = 0; i < n; i++, at++) {
		if (at >= n)
			at = 0;
		fetched += vnvme_sq_poll(g->sqs[at], burst);
		/* Not only at the end of the round, which may be long. */
		if (g->sqs[at]->cq->irq_due)
			vnvme_cq_interrupt(g->sqs[at]->cq, false);
		if (unlikely(g->held))
			break;
	}
	/* Each had its turn: the next round has the same order, so that nobody has two in a row. */
	if (unlikely(g->held)) {
		/* Nothing is left of the round's share. The next one begins with this queue. */
		g->next_sq = at;
		COUNTER_ADD(g->held->stats->held_back, 1);
		g->held = NULL;
		fetched++; /* there is work */
	}
	if (g->next_sq >= n)
		g->next_sq = 0;
	return fetched;
}

/* True: something is owed that depends on the host, or on time. */
static bool poll_cqs(struct vnvme_group *g)
{
	bool owed = false;
	uint32_t i;

	for (i = 0; i < g->ncqs; i++) {
		struct vnvme_cq *cq = g->cqs[i];

		if (unlikely(cq->waiting))
			vnvme_cq_flush(cq);
		if (cq->irq_due)
			vnvme_cq_interrupt(cq, false);
		owed |= cq->irq_due || cq->waiting;
	}
	return owed;
}

/* Short gaps do not end a busy time, so that the clock is read rarely. */
#define BUSY_GAP_ROUNDS	  64
#define BUSY_COUNT_ROUNDS 65536

/* SMART's controller busy time: with a command in a queue. */
static void keep_busy_time(struct vnvme_group *g, bool work)
{
	uint64_t now;

	if (work || g->outstanding) {
		g->idle_rounds = 0;
		if (unlikely(!g->busy_since_ns)) {
			g->busy_since_ns = time_now_ns();
			g->busy_rounds = 0;
		}
		if (likely(++g->busy_rounds < BUSY_COUNT_ROUNDS))
			return;
	} else if (likely(!g->busy_since_ns || ++g->idle_rounds < BUSY_GAP_ROUNDS)) {
		return;
	}
	now = time_now_ns();
	COUNTER_ADD(g->counters.busy_ns, now - g->busy_since_ns);
	g->busy_since_ns = g->idle_rounds ? 0 : now;
	g->busy_rounds = 0;
}

/* --- the poller --- */

static void look_at_heads(struct vnvme_group *g)
{
	uint32_t i;

	for (i = 0; i < g->ncqs; i++)
		vnvme_cq_look(g->cqs[i]);
}

static unsigned int poll_all(struct vnvme_group *g)
{
	unsigned int work = 0;
	bool owed = false;

	g->poller.waits = false;
	if (likely(!g->paused)) {
		if (unlikely(memory_lost(g))) {
			vnvme_group_fatal(g, "the memory that the VMM shared was cut off under it");
			return 1;
		}
		work = poll_sqs(g);
		owed = poll_cqs(g);
	}
	if (unlikely(g->part.op))
		reactor_op_poll(&g->part);
	work += g->completed;
	g->completed = 0;
	owed |= g->poller.waits;
	keep_busy_time(g, work || g->poller.waits);
	if (!work && !g->busy_since_ns && !owed && !g->outstanding && !g->part.op && !g->paused)
		vnvme_group_enter_quiet(g);
	return work;
}

static unsigned int group_poll(void *arg)
{
	struct vnvme_group *g = arg;

	if (g->quiet) {
		if (likely(vnvme_group_still_quiet(g)))
			return 0;
		if (unlikely(g->quiet_looks >= VNVME_QUIET_LOOKS))
			look_at_heads(g);
		vnvme_group_leave_quiet(g);
	}
	return poll_all(g);
}

static void end_busy_time(struct vnvme_group *g)
{
	if (!g->busy_since_ns || g->outstanding)
		return;
	COUNTER_ADD(g->counters.busy_ns, time_now_ns() - g->busy_since_ns);
	g->busy_since_ns = 0;
}

static bool must_poll(const struct vnvme_group *g)
{
	return g->part.op && vnvme_group_op(g)->awake;
}

static bool group_arm(void *arg)
{
	struct vnvme_group *g = arg;
	bool work = false;
	uint32_t i;

	end_busy_time(g);
	if (must_poll(g))
		return true;
	if (g->paused)
		return false;
	if (memory_lost(g))
		return true;
	for (i = 0; i < g->ncqs; i++)
		work |= vnvme_cq_arm(g->cqs[i]);
	for (i = 0; i < g->nsqs; i++)
		work |= vnvme_sq_arm(g->sqs[i]);
	return work;
}

static void group_disarm(void *arg)
{
	struct vnvme_group *g = arg;
	uint32_t i;

	if (g->paused || must_poll(g)) /* then nothing was armed */
		return;
	look_at_heads(g);
	for (i = 0; i < g->ncqs; i++)
		vnvme_cq_disarm(g->cqs[i]);
	for (i = 0; i < g->nsqs; i++)
		vnvme_sq_woken(g->sqs[i]);
}

bool vnvme_op_idle(struct vnvme_group *g, struct vnvme_op *op)
{
	uint32_t i;

	if (g->outstanding)
		return false;
	for (i = 0; i < g->ncqs; i++)
		if (g->cqs[i]->irq_due)
			vnvme_cq_interrupt(g->cqs[i], true);
	return true;
}

/* Without a doorbell eventfd nothing would wake us. */
void vnvme_group_update_idle(struct vnvme_group *g)
{
	bool deaf = g->kick_fd < 0 && g->ncqs && !g->paused;

	g->poller.idle_ns = deaf ? REACTOR_NEVER_SLEEP : g->ctrl->idle_ns;
}

void vnvme_group_start_polling(struct vnvme_group *g, struct vnvme_op *op)
{
	if (g->polling)
		return;
	g->poller = (struct reactor_poller){
		.name = g->ctrl->name,
		.poll = group_poll,
		.arm = group_arm,
		.disarm = group_disarm,
		.arg = g,
		.share.weight = g->ctrl->weight,
	};
	vnvme_group_update_idle(g);
	reactor_poller_add(g->reactor, &g->poller);
	g->polling = true;
}

void vnvme_group_stop_polling(struct vnvme_group *g, struct vnvme_op *op)
{
	if (!g->polling)
		return;
	if (g->kick_fd >= 0)
		reactor_wake_fd_remove(g->reactor, g->kick_fd);
	g->kick_fd = -1;
	reactor_poller_remove(g->reactor, &g->poller);
	g->polling = false;
}

/* --- to home --- */

static void fatal_at_home(void *arg)
{
	struct vnvme_group *g = arg;

	g->ctrl->fatal(g->ctrl, g->fatal_reason);
}

void vnvme_group_fatal(struct vnvme_group *g, const char *reason)
{
	g->paused |= VNVME_PAUSE_FATAL;
	if (g->failed)
		return;
	g->failed = true; /* until the queues are dropped: the message is sent once */
	g->fatal_reason = reason;
	g->fatal_msg = (struct reactor_msg){.fn = fatal_at_home, .arg = g};
	reactor_send(g->ctrl->home, &g->fatal_msg);
}

static void events_at_home(void *arg)
{
	struct vnvme_group *g = arg;
	unsigned int bits, info;

	atomic_store(&g->events_sent, false);
	bits = atomic_exchange(&g->events, 0);
	for (info = 0; info < 8; info++)
		if (bits & 1u << info)
			g->ctrl->error_event(g->ctrl, (uint8_t)info);
}

/* An Error event (NVMe 1.4, 5.2): `info` is its information value. */
static void error_event(struct vnvme_group *g, unsigned int info)
{
	atomic_fetch_or(&g->events, 1u << info);
	if (atomic_exchange(&g->events_sent, true))
		return;
	g->event_msg = (struct reactor_msg){.fn = events_at_home, .arg = g};
	reactor_send(g->ctrl->home, &g->event_msg);
}

/* --- doorbells out of range --- */

/* NVMe 1.4, 5.2: Asynchronous Event Information of Error status. */
#define EVENT_INVALID_DOORBELL_VALUE 1

/* What it costs to tell of a doorbell: a lock, an entry of the log, an event. */
#define BAD_DOORBELL_UNITS (8 * REACTOR_REQUEST_UNITS)

void vnvme_bad_doorbell(struct vnvme_group *g, const char *kind, uint16_t qid, uint16_t size,
			uint32_t value, uint32_t *reported)
{
	struct nvme_error_log_page entry = {
		.sqid = htole16(qid),
		.cmdid = 0xffff,
		.status_field = htole16(NVME_SC_INVALID_FIELD << 1),
		.parm_error_location = 0xffff,
	};

	if (value == *reported)
		return;
	*reported = value;
	/* A guest can have another one at each look. */
	vnvme_group_pay(g, BAD_DOORBELL_UNITS);
	log_debug("%s: %s %u: doorbell value %u is invalid for %u entries", g->ctrl->name, kind,
		  qid, value, size);
	vnvme_error_log_add(g->ctrl, &entry);
	error_event(g, EVENT_INVALID_DOORBELL_VALUE);
}

/* --- the group's queues --- */

void vnvme_group_add_cq(struct vnvme_group *g, struct vnvme_cq *cq)
{
	cq->group = g;
	g->cqs[g->ncqs++] = cq;
}

void vnvme_group_add_sq(struct vnvme_group *g, struct vnvme_sq *sq)
{
	sq->group = g;
	g->sqs[g->nsqs++] = sq;
	queue_stats_here(sq->stats, reactor_cpu(g->reactor), sq->size);
}

void vnvme_group_remove_cq(struct vnvme_group *g, struct vnvme_cq *cq)
{
	uint32_t i;

	for (i = 0; i < g->ncqs && g->cqs[i] != cq; i++)
		;
	g->cqs[i] = g->cqs[--g->ncqs];
}

void vnvme_group_remove_sq(struct vnvme_group *g, struct vnvme_sq *sq)
{
	uint32_t i;

	for (i = 0; i < g->nsqs && g->sqs[i] != sq; i++)
		;
	g->sqs[i] = g->sqs[--g->nsqs];
	queue_stats_place(sq->stats, QUEUE_NOWHERE);
}

/* --- making and destroying, from the main thread --- */

struct channels_call {
	struct vnvme_group *g;
	bool ok;
};

static void get_channels(void *arg)
{
	struct channels_call *call = arg;
	struct vnvme_group *g = call->g;
	uint32_t nsid;

	for (nsid = 1; nsid <= g->max_nsid; nsid++)
		if (g->ctrl->by_nsid[nsid] && !vnvme_slot_open(g, g->ctrl->by_nsid[nsid]))
			return;
	call->ok = true;
}

static void put_channels(void *arg)
{
	struct vnvme_group *g = arg;
	uint32_t nsid;

	for (nsid = 1; nsid <= g->max_nsid; nsid++)
		vnvme_slot_free(g, nsid);
	iov_pool_fini(&g->lists);
}

static struct vnvme_group *create_group(struct vnvme_ctrl *ctrl, struct reactor *reactor)
{
	struct vnvme_group *g = zalloc_aligned(sizeof(*g));
	struct channels_call call = {.g = g};

	if (!g)
		return NULL;
	g->ctrl = ctrl;
	g->reactor = g->part.reactor = reactor;
	g->kick_fd = -1;
	iov_pool_init(&g->lists, ctrl->lists, reactor);
	g->max_nsid = ctrl->max_nsid;
	g->slots = calloc(ctrl->max_nsid + 1, sizeof(struct vnvme_slot));
	if (!g->slots) {
		free(g);
		return NULL;
	}
	reactor_call(reactor, get_channels, &call);
	if (!call.ok) {
		reactor_call(reactor, put_channels, g);
		free(g->slots);
		free(g);
		return NULL;
	}
	return g;
}

int vnvme_groups_create(struct vnvme_ctrl *ctrl, const struct vnvme_params *p)
{
	size_t i;

	ctrl->groups = calloc(p->nreactors, sizeof(struct vnvme_group *));
	if (!ctrl->groups)
		return -ENOMEM;
	reactor_op_set_init(&ctrl->ops, p->reactors[0]);
	for (i = 0; i < p->nreactors; i++) {
		ctrl->groups[i] = create_group(ctrl, p->reactors[i]);
		if (!ctrl->groups[i])
			return -ENOMEM;
		reactor_op_set_add(&ctrl->ops, &ctrl->groups[i]->part);
		ctrl->ngroups++;
	}
	ctrl->home_group = ctrl->groups[0];
	return 0;
}

void vnvme_groups_destroy(struct vnvme_ctrl *ctrl)
{
	size_t i;

	for (i = 0; i < ctrl->ngroups; i++) {
		reactor_call(ctrl->groups[i]->reactor, put_channels, ctrl->groups[i]);
		free(ctrl->groups[i]->slots);
		free(ctrl->groups[i]);
	}
	free(ctrl->groups);
}
