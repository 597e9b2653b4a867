/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_DOCS_DOCS_H
#define CONFIG_DOCS_DOCS_H

/* The keys of a configuration, and the methods of the control socket, as tables for people. */

#include "schema/schema.h"

/* Keys that stand in one table; `types` are the values of its key "type", if it has one. */
struct docs_table {
	const struct schema_key *keys;
	const struct object_type *const *types;
};

/* All that follows the kind of a value: what is allowed. "" if there is nothing to say. */
char *docs_allowed(const struct docs_table *table, const struct schema_key *key);

/* markdown.c and mdoc.c: the table's text. */
void docs_markdown(const struct docs_table *table, FILE *out);
void docs_mdoc(const struct docs_table *table, FILE *out);
/* methods.c: false: there is none of that name. */
bool docs_method(const char *name, FILE *out);
/* All events. */
void docs_events(FILE *out);

#endif
