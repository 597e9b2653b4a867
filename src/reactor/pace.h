/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REACTOR_PACE_H
#define REACTOR_PACE_H

/*
 * How far apart the looks at a ring are whose other side publishes requests one by one. A look
 * takes the cache line of its index away from the CPU that is about to write to it again, so
 * looking after each request makes both sides wait for the line with each request, and batches of
 * one.
 *
 * The rule: look all the time. If that brings few requests a look, measure now and then how many
 * the guest keeps in flight, by not taking any until no more come. Are these PACE_DEPTH_MIN or
 * more, then look when half of them should be there, for a while: the guest always has the other
 * half to go on with, and lines are taken and given once for many requests. If a look brings more
 * or less than that, the next one comes sooner or later by an eighth.
 *
 * A look is never put off for more than PACE_GAP_MAX_NS, nor a measurement for twice that. A guest
 * with one request at a time pays one PACE_SETTLED_NS for each PACE_LOOKS_MAX of them. Nothing is
 * shared between queues, so that a guest can put off its own requests only. Owned by the reactor of
 * the queue; who has to know what is in the ring (before a sleep, for an Abort) does not ask here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/time.h"
#include "util/util.h"

#define PACE_DEPTH_MIN	16    /* fewer in flight are looked for all the time */
#define PACE_ENOUGH	8     /* what a look brings where no look needs to be put off */
#define PACE_BATCH_MAX	64    /* what a look shall bring at most */
#define PACE_SETTLED_NS 1000  /* a guest that has submitted nothing for so long will not now */
#define PACE_GAP_MAX_NS 10000 /* between two looks */
/* Looks with requests before a measurement: after one that has changed something, and at most. */
#define PACE_LOOKS_MIN	  64
#define PACE_LOOKS_MAX	  4096
#define PACE_LOOKS_SPACED 1024 /* before it is seen again what looks bring that are not spaced */

/* Zeroed is its initial state. */
struct pace {
	uint32_t gap_ns;     /* no look for so long after the last one; 0: no limit */
	uint32_t batch;	     /* what a look shall bring; 0: looks are not spaced */
	uint32_t looks_left; /* in this state */
	uint32_t looks;	     /* of those that are not spaced, */
	uint32_t more;	     /* and what they have brought beyond one each */
	uint32_t next_looks; /* before the next measurement if this one changes nothing */
	uint32_t pending;    /* while measuring: at the last look */
	/* So many at a look are no news: 1, or any number since more than one were seen. */
	uint32_t known;
	bool measuring;
	bool missed;	   /* the last look brought less than half of what it should have */
	uint64_t last_ns;  /* the last look that found something; of spaced ones, and measuring */
	uint64_t since_ns; /* the first of the measurement */
};

/* The rule for the looks that pace_take_plain() does not decide. */
bool pace_take_at(struct pace *p, unsigned int pending, uint64_t now_ns);

/* Whether a look at the ring would come too early. */
static inline bool pace_early_at(const struct pace *p, uint64_t now_ns)
{
	return now_ns - p->last_ns < p->gap_ns;
}

static inline bool pace_early(const struct pace *p)
{
	return unlikely(p->gap_ns) && pace_early_at(p, time_now_ns());
}

/* Nothing is put off now: without a look at the clock. */
static inline bool pace_take_plain(struct pace *p, unsigned int pending)
{
	if (unlikely(p->batch || !p->looks_left || pending > p->known))
		return false;
	p->looks_left--;
	p->more += pending - 1;
	return true;
}

/*
 * A look has found `pending` requests, at least one, that were not taken yet. True: they are to be
 * taken now; false: they stay in the ring until a later look finds them.
 */
static inline bool pace_take(struct pace *p, unsigned int pending)
{
	return likely(pace_take_plain(p, pending)) || pace_take_at(p, pending, time_now_ns());
}

/* What was to be taken could not be: the next look comes in time. */
static inline void pace_not_taken(struct pace *p)
{
	p->last_ns = 0;
}

/* The guest waits for the end of each request before it submits another one, as far as is known. */
static inline bool pace_one_by_one(const struct pace *p)
{
	return p->known <= 1;
}

#endif
