/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_VNVME_INTERNAL_H
#define NVME_VNVME_INTERNAL_H

/*
 * Who owns what. The *home* reactor, the first of the controller, owns the registers, the admin
 * queue and everything that admin commands change. Each reactor has a *group*: the queues that it
 * polls; the home group has the admin queue as well. A completion queue and the submission queues
 * that feed it are always in one group, so that the I/O path has no lock. Home reaches into groups
 * by *operations* (op.c), one at a time.
 */

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "bdev/drain.h"
#include "bdev/iov_pool.h"
#include "bdev/queue_stats.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "reactor/pace.h"
#include "reactor/reactor.h"
#include "reactor/reactor_op.h"
#include "util/log.h"
#include "util/steps.h"
#include "util/util.h"

#define VNVME_PAGE		 4096u /* CAP.MPSMIN = CAP.MPSMAX = 0 */
#define VNVME_MAX_ENTRIES	 1024u /* of a queue: CAP.MQES + 1 */
#define VNVME_MDTS		 8     /* 2^8 pages of 4 KiB: 1 MiB */
#define VNVME_MAX_TRANSFER	 (VNVME_PAGE << VNVME_MDTS)
#define VNVME_MAX_IOV		 ((1u << VNVME_MDTS) + 1) /* an offset adds a page */
#define VNVME_INLINE_IOV	 4
#define VNVME_MAX_QUEUES	 (VNVME_MAX_IO_QUEUES + 1)
#define VNVME_READY		 32 /* completions that are posted together */
#define VNVME_AERL		 8  /* outstanding Asynchronous Event Requests */
#define VNVME_ACL		 8  /* concurrent Aborts */
#define VNVME_ERROR_LOG		 64
#define VNVME_COALESCING_UNIT_NS 100000ull
#define VNVME_CAP_TO		 60 /* CSTS.RDY follows CC.EN within 30 s: in 500 ms units */

/* Returned by command handlers instead of a status: it completes later. */
#define VNVME_PENDING 0xffff
/* It must be fetched again, once others have given memory back; nothing has happened. */
#define VNVME_STARVED 0xfffe
/* UEFI's driver makes two I/O queue pairs, whatever Number of Queues says. */
#define VNVME_MIN_QUEUE_IDS 2u
/*
 * libnvme's status codes come without their type (NVMe 1.4, 4.6.1): generic ones stand for
 * themselves. With Do Not Retry; command specific ones, which never are worth a retry; media
 * errors.
 */
#define VNVME_DNR(sc)	((uint16_t)((sc) | NVME_SC_DNR))
#define VNVME_CMD(sc)	VNVME_DNR(NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT | (sc))
#define VNVME_MEDIA(sc) ((uint16_t)(NVME_SCT_MEDIA << NVME_SCT_SHIFT | (sc)))

struct vnvme_group;
struct vnvme_cq;
struct vnvme_sq;

/* --- doorbells --- */

/*
 * One doorbell. Its value comes from the doorbell page until the host first changes the shadow that
 * it gave (it may configure shadows for queues that exist, with values in the page), and from there
 * on out of the shadow. Only EventIdx is ever written (NVMe 1.4, 7.13).
 */
struct vnvme_db {
	const uint32_t *page;
	const uint32_t *shadow; /* NULL: none */
	uint32_t *eventidx;	/* with a shadow */
	uint32_t shadow_before; /* its value when it was configured */
	bool live;		/* the shadow counts */
};

static inline uint32_t vnvme_db_read(struct vnvme_db *db)
{
	uint32_t v;

	if (likely(db->live))
		return le32toh(__atomic_load_n(db->shadow, __ATOMIC_ACQUIRE));
	if (db->shadow) {
		v = le32toh(__atomic_load_n(db->shadow, __ATOMIC_ACQUIRE));
		if (v != db->shadow_before) {
			db->live = true;
			return v;
		}
	}
	return le32toh(__atomic_load_n(db->page, __ATOMIC_ACQUIRE));
}

