/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/node.h"

#include <errno.h>
#include <string.h>

struct schema_node *schema_node_new(struct schema_arena *arena, enum schema_node_kind kind)
{
	struct schema_node *node = schema_arena_alloc(arena, 1, sizeof(*node));

	if (node)
		node->kind = kind;
	return node;
}

struct schema_node *schema_node_scalar(struct schema_arena *arena, const char *text, bool quoted)
{
	struct schema_node *node = schema_node_new(arena, SCHEMA_NODE_SCALAR);

	if (!node)
		return NULL;
	node->text = schema_arena_strndup(arena, text, strlen(text));
	node->quoted = quoted;
	return node->text ? node : NULL;
}

void schema_node_append(struct schema_node *sequence, struct schema_node *child)
{
	if (sequence->last)
		sequence->last->next = child;
	else
		sequence->first = child;
	sequence->last = child;
	sequence->count++;
}

int schema_node_set(struct schema_arena *arena, struct schema_node *mapping, const char *key,
		    struct schema_node *value)
{
	struct schema_node *name = schema_node_new(arena, SCHEMA_NODE_SCALAR);

	if (!name)
		return -ENOMEM;
	name->text = key;
	value->key = name;
	schema_node_append(mapping, value);
	return 0;
}
