/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

/*
 * The "guest's" memory, which the target maps, too: one region of a memfd, given out piece by piece
 * and never taken back. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

#define MEMORY_PAGE 4096u
/* What begins on such a boundary shares no cache line, nor a pair of them that is fetched together.
 */
#define MEMORY_LINE 128u

struct memory {
	uint8_t *base;
	uint64_t gpa; /* guest address of base */
	uint64_t size, used;
	int fd; /* -1: none */
	bool huge;
};

/* 0 or -1 after a message. `size` is rounded up to whole huge pages. */
int memory_create(struct memory *m, uint64_t size, enum bench_memory policy);
void memory_destroy(struct memory *m);
/* Zeroed; align is a power of 2. NULL after a message. */
void *memory_alloc(struct memory *m, uint64_t size, uint64_t align);

static inline uint64_t memory_gpa(const struct memory *m, const void *at)
{
	return m->gpa + (uint64_t)((const uint8_t *)at - m->base);
}

/* Bytes that programs can still get of the machine's memory (MemAvailable); UINT64_MAX: unknown. */
uint64_t memory_available(void);

#endif
