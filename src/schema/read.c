/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/schema.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys of one object, common and of its type. */
enum { KEYS_MAX = 48 };

struct object_keys {
	const struct schema_key *key[KEYS_MAX];
	const struct schema_node *node[KEYS_MAX]; /* given value or NULL */
	bool assumed[KEYS_MAX]; /* not given, but an unknown key may have meant it */
	size_t n;
};

static const char *node_kind(const struct schema_node *node)
{
	switch (node->kind) {
	case SCHEMA_NODE_SEQUENCE:
		return "a list";
	case SCHEMA_NODE_MAPPING:
		return "a mapping";
	default:
		return "a text";
	}
}

static bool is_null(const struct schema_node *node)
{
	return node->kind == SCHEMA_NODE_SCALAR && !node->quoted &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0);
}

void schema_reader_error(struct schema_reader *r, const struct schema_key *key,
			 const struct schema_node *node, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	schema_errors_add(r->errors, node->pos, "%s%s%s%s", r->where, key ? key->name : "",
			  key ? ": " : "", text);
}

static void wrong_kind(struct schema_reader *r, const struct schema_key *key,
		       const struct schema_node *node, const char *what)
{
	if (node->kind == SCHEMA_NODE_BAD)
		return;
	if (is_null(node))
		schema_reader_error(r, key, node, "has no value; allowed: %s", what);
	else if (node->kind == SCHEMA_NODE_SCALAR)
		schema_reader_error(r, key, node, "%s is not %s", SCHEMA_QUOTE(node->text), what);
	else
		schema_reader_error(r, key, node, "is %s; allowed: %s", node_kind(node), what);
}

const char *schema_reader_scalar(struct schema_reader *r, const struct schema_key *key,
				 const struct schema_node *node, const char *what)
{
	if (node->kind == SCHEMA_NODE_SCALAR && !is_null(node))
		return node->text;
	wrong_kind(r, key, node, what);
	return NULL;
}

const char *schema_reader_plain(struct schema_reader *r, const struct schema_key *key,
				const struct schema_node *node, const char *what)
{
	const char *text = schema_reader_scalar(r, key, node, what);

	if (text && node->quoted) {
		schema_reader_error(r, key, node,
				    "%s is a text in quotes; allowed: %s, without quotes",
				    SCHEMA_QUOTE(text), what);
		return NULL;
	}
	return text;
}

/* Names the object in the messages to come; returns what where_restore() takes. */
static size_t where_push(struct schema_reader *r, const char *fmt, ...)
{
	size_t old = r->where_len;
	size_t room = sizeof(r->where) - old;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(r->where + old, room, fmt, args);
	va_end(args);
	r->where_len += n < (int)room ? (size_t)n : room - 1;
	return old;
}

static void where_restore(struct schema_reader *r, size_t old)
{
	r->where_len = old;
	r->where[old] = '\0';
}

static const struct schema_node *find_child(const struct schema_node *mapping, const char *name)
{
	for (const struct schema_node *child = mapping->first; child; child = child->next) {
		if (strcmp(child->key->text, name) == 0)
			return child;
	}
	return NULL;
}

static void add_keys(struct object_keys *keys, const struct schema_key *table)
{
	for (; table->name; table++) {
		if (keys->n == KEYS_MAX)
			abort(); /* a table of keys has outgrown KEYS_MAX */
		keys->key[keys->n++] = table;
	}
}

static size_t find_key(const struct object_keys *keys, const char *name)
{
	size_t i;

	for (i = 0; i < keys->n; i++) {
		if (strcmp(keys->key[i]->name, name) == 0)
			break;
	}
	return i;
}

static const struct object_type *find_type(const struct schema_section *section, const char *name)
{
	for (const struct object_type *const *type = section->types; *type; type++) {
		if (strcmp((*type)->name, name) == 0)
			return *type;
	}
	return NULL;
}

/* The object's type. NULL after reporting what is wrong, unless there is nothing to say here. */
static const struct object_type *read_type(struct schema_reader *r,
					   const struct schema_section *section,
					   const struct schema_node *node)
{
	static const struct schema_key type_key = {.name = "type"};
	const struct schema_node *given = find_child(node, "type");
	const struct object_type *type;
	struct schema_nearest nearest = {0};
	struct schema_words words = {0};
	struct schema_hint hint;

	/* A missing one is reported with the other missing keys. */
	if (!given || !schema_reader_scalar(r, &type_key, given, "a word"))
		return NULL;
	type = find_type(section, given->text);
	if (type)
		return type;
	nearest.word = given->text;
	for (const struct object_type *const *t = section->types; *t; t++) {
		schema_words_add(&words, (*t)->name);
		schema_nearest_try(&nearest, (*t)->name);
	}
	schema_reader_error(r, &type_key, given, "%s is not known%s; allowed: %s",
			    SCHEMA_QUOTE(given->text), schema_nearest_hint(&nearest, &hint),
			    words.text);
	return NULL;
}

