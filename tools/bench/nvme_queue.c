/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_queue.h"

#include <endian.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "message.h"

#define PRPS_PER_PAGE (MEMORY_PAGE / 8)

static hot_inline struct nvme_queue *of(struct queue *q)
{
	return container_of(q, struct nvme_queue, q);
}

/* --- requests --- */

unsigned int nvme_prp_list_pages(uint64_t bytes)
{
	uint64_t pages = (bytes + MEMORY_PAGE - 1) / MEMORY_PAGE;

	/* PRP2 is the second page itself; each list but the last ends with a pointer to the next.
	 */
	return pages <= 2 ? 0 : (unsigned int)((pages - 2) / (PRPS_PER_PAGE - 1)) + 1;
}

/* The pages of a buffer but the first, in lists (NVMe 1.4, 4.3). */
static void fill_prp_lists(uint64_t *list, uint64_t list_gpa, uint64_t gpa, uint64_t pages)
{
	uint64_t i, at = 0;

	for (i = 1; i < pages; i++, at++) {
		if (at % PRPS_PER_PAGE == PRPS_PER_PAGE - 1 && i + 1 < pages) {
			list[at] = htole64(list_gpa + (at + 1) * 8);
			at++;
		}
		list[at] = htole64(gpa + i * MEMORY_PAGE);
	}
}

static hot_inline void format_data(struct nvme_queue *nq, unsigned int slot, struct nvme_sqe *sqe)
{
	uint64_t gpa = memory_gpa(nq->mem, queue_buffer(&nq->q, slot));
	uint64_t pages = nq->q.stride / MEMORY_PAGE;
	uint64_t *list = nq->prp_lists + (uint64_t)slot * nq->prp_list_pages * PRPS_PER_PAGE;

	sqe->prp1 = htole64(gpa);
	if (pages == 2) {
		sqe->prp2 = htole64(gpa + MEMORY_PAGE);
	} else if (pages > 2) {
		fill_prp_lists(list, memory_gpa(nq->mem, list), gpa, pages);
		sqe->prp2 = htole64(memory_gpa(nq->mem, list));
	}
	sqe->cdw12 = htole32(nq->nlb - 1);
}

/* Straight into the ring, unless it is to be used again. */
static hot_inline void nvme_format(struct queue *q, unsigned int slot, enum io_op op)
{
	struct nvme_queue *nq = of(q);
	struct nvme_sqe *sqe = q->preformat ? &nq->templates[slot] : &nq->sq[nq->tail];

	*sqe = (struct nvme_sqe){.cid = htole16((uint16_t)slot), .nsid = htole32(nq->nsid)};
	if (unlikely(op == OP_TRIM)) {
		sqe->opcode = nvme_cmd_dsm;
		sqe->cdw11 = htole32(NVME_DSMGMT_AD);
		sqe->prp1 = htole64(memory_gpa(nq->mem, &nq->ranges[slot]));
		nq->ranges[slot].nlb = htole32(nq->nlb);
		return;
	}
	sqe->opcode = op == OP_READ ? nvme_cmd_read : nvme_cmd_write;
	format_data(nq, slot, sqe);
}

/* --- the I/O path --- */

static hot_inline void nvme_put(struct queue *q, unsigned int slot, enum io_op op, uint64_t lba)
{
	struct nvme_queue *nq = of(q);
	struct nvme_sqe *sqe = &nq->sq[nq->tail];

	/* The LBA goes to the ring, not into the template: that would make each copy wait for it.
	 */
	if (q->preformat)
		*sqe = nq->templates[slot];
	lba = htole64(lba);
	if (unlikely(op == OP_TRIM))
		nq->ranges[slot].slba = lba;
	else
		memcpy(&sqe->cdw10, &lba, sizeof(lba));
	if (++nq->tail == nq->size)
		nq->tail = 0;
}

/* NVMe 1.4, B.5: whether a value that has passed from `old` to `new` has gone past `at`. */
static hot_inline bool passed(uint32_t at, uint32_t new, uint32_t old)
{
	return (uint16_t)(new - at - 1) < (uint16_t)(new - old);
}

