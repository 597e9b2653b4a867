/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion queues: posting, the host's head, interrupts. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/db.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/quiet.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "reactor/reactor.h"
#include "util/counter.h"
#include "util/log_limit.h"
#include "util/time.h"
#include "util/util.h"

/* Poll rounds for which an interrupt is held back at most. */
#define HELD_ROUNDS 16384

/* Takes notice of what the host has consumed. */
static void update_head(struct vnvme_cq *cq)
{
	uint32_t value = vnvme_db_read(&cq->db);
	uint32_t moved;

	if (value == cq->head)
		return;
	moved = value < cq->size ? (value + cq->size - cq->head) % cq->size : UINT32_MAX;
	if (unlikely(moved > cq->posted - cq->consumed)) {
		vnvme_bad_doorbell(cq->group, "completion queue", cq->qid, cq->size, value,
				   &cq->bad_doorbell);
		return;
	}
	cq->head = (uint16_t)value;
	cq->consumed += moved;
	/* While we poll, EventIdx trails behind where the host does not come past it. */
	if (cq->consumed - cq->eventidx_at >= cq->size / 4u)
		vnvme_cq_disarm(cq);
}

/*
 * A head is of interest only for room and interrupts, but a host is to hear of each value that can
 * be none (NVMe 1.4, 5.2): before a sleep, after it, and now and then while nothing is to be done.
 */
void vnvme_cq_look(struct vnvme_cq *cq)
{
	update_head(cq);
}

/* Entries that can be posted now. */
static uint32_t room(struct vnvme_cq *cq)
{
	uint32_t taken = cq->posted - cq->consumed;

	if (likely(taken < cq->size - 1u))
		return cq->size - 1u - taken;
	update_head(cq);
	return cq->size - 1u - (cq->posted - cq->consumed);
}

/* Guest memory, where another queue of a careless guest may lie as well: each word at once. */
static inline void store_word(uint32_t *at, uint64_t value, int order)
{
	__atomic_store_n(at, htole32((uint32_t)value), order);
}

static inline struct vnvme_completion completion_of(const struct vnvme_req *req)
{
	struct vnvme_completion c = vnvme_completion_of(req->sq, le16toh(req->sqe.cid));

	c.low = req->result;
	c.high |= (uint64_t)req->status << 49;
	return c;
}

static void post(struct vnvme_cq *cq, const struct vnvme_completion *c, uint32_t n)
{
	uint64_t phase = cq->phase;
	uint16_t tail = cq->tail;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t *cqe = (uint32_t *)(void *)&cq->ring[tail];

		store_word(&cqe[0], c[i].low, __ATOMIC_RELAXED);
		store_word(&cqe[1], c[i].low >> 32, __ATOMIC_RELAXED);
		store_word(&cqe[2], c[i].high, __ATOMIC_RELAXED);
		/*
		 * The phase tag last: the host, which polls for it, must not see it before the
		 * rest. Its partner is the host's read barrier after the phase tag.
		 */
		store_word(&cqe[3], c[i].high >> 32 | phase << 16, __ATOMIC_RELEASE);
		if (unlikely(++tail == cq->size)) {
			tail = 0;
			phase ^= 1;
		}
	}
	cq->tail = tail;
	cq->phase = (uint16_t)phase;
	cq->posted += n;
	cq->irq_due = true;
	vnvme_group_end_quiet(cq->group);
}

/*
 * While a batch of commands is executed, what completes at once is kept and posted together: the
 * host polls for the first of these entries, and would take the cache line away after each.
 */
void vnvme_cq_begin_batch(struct vnvme_cq *cq)
{
	cq->ready_max = cq->waiting || !cq->ring ? 0 : min_t(uint32_t, room(cq), VNVME_READY);
}

static void post_ready(struct vnvme_cq *cq)
{
	if (!cq->nready)
		return;
	if (cq->irq_due)
		COUNTER_ADD(cq->stats->interrupts_saved, 1); /* one is to come in any case */
	post(cq, cq->ready, cq->nready);
	cq->nready = 0;
}

void vnvme_cq_end_batch(struct vnvme_cq *cq)
{
	post_ready(cq);
	cq->ready_max = 0;
}

static void post_now(struct vnvme_cq *cq, struct vnvme_req *req)
{
	struct vnvme_completion c = completion_of(req);

	post(cq, &c, 1);
	vnvme_req_free(req);
}

/* Outside of a batch, or the batch is larger than what can be kept. */
static slow_path void post_or_wait(struct vnvme_cq *cq, struct vnvme_req *req)
{
	post_ready(cq);
	if (likely(!cq->waiting && cq->ring && room(cq))) {
		post_now(cq, req);
		if (cq->ready_max)
			vnvme_cq_begin_batch(cq);
		return;
	}
	cq->ready_max = 0;
	req->next = NULL;
	*cq->waiting_tail = req;
	cq->waiting_tail = &req->next;
	cq->nwaiting++;
	vnvme_group_end_quiet(cq->group);
}

