/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_PLACES_H
#define SCHEMA_PLACES_H

/* Where the value of each field that has been read was written. One thread at a time. */

#include <stdbool.h>
#include <stddef.h>

#include "schema/pos.h"

struct schema_place {
	const void *field;
	struct schema_pos pos;
};

/* Zero-initialise it. */
struct schema_places {
	struct schema_place *list; /* sorted by field once everything has been read */
	size_t n;
	size_t size;
};

/* Returns 0 or -ENOMEM. */
int schema_places_add(struct schema_places *places, const void *field, struct schema_pos pos);
void schema_places_sort(struct schema_places *places);
void schema_places_free(struct schema_places *places);

/* Was this field given a value (perhaps a wrong one)? Only after schema_places_sort(). */
bool schema_places_has(const struct schema_places *places, const void *field);

/* Where; `fallback` if it was given none. */
struct schema_pos schema_places_find(const struct schema_places *places, const void *field,
				     struct schema_pos fallback);

#endif
