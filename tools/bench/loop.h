/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

/*
 * The loop of a job's thread. It is made for each kind of queue: `path` is known where it is
 * included, so that all is inlined.
 *
 * The clock is read before the requests of each publication are prepared, and after a look that
 * found completions. So a latency includes preparing the rest of what is published together, and
 * reaping the rest of what was found together: it errs upwards, by at most the time that this
 * program needs for a batch.
 */

#include <string.h>

#include "job.h"
#include "tsc.h"
#include "util/util.h"
#include "verify.h"
#include "workload.h"

static hot_inline void loop_submit(struct job *j, const struct path *p, unsigned int slot,
				   enum io_op op, uint64_t block, uint64_t now)
{
	struct slot *s = &j->slots[slot];

	if (s->op != op || !j->queue->preformat) {
		s->op = op;
		p->format(j->queue, slot, op);
	}
	s->t0 = now;
	s->block = block;
	p->put(j->queue, slot, op, job_lba(j, block));
}

static hot_inline void loop_publish(struct job *j, const struct path *p, unsigned int n)
{
	p->ring(j->queue);
	j->in_flight += n;
	j->batches.requests += n;
	j->batches.publications++;
}

/* A look that finds something: at most max, at least one, or 0: leave the loop. */
static hot_inline unsigned int loop_look(struct job *j, const struct path *p, uint16_t *done,
					 unsigned int max)
{
	int n;

	while (!(n = p->reap(j->queue, done, max)))
		if (job_idle(j, p))
			return 0;
	j->idle_polls = 0;
	if (unlikely(n < 0)) {
		job_fail_queue(j);
		return 0;
	}
	if (j->queue->ring_each)
		p->ring(j->queue);
	j->batches.completions += (unsigned int)n;
	j->batches.looks++;
	return (unsigned int)n;
}

/* As many as --iodepth_batch_complete_min and _max say; less (or 0): leave the loop. */
static hot_inline unsigned int loop_reap(struct job *j, const struct path *p)
{
	unsigned int min = min_t(unsigned int, j->complete_min, j->in_flight), n = 0, more;

	do {
		more = loop_look(j, p, j->done + n, j->complete_max - n);
		n += more;
	} while (unlikely(n < min && more));
	return n;
}

/* Takes back a slot that the target says has completed; false after an error. */
static hot_inline bool loop_complete(struct job *j, unsigned int slot, uint64_t now, bool verify)
{
	struct slot *s = &j->slots[slot];

	if (unlikely(!s->t0)) {
		job_fail(j, "the target completes an I/O that is not in flight (tag %u)", slot);
		return false;
	}
	hist_add(&j->hist[s->op], now - s->t0);
	s->t0 = 0;
	return !verify || verify_after(j, slot);
}

/* False after an error. */
static hot_inline bool loop_complete_all(struct job *j, unsigned int n, bool verify)
{
	uint64_t now = tsc_now();
	unsigned int i;

	for (i = 0; i < n; i++)
		if (unlikely(!loop_complete(j, j->done[i], now, verify)))
			return false;
	j->in_flight -= n;
	atomic_store_explicit(&j->completed,
			      atomic_load_explicit(&j->completed, memory_order_relaxed) + n,
			      memory_order_relaxed);
	return true;
}

static hot_inline void loop_fill(struct job *j, const struct path *p, unsigned int n, bool verify)
{
	unsigned int i, fresh = 0;
	uint64_t now = 0;

	for (i = 0; i < n; i++) {
		enum io_op op = workload_op(&j->load);
		uint64_t block =
			verify ? verify_before(j, j->done[i], op) : workload_block(&j->load);

		if (!fresh)
			now = tsc_now();
		loop_submit(j, p, j->done[i], op, block, now);
		if (++fresh == j->batch_submit) {
			loop_publish(j, p, fresh);
			fresh = 0;
		}
	}
	if (fresh)
		loop_publish(j, p, fresh);
}

/* Until nothing is in flight, or for ABORT. */
static hot_inline bool loop_drain(struct job *j, const struct path *p, bool verify)
{
	while (j->in_flight) {
		unsigned int n = loop_reap(j, p);

		if (!n || !loop_complete_all(j, n, verify))
			return false;
		p->ring(j->queue);
	}
	return true;
}

/* Reads everything whose contents are known. */
static hot_inline void loop_scan(struct job *j, const struct path *p)
{
	unsigned int n = j->queue->depth, i;
	uint64_t block;

	for (i = 0; i < n; i++)
		j->done[i] = (uint16_t)i;
	for (;;) {
		for (i = 0; i < n && verify_scan(j, j->done[i], &block); i++)
			loop_submit(j, p, j->done[i], OP_READ, block, tsc_now());
		loop_publish(j, p, i);
		if (!j->in_flight)
			return;
		n = loop_reap(j, p);
		if (!n || !loop_complete_all(j, n, true))
			return;
	}
}

static hot_inline bool loop_stopped(struct job *j)
{
	if (unlikely(atomic_load_explicit(&j->run->phase, memory_order_relaxed) != j->phase))
		job_phase_changed(j);
	return j->phase >= PHASE_STOP;
}

static hot_inline void loop_run(struct job *j, const struct path *p, bool verify)
{
	unsigned int n = j->queue->depth, i;

	for (i = 0; i < n; i++)
		j->done[i] = (uint16_t)i;
	for (;;) {
		loop_fill(j, p, n, verify);
		n = loop_reap(j, p);
		if (unlikely(!n))
			break;
		if (unlikely(!loop_complete_all(j, n, verify)))
			return;
		if (unlikely(loop_stopped(j)))
			break;
	}
}

/* The whole life of a job: until STOP, then what is in flight, then what was written is read. */
static hot_inline void loop_job(struct job *j, const struct path *p)
{
	if (!j->verify) {
		loop_run(j, p, false);
		loop_drain(j, p, false);
		return;
	}
	loop_run(j, p, true);
	if (loop_drain(j, p, true))
		loop_scan(j, p);
}

#endif
