/* SPDX-License-Identifier: BSD-3-Clause */
/* Quiet groups: most controllers of a host are idle most of the time, and each look costs the busy
 * ones time. */
#include "nvme/quiet.h"
#include "nvme/db.h"
#include "nvme/group.h"
#include "nvme/sq.h"
#include "util/counter.h"
#include "util/util.h"

static void watch(struct vnvme_group *g, const uint32_t *at)
{
	g->watches[g->nwatches++] = (struct vnvme_watch){
		.at = at,
		.value = __atomic_load_n(at, __ATOMIC_RELAXED),
	};
}

void vnvme_group_enter_quiet(struct vnvme_group *g)
{
	uint32_t i;

	g->nwatches = 0;
	for (i = 0; i < g->nsqs; i++) {
		const struct vnvme_db *db = &g->sqs[i]->db;

		if (db->shadow)
			watch(g, db->shadow);
		if (!db->live)
			watch(g, db->page);
	}
	/* What came after the poller had looked is not what to compare with. */
	for (i = 0; i < g->nsqs; i++)
		if (vnvme_db_read(&g->sqs[i]->db) != g->sqs[i]->head)
			return;
	g->quiet_looks = 0;
	g->quiet = true;
}

slow_path void vnvme_group_leave_quiet(struct vnvme_group *g)
{
	uint32_t i;

	for (i = 0; i < g->nsqs; i++)
		COUNTER_ADD(g->sqs[i]->stats->polls, g->quiet_looks);
	g->quiet = false;
}
