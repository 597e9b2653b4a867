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

struct schema_node *schema_node_find(const struct schema_node *mapping, const char *key)
{
	struct schema_node *child;

	for (child = mapping->first; child && strcmp(child->key->text, key) != 0;
	     child = child->next)
		;
	return child;
}

/* --- the same --- */

const char *schema_node_name_key(const struct schema_node *element)
{
	static const char *const keys[] = {"name", "nsid", "id", "lun"};
	size_t i;

	for (i = 0; element->kind == SCHEMA_NODE_MAPPING && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (schema_node_find(element, keys[i]))
			return keys[i];
	return NULL;
}

struct schema_node *schema_node_match(const struct schema_node *list,
				      const struct schema_node *like)
{
	const char *key = schema_node_name_key(like);
	const struct schema_node *name = key ? schema_node_find(like, key) : NULL;
	struct schema_node *child;

	for (child = list->first; child; child = child->next) {
		const struct schema_node *other = key && child->kind == SCHEMA_NODE_MAPPING
							  ? schema_node_find(child, key)
							  : NULL;

		if (name ? other && schema_node_same(other, name) : schema_node_same(child, like))
			return child;
	}
	return NULL;
}

static bool same_keys(const struct schema_node *a, const struct schema_node *b)
{
	const struct schema_node *child, *other;

	for (child = a->first; child; child = child->next) {
		other = schema_node_find(b, child->key->text);
		if (!other || !schema_node_same(child, other))
			return false;
	}
	return true;
}

/* Mostly the order is the same. */
static bool same_elements(const struct schema_node *a, const struct schema_node *b)
{
	const struct schema_node *child, *other = b->first;

	for (child = a->first; child; child = child->next) {
		if (!schema_node_same(child, other)) {
			const struct schema_node *match = child->kind == SCHEMA_NODE_MAPPING
								  ? schema_node_match(b, child)
								  : NULL;

			if (!match || !schema_node_same(child, match))
				return false;
		}
		other = other->next;
	}
	return true;
}

bool schema_node_same(const struct schema_node *a, const struct schema_node *b)
{
	if (a->kind != b->kind || a->count != b->count)
		return false;
	if (a->kind == SCHEMA_NODE_SCALAR)
		return !strcmp(a->text, b->text);
	return a->kind == SCHEMA_NODE_MAPPING ? same_keys(a, b) : same_elements(a, b);
}
