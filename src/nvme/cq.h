/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_CQ_H
#define NVME_CQ_H

/* Completion queues: posting, the host's head, interrupts. On their group's reactor. */

#include <stdbool.h>
#include <stdint.h>

#include "nvme/db.h"
#include "nvme/defs.h"
#include "stats/queue_stats.h"

struct vnvme_group;
struct vnvme_req;

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

#endif
