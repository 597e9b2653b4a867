/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

/*
 * A job: one queue of a device, in which a thread keeps `iodepth` I/Os. A slot is one of these I/Os
 * with its buffer and everything that is prepared for it. A thread has one job, or several that it
 * serves in turn: a list that begins with the one that has the thread.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hist.h"
#include "memory.h"
#include "options.h"

enum io_op { OP_READ, OP_WRITE, OP_TRIM, OP_COUNT };

/* For what is called for each I/O: each kind of queue gets its own loop of it. */
#define hot_inline inline __attribute__((always_inline))

#define SLOT_UNFORMATTED 0xffu

struct slot {
	uint64_t t0;	/* when it was submitted (TSC); 0: not in flight */
	uint64_t block; /* of the job's part of the device, in units of bs */
	uint32_t op;	/* that it is formatted for, or SLOT_UNFORMATTED */
};

/* Of what was measured: how much came together. */
struct batches {
	uint64_t requests, publications; /* that made them known to the target */
	uint64_t completions, looks;	 /* that found some */
	uint64_t empty_looks;
};

/* What all kinds of queues have in common; the first member of them. */
struct queue {
	unsigned int depth; /* slots */
	unsigned int index;
	uint8_t *data; /* the buffers, `stride` bytes apart */
	uint64_t stride;
	int call_fd;		  /* eventfd of the interrupt */
	bool prefetch, preformat; /* as the options say */
	/* NVMe: a doorbell of its own for what was reaped, not with the next requests'. */
	bool ring_each;
	/* Why reap() failed, and the slot if it is known (-1 if not). */
	char error[160];
	int bad_slot;
};

/* How I/Os get into a kind of queue, and out. On the job's thread. */
struct path {
	/* Writes all of a slot's request but its place; put() of the same slot and operation
	 * follows: at once, or, of a queue with `preformat`, any number of times. */
	void (*format)(struct queue *q, unsigned int slot, enum io_op op);
	/* The place, a logical block; and into the ring. */
	void (*put)(struct queue *q, unsigned int slot, enum io_op op, uint64_t lba);
	/* Tells the target of all that was put, and of what was reaped. */
	void (*ring)(struct queue *q);
	/* Slots that completed, at most max: how many, or -1 with q->error. */
	int (*reap)(struct queue *q, uint16_t *done, unsigned int max);
	/* Asks for an interrupt; true: there is something to reap already. */
	bool (*arm)(struct queue *q);
	/* Asks the caches for what reap() looks at first. */
	void (*expect)(const struct queue *q);
};

enum run_phase { PHASE_RAMP, PHASE_MEASURE, PHASE_STOP, PHASE_ABORT };

struct run {
	_Alignas(MEMORY_LINE) _Atomic int phase;
	_Alignas(MEMORY_LINE) const struct options *o;
};

struct workload {
	uint64_t nblocks;   /* of bs, from first_lba on */
	uint64_t first_lba; /* in logical blocks */
	uint64_t lbas_per_block;
	uint64_t next, rng;
	uint32_t read_below; /* of 2^32: share of the reads */
	bool random, mixed;
	enum io_op op; /* if not mixed */
};

struct device;
struct verify;

struct job {
	struct run *run;
	struct job *next; /* of the same thread; the first one keeps `hist` for all */
	struct queue *queue;
	const struct options *o;
	struct slot *slots;
	uint16_t *done;
	int phase; /* that it has taken notice of */
	struct workload load;
	struct verify *verify;	       /* NULL: none */
	struct hist *hist;	       /* of OP_COUNT; where is counted now */
	struct hist *measured, *other; /* between begin and end, and what nobody asks for */
	bool owns_hist;		       /* the first of a list */
	uint64_t begin_tsc, end_tsc;
	int end_cpu; /* where it ran then */
	unsigned int in_flight, idle_polls;
	unsigned int batch_submit, complete_min, complete_max;
	struct batches batches; /* counted always */
	struct batches batches_begin, batches_end;
	/* Others than the job's thread read from here on. */
	_Alignas(MEMORY_LINE) _Atomic uint64_t completed;
	_Atomic bool finished;
	char error[320];	    /* when it has finished; "": none */
	unsigned int index, number; /* of all jobs, and of those of the device */
	struct device *device;
	int cpu; /* -1: not pinned */
	pthread_t thread;
	bool started;
};

/*
 * Memory for a job whose device, load, queue, verification are then set. It joins the list of
 * `first`, or is to have a thread of its own if that is NULL. 0 or -1 after a message.
 */
int job_init(struct job *j, struct run *run, unsigned int index, struct job *first);
void job_fini(struct job *j);
/* Runs thread_main(j) on the job's thread, for all of its list. 0 or -1 after a message. */
int job_start(struct job *j, void *(*thread_main)(void *job));

/* PHASE_ABORT for all, with the reason of this job; the first one is kept. */
void job_fail(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With the reason and the slot that the queue tells. */
void job_fail_queue(struct job *j);
/*
 * Nothing to reap, of all of the list. True: leave the loop, for the phase says so. Waits for an
 * interrupt where these are used; elsewhere it gives up the CPU now and then, which somebody else
 * may need.
 */
bool job_idle(struct job *j, const struct path *p);
/* The phase has changed, for all of the list. True: leave the loop. */
bool job_phase_changed(struct job *j);

static inline uint64_t job_lba(const struct job *j, uint64_t block)
{
	return j->load.first_lba + block * j->load.lbas_per_block;
}

static inline uint8_t *queue_buffer(const struct queue *q, unsigned int slot)
{
	return q->data + slot * q->stride;
}

#endif
