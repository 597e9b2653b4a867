/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATS_QUEUE_STATS_H
#define STATS_QUEUE_STATS_H

/*
 * What a guest's queue has done: docs/performance.md explains each counter. The queue's reactor
 * writes them (util/counter.h), any thread reads them.
 */

#include <shadowbell/bdev.h>

#include "util/counter.h"

struct queue_stats {
	uint64_t polls;	    /* looks at the queue */
	uint64_t batches;   /* of these, those that took commands */
	uint64_t doorbells; /* new values of the doorbell, or of the available index, that were seen
			     */
	uint64_t kicks;	    /* of these, those that the guest had to notify us of */
	uint64_t commands;
	uint64_t errors; /* commands that ended with an error status */
	/* By enum bdev_op: commands that did their I/O, and their bytes. */
	uint64_t ios[BDEV_OP_COUNT], bytes[BDEV_OP_COUNT];
	uint64_t interrupts;	   /* sent */
	uint64_t interrupts_saved; /* batches that the guest did not have to be told of */
	uint64_t held_back;	   /* rounds whose share was used up before its turn */
	uint64_t latency_ns[LATENCY_BUCKETS], latency_sum_ns;
	uint64_t place;		/* 1 + the CPU of the reactor that polls it now; 0: none does */
	uint64_t slow;		/* commands that were in flight for long: slow_io.h */
	uint64_t in_flight;	/* at the last look for these */
	uint64_t size;		/* entries; of one that does not run as of the last one */
} __attribute__((aligned(64))); /* no two queues share a cache line */

#define QUEUE_NOWHERE (-1)
/* Which CPU's reactor polls the queue from now on; QUEUE_NOWHERE: none. On that reactor. */
static inline void queue_stats_place(struct queue_stats *stats, int cpu)
{
	__atomic_store_n(&stats->place, (uint64_t)(cpu + 1), __ATOMIC_RELAXED);
}

/* Which CPU's reactor polls the queue, of `size` entries, from now on. On that reactor. */
static inline void queue_stats_here(struct queue_stats *stats, int cpu, uint32_t size)
{
	COUNTER_SET(stats->size, size);
	queue_stats_place(stats, cpu);
}

/*
 * Counters for `queues` queues of a controller, zeroed, which live as long as the controller: a
 * guest that resets or goes away leaves them as they are. NULL: out of memory. Main or vhost
 * thread.
 */
struct queue_stats *queue_stats_create(const char *controller, unsigned int queues);
void queue_stats_destroy(struct queue_stats *stats);

/*
 * Calls fn with a copy of the counters of each queue that has ever been looked at, by controller in
 * the order of their making, and by queue. fn may not make or destroy controllers. Any thread.
 */
typedef void (*queue_stats_fn)(void *arg, const char *controller, unsigned int queue,
			       const struct queue_stats *stats);
void queue_stats_visit(queue_stats_fn fn, void *arg);

#endif
