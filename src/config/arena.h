/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_ARENA_H
#define SHADOWBELL_CONFIG_ARENA_H

#include <stddef.h>

/* Memory that is only ever released as a whole. Zero-initialise it. One thread at a time. */
struct config_arena {
	struct config_arena_block *blocks;
	int failed; /* sticky: an allocation failed */
};

/* Zeroed memory, aligned for any type, or NULL (and the arena is marked as failed). */
void *config_arena_alloc(struct config_arena *arena, size_t count, size_t size);

/* A NUL-terminated copy, or NULL. */
char *config_arena_strndup(struct config_arena *arena, const char *text, size_t len);

char *config_arena_printf(struct config_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void config_arena_free(struct config_arena *arena);

#endif /* SHADOWBELL_CONFIG_ARENA_H */