static inline void vnvme_db_set_eventidx(struct vnvme_db *db, uint32_t value)
{
	if (db->eventidx)
		__atomic_store_n(db->eventidx, htole32(value), __ATOMIC_RELAXED);
}

/* --- requests --- */

/* An Abort command looks for its victim, on the victim's reactor. */
struct vnvme_abort {
	struct vnvme_req *req; /* the command */
	struct vnvme_sq *sq;   /* the victim's */
	uint16_t cid;
	bool aborted; /* the victim ended early */
	struct reactor_msg msg;
};

/* A command from fetch to completion. The pool of a submission queue holds them. */
struct vnvme_req {
	struct bdev_io io;
	struct nvme_sqe sqe; /* our copy: the host's may change */
	struct vnvme_sq *sq;
	struct vnvme_req *next; /* in the free list, or among those that wait for CQ room */
	uint32_t result;
	uint16_t status;
	bool io_running;	   /* between bdev_submit() and done() */
	struct vnvme_abort *abort; /* who waits for its early end, or NULL */

	/* Commands of several steps: io_multi.c. */
	uint16_t step, nsteps;
	struct steps steps;
	uint16_t step_status;

	struct iovec iov[VNVME_INLINE_IOV];
	void *big; /* more iovecs, or DSM ranges, in a list of the group's; NULL: none */
};

_Static_assert(sizeof(struct nvme_dsm_range) == sizeof(struct iovec), "a list has room for either");
_Static_assert(VNVME_MAX_IOV <= IOV_POOL_MEDIUM, "the lists' size");

/* --- queues: owned by their group's reactor --- */

/* An entry of a completion queue as two words, without its phase tag. */
struct vnvme_completion {
	uint64_t low, high;
};

struct vnvme_cq {
	struct nvme_cqe *ring;
	struct vnvme_group *group;
	struct vnvme_db db;
	uint16_t qid;
	uint16_t size;
	uint16_t tail, head;
	uint16_t phase;
	uint16_t vector;
	bool irq_enabled;
	bool irq_due;	       /* entries were posted that no interrupt has told of */
	uint32_t posted;       /* free-running: entries posted, ... */
	uint32_t consumed;     /* ... taken by the host as far as we know, ... */
	uint32_t held_rounds;  /* for which an interrupt was held back */
	uint32_t announced;    /* ... and `posted` at the last interrupt */
	uint32_t eventidx_at;  /* `consumed` when EventIdx was last moved */
	uint32_t bad_doorbell; /* the last one reported */
	uint64_t due_since_ns; /* with coalescing; 0: not due, or not looked at yet */
	struct queue_stats *stats;
	struct vnvme_req *waiting, **waiting_tail; /* completed, no room; nwaiting of them */
	uint32_t nwaiting;
	/* Within a batch: what will be posted at its end, and how much of that there may be. */
	uint32_t nready, ready_max;
	struct vnvme_completion ready[VNVME_READY];
	uint32_t nsqs; /* home's: those that feed it */
	uint64_t gpa;
};

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

/* Written by the group's reactor only, read by home. */
struct vnvme_counters {
	uint64_t media_errors;
	uint64_t busy_ns; /* with a command in an I/O queue; kept when it was noticed */
};

enum vnvme_pause {
	VNVME_PAUSE_MEMORY = 1,	   /* no memory table */
	VNVME_PAUSE_VM = 2,	   /* the VM is stopped */
	VNVME_PAUSE_FATAL = 4,	   /* CSTS.CFS */
	VNVME_PAUSE_SHUTDOWN = 8,  /* CSTS.SHST is complete, and the host has not reset yet */
	VNVME_PAUSE_UNMAPPED = 16, /* a queue is in memory that the transport is yet to give */
};

struct vnvme_op;

/* A doorbell of a submission queue, and its value at the last full look. */
struct vnvme_watch {
	const uint32_t *at;
	uint32_t value;
};

struct vnvme_group {
	/*
	 * Quiet: nothing is under way or owed, so that nothing but a doorbell, or what ends this
	 * state by vnvme_group_end_quiet(), can make work. A look at a quiet group touches these
	 * lines and the doorbells, and nothing else.
	 */
	bool quiet;
	uint32_t nwatches;
	uint32_t quiet_looks; /* since it became quiet; not in the queues' counters yet */
	struct vnvme_watch watches[2 * VNVME_MAX_QUEUES];

