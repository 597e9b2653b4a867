/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_QUEUE_H
#define TESTS_FRONTEND_FE_QUEUE_H

/*
 * The host's side of submission and completion queues, with doorbells as Linux rings them. A queue
 * belongs to one thread at a time; an SQ and its CQ to the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fe_spec.h"

struct fe_nvme;

#define FE_CQ_STASH 64

struct fe_cq {
	struct fe_nvme *n;
	struct fe_cqe *ring;
	uint64_t gpa;
	uint32_t entries;
	uint32_t head;
	uint16_t qid;
	uint16_t vector;
	uint16_t phase;
	/* Completions that fe_exec() met while it waited for its own. */
	struct fe_cqe stash[FE_CQ_STASH];
	size_t nstash;
};

struct fe_sq {
	struct fe_nvme *n;
	struct fe_cq *cq;
	struct fe_sqe *ring;
	uint64_t gpa;
	uint32_t entries;
	uint32_t tail;
	uint32_t head; /* as the last CQE said */
	uint16_t qid;
	uint16_t next_cid;
	uint64_t rings; /* doorbell updates */
	uint64_t kicks; /* of these, those that reached the real doorbell: each a VM exit */
};

struct fe_qpair {
	struct fe_sq sq;
	struct fe_cq cq;
};

/* Memory and indices, on our side only. */
void fe_cq_init(struct fe_nvme *n, struct fe_cq *cq, uint16_t qid, uint32_t entries,
		uint16_t vector);
void fe_sq_init(struct fe_nvme *n, struct fe_sq *sq, uint16_t qid, uint32_t entries,
		struct fe_cq *cq);
/* The indices as after creation, same memory. */
void fe_cq_reset(struct fe_cq *cq);
void fe_sq_reset(struct fe_sq *sq);

/* Writes a doorbell: index 2 * qid for a tail, 2 * qid + 1 for a head. True: it was a kick. */
bool fe_doorbell(struct fe_nvme *n, uint16_t qid, bool cq, uint32_t old, uint32_t value);

/* Places an entry as it is, without telling the controller. */
void fe_sq_push(struct fe_sq *sq, const struct fe_sqe *sqe);
void fe_sq_ring(struct fe_sq *sq);
bool fe_sq_full(const struct fe_sq *sq);
/* Sets a command identifier, pushes, rings; returns the identifier. */
uint16_t fe_submit(struct fe_sq *sq, struct fe_sqe *sqe);

/* The next completion if there is one; the head doorbell is not written. */
bool fe_cq_poll(struct fe_cq *cq, struct fe_cqe *cqe);
void fe_cq_ring(struct fe_cq *cq);
/* Waits for the next completion, and writes the head doorbell. 0 or -ETIMEDOUT. */
int fe_cq_wait(struct fe_cq *cq, struct fe_cqe *cqe, int timeout_ms);
/* Waits for that command's completion and keeps others for later. 0 or -ETIMEDOUT. */
int fe_cq_wait_cid(struct fe_sq *sq, uint16_t cid, struct fe_cqe *cqe, int timeout_ms);

/* The status field without the phase and MORE: as FE_SC() and FE_DNR take it. */
static inline int fe_status(const struct fe_cqe *cqe)
{
	return cqe->status >> 1 & ~FE_MORE;
}

/* Submits and waits. fe_status(), or -errno; cqe may be NULL. */
int fe_exec(struct fe_sq *sq, struct fe_sqe *sqe, struct fe_cqe *cqe);

#endif
