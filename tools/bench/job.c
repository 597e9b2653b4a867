/* SPDX-License-Identifier: BSD-3-Clause */
#include "job.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "tsc.h"

/* Polls without a completion in a row before the CPU is offered to others: some 20 us. */
#define POLLS_BEFORE_YIELD 2048
#define INTERRUPT_WAIT_MS  50

/* Where the thread counts latencies: one place, so that many jobs fit into the caches. */
static int init_hist(struct job *j, const struct job *first)
{
	if (first) {
		j->measured = first->measured;
		j->other = first->other;
		return 0;
	}
	j->measured = calloc(OP_COUNT, sizeof(*j->measured));
	j->other = calloc(OP_COUNT, sizeof(*j->other));
	j->owns_hist = true;
	return j->measured && j->other ? 0 : -1;
}

int job_init(struct job *j, struct run *run, unsigned int index, struct job *first)
{
	unsigned int i;

	memset(j, 0, sizeof(*j));
	j->run = run;
	j->o = run->o;
	j->index = index;
	j->cpu = run->o->ncpus ? run->o->cpus[index % run->o->ncpus] : -1;
	j->slots = calloc(run->o->iodepth, sizeof(*j->slots));
	j->done = calloc(run->o->iodepth, sizeof(*j->done));
	if (!j->slots || !j->done || init_hist(j, first))
		return bench_error("out of memory for job %u", index);
	for (i = 0; i < run->o->iodepth; i++)
		j->slots[i].op = SLOT_UNFORMATTED;
	j->batch_submit = run->o->batch_submit;
	j->complete_min = run->o->batch_complete_min;
	j->complete_max = run->o->batch_complete_max;
	j->phase = PHASE_RAMP;
	j->hist = j->other;
	if (first) {
		/* Behind the first one; the order does not matter. */
		j->next = first->next;
		first->next = j;
	}
	return 0;
}

void job_fini(struct job *j)
{
	free(j->slots);
	free(j->done);
	if (j->owns_hist) {
		free(j->measured);
		free(j->other);
	}
}

int job_start(struct job *j, void *(*thread_main)(void *job))
{
	int err;

	err = pthread_create(&j->thread, NULL, thread_main, j);
	if (err)
		return bench_error("a thread for job %u: %s", j->index, strerror(err));
	j->started = true;
	return 0;
}

static void set_error(struct job *j, const char *fmt, va_list ap)
{
	int phase = atomic_load(&j->run->phase);

	vsnprintf(j->error, sizeof(j->error), fmt, ap);
	while (phase != PHASE_ABORT &&
	       !atomic_compare_exchange_weak(&j->run->phase, &phase, PHASE_ABORT))
		;
	j->phase = PHASE_ABORT;
}

void job_fail(struct job *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_error(j, fmt, ap);
	va_end(ap);
}

void job_fail_queue(struct job *j)
{
	static const char *const ops[] = {"read", "write", "trim"};
	const struct queue *q = j->queue;
	const struct slot *s;

	if (q->bad_slot < 0 || j->slots[q->bad_slot].op >= OP_COUNT) {
		job_fail(j, "%s", q->error);
		return;
	}
	s = &j->slots[q->bad_slot];
	job_fail(j, "%s of %llu bytes, logical block %llu: %s", ops[s->op],
		 (unsigned long long)j->o->bs, (unsigned long long)job_lba(j, s->block), q->error);
}

static void change_phase(struct job *j, int phase)
{
	if (phase == PHASE_MEASURE) {
		if (j->owns_hist)
			memset(j->measured, 0, OP_COUNT * sizeof(*j->measured));
		j->hist = j->measured;
		j->batches_begin = j->batches;
		j->begin_tsc = tsc_now();
	} else if (j->phase == PHASE_MEASURE) {
		j->hist = j->other;
		j->batches_end = j->batches;
		j->end_tsc = tsc_now();
		j->end_cpu = sched_getcpu();
	}
	j->phase = phase;
}

bool job_phase_changed(struct job *j)
{
	int phase = atomic_load(&j->run->phase);

	if (phase == j->phase)
		return false;
	for (; j; j = j->next)
		change_phase(j, phase);
	return phase >= PHASE_STOP;
}

static void wait_interrupt(struct job *j, const struct path *p)
{
	struct pollfd fd = {.fd = j->queue->call_fd, .events = POLLIN};
	uint64_t count;

	if (p->arm(j->queue))
		return;
	if (poll(&fd, 1, INTERRUPT_WAIT_MS) == 1 &&
	    read(fd.fd, &count, sizeof(count)) != sizeof(count) && errno != EAGAIN)
		job_fail(j, "the interrupt's eventfd cannot be read: %s", strerror(errno));
}

bool job_idle(struct job *j, const struct path *p)
{
	if (atomic_load_explicit(&j->run->phase, memory_order_relaxed) != j->phase &&
	    job_phase_changed(j))
		return true;
	if (j->phase == PHASE_ABORT)
		return true;
	if (j->o->interrupts) {
		wait_interrupt(j, p);
	} else if (++j->idle_polls == POLLS_BEFORE_YIELD) {
		j->idle_polls = 0;
		sched_yield();
	}
	return false;
}
