/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/guest_table.h"

#include <errno.h>
#include <stdlib.h>

static int add(struct guest_table *t, const struct vhost_region *r, bool in_table)
{
	int guard = guest_mem_guard(r->map.addr, r->map.len, &t->mem.lost);

	if (guard < 0)
		return guard;
	t->guards[t->nguards++] = guard;
	return in_table ? guest_mem_add(&t->mem, r->gpa, r->size, r->host) : 0;
}

int guest_table_load(struct guest_table *t, const struct vhost_region *regions, unsigned int n,
		     bool (*wanted)(const struct vhost_region *r))
{
	unsigned int i;
	int rc = 0;

	t->guards = malloc(n * sizeof(*t->guards));
	if (!t->guards)
		return -ENOMEM;
	for (i = 0; !rc && i < n; i++)
		rc = add(t, &regions[i], !wanted || wanted(&regions[i]));
	if (rc)
		guest_table_drop(t);
	return rc;
}

void guest_table_drop(struct guest_table *t)
{
	while (t->nguards)
		guest_mem_unguard(t->guards[--t->nguards]);
	free(t->guards);
	t->guards = NULL;
	guest_mem_clear(&t->mem);
}