	struct vnvme_ctrl *ctrl;
	struct reactor *reactor;
	struct reactor_poller poller;
	bool polling;	     /* the poller is registered */
	bool failed;	     /* told home that the controller can't go on */
	unsigned int paused; /* enum vnvme_pause: not 0: the rings are left alone */
	uint32_t nsqs, ncqs;
	struct vnvme_sq *sqs[VNVME_MAX_QUEUES];
	struct vnvme_cq *cqs[VNVME_MAX_QUEUES];
	uint32_t outstanding; /* sum over the sqs */
	uint32_t completed;   /* since the last poll: keeps the reactor awake */
	/* The first queue that had to wait as the round's share was used up, or NULL. */
	struct vnvme_sq *held;
	uint32_t next_sq; /* round robin */
	const struct guest_mem *mem;
	struct iov_pool lists; /* of segments or ranges, of commands that have many */
	uint16_t last_region;  /* of `mem`, where data was found */
	int kick_fd;	       /* watched; -1: none */
	struct vnvme_counters counters;
	struct log_limit limit;

	struct reactor_part part; /* in operations of ctrl->ops */
	struct drain drain;	  /* what one waits for, if it `drains` */
	bool cancelling;	  /* its grace is over: no command goes on by another step */

	const char *fatal_reason;
	struct reactor_msg fatal_msg;
	atomic_uint events; /* of type error: bits of information values */
	atomic_bool events_sent;
	struct reactor_msg event_msg;

	uint64_t busy_since_ns; /* 0: idle */
	uint32_t idle_rounds, busy_rounds;

	/* A channel for each namespace, in the order of ctrl->ns. */
	struct bdev_channel **channels;
	/* By nsid: those of bdevs in memory, for io_now.h. */
	struct bdev_channel *now[VNVME_MAX_NAMESPACES + 1];
};

/* --- operations (op.c) --- */

/*
 * What home wants done in one group or in all: a reactor_op of the set ctrl->ops, with the group's
 * drain. The group's poller asks ready(). Home owns the object.
 */
struct vnvme_op {
	/*
	 * At home, just before the groups are asked: no other operation is under way, and none of
	 * them looks at what home shares with them.
	 */
	void (*prepare)(struct vnvme_op *op);
	void (*start)(struct vnvme_group *g, struct vnvme_op *op);
	bool (*ready)(struct vnvme_group *g, struct vnvme_op *op);
	void (*done)(struct vnvme_op *op);
	struct vnvme_group *only; /* NULL: all groups */
	/* Set by start() or ready() of an operation with `only`: whose turn is before done(). */
	struct vnvme_group *then;
	/* It waits for I/O, which is ended early after the grace: of one queue, or (NULL) of all.
	 */
	bool drains;
	uint64_t grace_ns;
	struct vnvme_sq *drain_sq;
	bool awake;		 /* ready() shall be called again and again: no sleep meanwhile */
	struct vnvme_ctrl *ctrl; /* set by vnvme_op_run() */
	struct reactor_op base;	 /* private */
};

/* Home. In the order of the calls, one at a time. */
void vnvme_op_run(struct vnvme_ctrl *ctrl, struct vnvme_op *op);
/* The one that has started in the group, where g->part.op is not NULL. */
struct vnvme_op *vnvme_group_op(const struct vnvme_group *g);
/*
 * What the transport's thread wants: runs fn at home, which ends at once, or by a later step, with
 * vnvme_sync_end(). Any thread but a reactor.
 */
