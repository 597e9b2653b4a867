/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_queue.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fe_nvme.h"
#include "fe_util.h"

void fe_cq_reset(struct fe_cq *cq)
{
	memset(cq->ring, 0, cq->entries * sizeof(struct fe_cqe));
	cq->head = 0;
	cq->phase = 1;
	cq->nstash = 0;
}

void fe_sq_reset(struct fe_sq *sq)
{
	sq->tail = 0;
	sq->head = 0;
}

void fe_cq_init(struct fe_nvme *n, struct fe_cq *cq, uint16_t qid, uint32_t entries,
		uint16_t vector)
{
	memset(cq, 0, sizeof(*cq));
	cq->n = n;
	cq->qid = qid;
	cq->entries = entries;
	cq->vector = vector;
	cq->ring = fe_mem_alloc(&n->mem, entries * sizeof(struct fe_cqe), &cq->gpa);
	fe_cq_reset(cq);
}

void fe_sq_init(struct fe_nvme *n, struct fe_sq *sq, uint16_t qid, uint32_t entries,
		struct fe_cq *cq)
{
	memset(sq, 0, sizeof(*sq));
	sq->n = n;
	sq->qid = qid;
	sq->entries = entries;
	sq->cq = cq;
	sq->ring = fe_mem_alloc(&n->mem, entries * sizeof(struct fe_sqe), &sq->gpa);
}

/* NVMe 1.4, 7.13, on 16-bit indices, as Linux does it. */
static bool need_event(uint16_t event_idx, uint16_t new_idx, uint16_t old)
{
	return (uint16_t)(new_idx - event_idx - 1) < (uint16_t)(new_idx - old);
}

bool fe_doorbell(struct fe_nvme *n, uint16_t qid, bool cq, uint32_t old, uint32_t value)
{
	uint32_t i = 2u * qid + cq;
	uint64_t one = 1;

	/* Linux has no shadow doorbells for the admin queue. */
	if (qid != 0 && n->shadow) {
		/*
		 * Sequentially consistent: the controller publishes EventIdx and then reads the
		 * doorbell again; one of the two sees the other's store, or the queue hangs.
		 */
		__atomic_exchange_n(&n->shadow[i], value, __ATOMIC_SEQ_CST);
		if (!need_event((uint16_t)__atomic_load_n(&n->eventidx[i], __ATOMIC_SEQ_CST),
				(uint16_t)value, (uint16_t)old))
			return false;
	}
	__atomic_store_n(&n->doorbells[i], value, __ATOMIC_SEQ_CST);
	if (n->mapped)
		return false;
	if (n->over_vfio)
		return fe_vfio_post(&n->vfio, FE_BAR0, FE_BAR0_DOORBELLS + 4 * i, 4, &value) == 0;
	return write(n->kick_fd, &one, sizeof(one)) == sizeof(one);
}

void fe_sq_push(struct fe_sq *sq, const struct fe_sqe *sqe)
{
	sq->ring[sq->tail] = *sqe;
	sq->tail = (sq->tail + 1) % sq->entries;
}

bool fe_sq_full(const struct fe_sq *sq)
{
	return (sq->tail + 1) % sq->entries == sq->head;
}

static uint32_t last_rung(const struct fe_sq *sq)
{
	const uint32_t *page = sq->qid && sq->n->shadow ? sq->n->shadow : sq->n->doorbells;

	return __atomic_load_n(&page[2 * sq->qid], __ATOMIC_RELAXED);
}

void fe_sq_ring(struct fe_sq *sq)
{
	sq->rings++;
	sq->kicks += fe_doorbell(sq->n, sq->qid, false, last_rung(sq), sq->tail);
}

uint16_t fe_submit(struct fe_sq *sq, struct fe_sqe *sqe)
{
	sqe->cid = sq->next_cid++;
	fe_sq_push(sq, sqe);
	fe_sq_ring(sq);
	return sqe->cid;
}

bool fe_cq_poll(struct fe_cq *cq, struct fe_cqe *cqe)
{
	struct fe_cqe *slot = &cq->ring[cq->head];
	uint16_t status = __atomic_load_n(&slot->status, __ATOMIC_ACQUIRE);

	if ((status & 1) != cq->phase)
		return false;
	*cqe = *slot;
	if (++cq->head == cq->entries) {
		cq->head = 0;
		cq->phase ^= 1;
	}
	return true;
}

void fe_cq_ring(struct fe_cq *cq)
{
	const uint32_t *page = cq->qid && cq->n->shadow ? cq->n->shadow : cq->n->doorbells;
	uint32_t old = __atomic_load_n(&page[2 * cq->qid + 1], __ATOMIC_RELAXED);

	fe_doorbell(cq->n, cq->qid, true, old, cq->head);
}

/* From the ring, not from the stash. */
static int wait_ring(struct fe_cq *cq, struct fe_cqe *cqe, uint64_t deadline_ns)
{
	unsigned int spins = 0;

	while (!fe_cq_poll(cq, cqe)) {
		if (fe_now_ns() > deadline_ns)
			return -ETIMEDOUT;
		fe_relax(&spins);
	}
	fe_cq_ring(cq);
	return 0;
}

static void unstash(struct fe_cq *cq, size_t i, struct fe_cqe *cqe)
{
	*cqe = cq->stash[i];
	cq->nstash--;
	memmove(&cq->stash[i], &cq->stash[i + 1], (cq->nstash - i) * sizeof(*cqe));
}

int fe_cq_wait(struct fe_cq *cq, struct fe_cqe *cqe, int timeout_ms)
{
	if (cq->nstash > 0) {
		unstash(cq, 0, cqe);
		return 0;
	}
	return wait_ring(cq, cqe, fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL);
}

int fe_cq_wait_cid(struct fe_sq *sq, uint16_t cid, struct fe_cqe *cqe, int timeout_ms)
{
	uint64_t deadline = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
	struct fe_cq *cq = sq->cq;
	size_t i;
	int err;

	for (i = 0; i < cq->nstash; i++) {
		if (cq->stash[i].cid == cid && cq->stash[i].sqid == sq->qid) {
			unstash(cq, i, cqe);
			return 0;
		}
	}
	while ((err = wait_ring(cq, cqe, deadline)) == 0) {
		if (cqe->sqid == sq->qid)
			sq->head = cqe->sqhd;
		if (cqe->cid == cid && cqe->sqid == sq->qid)
			return 0;
		if (cq->nstash == FE_CQ_STASH)
			return -ENOSPC;
		cq->stash[cq->nstash++] = *cqe;
	}
	return err;
}

int fe_exec(struct fe_sq *sq, struct fe_sqe *sqe, struct fe_cqe *cqe)
{
	struct fe_cqe mine;
	int err;

	if (!cqe)
		cqe = &mine;
	fe_submit(sq, sqe);
	err = fe_cq_wait_cid(sq, sqe->cid, cqe, FE_TIMEOUT_MS);
	return err ? err : fe_status(cqe);
}
