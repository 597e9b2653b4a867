/* SPDX-License-Identifier: BSD-3-Clause */
/* Submission and completion queues: making them, fetching, posting, doorbells and interrupts. */
#include <unistd.h>

#include "nvme/vnvme_internal.h"

/* NVMe 1.4, 5.2: Asynchronous Event Information of Error status. */
#define EVENT_INVALID_DOORBELL_VALUE 1

/* Poll rounds for which an interrupt is held back at most. */
#define HELD_ROUNDS 16384

/* --- making and mapping --- */

/* `cq`: 0 for a submission queue's tail, 1 for a completion queue's head (NVMe 1.4, 3.1.24). */
static const uint32_t *doorbell_page(const struct vnvme_ctrl *ctrl, uint16_t qid, unsigned int cq)
{
	return (const uint32_t *)(const void *)ctrl->doorbells + 2u * qid + cq;
}

void vnvme_queue_set_shadow(struct vnvme_ctrl *ctrl, struct vnvme_db *db, uint16_t qid, bool cq,
			    bool fresh)
{
	unsigned int i = 2u * qid + cq;

	db->page = doorbell_page(ctrl, qid, cq);
	if (!ctrl->shadow_page) {
		db->shadow = NULL;
		db->eventidx = NULL;
		/* One that is merely out of reach counts again when its memory is back. */
		db->live = db->live && ctrl->shadow;
		return;
	}
	db->shadow = ctrl->shadow_page + i;
	db->eventidx = ctrl->eventidx_page + i;
	if (fresh) {
		db->shadow_before = le32toh(__atomic_load_n(db->shadow, __ATOMIC_ACQUIRE));
		db->live = false;
	}
}

static void *map_ring(const struct vnvme_group *g, uint64_t gpa, size_t bytes)
{
	return g->mem ? guest_mem_ptr(g->mem, gpa, bytes) : NULL;
}

static bool map_cq(struct vnvme_cq *cq)
{
	cq->ring = map_ring(cq->group, cq->gpa, (size_t)cq->size << NVME_CQE_SHIFT);
	return cq->ring;
}

static bool map_sq(struct vnvme_sq *sq)
{
	sq->ring = map_ring(sq->group, sq->gpa, (size_t)sq->size << NVME_SQE_SHIFT);
	return sq->ring;
}

/* No pointer into memory that is about to go may be used by mistake. */
void vnvme_queues_unmap(struct vnvme_group *g)
{
	uint32_t i;

	for (i = 0; i < g->ncqs; i++)
		g->cqs[i]->ring = NULL;
	for (i = 0; i < g->nsqs; i++)
		g->sqs[i]->ring = NULL;
}

/* The memory table is a new one: false if a queue is not in it any more. */
bool vnvme_queues_map(struct vnvme_group *g)
{
	struct vnvme_ctrl *ctrl = g->ctrl;
	bool ok = true;
	uint32_t i;

	for (i = 0; i < g->ncqs; i++) {
		ok = map_cq(g->cqs[i]) && ok;
		vnvme_queue_set_shadow(ctrl, &g->cqs[i]->db, g->cqs[i]->qid, true, false);
	}
	for (i = 0; i < g->nsqs; i++) {
		ok = map_sq(g->sqs[i]) && ok;
		vnvme_queue_set_shadow(ctrl, &g->sqs[i]->db, g->sqs[i]->qid, false, false);
	}
	return ok;
}

/*
 * A new queue's doorbell counts from 0, whatever was written before there was a queue. The page is
 * ours and the front-end's, not the guest's, so it may be written.
 */
static void clear_doorbell(struct vnvme_db *db)
{
	uint32_t *page = (uint32_t *)(uintptr_t)db->page;

	__atomic_store_n(page, 0, __ATOMIC_RELAXED);
	vnvme_db_set_eventidx(db, 0);
}

struct vnvme_cq *vnvme_cq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_group *g)
{
	struct vnvme_cq *cq = calloc(1, sizeof(*cq));

	if (!cq)
		return NULL;
	cq->group = g;
	cq->qid = qid;
	cq->size = size;
	cq->gpa = gpa;
	cq->phase = 1;
	cq->bad_doorbell = VNVME_NO_DOORBELL;
	cq->waiting_tail = &cq->waiting;
	if (!map_cq(cq)) {
		free(cq);
		return NULL;
	}
	vnvme_queue_set_shadow(ctrl, &cq->db, qid, true, true);
	clear_doorbell(&cq->db);
	vnvme_cq_disarm(cq);
	g->cqs[g->ncqs++] = cq;
	return cq;
}

struct vnvme_sq *vnvme_sq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_cq *cq)
{
	struct vnvme_sq *sq = calloc(1, sizeof(*sq));
	uint32_t i;

