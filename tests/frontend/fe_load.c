/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_load.h"

#include <errno.h>
#include <string.h>

#include "fe_util.h"

static void submit_slot(struct fe_load *l, unsigned int slot, uint8_t opc)
{
	size_t len = (size_t)l->nblocks * l->block_size;
	uint64_t lba = l->lba + (uint64_t)slot * l->nblocks;
	struct fe_sqe sqe = fe_sqe_rw(opc, l->nsid, lba, l->nblocks);

	if (opc == nvme_cmd_write)
		fe_pattern_fill(l->bufs[slot].va, len, ++l->seeds[slot] << 16 | slot);
	else if (l->verify)
		memset(l->bufs[slot].va, 0, len);
	fe_buf_prps(&sqe, &l->bufs[slot], 0, len);
	sqe.cid = (uint16_t)slot;
	fe_sq_push(&l->qp->sq, &sqe);
	l->opcs[slot] = opc;
	l->inflight++;
}

/* True: the completion belongs to us. Counts it and checks its data. */
static bool finish_slot(struct fe_load *l, const struct fe_cqe *cqe)
{
	size_t len = (size_t)l->nblocks * l->block_size;
	unsigned int slot = cqe->cid;
	uint8_t opc;

	if (slot >= l->depth || !l->opcs[slot])
		return false;
	opc = l->opcs[slot];
	l->opcs[slot] = 0;
	l->inflight--;
	l->qp->sq.head = cqe->sqhd;
	if (fe_status(cqe)) {
		__atomic_fetch_add(&l->failed, 1, __ATOMIC_RELAXED);
		l->last_status = fe_status(cqe);
	} else if (l->verify && opc == nvme_cmd_read &&
		   !fe_pattern_check(l->bufs[slot].va, len, l->seeds[slot] << 16 | slot)) {
		l->corrupted++;
	}
	__atomic_fetch_add(&l->completed, 1, __ATOMIC_RELAXED);
	return true;
}

static uint8_t next_opc(const struct fe_load *l, uint8_t last)
{
	if (!l->verify)
		return nvme_cmd_read;
	return last == nvme_cmd_write ? nvme_cmd_read : nvme_cmd_write;
}

/* Handles all completions that are there, and submits anew unless told to stop. */
static unsigned int reap(struct fe_load *l, bool again)
{
	unsigned int n = 0, submitted = 0;
	struct fe_cqe cqe;

	while (n < l->depth && fe_cq_poll(&l->qp->cq, &cqe)) {
		uint8_t last = cqe.cid < l->depth ? l->opcs[cqe.cid] : 0;

		n++;
		if (!finish_slot(l, &cqe) || !again)
			continue;
		submit_slot(l, cqe.cid, next_opc(l, last));
		submitted++;
	}
	if (n)
		fe_cq_ring(&l->qp->cq);
	if (submitted)
		fe_sq_ring(&l->qp->sq);
	return n;
}

static void *load_main(void *arg)
{
	struct fe_load *l = arg;
	uint64_t last = fe_now_ns();
	unsigned int i, spins = 0;

	for (i = 0; i < l->depth; i++)
		submit_slot(l, i, next_opc(l, nvme_cmd_read));
	fe_sq_ring(&l->qp->sq);
	while (l->inflight > 0) {
		if (reap(l, !__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE))) {
			last = fe_now_ns();
			spins = 0;
			continue;
		}
		if (__atomic_load_n(&l->abandon, __ATOMIC_ACQUIRE))
			break;
		if (fe_now_ns() - last > FE_TIMEOUT_MS * 1000000ULL) {
			l->stalled = true;
			break;
		}
		fe_relax(&spins);
	}
	return NULL;
}

int fe_load_restart(struct fe_load *l)
{
	l->completed = l->failed = l->corrupted = 0;
	l->stalled = l->stop = l->abandon = false;
	l->last_status = 0;
	l->inflight = 0;
	memset(l->opcs, 0, sizeof(l->opcs));
	if (pthread_create(&l->thread, NULL, load_main, l))
		return -EAGAIN;
	l->running = true;
	return 0;
}

int fe_load_start(struct fe_load *l)
{
	unsigned int i;

	if (l->depth > FE_LOAD_DEPTH_MAX || l->depth >= l->qp->sq.entries)
		return -EINVAL;
	for (i = 0; i < l->depth; i++)
		fe_buf_alloc(l->qp->sq.n, &l->bufs[i], (size_t)l->nblocks * l->block_size);
	return fe_load_restart(l);
}

void fe_load_stop(struct fe_load *l)
{
	if (!l->running)
		return;
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	pthread_join(l->thread, NULL);
	l->running = false;
}

void fe_load_abandon(struct fe_load *l)
{
	__atomic_store_n(&l->abandon, true, __ATOMIC_RELEASE);
	fe_load_stop(l);
}

uint64_t fe_load_completed(const struct fe_load *l)
{
	return __atomic_load_n(&l->completed, __ATOMIC_RELAXED);
}

int fe_load_wait(const struct fe_load *l, uint64_t more)
{
	uint64_t goal = fe_load_completed(l) + more;

	return FE_WAIT_FOR(fe_load_completed(l) >= goal, FE_TIMEOUT_MS) ? 0 : -ETIMEDOUT;
}
