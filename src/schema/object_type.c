/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/object_type.h"

#include <stdarg.h>
#include <stdio.h>

void object_error(struct object_check *c, const void *field, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (schema_errors_full(c->errors)) {
		schema_errors_skip(c->errors);
		return;
	}
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	schema_errors_add(c->errors, schema_places_find(c->places, field, c->pos), "%s %s: %s",
			  c->noun, SCHEMA_QUOTE(c->name), text);
}

bool object_gives(const struct object_check *c, const void *field)
{
	return schema_places_has(c->places, field);
}
