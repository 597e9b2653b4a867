/* SPDX-License-Identifier: BSD-3-Clause */
/* From structs back to what they are read from. */
#include "schema/schema.h"

struct dump {
	struct schema_arena *arena;
	const struct object_type *type; /* or NULL */
	/* Optional: whether it is not written. */
	bool (*skips)(const void *object, const struct schema_key *key);
	const void *object; /* what skips() takes */
	struct schema_node *mapping;
};

static bool dump_keys(const struct dump *d, const struct schema_key *keys, const void *fields)
{
	for (const struct schema_key *key = keys; key->name; key++) {
		struct schema_node *value;

		if (d->skips && d->skips(d->object, key))
			continue;
		if (key->kind != &schema_type)
			value = key->kind->dump(d->arena, key, (const char *)fields + key->offset);
		else if (d->type)
			value = schema_node_scalar(d->arena, d->type->name, false);
		else
			continue; /* only what has types has such a key */
		if (value && schema_node_set(d->arena, d->mapping, key->name, value) < 0)
			return false;
	}
	return !d->arena->failed;
}

static bool dump_typed(struct dump *d, const struct schema_section *section,
		       const struct schema_object *object)
{
	d->type = object->type;
	if (!dump_keys(d, section->keys, object->params))
		return false;
	d->skips = object->type->is_void;
	d->object = object->params;
	return dump_keys(d, object->type->keys, object->params);
}

struct schema_node *schema_object_dump(struct schema_arena *arena,
				       const struct schema_section *section, const void *object)
{
	struct dump d = {
		.arena = arena,
		.skips = section->follows,
		.object = object,
		.mapping = schema_node_new(arena, SCHEMA_NODE_MAPPING),
	};
	bool good;

	if (!d.mapping)
		return NULL;
	good = section->types ? dump_typed(&d, section, object)
			      : dump_keys(&d, section->keys, object);
	return good ? d.mapping : NULL;
}