static hot_inline void ring(struct nvme_queue *nq)
{
	uint32_t old_tail = nq->rung_tail, old_head = nq->rung_head;
	uint32_t *db = nq->shadow ? nq->shadow : nq->doorbells;
	bool tail = nq->tail != old_tail, head = nq->head != old_head;

	if (!tail && !head)
		return;
	nq->rung_tail = nq->tail;
	nq->rung_head = nq->head;
	/* The head first: once the tail is there the target is busy, and the line is gone. */
	if (head)
		__atomic_store_n(&db[nq->stride], htole32(nq->head), __ATOMIC_RELEASE);
	if (tail)
		__atomic_store_n(&db[0], htole32(nq->tail), __ATOMIC_RELEASE);
	if (likely(nq->shadow)) {
		/*
		 * Between storing a doorbell and reading EventIdx. Its partner is the controller's
		 * barrier between publishing EventIdx and looking at the doorbell again: without,
		 * the controller may sleep with commands in its queue.
		 */
		full_barrier();
		tail = tail && passed(le32toh(__atomic_load_n(&nq->eventidx[0], __ATOMIC_RELAXED)),
				      nq->tail, old_tail);
		head = head &&
		       passed(le32toh(__atomic_load_n(&nq->eventidx[nq->stride], __ATOMIC_RELAXED)),
			      nq->head, old_head);
		if (likely(!tail && !head))
			return;
		if (head)
			__atomic_store_n(&nq->doorbells[nq->stride], htole32(nq->head),
					 __ATOMIC_RELEASE);
		if (tail)
			__atomic_store_n(&nq->doorbells[0], htole32(nq->tail), __ATOMIC_RELEASE);
	}
	if (nq->t->ops->kick)
		nq->t->ops->kick(nq->t, tail ? &nq->doorbells[0] : NULL,
				 head ? &nq->doorbells[nq->stride] : NULL);
}

static hot_inline void nvme_ring(struct queue *q)
{
	ring(of(q));
}

void nvme_queue_ring(struct nvme_queue *nq)
{
	ring(nq);
}

/* The completion's command identifier and status at once, so that they belong together. */
static hot_inline uint32_t load_dw3(const struct nvme_queue *nq)
{
	const void *at = &nq->cq[nq->head].cid;

	return le32toh(__atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE));
}

static hot_inline void pop(struct nvme_queue *nq)
{
	if (++nq->head == nq->size) {
		nq->head = 0;
		nq->expect ^= 1;
	}
}

static __attribute__((noinline)) int bad_completion(struct nvme_queue *nq, uint32_t dw3)
{
	unsigned int cid = dw3 & 0xffff, status = dw3 >> 17;

	nq->q.bad_slot = -1;
	if (cid >= nq->q.depth) {
		snprintf(nq->q.error, sizeof(nq->q.error),
			 "the target completes a command that was never sent (identifier %u)", cid);
		return -1;
	}
	nq->q.bad_slot = (int)cid;
	snprintf(nq->q.error, sizeof(nq->q.error), "NVMe status: type %u, code %#x%s",
		 status >> 8 & 7, status & 0xff, status >> 14 & 1 ? ", do not retry" : "");
	return -1;
}

static hot_inline int nvme_reap(struct queue *q, uint16_t *done, unsigned int max)
{
	struct nvme_queue *nq = of(q);
	unsigned int n = 0;

	while (n < max) {
		uint32_t dw3 = load_dw3(nq);

		if (dw3 >> 16 != nq->expect) {
			if (likely((dw3 >> 16 ^ nq->expect) & 1))
				break;
			return bad_completion(nq, dw3);
		}
		if (unlikely((dw3 & 0xffff) >= q->depth))
			return bad_completion(nq, dw3);
		done[n++] = (uint16_t)dw3;
		pop(nq);
	}
	return (int)n;
}

/* Interrupts stay asked for; the eventfd remembers them. */
static bool nvme_arm(struct queue *q)
{
	const struct nvme_queue *nq = of(q);

	return !((load_dw3(nq) >> 16 ^ nq->expect) & 1);
}

static hot_inline void nvme_expect(const struct queue *q)
{
	const struct nvme_queue *nq = container_of(q, const struct nvme_queue, q);

	__builtin_prefetch(&nq->cq[nq->head]);
}

const struct path nvme_path = {
	.format = nvme_format,
	.put = nvme_put,
	.ring = nvme_ring,
	.reap = nvme_reap,
	.arm = nvme_arm,
	.expect = nvme_expect,
};

void nvme_queue_run(struct job *j)
{
	loop_job(j, &nvme_path);
}

/* --- one command at a time --- */

int nvme_queue_exec(struct nvme_queue *nq, struct nvme_sqe *sqe, uint32_t *result,
		    uint64_t timeout_ns)
{
	uint64_t end = tsc_clock_ns() + timeout_ns;
	uint32_t dw3;

	sqe->cid = 0;
	nq->sq[nq->tail] = *sqe;
	if (++nq->tail == nq->size)
		nq->tail = 0;
	ring(nq);
	while (((dw3 = load_dw3(nq)) >> 16 ^ nq->expect) & 1) {
		if (tsc_clock_ns() > end)
			return bench_error("the controller does not answer the command %#x "
					   "(--timeout)",
					   sqe->opcode);
		sched_yield();
	}
	if (dw3 & 0xffff)
		return bench_error("the controller answers a command that was never sent");
	if (result)
		*result = le32toh(nq->cq[nq->head].result);
	pop(nq);
	ring(nq);
	return (int)(dw3 >> 17);
}