static bool has_key(const struct object_type *type, const char *name)
{
	for (const struct schema_key *key = type->keys; key->name; key++) {
		if (strcmp(key->name, name) == 0)
			return true;
	}
	return false;
}

/* Lists the types that have a key of this name; returns how many there are. */
static size_t types_with_key(const struct schema_section *section, const char *name,
			     struct schema_words *words)
{
	size_t n = 0;

	for (const struct object_type *const *type = section->types; type && *type; type++) {
		if (!has_key(*type, name))
			continue;
		schema_words_add(words, (*type)->name);
		n++;
	}
	return n;
}

static void report_unknown_key(struct schema_reader *r, struct object_keys *keys,
			       const struct schema_node *key)
{
	struct schema_nearest nearest = {.word = key->text};
	struct schema_words words = {0};
	struct schema_hint hint;

	if (schema_errors_full(r->errors)) {
		schema_errors_skip(r->errors);
		return;
	}
	for (size_t i = 0; i < keys->n; i++) {
		schema_words_add(&words, keys->key[i]->name);
		schema_nearest_try(&nearest, keys->key[i]->name);
	}
	if (nearest.best)
		keys->assumed[find_key(keys, nearest.best)] = true;
	schema_reader_error(r, NULL, key, "unknown key %s%s; allowed: %s", SCHEMA_QUOTE(key->text),
			    schema_nearest_hint(&nearest, &hint), words.len ? words.text : "none");
}

static void unknown_key(struct schema_reader *r, const struct schema_section *section,
			const struct object_type *type, struct object_keys *keys,
			const struct schema_node *key)
{
	struct schema_words others = {0};
	size_t n = types_with_key(section, key->text, &others);

	if (!key->quoted && strcmp(key->text, "<<") == 0)
		schema_reader_error(r, NULL, key,
				    "merge key '<<' is not supported; write the keys out here");
	else if (n && type)
		schema_reader_error(r, NULL, key, "key '%s' is for type%s %s, not for type %s",
				    key->text, n > 1 ? "s" : "", others.text, type->name);
	else if (!n)
		report_unknown_key(r, keys, key);
	/* Else the type is wrong or missing, which is an error by itself. */
}

static void match_keys(struct schema_reader *r, const struct schema_section *section,
		       const struct object_type *type, const struct schema_node *node,
		       struct object_keys *keys)
{
	for (const struct schema_node *child = node->first; child; child = child->next) {
		size_t i = find_key(keys, child->key->text);

		if (i == keys->n)
			unknown_key(r, section, type, keys, child->key);
		else if (keys->node[i])
			schema_reader_error(r, NULL, child->key,
					    "key '%s' is there twice, first %s; allowed: once",
					    keys->key[i]->name, SCHEMA_AT(keys->node[i]->key->pos));
		else
			keys->node[i] = child;
	}
}

static void read_default(struct schema_reader *r, const struct schema_key *key, void *field)
{
	const struct schema_node node = {.kind = SCHEMA_NODE_SCALAR, .text = key->dflt};

	key->kind->read(r, key, &node, field);
}

/* The object outlives the tree. */
static struct schema_pos keep(struct schema_reader *r, struct schema_pos pos)
{
	if (pos.pointer)
		pos.pointer = schema_arena_strndup(r->arena, pos.pointer, strlen(pos.pointer));
	return pos;
}

static void read_keys(struct schema_reader *r, const struct schema_node *node,
		      const struct object_keys *keys, void *object)
{
	for (size_t i = 0; i < keys->n; i++) {
		const struct schema_key *key = keys->key[i];
		void *field = (char *)object + key->offset;

		if (key->dflt)
			read_default(r, key, field);
		/* The type has been read, and has no field. */
		if (keys->node[i] && key->kind != &schema_type) {
			if (schema_places_add(r->places, field, keep(r, keys->node[i]->pos)) < 0) {
				r->arena->failed = 1;
				return;
			}
			key->kind->read(r, key, keys->node[i], field);
		} else if (!keys->node[i] && key->required && !keys->assumed[i]) {
			schema_reader_error(r, NULL, node, "key '%s' is missing", key->name);
		}
	}
}

static void read_mapping(struct schema_reader *r, const struct schema_section *section,
			 const struct object_type *type, const struct schema_node *node,
			 void *fields)
{
	struct object_keys keys = {.n = 0};

	if (section->init)
		section->init(r->root, fields);
	add_keys(&keys, section->keys);
	if (type)
		add_keys(&keys, type->keys);
	match_keys(r, section, type, node, &keys);
	read_keys(r, node, &keys, fields);
}

