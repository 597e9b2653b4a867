/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_GUEST_TABLE_H
#define VHOST_GUEST_TABLE_H

/* A session's guest memory: the regions of its memory table, guarded against truncation. Control
 * thread. */

#include "guest_mem/guest_mem.h"
#include "vhost/vhost.h"

struct guest_table {
	struct guest_mem mem;
	int *guards; /* NULL: none */
	unsigned int nguards;
};

/*
 * Guards all regions and adds those to the table that `wanted` (NULL: all) says yes to. 0, or
 * -errno with the table empty.
 */
int guest_table_load(struct guest_table *t, const struct vhost_region *regions, unsigned int n,
		     bool (*wanted)(const struct vhost_region *r));
/* Before the regions are unmapped; nobody uses them any more. */
void guest_table_drop(struct guest_table *t);

#endif
