/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_SQ_H
#define NVME_SQ_H

/* Submission queues: looking at the doorbell, fetching a batch, executing it. On their group's
 * reactor. */

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "nvme/cq.h"
#include "nvme/db.h"
#include "nvme/group.h"
#include "nvme/req.h"
#include "reactor/pace.h"
#include "stats/queue_stats.h"
#include "util/counter.h"

struct vnvme_sq {
	const struct nvme_sqe *ring;
	struct vnvme_cq *cq;
	struct vnvme_group *group;
	struct vnvme_db db;
	uint16_t qid;
	uint16_t size;
	uint16_t head;		 /* next to fetch */
	uint16_t since_eventidx; /* fetched since EventIdx was last moved */
	union {
		struct {
			bool deleting; /* by command: what is left completes or is aborted */
			bool held;     /* about to go to another group: nothing is fetched */
			bool starved;  /* a command waits for a list of the group's */
		};
		uint32_t closed; /* any of these: for one look */
	};
	bool dropped;	      /* by reset: nothing is posted any more */
	uint32_t outstanding; /* active requests, without Asynchronous Event Requests */
	/* An admin or I/O command. False: it was not executed, but is to be fetched again. */
	bool (*execute)(struct vnvme_req *req);
	struct vnvme_req *free;
	struct vnvme_req *reqs;
	uint32_t made_reqs; /* of these: the others are memory that was never touched */
	uint32_t nreqs;	    /* `size`; the admin queue has more, for those that wait for events */
	struct queue_stats *stats;
	const struct vnvme_req *timed; /* whose latency is being taken, or NULL */
	bool time_next;		       /* the first of the batch is still to be found */
	uint64_t timed_since_ns;
	struct pace pace;   /* of looks at the doorbell */
	uint32_t seen_tail; /* the doorbell at the last look that found commands */
	uint32_t bad_doorbell;
	uint64_t gpa;
};

/* No doorbell has this value: nothing was reported yet. */
#define VNVME_NO_DOORBELL UINT32_MAX

unsigned int vnvme_sq_run(struct vnvme_sq *sq, uint32_t tail, unsigned int burst);
/* Requests for the free list, some at a time. */
void vnvme_sq_make_reqs(struct vnvme_sq *sq);
void vnvme_sq_fetch_all(struct vnvme_sq *sq);
bool vnvme_sq_arm(struct vnvme_sq *sq);
void vnvme_sq_woken(struct vnvme_sq *sq);
void vnvme_sq_disarm(struct vnvme_sq *sq);
void vnvme_sq_end_timing(struct vnvme_sq *sq);

/* Entries from the head up to a tail, which may be none of this queue's. */
static inline uint32_t vnvme_sq_pending(const struct vnvme_sq *sq, uint32_t tail)
{
	return tail >= sq->head ? tail - sq->head : tail + sq->size - sq->head;
}

/* Fetches and executes up to `burst` commands; returns how many. */
static inline unsigned int vnvme_sq_poll(struct vnvme_sq *sq, unsigned int burst)
{
	uint32_t tail = sq->seen_tail;

	if (likely(tail == sq->head)) {
		if (pace_early(&sq->pace)) {
			sq->group->poller.waits = true;
			return 0;
		}
		tail = vnvme_db_read(&sq->db);
	}
	COUNTER_ADD(sq->stats->polls, 1);
	if (tail != sq->head)
		return tail == sq->seen_tail || pace_take(&sq->pace, vnvme_sq_pending(sq, tail))
			       ? vnvme_sq_run(sq, tail, burst)
			       : 0;
	/* Then its cache line comes together with that of the doorbell. */
	__builtin_prefetch(&sq->ring[sq->head]);
	return 0;
}

static inline struct vnvme_completion vnvme_completion_of(const struct vnvme_sq *sq, uint16_t cid)
{
	return (struct vnvme_completion){
		.high = sq->head | (uint64_t)sq->qid << 16 | (uint64_t)cid << 32,
	};
}

/* Within a batch, if vnvme_cq_has_ready(): one without error. */
static inline void vnvme_cq_add_ready(const struct vnvme_sq *sq, uint16_t cid)
{
	struct vnvme_cq *cq = sq->cq;

	cq->ready[cq->nready++] = vnvme_completion_of(sq, cid);
}

/* An I/O command of this kind has moved its data. */
static inline void vnvme_count_io(const struct vnvme_sq *sq, unsigned int op, uint64_t bytes)
{
	COUNTER_ADD(sq->stats->ios[op], 1);
	COUNTER_ADD(sq->stats->bytes[op], bytes);
}

static inline void vnvme_req_free(struct vnvme_req *req)
{
	req->next = req->sq->free;
	req->sq->free = req;
}

/* Between the steps of a command: somebody waits for its end. */
static inline bool vnvme_req_must_end(const struct vnvme_req *req)
{
	return req->abort || req->sq->deleting || req->sq->group->cancelling;
}

/*
 * The namespace of an I/O command that has I/O in flight, or had: a Flush of all goes from one to
 * the next, a step each.
 */
static inline uint32_t vnvme_req_nsid(const struct vnvme_req *req)
{
	uint32_t nsid = le32toh(req->sqe.nsid);

	return nsid == NVME_NSID_ALL ? req->step + 1u : nsid;
}

#endif