	if (!sq)
		return NULL;
	sq->group = cq->group;
	sq->cq = cq;
	sq->qid = qid;
	sq->size = size;
	sq->gpa = gpa;
	sq->bad_doorbell = VNVME_NO_DOORBELL;
	sq->nreqs = size + (qid ? 0 : VNVME_AERL);
	sq->reqs = calloc(sq->nreqs, sizeof(*sq->reqs));
	if (!sq->reqs || !map_sq(sq)) {
		free(sq->reqs);
		free(sq);
		return NULL;
	}
	for (i = sq->nreqs; i-- > 0;) {
		sq->reqs[i].sq = sq;
		sq->reqs[i].next = sq->free;
		sq->free = &sq->reqs[i];
	}
	vnvme_queue_set_shadow(ctrl, &sq->db, qid, false, true);
	clear_doorbell(&sq->db);
	vnvme_sq_disarm(sq);
	sq->group->sqs[sq->group->nsqs++] = sq;
	return sq;
}

void vnvme_sq_free(struct vnvme_sq *sq)
{
	struct vnvme_group *g = sq->group;
	struct vnvme_req **at, *req;
	uint32_t i;

	/* Completed, but the host made no room: they go with the queue. */
	for (at = &sq->cq->waiting; (req = *at);) {
		if (req->sq == sq)
			*at = req->next;
		else
			at = &req->next;
	}
	sq->cq->waiting_tail = at;
	for (i = 0; i < g->nsqs && g->sqs[i] != sq; i++)
		;
	g->sqs[i] = g->sqs[--g->nsqs];
	for (i = 0; i < sq->nreqs; i++)
		free(sq->reqs[i].big);
	free(sq->reqs);
	free(sq);
}

void vnvme_cq_free(struct vnvme_cq *cq)
{
	struct vnvme_group *g = cq->group;
	uint32_t i;

	for (i = 0; i < g->ncqs && g->cqs[i] != cq; i++)
		;
	g->cqs[i] = g->cqs[--g->ncqs];
	free(cq);
}

/* --- the completion queue --- */

static void bad_doorbell(struct vnvme_group *g, const char *kind, uint16_t qid, uint16_t size,
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
	log_debug("%s: %s %u: doorbell value %u is invalid for %u entries", g->ctrl->name, kind,
		  qid, value, size);
	vnvme_error_log_add(g->ctrl, &entry);
	vnvme_group_error_event(g, EVENT_INVALID_DOORBELL_VALUE);
}

/* Takes notice of what the host has consumed. */
static void update_head(struct vnvme_cq *cq)
{
	uint32_t value = vnvme_db_read(&cq->db);
	uint32_t moved;

	if (value == cq->head)
		return;
	moved = value < cq->size ? (value + cq->size - cq->head) % cq->size : UINT32_MAX;
	if (unlikely(moved > cq->posted - cq->consumed)) {
		bad_doorbell(cq->group, "completion queue", cq->qid, cq->size, value,
			     &cq->bad_doorbell);
		return;
	}
	cq->head = (uint16_t)value;
	cq->consumed += moved;
	/* While we poll, EventIdx trails behind where the host does not come past it. */
	if (cq->consumed - cq->eventidx_at >= cq->size / 4u)
		vnvme_cq_disarm(cq);
}

static inline bool has_room(struct vnvme_cq *cq)
{
	if (likely(cq->posted - cq->consumed < cq->size - 1u))
		return true;
	update_head(cq);
	return cq->posted - cq->consumed < cq->size - 1u;
}

/* Guest memory, where another queue of a careless guest may lie as well: each word at once. */
static void store_word(void *at, uint32_t value, int order)
{
	__atomic_store_n((uint32_t *)at, htole32(value), order);
}

static void post(struct vnvme_cq *cq, struct vnvme_req *req)
{
	struct nvme_cqe *cqe = &cq->ring[cq->tail];
	const struct vnvme_sq *sq = req->sq;

	store_word(&cqe->result, req->result, __ATOMIC_RELAXED);
	store_word(&cqe->reserved, 0, __ATOMIC_RELAXED);
	store_word(&cqe->sq_head, sq->head | (uint32_t)sq->qid << 16, __ATOMIC_RELAXED);
	/*
	 * The phase tag last: the host, which polls for it, must not see it before the rest.
	 * Its partner is the host's read barrier after the phase tag.
	 */
	store_word(&cqe->cid,
		   le16toh(req->sqe.cid) | (uint32_t)(req->status << 1 | cq->phase) << 16,
		   __ATOMIC_RELEASE);
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
	cq->posted++;
	cq->irq_due = true;
	vnvme_req_free(req);
}

/* Posts a completed request, or keeps it until the host makes room. */
void vnvme_cq_post(struct vnvme_cq *cq, struct vnvme_req *req)
{
	if (likely(!cq->waiting && cq->ring && has_room(cq))) {
		post(cq, req);
		return;
	}
	req->next = NULL;
	*cq->waiting_tail = req;
	cq->waiting_tail = &req->next;
}

