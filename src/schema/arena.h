/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_ARENA_H
#define SCHEMA_ARENA_H

#include <stddef.h>

/* Memory that is only ever released as a whole. Zero-initialise it. One thread at a time. */
struct schema_arena {
	struct schema_arena_block *blocks;
	int failed; /* sticky: an allocation failed */
};

/* Zeroed memory, aligned for any type, or NULL (and the arena is marked as failed). */
void *schema_arena_alloc(struct schema_arena *arena, size_t count, size_t size);

/* A NUL-terminated copy, or NULL. */
char *schema_arena_strndup(struct schema_arena *arena, const char *text, size_t len);

char *schema_arena_printf(struct schema_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void schema_arena_free(struct schema_arena *arena);

#endif /* SCHEMA_ARENA_H */
