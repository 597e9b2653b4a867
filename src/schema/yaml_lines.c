/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/yaml_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

bool yaml_lines_init(struct yaml_lines *l, const char *text, size_t len)
{
	size_t i, n = 0;

	*l = (struct yaml_lines){.text = text, .len = len};
	/* As the reader of the tree: a byte order mark is no character. */
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		l->skipped = 3;
	for (i = l->skipped; i < len && begins_character(text[i]); i++)
		;
	if (i == len)
		return true;
	l->bytes = malloc((len + 1) * sizeof(*l->bytes));
	if (!l->bytes)
		return false;
	for (i = l->skipped; i < len; i++)
		if (begins_character(text[i]))
			l->bytes[n++] = (uint32_t)i;
	while (n <= len)
		l->bytes[n++] = (uint32_t)len;
	return true;
}

void yaml_lines_free(struct yaml_lines *l)
{
	free(l->bytes);
	l->bytes = NULL;
}

size_t yaml_lines_byte(const struct yaml_lines *l, size_t character)
{
	if (l->bytes)
		return character <= l->len ? l->bytes[character] : l->len;
	return character + l->skipped <= l->len ? character + l->skipped : l->len;
}

static size_t line_of(const struct yaml_lines *l, size_t at)
{
	while (at > l->skipped && l->text[at - 1] != '\n')
		at--;
	return at;
}

bool yaml_lines_is_begin(const struct yaml_lines *l, size_t at)
{
	return line_of(l, at) == at;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

size_t yaml_lines_column(const struct yaml_lines *l, size_t at)
{
	size_t i, n = 0;

	for (i = line_of(l, at); i < at; i++)
		n += begins_character(l->text[i]);
	return n;
}

size_t yaml_lines_colon(const struct yaml_lines *l, size_t at)
{
	while (at < l->len && is_blank(l->text[at]))
		at++;
	return at < l->len && l->text[at] == ':' ? at + 1 : YAML_NOWHERE;
}

static size_t first_of_line(const struct yaml_lines *l, size_t at)
{
	size_t i = line_of(l, at);

	while (i < at && is_blank(l->text[i]))
		i++;
	return i;
}

static bool is_first(const struct yaml_lines *l, size_t at)
{
	return first_of_line(l, at) == at;
}

/* Whether a dash stands at i, and a comment behind it in its line. */
static bool is_dash_with_comment(const struct yaml_lines *l, size_t i)
{
	if (i + 1 >= l->len || l->text[i] != '-' || !is_blank(l->text[i + 1]))
		return false;
	for (i++; i < l->len && is_blank(l->text[i]); i++)
		;
	return i < l->len && l->text[i] == '#';
}

/* Between a dash and the first key of its mapping there are only blanks, newlines and comments. */
size_t yaml_lines_dash(const struct yaml_lines *l, size_t at)
{
	for (;;) {
		size_t first;

		while (at > l->skipped && (is_blank(l->text[at - 1]) || l->text[at - 1] == '\n'))
			at--;
		if (at == l->skipped)
			return YAML_NOWHERE;
		if (l->text[at - 1] == '-' && is_first(l, at - 1))
			return at - 1;
		first = first_of_line(l, at);
		if (is_dash_with_comment(l, first))
			return first;
		if (first == at || l->text[first] != '#')
			return YAML_NOWHERE;
		at = first;
	}
}

/* Whether the line has a comment alone; *column: where it begins. */
static bool is_comment(const struct yaml_lines *l, size_t line, size_t *column)
{
	size_t i = line;

	while (i < l->len && is_blank(l->text[i]))
		i++;
	*column = i - line;
	return i < l->len && l->text[i] == '#';
}

static size_t next_line(const struct yaml_lines *l, size_t at)
{
	while (at < l->len && l->text[at] != '\n')
		at++;
	return at < l->len ? at + 1 : l->len;
}

size_t yaml_lines_after(const struct yaml_lines *l, size_t at, size_t column)
{
	size_t i = at, where;

	/* A text in lines of its own ends with its last one. */
	if (at <= l->skipped || l->text[at - 1] != '\n') {
		while (i < l->len && is_blank(l->text[i]))
			i++;
		if (i < l->len && l->text[i] != '\n' && (l->text[i] != '#' || i == at))
			return YAML_NOWHERE;
		i = next_line(l, i);
	}
	while (i < l->len && is_comment(l, i, &where) && where > column)
		i = next_line(l, i);
	return i;
}

size_t yaml_lines_comment_above(const struct yaml_lines *l, size_t at)
{
	size_t line = line_of(l, at), column = at - line, where;

	if (!is_first(l, at))
		return YAML_NOWHERE;
	while (line > l->skipped && is_comment(l, line_of(l, line - 1), &where) && where <= column)
		line = line_of(l, line - 1);
	return line;
}

/* --- changes --- */

int yaml_changes_add(struct yaml_changes *c, struct yaml_change change)
{
	if (c->n == c->size) {
		size_t size = c->size ? 2 * c->size : 16;
		struct yaml_change *list = reallocarray(c->list, size, sizeof(*list));

		if (!list)
			return -ENOMEM;
		c->list = list;
		c->size = size;
	}
	change.order = c->n;
	c->list[c->n++] = change;
	return 0;
}

/* What is put in somewhere comes before what is taken away from there on. */
static int compare(const void *a, const void *b)
{
	const struct yaml_change *x = a, *y = b;
	bool x_takes = x->end > x->begin, y_takes = y->end > y->begin;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x_takes != y_takes)
		return x_takes ? 1 : -1;
	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

char *yaml_changes_apply(struct yaml_changes *c, const char *text, size_t len)
{
	char *out = NULL;
	size_t i, n, at = 0;
	FILE *file = open_memstream(&out, &n);
	bool good = file;

	if (c->n)
		qsort(c->list, c->n, sizeof(*c->list), compare);
	for (i = 0; good && i < c->n; i++) {
		const struct yaml_change *change = &c->list[i];

		good = change->begin >= at && change->end >= change->begin && change->end <= len;
		if (!good)
			break;
		fwrite(text + at, 1, change->begin - at, file);
		if (change->text)
			fputs(change->text, file);
		at = change->end;
	}
	if (good)
		fwrite(text + at, 1, len - at, file);
	if (file && fclose(file))
		good = false;
	if (!good) {
		free(out);
		return NULL;
	}
	return out;
}

void yaml_changes_free(struct yaml_changes *c)
{
	free(c->list);
	*c = (struct yaml_changes){0};
}