struct vnvme_sync {
	struct vnvme_op op; /* for those that run one, with vnvme_sync_op_done() at its end */
	struct vnvme_ctrl *ctrl;
	void (*fn)(struct vnvme_sync *sync);
	void *arg;
	void (*then)(struct vnvme_sync *sync); /* its next part; NULL: this is the last */
	enum vnvme_pause why;		       /* of those that pause or resume */
	void (*ended)(void *arg);	       /* at home */
	void *ended_arg;
	struct reactor_msg msg;
};
/* Waits for the end. */
void vnvme_sync_run(struct vnvme_ctrl *ctrl, void (*fn)(struct vnvme_sync *sync), void *arg);
/*
 * Does not: ended(ended_arg) is called then. One at a time for each controller. `arg` may be in
 * ctrl->begun_args.
 */
void vnvme_sync_begin(struct vnvme_ctrl *ctrl, void (*fn)(struct vnvme_sync *sync), void *arg,
		      void (*ended)(void *arg), void *ended_arg);
void vnvme_sync_end(struct vnvme_sync *sync);
/* An op's done() that ends the sync it is embedded in. */
void vnvme_sync_op_done(struct vnvme_op *op);

/* What some of them are about. */
struct vnvme_reg_access {
	uint32_t offset, size;
	uint64_t value;
	uint64_t *out; /* of a read */
};

struct vnvme_memory_call {
	const struct guest_mem *mem;
	void *doorbells;
};

struct vnvme_irq_call {
	uint32_t vector;
	int fd, old;
	size_t seen; /* groups that have come by since */
};

union vnvme_args {
	struct vnvme_reg_access access;
	struct vnvme_memory_call memory;
	struct vnvme_irq_call irq;
	int kick_fd;
};

/* --- the controller --- */

struct vnvme_ns {
	uint32_t nsid;
	bool read_only; /* by configuration, or because the bdev is */
	uint8_t uuid[16];
	struct bdev *bdev;
	struct bdev_desc *desc;
	unsigned int index; /* in the groups' channels */
};

struct vnvme_features {
	uint32_t arbitration, power, write_cache, irq_coalescing;
	uint32_t write_atomicity, async_config;
	uint16_t error_recovery[VNVME_MAX_NAMESPACES + 1]; /* by nsid */
	uint32_t num_queues;		/* result of Number of Queues, 0's based halves */
	uint16_t temp_over, temp_under; /* K */
	bool irq_coalescing_off[VNVME_MAX_QUEUES];
};

struct vnvme_event {
	bool pending, masked;
	uint8_t info, log_page;
};

struct vnvme_ctrl {
	char name[64];
	char serial[VNVME_SERIAL_LEN + 1], model[VNVME_MODEL_LEN + 1];
	uint16_t cntlid;
	uint32_t io_queues;
	uint64_t idle_ns;
	unsigned int weight;
	struct vnvme_ns *ns; /* sorted by nsid */
	size_t nns;
	uint32_t max_nsid;
	struct vnvme_ns *by_nsid[VNVME_MAX_NAMESPACES + 1];
	struct vnvme_group **groups;
	size_t ngroups;
	struct reactor *home;
	struct vnvme_group *home_group;

	/* Read by all groups: relaxed atomics, or changed while they are paused. */
	atomic_bool write_through; /* Volatile Write Cache is switched off */
	atomic_uint burst;	   /* commands of one queue before the next one's turn */
	atomic_bool wary;	   /* an eventfd of the VMM's has blocked: see reactor_signal() */
	atomic_int irq_fds[VNVME_MAX_QUEUES];
	/* By vector: features 08h and 09h together: TIME << 8 | THR; 0: off. */
	atomic_uint irq_coalescing[VNVME_MAX_QUEUES];
	/* By queue id, kept over resets; of a CQ and the SQ with the same id. Their reactor's. */
	struct queue_stats *stats;
	struct iov_budget *lists; /* what the groups' lists may use */
	uint8_t *doorbells;
	const struct guest_mem *mem; /* NULL: none at present */

	bool memory_in_pieces;	 /* struct vnvme_params */
	struct vnvme_sync begun; /* the call that the transport's thread does not wait for */
	union vnvme_args begun_args;

