/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_SLOT_H
#define NVME_SLOT_H

/* What a group has of each namespace id. On the group's reactor. */

#include <stdbool.h>
#include <stdint.h>

#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/ns.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

struct bdev_channel;

struct vnvme_slot {
	const struct vnvme_ns *ns; /* NULL: not active */
	/* Stays after that as long as I/O is in flight on it. */
	struct bdev_channel *channel;
};

/* False: there is no channel, and nothing has changed. */
bool vnvme_slot_open(struct vnvme_group *g, const struct vnvme_ns *ns);
/* No new I/O. */
void vnvme_slot_close(struct vnvme_group *g, uint32_t nsid);
/* Nothing is in flight. Also if it was never opened. */
void vnvme_slot_free(struct vnvme_group *g, uint32_t nsid);

static inline bool vnvme_slot_active(const struct vnvme_group *g, uint32_t nsid)
{
	return g->slots[nsid].ns;
}

/*
 * That of an active namespace. NULL, and a status (NVMe 1.4, 6.1.2): the id can't be valid, or is
 * merely not in use.
 */
static inline const struct vnvme_slot *vnvme_slot_of(const struct vnvme_group *g, uint32_t nsid,
						     uint16_t *status)
{
	if (unlikely(nsid == 0 || nsid > g->max_nsid)) {
		*status = VNVME_DNR(NVME_SC_INVALID_NS);
		return NULL;
	}
	if (unlikely(!g->slots[nsid].ns)) {
		*status = VNVME_DNR(NVME_SC_INVALID_FIELD);
		return NULL;
	}
	return &g->slots[nsid];
}

#endif
