/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_YAML_EDIT_H
#define SCHEMA_YAML_EDIT_H

/* A YAML text is brought to say something else, with its comments, order and shape where it says
 * the same as before. Any thread. */

#include <stddef.h>

#include "schema/node.h"

enum yaml_edit_how {
	YAML_EDIT_KEYS,	   /* single values are replaced */
	YAML_EDIT_OBJECTS, /* elements of lists are, as a whole */
};

struct yaml_edit {
	const char *text;
	size_t len;
	/* As schema_object_dump() makes it: of what has been read from the text, and what it is to
	 * say. The elements of `before` are in the order of the text. */
	const struct schema_node *before, *after;
	/* `after` without what need not be said: that is written. */
	const struct schema_node *brief;
	enum yaml_edit_how how;
};

/*
 * The text, from malloc(); NULL: no memory, or its shape is too unusual. That it says what it is to
 * say is for the caller to check, by reading it.
 *
 * What is new comes behind the last element of its list, or the last key. What is gone goes with
 * the comment in the lines just above it, and those that belong to its last line.
 */
char *schema_yaml_edit(const struct yaml_edit *what);

#endif