	/* Home's own from here on. */
	bool irq_replaced[VNVME_MAX_QUEUES]; /* the vector had an eventfd that was taken away */
	int kick_fd;			     /* -1: none */
	uint32_t cc, csts, aqa, intms;
	uint64_t asq, acq;
	bool enabled; /* from CC.EN = 1 until all queues are gone again */
	bool disabling;
	bool enable_again;	      /* CC.EN was set again before the controller was disabled */
	struct vnvme_sync *resetting; /* who waits for the end of disabling */
	struct vnvme_op disable_op, fatal_op;
	struct reactor_op_set ops;  /* on the groups */
	struct bdev_io shutdown_io; /* the flushes of a shutdown, one namespace after the other */
	size_t shutdown_ns;
	struct steps shutdown_steps;
	bool shutdown_enabled; /* there were queues to leave alone when it began */
	struct vnvme_op shutdown_op;
	bool shutting_down;
	struct vnvme_sq *sqs[VNVME_MAX_QUEUES]; /* by id; the objects are the groups' */
	struct vnvme_cq *cqs[VNVME_MAX_QUEUES];
	bool sq_busy[VNVME_MAX_QUEUES]; /* an operation makes or deletes it */
	bool cq_busy[VNVME_MAX_QUEUES];
	struct vnvme_cq *moving; /* where it and its submission queues are is not known now */
	uint32_t next_group;	 /* for the next completion queue */
	uint64_t shadow_gpa, eventidx_gpa; /* 0: no shadow doorbells */
	bool shadow;
	uint32_t *shadow_page, *eventidx_page;

	struct vnvme_features features;
	struct vnvme_req *aers[VNVME_AERL];
	uint32_t naers;
	struct vnvme_event events[8]; /* by type */
	uint32_t aborts;
	uint64_t power_on_ns;
	uint64_t power_cycles, unsafe_shutdowns;
	struct log_limit limit;

	/* The error log is written by all groups, on errors only. */
	pthread_mutex_t error_lock;
	struct nvme_error_log_page errors[VNVME_ERROR_LOG];
	uint64_t nerrors;
};

/* From its share of the round. */
static inline void vnvme_group_pay(struct vnvme_group *g, uint64_t units)
{
	reactor_share_pay(&g->poller.share, units);
}

static inline uint32_t vnvme_max_qid(const struct vnvme_ctrl *ctrl)
{
	return ctrl->io_queues < VNVME_MIN_QUEUE_IDS ? VNVME_MIN_QUEUE_IDS : ctrl->io_queues;
}

/* --- between the files --- */

/* group.c */
int vnvme_groups_create(struct vnvme_ctrl *ctrl, const struct vnvme_params *p);
void vnvme_groups_destroy(struct vnvme_ctrl *ctrl);
void vnvme_group_start_polling(struct vnvme_group *g, struct vnvme_op *op);
void vnvme_group_stop_polling(struct vnvme_group *g, struct vnvme_op *op);
void vnvme_group_update_idle(struct vnvme_group *g);
/* The controller can't go on: CSTS.CFS, and why. From the group's reactor. */
void vnvme_group_fatal(struct vnvme_group *g, const char *reason);
/* Before anything changes in the group's queues, or is posted. From the group's reactor. */
void vnvme_group_leave_quiet(struct vnvme_group *g);
static inline void vnvme_group_end_quiet(struct vnvme_group *g)
{
	if (unlikely(g->quiet))
		vnvme_group_leave_quiet(g);
}
/* An Error event (NVMe 1.4, 5.2): `info` is its information value. From the group's reactor. */
void vnvme_group_error_event(struct vnvme_group *g, unsigned int info);

/* queue.c. On the queue's reactor, as are sq.c and cq.c. */
struct vnvme_cq *vnvme_cq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_group *g);
struct vnvme_sq *vnvme_sq_create(struct vnvme_ctrl *ctrl, uint16_t qid, uint16_t size, uint64_t gpa,
				 struct vnvme_cq *cq);
