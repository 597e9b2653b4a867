/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_mem/guest_mem.h"

#include <errno.h>
#include <string.h>

static bool overlaps(const struct guest_mem_region *r, uint64_t gpa, uint64_t size)
{
	return gpa < r->gpa ? size > r->gpa - gpa : gpa - r->gpa < r->size;
}

uint8_t *guest_mem_ptr_elsewhere(const struct guest_mem *mem, uint64_t gpa, uint64_t len,
				 uint16_t *last)
{
	uint64_t run;
	uint8_t *p = guest_mem_run_near(mem, gpa, &run, last);

	return p && len <= run ? p : NULL;
}

int guest_mem_add(struct guest_mem *mem, uint64_t gpa, uint64_t size, void *host)
{
	uint32_t i, at = 0;

	if (mem->nregions == GUEST_MEM_MAX_REGIONS)
		return -ENOSPC;
	if (!size || size - 1 > UINT64_MAX - gpa)
		return -EINVAL;
	for (i = 0; i < mem->nregions; i++) {
		if (overlaps(&mem->regions[i], gpa, size))
			return -EINVAL;
		if (mem->regions[i].gpa < gpa)
			at = i + 1;
	}
	memmove(&mem->regions[at + 1], &mem->regions[at],
		(mem->nregions - at) * sizeof(mem->regions[0]));
	mem->nregions++;
	mem->regions[at] = (struct guest_mem_region){
		.gpa = gpa,
		.size = size,
		.host = host,
	};
	return 0;
}

void guest_mem_remove(struct guest_mem *mem, uint64_t gpa)
{
	uint32_t i;

	for (i = 0; i < mem->nregions && mem->regions[i].gpa != gpa; i++)
		;
	if (i == mem->nregions)
		return;
	mem->nregions--;
	memmove(&mem->regions[i], &mem->regions[i + 1],
		(mem->nregions - i) * sizeof(mem->regions[0]));
	/* Those who remember an index find nothing behind the last region. */
	memset(&mem->regions[mem->nregions], 0, sizeof(mem->regions[0]));
}

void guest_mem_clear(struct guest_mem *mem)
{
	memset(mem->regions, 0, mem->nregions * sizeof(mem->regions[0]));
	mem->nregions = 0;
	atomic_store(&mem->lost, false);
}
