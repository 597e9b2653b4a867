/* SPDX-License-Identifier: BSD-3-Clause */
/* Submission and completion queues: making them, their place in guest memory, their doorbells. */
#include <stdlib.h>

#include "guest_mem/guest_mem.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/db.h"
#include "nvme/dbbuf.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/queue.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

/* What its guest pays for one: memory comes from the kernel, and goes back some time. */
#define QUEUE_UNITS (2 * REACTOR_INTERRUPT_UNITS)

/* --- making and mapping --- */

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

/* --- making and freeing --- */

struct vnvme_cq *vnvme_cq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_group *g)
{
	struct vnvme_cq *cq = zalloc_aligned(sizeof(*cq));

	if (!cq)
		return NULL;
	cq->group = g;
	cq->qid = qid;
	cq->stats = &ctrl->stats[qid];
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
	vnvme_group_add_cq(g, cq);
	vnvme_group_pay(g, QUEUE_UNITS);
	return cq;
}

struct vnvme_sq *vnvme_sq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_cq *cq, bool (*execute)(struct vnvme_req *req))
{
	struct vnvme_sq *sq = zalloc_aligned(sizeof(*sq));

	if (!sq)
		return NULL;
	sq->group = cq->group;
	sq->cq = cq;
	sq->execute = execute;
	sq->qid = qid;
	sq->stats = &ctrl->stats[qid];
	sq->size = size;
	sq->gpa = gpa;
	sq->bad_doorbell = VNVME_NO_DOORBELL;
	sq->nreqs = size + (qid ? 0 : VNVME_AERL);
	sq->reqs = pages_alloc(sq->nreqs * sizeof(*sq->reqs));
	if (!sq->reqs || !map_sq(sq)) {
		pages_free(sq->reqs, sq->nreqs * sizeof(*sq->reqs));
		free(sq);
		return NULL;
	}
	vnvme_sq_make_reqs(sq);
	vnvme_queue_set_shadow(ctrl, &sq->db, qid, false, true);
	clear_doorbell(&sq->db);
	vnvme_sq_disarm(sq);
	vnvme_group_add_sq(cq->group, sq);
	vnvme_group_pay(cq->group, QUEUE_UNITS);
	return sq;
}

void vnvme_sq_free(struct vnvme_sq *sq)
{
	struct vnvme_req **at, *req;

	/* Completed, but the host made no room: they go with the queue. */
	for (at = &sq->cq->waiting; (req = *at);) {
		if (req->sq != sq) {
			at = &req->next;
			continue;
		}
		*at = req->next;
		sq->cq->nwaiting--;
	}
	sq->cq->waiting_tail = at;
	vnvme_group_remove_sq(sq->group, sq);
	pages_free(sq->reqs, sq->nreqs * sizeof(*sq->reqs));
	free(sq);
}

void vnvme_cq_free(struct vnvme_cq *cq)
{
	vnvme_group_remove_cq(cq->group, cq);
	free(cq);
}