void vnvme_cq_free(struct vnvme_cq *cq);
void vnvme_sq_free(struct vnvme_sq *sq);
void vnvme_sq_make_reqs(struct vnvme_sq *sq);
/* The queue is polled by this group from now on; or by no group, until it is added to one. */
void vnvme_group_add_cq(struct vnvme_group *g, struct vnvme_cq *cq);
void vnvme_group_add_sq(struct vnvme_group *g, struct vnvme_sq *sq);
void vnvme_group_remove_cq(struct vnvme_group *g, struct vnvme_cq *cq);
void vnvme_group_remove_sq(struct vnvme_group *g, struct vnvme_sq *sq);
bool vnvme_queues_map(struct vnvme_group *g);
void vnvme_queues_unmap(struct vnvme_group *g);
void vnvme_queue_set_shadow(struct vnvme_ctrl *ctrl, struct vnvme_db *db, uint16_t qid, bool cq,
			    bool fresh);
/* A doorbell value that can't be: an error event, once, and an entry of the error log. */
void vnvme_bad_doorbell(struct vnvme_group *g, const char *kind, uint16_t qid, uint16_t size,
			uint32_t value, uint32_t *reported);

static inline uint32_t vnvme_before(uint32_t index, uint32_t size)
{
	return index ? index - 1 : size - 1;
}

/* sq.c */
unsigned int vnvme_sq_run(struct vnvme_sq *sq, uint32_t tail, unsigned int burst);
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

/* cq.c */
void vnvme_cq_post(struct vnvme_cq *cq, struct vnvme_req *req);
void vnvme_cq_begin_batch(struct vnvme_cq *cq);
void vnvme_cq_end_batch(struct vnvme_cq *cq);
void vnvme_cq_flush(struct vnvme_cq *cq);
void vnvme_cq_interrupt(struct vnvme_cq *cq, bool now);
bool vnvme_cq_arm(struct vnvme_cq *cq);
void vnvme_cq_disarm(struct vnvme_cq *cq);
/* The phase tag of the entry that is posted, or waits to be, next. */
unsigned int vnvme_cq_next_phase(const struct vnvme_cq *cq);
/* Looks at the host's head though there is no need of it. */
void vnvme_cq_look(struct vnvme_cq *cq);

/* Within a batch: whether one more can be kept for its end; and that one, without error. */
static inline bool vnvme_cq_has_ready(const struct vnvme_cq *cq)
{
	return cq->nready < cq->ready_max;
}

static inline struct vnvme_completion vnvme_completion_of(const struct vnvme_sq *sq, uint16_t cid)
{
	return (struct vnvme_completion){
		.high = sq->head | (uint64_t)sq->qid << 16 | (uint64_t)cid << 32,
	};
}

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

/* drain.c */
/* The group's operation waits; again is harmless. */
void vnvme_drain_start(struct vnvme_group *g);
void vnvme_drain_end(struct vnvme_group *g);

/* Between the steps of a command: somebody waits for its end. */
static inline bool vnvme_req_must_end(const struct vnvme_req *req)
{
	return req->abort || req->sq->deleting || req->sq->group->cancelling;
}

/* abort.c: the victim has completed, on its reactor; the abort is home's again. */
void vnvme_abort_finish(struct vnvme_abort *abort, bool aborted);

/* complete.c */
void vnvme_req_complete(struct vnvme_req *req, uint16_t status);

static inline void vnvme_req_free(struct vnvme_req *req)
{
	req->next = req->sq->free;
	req->sq->free = req;
}

/* The request's channel of a namespace, on its reactor. */
static inline struct bdev_channel *vnvme_req_channel(const struct vnvme_req *req,
						     const struct vnvme_ns *ns)
{
	return req->sq->group->channels[ns->index];
}

/* Bytes from there to the end of the page. */
static inline uint32_t vnvme_page_left(uint64_t gpa)
{
	return VNVME_PAGE - ((uint32_t)gpa & (VNVME_PAGE - 1));
}

/* prp.c */
void *vnvme_prp_run(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		    uint16_t *last_region);
uint16_t vnvme_prp_map(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		       uint16_t *last_region, struct iovec *iov, unsigned int *niov);
/* sgl.c */
void *vnvme_sgl_run(const struct guest_mem *mem, uint64_t low, uint64_t high, uint32_t len,
		    uint16_t *last_region);
