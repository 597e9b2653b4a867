/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/places.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/errors.h"

int schema_places_add(struct schema_places *places, const void *field, struct schema_pos pos)
{
	if (places->n == places->size) {
		size_t size = places->size ? 2 * places->size : 64;
		struct schema_place *list = reallocarray(places->list, size, sizeof(*list));

		if (!list)
			return -ENOMEM;
		places->list = list;
		places->size = size;
	}
	places->list[places->n++] = (struct schema_place){.field = field, .pos = pos};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct schema_place *x = a;
	const struct schema_place *y = b;

	if (x->field != y->field)
		return (uintptr_t)x->field < (uintptr_t)y->field ? -1 : 1;
	return 0;
}

void schema_places_sort(struct schema_places *places)
{
	struct schema_place *list;

	if (!places->n)
		return;
	qsort(places->list, places->n, sizeof(*places->list), compare);
	/* They stay for as long as the configuration. */
	list = reallocarray(places->list, places->n, sizeof(*list));
	if (list) {
		places->list = list;
		places->size = places->n;
	}
}

void schema_places_free(struct schema_places *places)
{
	free(places->list);
	memset(places, 0, sizeof(*places));
}

static const struct schema_place *find(const struct schema_places *places, const void *field)
{
	const struct schema_place key = {.field = field};

	if (!places->n)
		return NULL;
	return bsearch(&key, places->list, places->n, sizeof(key), compare);
}

bool schema_places_has(const struct schema_places *places, const void *field)
{
	return find(places, field) != NULL;
}

struct schema_pos schema_places_find(const struct schema_places *places, const void *field,
				     struct schema_pos fallback)
{
	const struct schema_place *place = find(places, field);

	return place ? place->pos : fallback;
}

const char *schema_at_format(struct schema_at *out, struct schema_pos pos)
{
	if (pos.name)
		snprintf(out->text, sizeof(out->text), "%s", SCHEMA_QUOTE(pos.name));
	else if (pos.pointer)
		snprintf(out->text, sizeof(out->text), "at %s", pos.pointer);
	else
		snprintf(out->text, sizeof(out->text), "in line %u", pos.line);
	return out->text;
}
