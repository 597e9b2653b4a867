/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/guest_table.h"

static int add(struct guest_table *t, const struct vhost_region *r, bool in_table)
{
	int rc = guest_mem_guard(r->map_addr, r->map_size, &t->mem.lost);

	if (rc)
		return rc;
	t->guarded[t->nguarded++] = r->map_addr;
	return in_table ? guest_mem_add(&t->mem, r->gpa, r->size, r->host) : 0;
}

int guest_table_load(struct guest_table *t, const struct vhost_region *regions, unsigned int n,
		     bool (*wanted)(const struct vhost_region *r))
{
	unsigned int i;
	int rc;

	for (i = 0; i < n; i++) {
		rc = add(t, &regions[i], !wanted || wanted(&regions[i]));
		if (rc) {
			guest_table_drop(t);
			return rc;
		}
	}
	return 0;
}

void guest_table_drop(struct guest_table *t)
{
	while (t->nguarded)
		guest_mem_unguard(t->guarded[--t->nguarded]);
	guest_mem_clear(&t->mem);
}