uint16_t vnvme_sgl_map(const struct guest_mem *mem, uint64_t low, uint64_t high, uint32_t len,
		       struct iovec *iov, unsigned int max, unsigned int *niov);
/* Either, as the command says: its data become req->io.iov. */
uint16_t vnvme_req_map(struct vnvme_req *req, uint32_t len);
uint16_t vnvme_req_to_guest(struct vnvme_req *req, const void *data, uint32_t len);
uint16_t vnvme_req_from_guest(struct vnvme_req *req, void *data, uint32_t len);
bool vnvme_req_need_big(struct vnvme_req *req, unsigned int n);

/* io.c, io_multi.c. False: it was not executed, but is to be fetched again. */
bool vnvme_io_execute(struct vnvme_req *req);
uint16_t vnvme_io_dsm(struct vnvme_req *req, const struct vnvme_ns *ns);
uint16_t vnvme_io_flush(struct vnvme_req *req);
uint32_t vnvme_io_effects(unsigned int opcode);
struct vnvme_ns *vnvme_ns_of(const struct vnvme_ctrl *ctrl, uint32_t nsid, uint16_t *status);
uint16_t vnvme_status_of(enum bdev_status status, enum bdev_op op);

/* admin.c and its commands */
void vnvme_admin_execute(struct vnvme_req *req);
uint32_t vnvme_admin_effects(unsigned int opcode);
bool vnvme_has_write_cache(const struct vnvme_ctrl *ctrl);
uint16_t vnvme_admin_identify(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_create_cq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_create_sq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_delete_cq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_delete_sq(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_get_features(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_set_features(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_get_log(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_async_event(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_abort(struct vnvme_ctrl *ctrl, struct vnvme_req *req);
uint16_t vnvme_admin_dbbuf(struct vnvme_ctrl *ctrl, struct vnvme_req *req);

/* eventfds.c; home */
void vnvme_close_eventfds(struct vnvme_ctrl *ctrl);

/* dbbuf.c */
bool vnvme_dbbuf_map(struct vnvme_ctrl *ctrl);

/* features.c */
void vnvme_features_reset(struct vnvme_ctrl *ctrl);
/* What the log page of features says of each. */
uint32_t vnvme_feature_effects(const struct vnvme_ctrl *ctrl, unsigned int fid);

/* event.c */
enum { VNVME_EVENT_ERROR = 0, VNVME_EVENT_SMART = 1, VNVME_EVENT_NOTICE = 2 };
void vnvme_event_raise(struct vnvme_ctrl *ctrl, unsigned int type, uint8_t info, uint8_t log_page);
void vnvme_event_log_read(struct vnvme_ctrl *ctrl, uint8_t log_page);
void vnvme_event_reset(struct vnvme_ctrl *ctrl);
/* What waited while the rings were to be left alone. */
void vnvme_event_deliver(struct vnvme_ctrl *ctrl);

/* log_page.c */
uint8_t vnvme_critical_warning(const struct vnvme_ctrl *ctrl);
void vnvme_smart_check(struct vnvme_ctrl *ctrl);
void vnvme_error_log_add(struct vnvme_ctrl *ctrl, const struct nvme_error_log_page *entry);
#define VNVME_TEMPERATURE_K 298 /* no sensor: 25 degrees Celsius, always */

/* regs.c, enable.c */
void vnvme_regs_reset(struct vnvme_ctrl *ctrl);
void vnvme_ctrl_enable(struct vnvme_ctrl *ctrl);
void vnvme_ctrl_disable(struct vnvme_ctrl *ctrl);
void vnvme_ctrl_shutdown(struct vnvme_ctrl *ctrl);
bool vnvme_was_shut_down(const struct vnvme_ctrl *ctrl);
void vnvme_ctrl_fatal(struct vnvme_ctrl *ctrl, const char *reason);
/* Ops that home runs on all groups. */
void vnvme_op_drop_queues(struct vnvme_group *g, struct vnvme_op *op);
bool vnvme_op_queues_drained(struct vnvme_group *g, struct vnvme_op *op);
bool vnvme_op_idle(struct vnvme_group *g, struct vnvme_op *op);

#endif
