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

/* What a look has found: how many, or 0 after an error. */
static hot_inline unsigned int loop_found(struct job *j, const struct path *p, int n)
{
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

/* A look that finds something: at most max, at least one, or 0: leave the loop. */
static hot_inline unsigned int loop_look(struct job *j, const struct path *p, uint16_t *done,
					 unsigned int max)
{
	int n;

	while (!(n = p->reap(j->queue, done, max))) {
		j->batches.empty_looks++;
		if (job_idle(j, p))
			return 0;
	}
	j->idle_polls = 0;
	return loop_found(j, p, n);
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

/* One look at a queue of several: how many I/Os it found and followed by others; -1: an error. */
static hot_inline int loop_turn(struct job *j, const struct path *p, bool verify)
{
	int n = p->reap(j->queue, j->done, j->complete_max);

	if (!n) {
		j->batches.empty_looks++;
		return 0;
	}
	if (unlikely(!loop_found(j, p, n) || !loop_complete_all(j, (unsigned int)n, verify)))
		return -1;
	loop_fill(j, p, (unsigned int)n, verify);
	return n;
}

/* So many queues ahead the line is asked for that tells of completions. */
#define LOOP_AHEAD 4

/* In turn, until STOP; false after an error. */
static hot_inline bool loop_turns(struct job *first, const struct path *p, bool verify)
{
	struct job *j, *ahead;
	unsigned int i;

	for (j = first; j; j = j->next) {
		for (i = 0; i < j->queue->depth; i++)
			j->done[i] = (uint16_t)i;
		loop_fill(j, p, i, verify);
	}
	for (;;) {
		bool found = false;

		for (i = 0, ahead = first; ahead && i < LOOP_AHEAD; i++)
			ahead = ahead->next;
		for (j = first; j; j = j->next) {
			int n;

			if (ahead) {
				p->expect(ahead->queue);
				ahead = ahead->next;
			}
			n = loop_turn(j, p, verify);
			if (unlikely(n < 0))
				return false;
			found |= n > 0;
		}
		if (found)
			first->idle_polls = 0;
		if (found ? loop_stopped(first) : job_idle(first, p))
			return first->phase != PHASE_ABORT;
	}
}

/* The same as loop_job() for all jobs of a thread. */
static hot_inline void loop_jobs(struct job *first, const struct path *p, bool verify)
{
	struct job *j;

	if (!loop_turns(first, p, verify))
		return;
	for (j = first; j; j = j->next)
		if (!loop_drain(j, p, verify))
			return;
	for (j = first; verify && j; j = j->next)
		loop_scan(j, p);
}

/* The whole life of a job: until STOP, then what is in flight, then what was written is read. */
static hot_inline void loop_job(struct job *j, const struct path *p)
{
	if (unlikely(j->next)) {
		loop_jobs(j, p, j->verify != NULL);
		return;
	}
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
