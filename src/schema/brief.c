/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree that schema_object_dump() has made, without what is said by leaving it out. */
#include <string.h>

#include "schema/schema.h"

struct brief {
	struct schema_arena *arena;
	const void *root; /* the object of the root section */
	bool good;	  /* there was memory */
};

static void shorten_object(struct brief *b, const struct schema_section *section,
			   struct schema_node *node);

static const struct object_type *type_of(const struct schema_section *section,
					 const struct schema_node *node)
{
	const struct schema_node *type = schema_node_find(node, "type");
	const struct object_type *const *t = section->types;

	for (; t && *t && type; t++)
		if (!strcmp((*t)->name, type->text))
			return *t;
	return NULL;
}

static const struct schema_key *find_key(const struct schema_key *keys, const char *name)
{
	for (; keys && keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

/* Fields as they are where no key is given. NULL: no memory. */
static char *plain_fields(struct brief *b, const struct schema_section *section,
			  const struct object_type *type)
{
	size_t size = type	       ? type->params_size
		      : section->types ? section->params_size
				       : section->size;
	char *fields = schema_arena_alloc(b->arena, 1, size);

	if (fields && section->init)
		section->init(b->root, fields);
	return fields;
}

static bool is_default(struct brief *b, const struct schema_key *key, char *fields,
		       const struct schema_node *value)
{
	struct schema_node given = {.kind = SCHEMA_NODE_SCALAR, .text = key->dflt};
	struct schema_errors errors = {.path = ""};
	struct schema_reader reader = {.root = b->root, .arena = b->arena, .errors = &errors};
	const struct schema_node *dflt;

	if (key->required || key->section)
		return false;
	if (key->dflt)
		key->kind->read(&reader, key, &given, fields + key->offset);
	dflt = key->kind->dump(b->arena, key, fields + key->offset);
	schema_errors_free(&errors);
	return dflt && schema_node_same(dflt, value);
}

static void shorten_value(struct brief *b, const struct schema_key *key, struct schema_node *value)
{
	struct schema_node *child;

	if (!key->section)
		return;
	if (value->kind == SCHEMA_NODE_MAPPING)
		shorten_object(b, key->section, value);
	for (child = value->kind == SCHEMA_NODE_SEQUENCE ? value->first : NULL; child;
	     child = child->next)
		shorten_object(b, key->section, child);
}

static void shorten_object(struct brief *b, const struct schema_section *section,
			   struct schema_node *node)
{
	const struct object_type *type = type_of(section, node);
	char *fields = plain_fields(b, section, type);
	struct schema_node *child = node->first, *next;

	if (!fields) {
		b->good = false;
		return;
	}
	node->first = node->last = NULL;
	node->count = 0;
	for (; child; child = next) {
		const struct schema_key *key = find_key(section->keys, child->key->text);

		next = child->next;
		child->next = NULL;
		if (!key && type)
			key = find_key(type->keys, child->key->text);
		if (key && is_default(b, key, fields, child))
			continue;
		if (section->implied && section->implied(node, child))
			continue;
		if (key)
			shorten_value(b, key, child);
		/* A mapping that is not required, and says nothing. */
		if (key && child->kind == SCHEMA_NODE_MAPPING && !child->first)
			continue;
		schema_node_append(node, child);
	}
}

struct schema_node *schema_object_dump_brief(struct schema_arena *arena,
					     const struct schema_section *section,
					     const void *object, const void *root)
{
	struct brief b = {.arena = arena, .root = root, .good = true};
	struct schema_node *node = schema_object_dump(arena, section, object);

	if (node)
		shorten_object(&b, section, node);
	return b.good && !arena->failed ? node : NULL;
}