/* Posts a completed request, or keeps it until the host makes room. */
void vnvme_cq_post(struct vnvme_cq *cq, struct vnvme_req *req)
{
	if (unlikely(!vnvme_cq_has_ready(cq))) {
		post_or_wait(cq, req);
		return;
	}
	cq->ready[cq->nready++] = completion_of(req);
	vnvme_req_free(req);
}

unsigned int vnvme_cq_next_phase(const struct vnvme_cq *cq)
{
	uint32_t entry = cq->tail + cq->nready + cq->nwaiting;

	return cq->phase ^ (entry / cq->size & 1);
}

void vnvme_cq_flush(struct vnvme_cq *cq)
{
	while (cq->waiting && cq->ring && room(cq)) {
		struct vnvme_req *req = cq->waiting;

		cq->waiting = req->next;
		cq->nwaiting--;
		if (!cq->waiting)
			cq->waiting_tail = &cq->waiting;
		cq->group->completed++;
		post_now(cq, req);
	}
}

/* --- interrupts --- */

static void signal_vector(struct vnvme_cq *cq)
{
	struct vnvme_group *g = cq->group;
	int fd = atomic_load_explicit(&g->ctrl->irq_fds[cq->vector], memory_order_acquire);
	int rc;

	if (fd < 0)
		return; /* it stays due until there is one */
	cq->irq_due = false;
	cq->announced = cq->posted;
	cq->held_rounds = 0;
	cq->due_since_ns = 0;
	COUNTER_ADD(cq->stats->interrupts, 1);
	vnvme_group_pay(g, REACTOR_INTERRUPT_UNITS);
	rc = reactor_signal(g->reactor, fd, &g->ctrl->wary);
	if (rc)
		log_limited(&g->limit, LOG_LEVEL_WARN, g->ctrl->name,
			    "%s: vector %u cannot be signalled: %s", g->ctrl->name, cq->vector,
			    strerror(-rc));
	if (rc == -EINTR)
		vnvme_group_fatal(g, "an interrupt eventfd blocks: its counter is full");
}

/* What was posted since the last interrupt is no reason for one any more. */
static void not_due(struct vnvme_cq *cq)
{
	cq->irq_due = false;
	cq->due_since_ns = 0;
	COUNTER_ADD(cq->stats->interrupts_saved, 1);
}

/*
 * Interrupt Coalescing (NVMe 1.4, 5.21.1.8): true while there are no more entries than the
 * threshold and the time is not over. Never for admin commands. The host sets it; off by default.
 */
static bool coalesced(struct vnvme_cq *cq)
{
	const struct vnvme_ctrl *ctrl = cq->group->ctrl;
	unsigned int setting =
		atomic_load_explicit(&ctrl->irq_coalescing[cq->vector], memory_order_relaxed);
	uint64_t now;

	if (likely(!setting) || !cq->qid)
		return false;
	if (cq->posted - cq->announced > (setting & 0xff)) /* THR is 0's based */
		return false;
	now = time_now_ns();
	if (!cq->due_since_ns)
		cq->due_since_ns = now;
	return now - cq->due_since_ns < (setting >> 8) * VNVME_COALESCING_UNIT_NS;
}

/*
 * One interrupt for what was posted. As long as the host has not yet consumed what the last
 * interrupt told of, its handler is still to run, or to go round its loop: another one would be for
 * nothing. It is due again when the host's head has come that far and entries are left behind it,
 * which the poller sees; `now` is for when it will not look again. After many rounds it is sent
 * all the same: a host that lost one comes late, and does not hang.
 */
void vnvme_cq_interrupt(struct vnvme_cq *cq, bool now)
{
	if (!cq->irq_enabled) {
		cq->irq_due = false;
		return;
	}
	if (!now) {
		update_head(cq);
		if (cq->posted == cq->consumed) {
			not_due(cq); /* the host polls, or was quicker */
			return;
		}
		if ((int32_t)(cq->consumed - cq->announced) < 0 && ++cq->held_rounds < HELD_ROUNDS)
			return;
		if (coalesced(cq))
			return;
	}
	signal_vector(cq);
}

/* --- sleeping and waking --- */

void vnvme_cq_disarm(struct vnvme_cq *cq)
{
	cq->eventidx_at = cq->consumed;
	vnvme_db_set_eventidx(&cq->db, vnvme_before(cq->head, cq->size));
}

/* Only with completions that wait for room does the host's head matter. */
bool vnvme_cq_arm(struct vnvme_cq *cq)
{
	vnvme_cq_look(cq);
	if (cq->irq_due)
		vnvme_cq_interrupt(cq, true);
	if (!cq->waiting)
		return false;
	vnvme_db_set_eventidx(&cq->db, cq->head);
	full_barrier(); /* as in vnvme_sq_arm() */
	return room(cq);
}
