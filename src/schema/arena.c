/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024 };

struct schema_arena_block {
	struct schema_arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char data[];
};

static struct schema_arena_block *add_block(struct schema_arena *arena, size_t bytes)
{
	struct schema_arena_block *block;
	size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = calloc(1, sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *schema_arena_alloc(struct schema_arena *arena, size_t count, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct schema_arena_block *block = arena->blocks;
	size_t bytes;
	void *data;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - align) {
		arena->failed = 1;
		return NULL;
	}
	bytes = (bytes + align - 1) / align * align;
	if (!block || bytes > block->size - block->used)
		block = add_block(arena, bytes);
	if (!block) {
		arena->failed = 1;
		return NULL;
	}
	data = block->data + block->used;
	block->used += bytes;
	return data;
}

char *schema_arena_strndup(struct schema_arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? schema_arena_alloc(arena, 1, len + 1) : NULL;

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

char *schema_arena_printf(struct schema_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;
	char *copy = NULL;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0) {
		arena->failed = 1;
		return NULL;
	}
	copy = schema_arena_strndup(arena, text, len);
	free(text);
	return copy;
}

void schema_arena_free(struct schema_arena *arena)
{
	struct schema_arena_block *block = arena->blocks;

	while (block) {
		struct schema_arena_block *next = block->next;

		free(block);
		block = next;
	}
	memset(arena, 0, sizeof(*arena));
}