static void read_typed(struct schema_reader *r, const struct schema_section *section,
		       const struct schema_node *node, struct schema_object *object)
{
	const struct object_type *type = read_type(r, section, node);

	object->type = type;
	object->params =
		schema_arena_alloc(r->arena, 1, type ? type->params_size : section->params_size);
	if (object->params)
		read_mapping(r, section, type, node, object->params);
}

void schema_object_read(struct schema_reader *r, const struct schema_section *section,
			const struct schema_node *node, void *object)
{
	*(struct schema_pos *)object = keep(r, node->pos);
	if (section->types)
		read_typed(r, section, node, object);
	else
		read_mapping(r, section, NULL, node, object);
}

static void read_section(struct schema_reader *r, const struct schema_key *key,
			 const struct schema_node *node, void *field)
{
	static const struct schema_node absent = {.kind = SCHEMA_NODE_MAPPING};
	size_t where;

	/* The default, "", stands for a mapping without keys. */
	if (node->pos.line == 0 && !node->pos.pointer)
		node = &absent;
	if (node->kind != SCHEMA_NODE_MAPPING) {
		wrong_kind(r, key, node, "a mapping of keys and values");
		return;
	}
	where = where_push(r, "%s: ", key->name);
	schema_object_read(r, key->section, node, field);
	where_restore(r, where);
}

/* Of what is no mapping: an object without values. */
static void read_nothing(struct schema_reader *r, const struct schema_section *section,
			 const struct schema_node *node, void *object)
{
	*(struct schema_pos *)object = keep(r, node->pos);
	if (section->types)
		((struct schema_object *)object)->params =
			schema_arena_alloc(r->arena, 1, section->params_size);
}

static void read_element(struct schema_reader *r, const struct schema_key *key,
			 const struct schema_node *node, size_t i, void *object)
{
	const struct schema_node *name;
	struct schema_quoted quoted;
	size_t where;

	if (node->kind != SCHEMA_NODE_MAPPING) {
		read_nothing(r, key->section, node, object);
		where = where_push(r, "%s[%zu]", key->name, i);
		if (node->kind != SCHEMA_NODE_BAD)
			schema_reader_error(
				r, NULL, node, ": is %s; allowed: a mapping that describes a %s",
				is_null(node) ? "empty" : node_kind(node), key->section->noun);
		where_restore(r, where);
		return;
	}
	name = find_child(node, "name");
	if (name && name->kind == SCHEMA_NODE_SCALAR && name->text[0])
		where = where_push(r, "%s %s: ", key->section->noun,
				   schema_quote_bytes(&quoted, name->text, strlen(name->text)));
	else
		where = where_push(r, "%s[%zu]: ", key->name, i);
	schema_object_read(r, key->section, node, object);
	where_restore(r, where);
}

static void read_list(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	size_t *count = (size_t *)((char *)field - key->offset + key->count_offset);
	char *objects;
	size_t i = 0;

	if (node->kind != SCHEMA_NODE_SEQUENCE) {
		wrong_kind(r, key, node, key->min ? "a list" : "a list ([] for none)");
		return;
	}
	if (node->count < key->min || node->count > key->max) {
		schema_reader_error(r, key, node, "lists %zu %ss; allowed: %" PRIu64 " to %" PRIu64,
				    node->count, key->section->noun, key->min, key->max);
		return;
	}
	objects = schema_arena_alloc(r->arena, node->count, key->section->size);
	if (!objects)
		return;
	*(void **)field = objects;
	*count = node->count;
	for (const struct schema_node *child = node->first; child; child = child->next, i++)
		read_element(r, key, child, i, objects + i * key->section->size);
}

static struct schema_node *dump_section(struct schema_arena *arena, const struct schema_key *key,
					const void *field)
{
	return schema_object_dump(arena, key->section, field);
}

static struct schema_node *dump_list(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	const size_t n = *(const size_t *)((const char *)field - key->offset + key->count_offset);
	const char *objects = *(const char *const *)field;
	struct schema_node *list = schema_node_new(arena, SCHEMA_NODE_SEQUENCE);

	for (size_t i = 0; list && i < n; i++) {
		struct schema_node *object =
			schema_object_dump(arena, key->section, objects + i * key->section->size);

		if (!object)
			return NULL;
		schema_node_append(list, object);
	}
	return list;
}

static void list_limits(const struct schema_key *key, FILE *out)
{
	if (key->min)
		fprintf(out, "%" PRIu64 " to %" PRIu64, key->min, key->max);
	else
		fprintf(out, "up to %" PRIu64 "; `[]` for none", key->max);
}

const struct schema_kind schema_mapping = {
	.name = "mapping",
	.read = read_section,
	.dump = dump_section,
};

const struct schema_kind schema_list = {
	.name = "list",
	.read = read_list,
	.dump = dump_list,
	.limits = list_limits,
};
