/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_IOV_POOL_H
#define BDEV_IOV_POOL_H

/*
 * Memory for the segment lists of requests that have more segments than a request has room for. How
 * much of it a guest makes its controller use is the guest's choice, up to a limit: beyond it, a
 * queue waits until requests before it have ended. What is not used any more is given back to the
 * system.
 *
 * A controller has a budget, and on each of its reactors a pool. Each pool may use a little beyond
 * the budget, so that there is always something to wait for.
 */

#include <stdatomic.h>
#include <stdint.h>
#include <sys/uio.h>

#include "reactor/reactor.h"

/* Entries of the longest list: of a virtqueue, VIRTQ_MAX_IOV; the others serve most requests. */
#define IOV_POOL_SMALL	40
#define IOV_POOL_MEDIUM 272
#define IOV_POOL_MAX	1040
#define IOV_POOL_SIZES	3

#define IOV_POOL_SLAB_SHIFT 17
#define IOV_POOL_SLAB_BYTES (1u << IOV_POOL_SLAB_SHIFT)

struct iov_budget;

/* Makes what a controller's pools share; `name` is for the counters. NULL: out of memory. Main
 * thread. */
struct iov_budget *iov_budget_create(const char *name, uint64_t max_bytes);
/* Behind its pools. */
void iov_budget_destroy(struct iov_budget *b);

struct iov_stats {
	uint64_t bytes, peak_bytes; /* in use, or kept for a moment */
	uint64_t waits;		    /* requests that a queue could not take for want of memory */
};
/* Calls fn for each budget, in the order of their making. fn may not make or destroy any. Any
 * thread. */
typedef void (*iov_stats_fn)(void *arg, const char *name, const struct iov_stats *stats);
void iov_stats_visit(iov_stats_fn fn, void *arg);

/* A piece of the pool's memory, with lists of one size. */
struct iov_slab {
	uint32_t next;	      /* among those of its size with free lists, or those without memory */
	uint32_t used, fresh; /* lists: in use; from there on never used yet */
	void *free;
	uint8_t size;
	bool linked;  /* it has free lists */
	bool charged; /* to the budget */
	bool aged;    /* no list was in use at the timer's last look, and none since */
};

struct iov_pool {
	struct iov_budget *budget;
	struct reactor *reactor; /* NULL: in a test, which calls iov_pool_trim() */
	struct timer timer;
	bool timer_runs;
	bool goes_on;	  /* the last look left some that are to be given back */
	char *map, *base; /* NULL: nothing was needed yet; base is aligned */
	size_t map_bytes;
	struct iov_slab *slabs;
	uint32_t nslabs;		  /* begun so far, of all that there can be */
	uint32_t nempty;		  /* no list of them is in use */
	uint32_t nbeyond;		  /* not charged to the budget */
	uint32_t unused;		  /* without memory of the system now */
	uint32_t partial[IOV_POOL_SIZES]; /* with free lists; the first is used first */
	uint32_t of_size[IOV_POOL_SIZES]; /* slabs */
};

/* All on the reactor, or before and after it has to do with the pool. */
void iov_pool_init(struct iov_pool *p, struct iov_budget *b, struct reactor *r);
/* All lists have been given back. */
void iov_pool_fini(struct iov_pool *p);

/*
 * Room for n entries, up to IOV_POOL_MAX. NULL: wait until a list of this pool is given back, and
 * try again.
 */
struct iovec *iov_pool_get(struct iov_pool *p, unsigned int n);
/* How many entries there really is room for. */
unsigned int iov_pool_room(const struct iov_pool *p, const struct iovec *iov);
void iov_pool_put(struct iov_pool *p, struct iovec *iov);
/*
 * A look of the timer: memory that was not used since the last one goes back to the system, some of
 * it at a time.
 */
void iov_pool_trim(struct iov_pool *p);

#endif
