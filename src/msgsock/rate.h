/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_RATE_H
#define MSGSOCK_RATE_H

/* So many per second, and what comes in `at_once_ns` at once after a rest. One owner. */

#include <stdint.h>

#include "util/time.h"

struct rate {
	uint64_t per_second; /* 0: no limit */
	uint64_t at_once_ns;
	uint64_t full_at_ns; /* when all that may be done at once may be done at once again */
};

/* How many ns it is too early for one more; 0: it may be done. */
static inline uint64_t rate_early(const struct rate *r, uint64_t now_ns)
{
	return r->per_second && r->full_at_ns > now_ns + r->at_once_ns
		       ? r->full_at_ns - now_ns - r->at_once_ns
		       : 0;
}

/* One has been done. */
static inline void rate_charge(struct rate *r, uint64_t now_ns)
{
	if (!r->per_second)
		return;
	if (r->full_at_ns < now_ns)
		r->full_at_ns = now_ns;
	r->full_at_ns += NS_PER_SEC / r->per_second;
}

#endif
