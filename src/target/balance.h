/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_BALANCE_H
#define TARGET_BALANCE_H

/*
 * Which queue should change its reactor: a reactor that has all it can do gives a queue to one with
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

#define BALANCE_WHOLE 1000000u /* a reactor's time */
#define BALANCE_FULL  800000u  /* with more it has all it can do */

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
