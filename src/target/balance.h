/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_BALANCE_H
#define TARGET_BALANCE_H

/*
 * Which queue should change its reactor: a saturated reactor gives a queue to one with
 * less to do, if that brings the load of the busier of the two down by a quarter or more. A queue's
 * load is the part of its reactor's time that is in proportion to its work; so what takes one
 * reactor long and another one little is compared fairly.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BALANCE_NOWHERE UINT32_MAX

struct balance_queue {
	uint32_t reactor; /* an index, or BALANCE_NOWHERE */
	uint64_t work;	  /* in the last interval; in any unit, the same for its reactor's others */
	bool fixed;	  /* not now */
	const bool *may;  /* by reactor: whether its controller has that one */
};

/* Where a queue was at the last look, and whether it may leave. */
struct balance_place {
	unsigned int controller;
	uint32_t reactor;
	unsigned int stays; /* looks for which it may not */
	bool shares;	    /* a completion queue with another: what moves is more than this one */
};

/*
 * The place of a queue at this look. One that has changed it without having been chosen came along
 * with the chosen one, if that has just moved, as they share a completion queue; or the guest has
 * made it anew.
 */
void balance_see_place(struct balance_place *q, struct balance_place *chosen, bool just_moved,
		       uint32_t reactor);

static inline bool balance_is_fixed(const struct balance_place *q)
{
	return q->stays || q->shares;
}

#define BALANCE_WHOLE 1000000u /* a reactor's time */
#define BALANCE_FULL  800000u  /* with more it is saturated */

struct balance_reactor {
	uint32_t load; /* the time in which it had something to do, of BALANCE_WHOLE */
	uint64_t work; /* of all its queues; set here */
};

struct balance_choice {
	size_t queue;
	uint32_t from, to;
};

/* False: all is well, or could not be better. */
bool balance_choose(const struct balance_queue *queues, size_t nqueues,
		    struct balance_reactor *reactors, uint32_t nreactors,
		    struct balance_choice *out);

#endif
