/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_POS_H
#define SCHEMA_POS_H

/*
 * Where something stands: in a YAML file its line and column, both counted from 1, the column in
 * characters; in a JSON text the pointer (RFC 6901) of the member. All 0 means nowhere.
 */
struct schema_pos {
	unsigned int line;
	unsigned int column; /* JSON: a number in the order of the text */
	const char *pointer; /* JSON; lives as long as what has this position */
	const char *name;    /* instead of a place: of the object that is meant, which is there */
};

/* Where it stands, within a sentence: "in line 3" or "at /bdevs/0". */
struct schema_at {
	char text[160];
};

const char *schema_at_format(struct schema_at *out, struct schema_pos pos);

/* For one use as an argument: the buffer lives as long as the enclosing block. */
#define SCHEMA_AT(pos) schema_at_format(&(struct schema_at){{0}}, (pos))

#endif
