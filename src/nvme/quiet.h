/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_QUIET_H
#define NVME_QUIET_H

/*
 * Quiet groups: nothing is under way or owed, so that nothing but a doorbell, or what ends this
 * state by vnvme_group_end_quiet(), can make work. On the group's reactor.
 */

#include "nvme/group.h"
#include "util/util.h"

/* Nothing is under way or owed, as far as the group's poller knows. */
void vnvme_group_enter_quiet(struct vnvme_group *g);

/* After so many short looks there is a full one, which sees memory that was lost. */
#define VNVME_QUIET_LOOKS 1024

/* Before anything changes in the group's queues, or is posted. */
void vnvme_group_leave_quiet(struct vnvme_group *g);

static inline void vnvme_group_end_quiet(struct vnvme_group *g)
{
	if (unlikely(g->quiet))
		vnvme_group_leave_quiet(g);
}

/* The short look at a quiet group: whether all doorbells are as they were. */
static inline bool vnvme_group_still_quiet(struct vnvme_group *g)
{
	uint32_t i;

	for (i = 0; i < g->nwatches; i++)
		if (unlikely(__atomic_load_n(g->watches[i].at, __ATOMIC_RELAXED) !=
			     g->watches[i].value))
			return false;
	return likely(++g->quiet_looks < VNVME_QUIET_LOOKS);
}

#endif
