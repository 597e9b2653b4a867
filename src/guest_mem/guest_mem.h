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

#define GUEST_MEM_MAX_REGIONS 1024u

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
	struct guest_mem_region regions[GUEST_MEM_MAX_REGIONS]; /* by gpa, none overlaps */
};

/* The region that has the guest address; NULL: none. */
static inline const struct guest_mem_region *guest_mem_find(const struct guest_mem *mem,
							    uint64_t gpa)
{
	const struct guest_mem_region *r = mem->regions;
	uint32_t n = mem->nregions;

	/* The last region that begins at gpa or before. */
	while (n > 1) {
		uint32_t half = n / 2;

		r = r[half].gpa <= gpa ? r + half : r;
		n -= half;
	}
	return likely(n && gpa - r->gpa < r->size) ? r : NULL;
}

/*
 * The host address of guest address gpa, and in *run how many bytes from there on belong to the
 * same region; NULL if it is in none.
 */
static inline uint8_t *guest_mem_run(const struct guest_mem *mem, uint64_t gpa, uint64_t *run)
{
	const struct guest_mem_region *r = guest_mem_find(mem, gpa);

	if (unlikely(!r))
		return NULL;
	*run = r->size - (gpa - r->gpa);
	return r->host + (gpa - r->gpa);
}

/*
 * The same for those who translate many addresses: most lie in the region of the one before, whose
 * index is kept in *last (0 at first; any region's will do, also after a change of the table).
 */
static inline uint8_t *guest_mem_run_near(const struct guest_mem *mem, uint64_t gpa, uint64_t *run,
					  uint16_t *last)
{
	const struct guest_mem_region *r = &mem->regions[*last];

	if (unlikely(gpa - r->gpa >= r->size)) {
		r = guest_mem_find(mem, gpa);
		if (unlikely(!r))
			return NULL;
		*last = (uint16_t)(r - mem->regions);
	}
	*run = r->size - (gpa - r->gpa);
	return r->host + (gpa - r->gpa);
}

uint8_t *guest_mem_ptr_elsewhere(const struct guest_mem *mem, uint64_t gpa, uint64_t len,
				 uint16_t *last);

/* The host address of [gpa, gpa + len), len > 0, or NULL if that is not all in one region. */
static inline uint8_t *guest_mem_ptr_near(const struct guest_mem *mem, uint64_t gpa, uint64_t len,
					  uint16_t *last)
{
	const struct guest_mem_region *r = &mem->regions[*last];
	uint64_t at = gpa - r->gpa;

	if (likely(at < r->size && len <= r->size - at))
		return r->host + at;
	return guest_mem_ptr_elsewhere(mem, gpa, len, last);
}

static inline uint8_t *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t run;
	uint8_t *p = guest_mem_run(mem, gpa, &run);

	return p && len <= run ? p : NULL;
}

/*
 * Adds a region. Returns 0; -ENOSPC: the table is full; -EINVAL: empty, beyond 2^64, or overlapping
 * another. The caller keeps the mapping until the region is removed.
 */
int guest_mem_add(struct guest_mem *mem, uint64_t gpa, uint64_t size, void *host);
/* Removes the region that begins at gpa, if there is one. */
void guest_mem_remove(struct guest_mem *mem, uint64_t gpa);
void guest_mem_clear(struct guest_mem *mem);

/* --- the SIGBUS guard --- */

/* Installs the handler. Main thread, before any guard. Returns 0 or -errno. */
int guest_mem_guard_init(void);
/*
 * Guards a mapping: an access beyond the end of a truncated file sets *lost and continues on zeroed
 * private memory instead of ending the process. Returns the guard's number, or -ENOSPC or -ENOMEM.
 * Any thread.
 */
int guest_mem_guard(void *addr, size_t len, atomic_bool *lost);
/* Before the mapping goes away. -1: there is none. */
void guest_mem_unguard(int guard);

#endif
