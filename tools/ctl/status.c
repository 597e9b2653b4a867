/* SPDX-License-Identifier: BSD-3-Clause */
#include "status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "print.h"
#include "text.h"

#define PARTS_MAX 5
#define TEXT_MAX  24 /* bytes; longer ones, such as UUIDs, are for `info` */

char *ctl_status_text(const json_t *value)
{
	if (json_is_integer(value))
		return ctl_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return ctl_text_clean(json_is_string(value) ? json_string_value(value) : "");
}

struct parts {
	char *text;
	unsigned int n;
};

static void add(struct parts *p, char *part)
{
	char *before = p->text;

	if (*part && p->n < PARTS_MAX) {
		p->text =
			*before ? ctl_format("%s, %s", before, part) : ctl_copy(part, strlen(part));
		p->n++;
		free(before);
	}
	free(part);
}

/* A number says whose it is, a size does by its unit. */
static char *number_part(const char *name, const json_t *value)
{
	char *cell = ctl_print_cell(name, value), *part;
	bool has_unit = cell[strspn(cell, "-0123456789")];

	part = has_unit ? ctl_copy(cell, strlen(cell)) : ctl_format("%s %s", name, cell);
	free(cell);
	return part;
}

static void add_member(struct parts *p, const char *name, const json_t *value)
{
	char *clean = ctl_text_clean(name);

	if (json_is_true(value))
		add(p, ctl_copy(clean, strlen(clean)));
	else if (json_is_integer(value))
		add(p, number_part(clean, value));
	else if (json_is_string(value) && json_string_length(value) <= TEXT_MAX &&
		 json_string_value(value)[0] != '/')
		add(p, ctl_text_clean(json_string_value(value)));
	free(clean);
}

char *ctl_status_object(const json_t *list_member, const json_t *object)
{
	const json_t *members = json_object_get(list_member, "members"), *member;
	json_t *own = (json_t *)(uintptr_t)object, *value;
	struct parts p = {.text = ctl_copy("", 0)};
	const char *name;
	size_t i;

	json_array_foreach(members, i, member)
	{
		name = ctl_text_of(member, "name");
		/* The first one is its name. */
		if (i)
			add_member(&p, name, json_object_get(object, name));
	}
	if (!list_member)
		json_object_foreach(own, name, value) add_member(&p, name, value);
	return p.text;
}

char *ctl_status_area(const json_t *methods, const char *area)
{
	struct parts p = {.text = ctl_copy("", 0)};
	const json_t *method;
	size_t i;

	json_array_foreach(methods, i, method)
	{
		if (ctl_area_is(method, area))
			add(&p, ctl_text_clean(ctl_verb_of(method)));
	}
	return p.text;
}
