/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_YAML_LINES_H
#define SCHEMA_YAML_LINES_H

/* The lines and comments of a YAML text, and changes of it. Offsets are bytes. Any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_NOWHERE SIZE_MAX /* the text has another shape there */

struct yaml_lines {
	const char *text;
	size_t len;
	uint32_t *bytes; /* by character; NULL: each is one */
	size_t skipped;	 /* bytes before the first character */
};

/* False: no memory. */
bool yaml_lines_init(struct yaml_lines *l, const char *text, size_t len);
void yaml_lines_free(struct yaml_lines *l);

/* Of a character, as nodes have them. */
size_t yaml_lines_byte(const struct yaml_lines *l, size_t character);
/* How far it is from the beginning of its line, in characters. */
size_t yaml_lines_column(const struct yaml_lines *l, size_t at);
/* Whether a line begins there. */
bool yaml_lines_is_begin(const struct yaml_lines *l, size_t at);
/* Behind the colon that comes behind a key. */
size_t yaml_lines_colon(const struct yaml_lines *l, size_t at);
/* The dash of a list's element that begins there; the first thing in its line. */
size_t yaml_lines_dash(const struct yaml_lines *l, size_t at);
/*
 * The next line behind what ends there, behind comments in the lines just below it, too, that are
 * further to the right than `column`.
 */
size_t yaml_lines_after(const struct yaml_lines *l, size_t at, size_t column);
/*
 * The line that something begins, or the first of the lines of comments just above it that are not
 * further to the right.
 */
size_t yaml_lines_comment_above(const struct yaml_lines *l, size_t at);

struct yaml_change {
	size_t begin, end;
	const char *text; /* instead of it; NULL: nothing */
	size_t depth;	  /* at one place the deepest comes first */
	size_t order;	  /* private */
};

/* Zero-initialise it. */
struct yaml_changes {
	struct yaml_change *list;
	size_t n, size;
};

/* 0 or -ENOMEM. */
int yaml_changes_add(struct yaml_changes *c, struct yaml_change change);
/* From malloc(); NULL: no memory, or two overlap. */
char *yaml_changes_apply(struct yaml_changes *c, const char *text, size_t len);
void yaml_changes_free(struct yaml_changes *c);

#endif
