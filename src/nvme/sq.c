/* SPDX-License-Identifier: BSD-3-Clause */
/* Submission queues: looking at the doorbell, fetching a batch, executing it. */
#include <string.h>

#include "nvme/cq.h"
#include "nvme/db.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/io_now.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "reactor/reactor.h"
#include "stats/queue_stats.h"
#include "util/counter.h"
#include "util/time.h"
#include "util/util.h"

/* Entries of a batch that are asked for at once: they lie in the cache of the host's CPU. */
#define PREFETCHED 32

/* One batch in so many has its first command timed, one command at a time. */
#define TIMED_BATCHES 8

#define REQS_AT_ONCE 16

/*
 * Some more requests for the free list: a queue of which few commands are in flight has few, as
 * each takes up memory once it was touched.
 */
slow_path void vnvme_sq_make_reqs(struct vnvme_sq *sq)
{
	unsigned int n;

	for (n = 0; n < REQS_AT_ONCE && sq->made_reqs < sq->nreqs; n++) {
		struct vnvme_req *req = &sq->reqs[sq->made_reqs++];

		req->sq = sq;
		vnvme_req_free(req);
	}
}

static void refresh_eventidx(struct vnvme_sq *sq, unsigned int fetched)
{
	sq->since_eventidx = (uint16_t)(sq->since_eventidx + fetched);
	if (sq->since_eventidx >= sq->size / 4)
		vnvme_sq_disarm(sq);
}

static slow_path void start_timing(struct vnvme_sq *sq)
{
	if (sq->timed)
		return;
	sq->time_next = true;
	sq->timed_since_ns = time_now_ns();
}

slow_path void vnvme_sq_end_timing(struct vnvme_sq *sq)
{
	latency_add(sq->stats->latency_ns, &sq->stats->latency_sum_ns,
		    time_now_ns() - sq->timed_since_ns);
	sq->timed = NULL;
	sq->time_next = false;
}

static inline bool can_fetch(const struct vnvme_sq *sq)
{
	return sq->free && !sq->cq->waiting && !sq->closed;
}

/* There is no memory for it now: it is the next one to be fetched, and nothing has happened. */
static slow_path void unfetch(struct vnvme_sq *sq, struct vnvme_req *req)
{
	sq->head = vnvme_before(sq->head, sq->size);
	sq->starved = true;
	sq->outstanding--;
	sq->group->outstanding--;
	if (sq->timed == req)
		sq->timed = NULL;
	vnvme_req_free(req);
}

/* The long way, by a request. */
static void execute(struct vnvme_sq *sq, struct vnvme_req *req)
{
	sq->free = req->next;
	if (unlikely(!sq->free))
		vnvme_sq_make_reqs(sq);
	if (unlikely(sq->time_next)) {
		sq->time_next = false;
		sq->timed = req;
	}
	req->begun = 0;
	sq->outstanding++;
	sq->group->outstanding++;
	if (unlikely(!sq->execute(req)))
		unfetch(sq, req);
}

/* True: by the short way, which changes nothing that can_fetch() looks at, at a small price. */
static inline bool fetch(struct vnvme_sq *sq)
{
	struct vnvme_req *req = sq->free;
	uint16_t next = (uint16_t)(sq->head + 1);

	/* Once: the host may change its entry while we look at it. */
	memcpy(&req->sqe, &sq->ring[sq->head], sizeof(req->sqe));
	sq->head = next == sq->size ? 0 : next;
	if (likely(sq->qid && vnvme_io_now(sq, &req->sqe)))
		return true;
	if (!sq->qid || !vnvme_io_now_piece(sq, &req->sqe))
		execute(sq, req);
	return false;
}

static inline void prefetch(const struct vnvme_sq *sq, unsigned int n)
{
	unsigned int i, at = sq->head;

	for (i = 0; i < n && i < PREFETCHED; i++) {
		__builtin_prefetch(&sq->ring[at]);
		at = at + 1 == sq->size ? 0 : at + 1;
	}
}

/* The command that waited for a list is tried again, once in each batch. */
static slow_path bool try_again(struct vnvme_sq *sq, unsigned int fetched)
{
	if (fetched || !sq->starved)
		return false;
	sq->starved = false;
	return can_fetch(sq);
}

/* Up to n commands; returns how many. Entries beyond these are still the host's to write. */
static unsigned int __attribute__((noinline)) fetch_batch(struct vnvme_sq *sq, unsigned int n)
{
	bool check = true;
	unsigned int i;

	prefetch(sq, n);
	for (i = 0; i < n;) {
		if (unlikely(check) && unlikely(!can_fetch(sq)) && !try_again(sq, i))
			break;
		i++;
		check = !fetch(sq);
		if (unlikely(check) && sq->group->poller.share.credit <= 0)
			break;
	}
	return unlikely(check) ? i - sq->starved : i; /* it was left where it is */
}

/* The doorbell has moved, or commands are left from before. */
unsigned int vnvme_sq_run(struct vnvme_sq *sq, uint32_t tail, unsigned int burst)
{
	uint32_t n = vnvme_sq_pending(sq, tail);

	if (unlikely(!reactor_share_any_left(&sq->group->poller.share))) {
		if (!sq->group->held)
			sq->group->held = sq;
		pace_not_taken(&sq->pace);
		return 0;
	}
	if (unlikely(tail >= sq->size)) {
		vnvme_bad_doorbell(sq->group, "submission queue", sq->qid, sq->size, tail,
				   &sq->bad_doorbell);
		return 0;
	}
	if (tail != sq->seen_tail) {
		sq->seen_tail = tail;
		COUNTER_ADD(sq->stats->doorbells, 1);
		if (unlikely(!sq->db.live))
			COUNTER_ADD(sq->stats->kicks, 1);
	}
	if (unlikely(sq->stats->batches % TIMED_BATCHES == 0))
		start_timing(sq);
	vnvme_cq_begin_batch(sq->cq);
	n = fetch_batch(sq, min_t(uint32_t, n, burst));
	vnvme_cq_end_batch(sq->cq);
	if (unlikely(sq->time_next) && n) /* all is done */
		vnvme_sq_end_timing(sq);
	if (n) {
		refresh_eventidx(sq, n);
		/* What is more was paid before. */
		vnvme_group_pay(sq->group, n * (uint64_t)(REACTOR_REQUEST_UNITS + VNVME_PAGE));
		COUNTER_ADD(sq->stats->batches, 1);
		COUNTER_ADD(sq->stats->commands, n);
	}
	return n;
}

/*
 * Whatever has been submitted until now, however short ago the last look was, as far as the share
 * goes. Outside of the poller's round nobody is held back: who is said to be may be deleted before
 * the next one.
 */
void vnvme_sq_fetch_all(struct vnvme_sq *sq)
{
	uint32_t tail = vnvme_db_read(&sq->db);

	if (tail != sq->head && reactor_share_any_left(&sq->group->poller.share))
		vnvme_sq_run(sq, tail, sq->size);
}

/* --- sleeping and waking --- */

void vnvme_sq_disarm(struct vnvme_sq *sq)
{
	sq->since_eventidx = 0;
	vnvme_db_set_eventidx(&sq->db, vnvme_before(sq->head, sq->size));
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

/* After a sleep: what came meanwhile came with a doorbell that the host had to write. */
void vnvme_sq_woken(struct vnvme_sq *sq)
{
	if (sq->db.live && vnvme_db_read(&sq->db) != sq->head)
		COUNTER_ADD(sq->stats->kicks, 1);
	vnvme_sq_disarm(sq);
}
