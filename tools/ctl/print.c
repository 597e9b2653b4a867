/* SPDX-License-Identifier: BSD-3-Clause */
#include "print.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "text.h"

#define CELL_MAX 60 /* characters */
#define INDENT	 2

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

static bool is_bytes(const char *name)
{
	return ends_with(name, "_bytes") || !strcmp(name, "bytes");
}

/* --- values in a line --- */

static char *join(char *list, char *more)
{
	char *both = *list ? ctl_format("%s,%s", list, more) : ctl_copy(more, strlen(more));

	free(list);
	free(more);
	return both;
}

/* A mapping in a list by its texts: {"kind": "bdev", "name": "x"} is "bdev x". */
static char *texts_of(const json_t *mapping)
{
	json_t *object = (json_t *)(uintptr_t)mapping; /* jansson has no constant iterators */
	char *all = ctl_copy("", 0);
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		char *before = all, *clean;

		if (!json_is_string(value) && !json_is_integer(value))
			continue;
		clean = ctl_print_cell(name, value);
		all = *before ? ctl_format("%s %s", before, clean) : ctl_copy(clean, strlen(clean));
		free(clean);
		free(before);
	}
	return all;
}

static char *list_cell(const char *name, const json_t *list)
{
	char *all = ctl_copy("", 0);
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		if (strlen(all) > (size_t)CELL_MAX * 4)
			break;
		all = join(all, json_is_object(value)  ? texts_of(value)
				: json_is_array(value) ? ctl_copy("..", 2)
						       : ctl_print_cell(name, value));
	}
	return all;
}

static char *integer_cell(const char *name, json_int_t value)
{
	if (is_bytes(name) && value >= 0)
		return ctl_text_bytes((unsigned long long)value);
	return ctl_format("%" JSON_INTEGER_FORMAT, value);
}

char *ctl_print_cell(const char *name, const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		return ctl_text_clean(json_string_value(value));
	case JSON_INTEGER:
		return integer_cell(name, json_integer_value(value));
	case JSON_REAL:
		return ctl_format("%.3f", json_real_value(value));
	case JSON_TRUE:
		return ctl_copy("yes", 3);
	case JSON_FALSE:
		return ctl_copy("no", 2);
	case JSON_ARRAY:
		return list_cell(name, value);
	default:
		return ctl_copy("", 0);
	}
}

/* --- tables --- */

/* "size_bytes" is SIZE, as its values have units. */
static char *heading_of(const char *name)
{
	char *clean = ctl_text_clean(name), *at;

	if (ends_with(clean, "_bytes"))
		clean[strlen(clean) - strlen("_bytes")] = '\0';
	for (at = clean; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return clean;
}

/* Mappings are for who asks for one object; numbers in pairs, for programs. */
static bool fits_a_cell(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(json_array_get(value, 0));
}

/* Whether any row says something there. */
static bool is_told(const json_t *rows, const char *name)
{
	const json_t *row, *value;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		value = json_object_get(row, name);
		if (!fits_a_cell(value))
			return false;
	}
	json_array_foreach(rows, i, row)
	{
		value = json_object_get(row, name);
		if (value && !json_is_null(value) && !json_is_false(value) &&
		    !(json_is_array(value) && !json_array_size(value)))
			return true;
	}
	return false;
}

struct columns {
	const char **names;
	size_t n;
};

static void add_column(struct columns *c, const json_t *rows, const char *name)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (!strcmp(c->names[i], name))
			return;
	if (!is_told(rows, name))
		return;
	c->names = ctl_resize(c->names, c->n + 1, sizeof(*c->names));
	c->names[c->n++] = name;
}

/* Those that rpc.discover has, in its order, then those that the first row has besides. */
static struct columns columns_of(const json_t *rows, const json_t *members)
{
	struct columns c = {0};
	json_t *value;
	const char *name;
	const json_t *member;
	size_t i;

	json_array_foreach(members, i, member) add_column(&c, rows, ctl_text_of(member, "name"));
	json_object_foreach(json_array_get(rows, 0), name, value) add_column(&c, rows, name);
	return c;
}

static char *cut(char *cell)
{
	char *shorter;
	size_t n = CELL_MAX;

	if (ctl_text_width(cell) <= CELL_MAX)
		return cell;
	while (n && ((unsigned char)cell[n] & 0xc0) == 0x80)
		n--;
	shorter = ctl_format("%.*s..", (int)n, cell);
	free(cell);
	return shorter;
}

/* Or one with a unit. */
static bool is_number(const char *cell)
{
	size_t n = strspn(cell, "0123456789.");

	return (n && strlen(cell + n) <= 3) || !strcmp(cell, "-");
}

/* Numbers stand at the right of their column. */
static bool is_right(char *const *cells, size_t ncolumns, size_t nrows, size_t column)
{
	size_t row;

	for (row = 1; row < nrows; row++)
		if (!is_number(cells[row * ncolumns + column]))
			return false;
	return nrows > 1;
}

static size_t width_of(char *const *cells, size_t ncolumns, size_t nrows, size_t column)
{
	size_t row, width = 0;

	for (row = 0; row < nrows; row++) {
		size_t w = ctl_text_width(cells[row * ncolumns + column]);

		width = w > width ? w : width;
	}
	return width;
}

