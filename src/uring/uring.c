/* SPDX-License-Identifier: BSD-3-Clause */
#include "uring/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reactor/reactor.h"
#include "uring/uring_internal.h"
#include "uring/uring_pace.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

#define SQ_ENTRIES 512
/* More than are in flight, so that it can't overflow (see URING_INFLIGHT_MAX). */
#define CQ_ENTRIES  8192
#define BATCH	    64
#define MAX_REAP    1024 /* in one poll round: other pollers want a turn */
#define CANCEL_DATA 0	 /* user_data of cancel requests; no op is at this address */
/*
 * With nothing in flight, so many are submitted before the others of a poll round are prepared: an
 * idle disk begins sooner, and a burst that was submitted as one mostly comes back as one, again to
 * an idle disk.
 */
#define FIRST_PART 3

/* The calling reactor's. */
static __thread struct uring *local;

/* --- submission --- */

static void prepare(struct uring *u, struct uring_op *op, struct io_uring_sqe *sqe)
{
	op->type->prep(op, sqe);
	io_uring_sqe_set_data(sqe, op);
	op->state = OP_SUBMITTED;
	u->newest = op;
	u->inflight++;
	op->user->inflight++;
}

/* Before ops are submitted: the newest is timed, if it is its turn. */
static void begin_timing(struct uring *u)
{
	const struct uring_op *op = u->newest;

	u->newest = NULL; /* who knows what is at that address later */
	if (likely(!op || u->pace.timed || !uring_pace_turn(&u->pace)))
		return;
	u->pace.timed = op;
	u->pace.since_ns = time_now_ns();
}

/* Before the poll round does it, whose business an error is. */
static void submit_early(struct uring *u)
{
	begin_timing(u);
	uring_block_begin(&u->block);
	io_uring_submit(&u->ring);
	if (unlikely(uring_block_end(&u->block)))
		uring_block_watch(&u->block);
}

/* Others that are submitted with it were seen not to block, or are the same user's. */
static slow_path void submit_watched(struct uring *u, struct uring_user *user)
{
	uint64_t ns;

	u->newest = NULL; /* it is not timed */
	uring_block_watch_begin(&u->block);
	io_uring_submit(&u->ring);
	ns = uring_block_watch_end(&u->block);
	if (ns && user->blocked)
		user->blocked(user, ns);
}

/* Nothing to do if some of them are with the kernel already. */
static slow_path void submit_first_part(struct uring *u)
{
	if (io_uring_sq_ready(&u->ring) == FIRST_PART)
		submit_early(u);
}

/* Inlined, as uring_start() is on the way of every operation. */
static inline __attribute__((always_inline)) bool submit(struct uring_user *user,
							 struct uring_op *op)
{
	struct uring *u = user->ring;
	struct io_uring_sqe *sqe;

	if (unlikely(!uring_has_room(u, user)))
		return false;
	sqe = io_uring_get_sqe(&u->ring);
	if (unlikely(!sqe))
		return false;
	prepare(u, op, sqe);
	if (unlikely(u->block.watched))
		submit_watched(u, user);
	else if (unlikely(u->inflight == FIRST_PART))
		submit_first_part(u);
	return true;
}

bool uring_submit(struct uring_user *user, struct uring_op *op)
{
	return submit(user, op);
}

void uring_start(struct uring_user *user, struct uring_op *op)
{
	struct uring *u = user->ring;

	op->user = user;
	reactor_poller_poke(&u->poller);
	/* Now, as the poller that starts it may have its turn after the ring's. */
	if (uring_pace_slow(&u->pace))
		reactor_no_polling_on(u->reactor);
	if (unlikely(user->waiting.first || !submit(user, op)))
		uring_wait_for_sqe(user, op);
}

/* Completions are ready in the kernel that reach the ring only with a system call of ours. */
static bool kernel_wants_a_call(const struct uring *u)
{
	return __atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED) &
	       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void end_timing(struct uring *u)
{
	uint64_t patience = reactor_patience_ns(u->reactor);

	u->pace.timed = NULL;
	if (patience && patience != REACTOR_NEVER_SLEEP)
		uring_pace_sample(&u->pace, time_now_ns() - u->pace.since_ns, patience);
}

/* The one system call of a poll round, and only if there is a reason. */
static unsigned int enter(struct uring *u)
{
	unsigned int pending = io_uring_sq_ready(&u->ring);
	int rc;

	if (!pending && !kernel_wants_a_call(u))
		return 0;
	begin_timing(u);
	uring_block_begin(&u->block);
	rc = io_uring_submit_and_get_events(&u->ring);
	if (unlikely(uring_block_end(&u->block)))
		uring_block_watch(&u->block);
	if (unlikely(rc < 0 && rc != -EBUSY && rc != -EAGAIN && rc != -EINTR))
		log_limited(&u->limit, LOG_LEVEL_ERROR, "io_uring",
			    "io_uring of the reactor of CPU %d: %u operations can't be submitted "
			    "and are tried again: %s",
			    reactor_cpu(u->reactor), pending, strerror(-rc));
	return 1;
}

/* --- completion --- */

