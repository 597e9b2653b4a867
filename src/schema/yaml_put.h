/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_YAML_PUT_H
#define SCHEMA_YAML_PUT_H

/* A tree, of what schema_object_dump() makes, as a part of a YAML text. Any thread. */

#include <stdio.h>

#include "schema/node.h"

/* In a line: {key: value}, [value, value]. */
void yaml_put_flow(FILE *out, const struct schema_node *node);
/*
 * In lines that begin at that column, from 0; the first one is there already up to it. Ends with a
 * newline.
 */
void yaml_put_block(FILE *out, const struct schema_node *node, size_t columns);
/* Likewise a key with its value. */
void yaml_put_key(FILE *out, const char *key, const struct schema_node *value, size_t columns);

#endif