void ctl_print_rows(char *const *cells, size_t ncolumns, size_t nrows)
{
	size_t *widths = ctl_alloc(ncolumns, sizeof(*widths)), row, i;
	bool *right = ctl_alloc(ncolumns, sizeof(*right));

	for (i = 0; i < ncolumns; i++) {
		widths[i] = width_of(cells, ncolumns, nrows, i);
		right[i] = is_right(cells, ncolumns, nrows, i);
	}
	for (row = 0; row < nrows; row++) {
		for (i = 0; i < ncolumns; i++) {
			const char *cell = cells[row * ncolumns + i];
			int pad = (int)(widths[i] - ctl_text_width(cell));

			printf("%s%*s%s", i ? "  " : "", right[i] ? pad : 0, "", cell);
			if (!right[i] && i + 1 < ncolumns)
				printf("%*s", pad, "");
		}
		putchar('\n');
	}
	free(widths);
	free(right);
}

static char *cell_of(const json_t *row, const char *name)
{
	char *cell = ctl_print_cell(name, json_object_get(row, name));

	if (*cell)
		return cut(cell);
	free(cell);
	return ctl_copy("-", 1);
}

static void print_table(const json_t *rows, const json_t *members)
{
	struct columns c = columns_of(rows, members);
	size_t nrows = json_array_size(rows) + 1, row, i;
	char **cells = ctl_alloc(nrows * c.n, sizeof(*cells));

	for (i = 0; i < c.n; i++)
		cells[i] = heading_of(c.names[i]);
	for (row = 1; row < nrows; row++)
		for (i = 0; i < c.n; i++)
			cells[row * c.n + i] = cell_of(json_array_get(rows, row - 1), c.names[i]);
	if (c.n)
		ctl_print_rows(cells, c.n, nrows);
	for (i = 0; i < nrows * c.n; i++)
		free(cells[i]);
	free(cells);
	free(c.names);
}

/* --- mappings --- */

static bool is_list_of_mappings(const json_t *value)
{
	return json_is_object(json_array_get(value, 0));
}

static void print_elements(const json_t *list, int depth)
{
	const json_t *element;
	size_t i;

	json_array_foreach(list, i, element)
	{
		printf("%*s-\n", depth * INDENT, "");
		ctl_print_mapping(element, depth + 1);
	}
}

static void print_member(const char *name, const json_t *value, int depth, int width)
{
	char *clean = ctl_text_clean(name), *cell;

	if (json_is_object(value) || is_list_of_mappings(value)) {
		printf("%*s%s:\n", depth * INDENT, "", clean);
		if (json_is_object(value))
			ctl_print_mapping(value, depth + 1);
		else
			print_elements(value, depth + 1);
	} else {
		int pad = width - (int)ctl_text_width(clean);

		cell = ctl_print_cell(name, value);
		printf("%*s%s:%*s%s\n", depth * INDENT, "", clean, pad > 0 ? pad + 1 : 1, "",
		       *cell ? cell : "-");
		free(cell);
	}
	free(clean);
}

/* As deep as the JSON is, which jansson limits. */
void ctl_print_mapping(const json_t *mapping, int depth)
{
	json_t *object = (json_t *)(uintptr_t)mapping;
	const char *name;
	json_t *value;
	int width = 0;

	json_object_foreach(object, name, value)
	{
		int w = (int)ctl_text_width(name);

		width = w > width && w < 40 ? w : width;
	}
	json_object_foreach(object, name, value) print_member(name, value, depth, width);
}

/* --- results --- */

static const json_t *members_of(const json_t *members, const char *name)
{
	const json_t *member;
	size_t i;

	json_array_foreach(members, i, member)
	{
		if (!strcmp(ctl_text_of(member, "name"), name))
			return json_object_get(member, "members");
	}
	return NULL;
}

static void print_lists(const json_t *result, const json_t *members, bool alone, bool whole)
{
	json_t *object = (json_t *)(uintptr_t)result;
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		const json_t *of = members_of(members, name);
		char *heading;

		if (!is_list_of_mappings(value))
			continue;
		heading = ctl_text_clean(name);
		if (!alone)
			printf("%s:\n", heading);
		free(heading);
		if (whole && alone && json_array_size(value) == 1 && json_array_size(of))
			ctl_print_mapping(json_array_get(value, 0), 0);
		else
			print_table(value, of);
		if (!alone)
			putchar('\n');
	}
}

void ctl_print_result(const json_t *result, const json_t *members, bool whole)
{
	json_t *rest = json_object(), *object = (json_t *)(uintptr_t)result;
	size_t lists = 0;
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		if (is_list_of_mappings(value))
			lists++;
		else if (!json_is_array(value) || json_array_size(value))
			json_object_set(rest, name, value);
	}
	ctl_print_mapping(rest, 0);
	print_lists(result, members, lists == 1 && !json_object_size(rest), whole);
	json_decref(rest);
}

void ctl_print_json(const json_t *value)
{
	/* Names may have characters that a terminal obeys; a program gets them as they are. */
	size_t flags =
		JSON_COMPACT | JSON_ENCODE_ANY | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
	char *text = json_dumps(value, flags);

	if (text)
		puts(text);
	free(text);
}