void vnvme_cq_flush(struct vnvme_cq *cq)
{
	while (cq->waiting && cq->ring && has_room(cq)) {
		struct vnvme_req *req = cq->waiting;

		cq->waiting = req->next;
		if (!cq->waiting)
			cq->waiting_tail = &cq->waiting;
		cq->group->completed++;
		post(cq, req);
	}
}

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
	vnvme_count(&g->counters.interrupts, 1);
	rc = reactor_signal(g->reactor, fd);
	if (rc)
		log_limited(&g->limit, LOG_LEVEL_WARN, g->ctrl->name,
			    "%s: vector %u cannot be signalled: %s", g->ctrl->name, cq->vector,
			    strerror(-rc));
	if (rc == -EINTR)
		vnvme_group_fatal(g, "an interrupt eventfd blocks: its counter is full");
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
			cq->irq_due = false; /* the host polls, or was quicker */
			return;
		}
		if ((int32_t)(cq->consumed - cq->announced) < 0 && ++cq->held_rounds < HELD_ROUNDS)
			return;
	}
	signal_vector(cq);
}

/* --- the submission queue --- */

static void refresh_eventidx(struct vnvme_sq *sq, unsigned int fetched)
{
	sq->since_eventidx = (uint16_t)(sq->since_eventidx + fetched);
	if (sq->since_eventidx >= sq->size / 4)
		vnvme_sq_disarm(sq);
}

static inline void fetch(struct vnvme_sq *sq)
{
	struct vnvme_req *req = sq->free;
	uint16_t next = (uint16_t)(sq->head + 1);

	sq->free = req->next;
	if (next == sq->size)
		next = 0;
	__builtin_prefetch(&sq->ring[next]);
	/* Once: the host may change its entry while we look at it. */
	memcpy(&req->sqe, &sq->ring[sq->head], sizeof(req->sqe));
	sq->head = next;
	req->result = 0;
	req->active = true;
	sq->outstanding++;
	sq->group->outstanding++;
	if (likely(sq->qid))
		vnvme_io_execute(req);
	else
		vnvme_admin_execute(req);
}

static inline bool can_fetch(const struct vnvme_sq *sq)
{
	return sq->free && !sq->cq->waiting && !sq->deleting &&
	       sq->group->round_bytes < VNVME_ROUND_BYTES;
}

/* Fetches and executes up to `burst` commands; returns how many. */
unsigned int vnvme_sq_poll(struct vnvme_sq *sq, unsigned int burst)
{
	uint32_t tail = vnvme_db_read(&sq->db);
	unsigned int n = 0;

	if (likely(tail == sq->head))
		return 0;
	if (unlikely(tail >= sq->size)) {
		bad_doorbell(sq->group, "submission queue", sq->qid, sq->size, tail,
			     &sq->bad_doorbell);
		return 0;
	}
	while (sq->head != tail && n < burst && can_fetch(sq)) {
		fetch(sq);
		n++;
	}
	if (n)
		refresh_eventidx(sq, n);
	return n;
}

/* --- sleeping and waking --- */

static uint32_t before(uint32_t index, uint32_t size)
{
	return index ? index - 1 : size - 1;
}

void vnvme_sq_disarm(struct vnvme_sq *sq)
{
	sq->since_eventidx = 0;
	vnvme_db_set_eventidx(&sq->db, before(sq->head, sq->size));
}

void vnvme_cq_disarm(struct vnvme_cq *cq)
{
	cq->eventidx_at = cq->consumed;
	vnvme_db_set_eventidx(&cq->db, before(cq->head, cq->size));
}

/* Asks for a doorbell at the next submission. True: there is one to fetch already. */
bool vnvme_sq_arm(struct vnvme_sq *sq)
{
	uint32_t tail;

	vnvme_db_set_eventidx(&sq->db, sq->head);
	/*
	 * Between publishing EventIdx and looking at the tail again. Its partner is the host's
	 * barrier between storing the tail and reading EventIdx: without either, the host may see
	 * the old EventIdx while we see the old tail, and nobody wakes us.
	 */
	full_barrier();
	tail = vnvme_db_read(&sq->db);
	return tail != sq->head && tail < sq->size && can_fetch(sq);
}

/* Only with completions that wait for room does the host's head matter. */
bool vnvme_cq_arm(struct vnvme_cq *cq)
{
	if (cq->irq_due)
		vnvme_cq_interrupt(cq, true);
	if (!cq->waiting)
		return false;
	vnvme_db_set_eventidx(&cq->db, cq->head);
	full_barrier(); /* as in vnvme_sq_arm() */
	return has_room(cq);
}
