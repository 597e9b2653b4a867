/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MEM_H
#define GUEST_MEM_H

/*
 * Guest memory: a table of regions that guest physical addresses (GPA) are translated with. It is
 * written while nobody uses it (quiesce -> change -> resume) and read by reactors without a lock.
 * What is behind a translated pointer may change at any time.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/util.h"

#define GUEST_MEM_MAX_REGIONS 8

struct guest_mem_region {
	uint64_t gpa;
	uint64_t size; /* bytes; gpa + size does not overflow */
	uint8_t *host;
};

struct guest_mem {
	uint32_t nregions;
	/*
	 * Set by the SIGBUS guard: the VMM took memory away from under a mapping. What was lost
	 * reads as zeroes from then on; the owner ends the session.
	 */
	atomic_bool lost;
	struct guest_mem_region regions[GUEST_MEM_MAX_REGIONS];
};

/*
 * The host address of guest address gpa, and in *run how many bytes from there on belong to the
 * same region; NULL if it is in none.
 */
static inline uint8_t *guest_mem_run(const struct guest_mem *mem, uint64_t gpa, uint64_t *run)
{
	uint32_t i;

	for (i = 0; i < mem->nregions; i++) {
		const struct guest_mem_region *r = &mem->regions[i];
		uint64_t off = gpa - r->gpa;

		if (likely(off < r->size)) {
			*run = r->size - off;
			return r->host + off;
		}
	}
	return NULL;
}

/* The host address of [gpa, gpa + len), len > 0, or NULL if that is not all in one region. */
static inline uint8_t *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t run;
	uint8_t *p = guest_mem_run(mem, gpa, &run);

	return p && len <= run ? p : NULL;
}

/*
 * Adds a region. Returns 0; -ENOSPC: the table is full; -EINVAL: empty, beyond 2^64, or overlapping
 * another. The caller keeps the mapping until the table is cleared.
 */
int guest_mem_add(struct guest_mem *mem, uint64_t gpa, uint64_t size, void *host);
void guest_mem_clear(struct guest_mem *mem);

/* --- the SIGBUS guard --- */

/* Installs the handler. Main thread, before any guard. Returns 0 or -errno. */
int guest_mem_guard_init(void);
/*
 * Guards a mapping: an access beyond the end of a truncated file sets *lost and continues on zeroed
 * private memory instead of ending the process. Returns 0, or -ENOSPC when all slots are taken.
 * vhost thread.
 */
int guest_mem_guard(void *addr, size_t len, atomic_bool *lost);
/* Before the mapping goes away. */
void guest_mem_unguard(void *addr);

#endif
