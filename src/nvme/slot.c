/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme/slot.h"

#include <shadowbell/bdev.h>

bool vnvme_slot_open(struct vnvme_group *g, const struct vnvme_ns *ns)
{
	struct bdev_channel *ch = bdev_channel_get(ns->desc);

	if (!ch)
		return false;
	g->slots[ns->nsid] = (struct vnvme_slot){.ns = ns, .channel = ch};
	if (ch->now)
		g->now[ns->nsid] = ch;
	return true;
}

void vnvme_slot_close(struct vnvme_group *g, uint32_t nsid)
{
	g->slots[nsid].ns = NULL;
	g->now[nsid] = NULL;
}

void vnvme_slot_free(struct vnvme_group *g, uint32_t nsid)
{
	vnvme_slot_close(g, nsid);
	bdev_channel_put(g->slots[nsid].channel);
	g->slots[nsid].channel = NULL;
}