static void complete(struct uring *u, uint64_t user_data, int res)
{
	struct uring_op *op = (struct uring_op *)(uintptr_t)user_data;

	u->inflight--;
	if (user_data == CANCEL_DATA)
		return;
	op->user->inflight--;
	op->state = OP_IDLE;
	if (unlikely(op == u->pace.timed))
		end_timing(u);
	/* Not the one before's. */
	reactor_set_payer(&u->poller.share);
	op->type->done(op, res);
}

/* The CQEs are copied first: done() may start and even submit others. */
static unsigned int reap_batch(struct uring *u)
{
	struct io_uring_cqe *cqes[BATCH];
	struct {
		uint64_t user_data;
		int res;
	} ended[BATCH];
	unsigned int i, n = io_uring_peek_batch_cqe(&u->ring, cqes, BATCH);

	for (i = 0; i < n; i++) {
		ended[i].user_data = cqes[i]->user_data;
		ended[i].res = cqes[i]->res;
	}
	io_uring_cq_advance(&u->ring, n);
	for (i = 0; i < n; i++)
		complete(u, ended[i].user_data, ended[i].res);
	return n;
}

static unsigned int poll_ring(void *arg)
{
	struct uring *u = arg;
	unsigned int n, reaped = 0, work;

	if (likely(!u->inflight && !u->turns.first))
		return 0;
	/* A done() may put the last channel on this ring. */
	u->refs++;
	work = unlikely(u->turns.first) ? uring_feed(u) : 0;
	work += enter(u);
	do {
		n = reap_batch(u);
		reaped += n;
	} while (n == BATCH && reaped < MAX_REAP);
	if (work + reaped && uring_pace_slow(&u->pace))
		reactor_no_polling_on(u->reactor);
	uring_put(u);
	return work + reaped;
}

static bool arm(void *arg)
{
	struct uring *u = arg;

	if (u->deferred && u->inflight) {
		io_uring_cq_eventfd_toggle(&u->ring, true);
		/*
		 * Partner: the kernel queues a completion, then looks whether the eventfd is
		 * enabled. Without the barrier it could find it disabled while the call below finds
		 * nothing queued, and nobody would wake us.
		 */
		full_barrier();
		io_uring_get_events(&u->ring);
	}
	/* SQEs, and waiting ops that have room, are nobody's but ours to see. */
	return io_uring_sq_ready(&u->ring) || io_uring_cq_ready(&u->ring) ||
	       kernel_wants_a_call(u) || uring_is_hungry(u);
}

static void disarm(void *arg)
{
	struct uring *u = arg;

	if (u->deferred)
		io_uring_cq_eventfd_toggle(&u->ring, false);
}

/* --- cancelling --- */

static void cancel_submitted(struct uring *u, struct uring_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe) {
		submit_early(u);
		sqe = io_uring_get_sqe(&u->ring);
	}
	if (!sqe) /* Then it ends by itself. */
		return;
	/*
	 * By address. That can't hit a later op at the same address: its SQE would stand behind
	 * this one, which is executed when it is submitted.
	 */
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op, 0);
	sqe->user_data = CANCEL_DATA;
	u->inflight++;
}

bool uring_runs(const struct uring_op *op)
{
	return op->state == OP_SUBMITTED;
}

bool uring_forget(struct uring_op *op)
{
	switch ((enum op_state)op->state) {
	case OP_WAITS_FOR_SQE:
		op_list_remove(&op->user->waiting, op);
		break;
	case OP_WAITS_FOR_BUF:
		op_list_remove(&op->user->buf_waiting, op);
		break;
	case OP_SUBMITTED:
	case OP_IDLE:
		return false;
	}
	op->state = OP_IDLE;
	return true;
}

void uring_cancel(struct uring_op *op)
{
	if (op->state == OP_SUBMITTED)
		cancel_submitted(op->user->ring, op);
	else if (uring_forget(op))
		op->type->done(op, -ECANCELED);
}

/* --- the reactor's ring --- */

static int make(struct reactor *r, struct uring **out)
{
	struct uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	rc = uring_setup_ring(&u->ring, SQ_ENTRIES, CQ_ENTRIES);
	if (rc)
		goto free_uring;
	u->reactor = r;
	rc = uring_watch(u);
	if (rc)
		goto exit_ring;
	/* Both only save the kernel work, and it may refuse. */
	io_uring_register_ring_fd(&u->ring);
	uring_make_file_table(u);
	u->refs = 1;
	uring_block_init(&u->block);
	TURNS_INIT(&u->turns);
	TURNS_INIT(&u->buf_turns);
	u->poller = (struct reactor_poller){
		.name = "io_uring", .poll = poll_ring, .arm = arm, .disarm = disarm, .arg = u};
	reactor_poller_add(r, &u->poller);
	*out = u;
	return 0;

exit_ring:
	io_uring_queue_exit(&u->ring);
free_uring:
	free(u);
	return rc;
}

int uring_get(struct uring **out)
{
	struct reactor *r = reactor_self();
	int rc;

	if (!local) {
		rc = make(r, &local);
		if (rc)
			return rc;
	} else {
		local->refs++;
	}
	*out = local;
	return 0;
}

void uring_put(struct uring *u)
{
	if (--u->refs)
		return;
	local = NULL;
	reactor_poller_remove(u->reactor, &u->poller);
	uring_unwatch(u);
	io_uring_queue_exit(&u->ring);
	uring_free_bufs(u);
	free(u);
}
