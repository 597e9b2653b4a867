/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_MEM_H
#define TESTS_FRONTEND_FE_MEM_H

/*
 * Guest memory: a few memfds, each at a guest physical address (GPA) and mapped here. An allocator
 * hands out pieces; nothing is freed before the whole. Not for two threads at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fe_spec.h"

#define FE_MEM_REGIONS_MAX 12

struct fe_mem_region {
	uint64_t gpa;
	uint64_t size; /* bytes */
	int fd;
	uint8_t *va;   /* mapped read-write */
	uint64_t used; /* bytes given out by fe_mem_alloc() */
};

struct fe_mem {
	struct fe_mem_region regions[FE_MEM_REGIONS_MAX];
	size_t nregions;
};

void fe_mem_init(struct fe_mem *mem);
/* Unmaps and closes everything; fine on one that fe_mem_init() has just made, and twice. */
void fe_mem_destroy(struct fe_mem *mem);
/* Adds a memfd of `size` bytes at gpa. Returns the region's index, or -errno. */
int fe_mem_add(struct fe_mem *mem, uint64_t gpa, uint64_t size);
/* Closes the last region, whoever still uses it. */
void fe_mem_remove_last(struct fe_mem *mem);

/* Zeroed memory from region `r`; align is a power of two. NULL: the region is used up. */
void *fe_mem_alloc_in(struct fe_mem *mem, size_t r, size_t size, size_t align, uint64_t *gpa);
/* The same from region 0, page-aligned. Aborts the program when it is used up: size the region. */
void *fe_mem_alloc(struct fe_mem *mem, size_t size, uint64_t *gpa);
/* Where a guest address is mapped here; NULL unless [gpa, gpa + len) lies in one region. */
void *fe_mem_at(const struct fe_mem *mem, uint64_t gpa, size_t len);
/* Fills in a SET_MEM_TABLE payload and its fds. */
void fe_mem_table(const struct fe_mem *mem, struct fe_vhost_mem_table *table, int *fds);

/* Data that tells where it belongs: each 8 bytes hold a mix of seed and position. */
void fe_pattern_fill(void *buf, size_t len, uint64_t seed);
bool fe_pattern_check(const void *buf, size_t len, uint64_t seed);

#endif
