/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys of one object, common and of its type. */
enum { KEYS_MAX = 48 };

struct object_keys {
	const struct config_key *key[KEYS_MAX];
	const struct config_node *node[KEYS_MAX]; /* given value or NULL */
	bool assumed[KEYS_MAX]; /* not given, but an unknown key may have meant it */
	size_t n;
};

static const char *node_kind(const struct config_node *node)
{
	switch (node->kind) {
	case CONFIG_NODE_SEQUENCE:
		return "a list";
	case CONFIG_NODE_MAPPING:
		return "a mapping";
	default:
		return "a text";
	}
}

static bool is_null(const struct config_node *node)
{
	return node->kind == CONFIG_NODE_SCALAR && !node->quoted &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0);
}

void config_reader_error(struct config_reader *r, const struct config_key *key,
			 const struct config_node *node, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	config_errors_add(r->errors, node->pos, "%s%s%s%s", r->where, key ? key->name : "",
			  key ? ": " : "", text);
}

static void wrong_kind(struct config_reader *r, const struct config_key *key,
		       const struct config_node *node, const char *what)
{
	if (node->kind == CONFIG_NODE_BAD)
		return;
	if (is_null(node))
		config_reader_error(r, key, node, "has no value; allowed: %s", what);
	else if (node->kind == CONFIG_NODE_SCALAR)
		config_reader_error(r, key, node, "%s is not %s", CONFIG_QUOTE(node->text), what);
	else
		config_reader_error(r, key, node, "is %s; allowed: %s", node_kind(node), what);
}

const char *config_reader_scalar(struct config_reader *r, const struct config_key *key,
				 const struct config_node *node, const char *what)
{
	if (node->kind == CONFIG_NODE_SCALAR && !is_null(node))
		return node->text;
	wrong_kind(r, key, node, what);
	return NULL;
}

const char *config_reader_plain(struct config_reader *r, const struct config_key *key,
				const struct config_node *node, const char *what)
{
	const char *text = config_reader_scalar(r, key, node, what);

	if (text && node->quoted) {
		config_reader_error(r, key, node,
				    "%s is a text in quotes; allowed: %s, without quotes",
				    CONFIG_QUOTE(text), what);
		return NULL;
	}
	return text;
}

/* Names the object in the messages to come; returns what where_restore() takes. */
static size_t where_push(struct config_reader *r, const char *fmt, ...)
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

static void where_restore(struct config_reader *r, size_t old)
{
	r->where_len = old;
	r->where[old] = '\0';
}

static const struct config_node *find_child(const struct config_node *mapping, const char *name)
{
	for (const struct config_node *child = mapping->first; child; child = child->next) {
		if (strcmp(child->key->text, name) == 0)
			return child;
	}
	return NULL;
}

static void add_keys(struct object_keys *keys, const struct config_key *table)
{
	for (; table->name; table++) {
		if (keys->n == KEYS_MAX)
			abort(); /* a table in schema.c has outgrown KEYS_MAX */
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

static const struct config_variant *find_variant(const struct config_section *section,
						 const char *name)
{
	for (const struct config_variant *v = section->variants; v->name; v++) {
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

/* The object's type. NULL after reporting what is wrong, unless there is nothing to say here. */
static const struct config_variant *read_variant(struct config_reader *r,
						 const struct config_section *section,
						 const struct config_node *node)
{
	static const struct config_key type_key = {.name = "type"};
	const struct config_node *type = find_child(node, "type");
	const struct config_variant *variant;
	struct config_nearest nearest = {0};
	struct config_words words = {0};
	struct config_hint hint;

	/* A missing one is reported with the other missing keys. */
	if (!type || !config_reader_scalar(r, &type_key, type, "a word"))
		return NULL;
	variant = find_variant(section, type->text);
	if (variant)
		return variant;
	nearest.word = type->text;
	for (const struct config_variant *v = section->variants; v->name; v++) {
		config_words_add(&words, v->name);
		config_nearest_try(&nearest, v->name);
	}
	config_reader_error(r, &type_key, type, "%s is not known%s; allowed: %s",
			    CONFIG_QUOTE(type->text), config_nearest_hint(&nearest, &hint),
			    words.text);
	return NULL;
}

/* Lists the variants that have a key of this name; returns how many there are. */
static size_t variants_with_key(const struct config_section *section, const char *name,
				struct config_words *words)
{
	size_t n = 0;

	for (const struct config_variant *v = section->variants; v && v->name; v++) {
		for (const struct config_key *key = v->keys; key->name; key++) {
			if (strcmp(key->name, name) != 0)
				continue;
			config_words_add(words, v->name);
			n++;
		}
	}
	return n;
}

static void report_unknown_key(struct config_reader *r, struct object_keys *keys,
			       const struct config_node *key)
{
	struct config_nearest nearest = {.word = key->text};
	struct config_words words = {0};
	struct config_hint hint;

	if (config_errors_full(r->errors)) {
		config_errors_skip(r->errors);
		return;
	}
	for (size_t i = 0; i < keys->n; i++) {
		config_words_add(&words, keys->key[i]->name);
		config_nearest_try(&nearest, keys->key[i]->name);
	}
	if (nearest.best)
		keys->assumed[find_key(keys, nearest.best)] = true;
	config_reader_error(r, NULL, key, "unknown key %s%s; allowed: %s", CONFIG_QUOTE(key->text),
			    config_nearest_hint(&nearest, &hint), words.text);
}

static void unknown_key(struct config_reader *r, const struct config_section *section,
			const struct config_variant *variant, struct object_keys *keys,
			const struct config_node *key)
{
	struct config_words others = {0};
	size_t n = variants_with_key(section, key->text, &others);

	if (!key->quoted && strcmp(key->text, "<<") == 0)
		config_reader_error(r, NULL, key,
				    "merge key '<<' is not supported; write the keys out here");
	else if (n && variant)
		config_reader_error(r, NULL, key, "key '%s' is for type%s %s, not for type %s",
				    key->text, n > 1 ? "s" : "", others.text, variant->name);
	else if (!n)
		report_unknown_key(r, keys, key);
	/* Else the type is wrong or missing, which is an error by itself. */
}

static void match_keys(struct config_reader *r, const struct config_section *section,
		       const struct config_variant *variant, const struct config_node *node,
		       struct object_keys *keys)
{
	for (const struct config_node *child = node->first; child; child = child->next) {
		size_t i = find_key(keys, child->key->text);

		if (i == keys->n)
			unknown_key(r, section, variant, keys, child->key);
		else if (keys->node[i])
			config_reader_error(
				r, NULL, child->key,
				"key '%s' is there twice, first in line %u; allowed: once",
				keys->key[i]->name, keys->node[i]->key->pos.line);
		else
			keys->node[i] = child;
	}
}

static void read_default(struct config_reader *r, const struct config_key *key, void *field)
{
	const struct config_node node = {.kind = CONFIG_NODE_SCALAR, .text = key->dflt};

	key->read(r, key, &node, field);
}

static void read_keys(struct config_reader *r, const struct config_node *node,
		      const struct object_keys *keys, void *object)
{
	for (size_t i = 0; i < keys->n; i++) {
		const struct config_key *key = keys->key[i];
		void *field = (char *)object + key->offset;

		if (key->dflt)
			read_default(r, key, field);
		if (keys->node[i]) {
			if (config_places_add(r->cfg, field, keys->node[i]->pos) < 0)
				return;
			key->read(r, key, keys->node[i], field);
		} else if (key->required && !keys->assumed[i]) {
			config_reader_error(r, NULL, node, "key '%s' is missing", key->name);
		}
	}
}

void config_read_object(struct config_reader *r, const struct config_section *section,
			const struct config_node *node, void *object)
{
	const struct config_variant *variant = NULL;
	struct object_keys keys = {.n = 0};

	*(struct config_pos *)object = node->pos;
	if (section->init)
		section->init(r->cfg, object);
	add_keys(&keys, section->keys);
	if (section->variants)
		variant = read_variant(r, section, node);
	if (variant) {
		*(int *)((char *)object + section->type_offset) = variant->value;
		add_keys(&keys, variant->keys);
	}
	match_keys(r, section, variant, node, &keys);
	read_keys(r, node, &keys, object);
}

void config_read_section(struct config_reader *r, const struct config_key *key,
			 const struct config_node *node, void *field)
{
	static const struct config_node absent = {.kind = CONFIG_NODE_MAPPING};
	size_t where;

	/* The default, "", stands for a mapping without keys. */
	if (node->pos.line == 0)
		node = &absent;
	if (node->kind != CONFIG_NODE_MAPPING) {
		wrong_kind(r, key, node, "a mapping of keys and values");
		return;
	}
	where = where_push(r, "%s: ", key->name);
	config_read_object(r, key->section, node, field);
	where_restore(r, where);
}

static void read_element(struct config_reader *r, const struct config_key *key,
			 const struct config_node *node, size_t i, void *object)
{
	const struct config_node *name;
	struct config_quoted quoted;
	size_t where;

	if (node->kind != CONFIG_NODE_MAPPING) {
		*(struct config_pos *)object = node->pos;
		where = where_push(r, "%s[%zu]", key->name, i);
		if (node->kind != CONFIG_NODE_BAD)
			config_reader_error(
				r, NULL, node, ": is %s; allowed: a mapping that describes a %s",
				is_null(node) ? "empty" : node_kind(node), key->section->noun);
		where_restore(r, where);
		return;
	}
	name = find_child(node, "name");
	if (name && name->kind == CONFIG_NODE_SCALAR && name->text[0])
		where = where_push(r, "%s %s: ", key->section->noun,
				   config_quote_bytes(&quoted, name->text, strlen(name->text)));
	else
		where = where_push(r, "%s[%zu]: ", key->name, i);
	config_read_object(r, key->section, node, object);
	where_restore(r, where);
}

void config_read_list(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	size_t *count = (size_t *)((char *)field - key->offset + key->count_offset);
	char *objects;
	size_t i = 0;

	if (node->kind != CONFIG_NODE_SEQUENCE) {
		wrong_kind(r, key, node, key->min ? "a list" : "a list ([] for none)");
		return;
	}
	if (node->count < key->min || node->count > key->max) {
		config_reader_error(r, key, node, "lists %zu %ss; allowed: %" PRIu64 " to %" PRIu64,
				    node->count, key->section->noun, key->min, key->max);
		return;
	}
	objects = config_arena_alloc(r->arena, node->count, key->section->size);
	if (!objects)
		return;
	*(void **)field = objects;
	*count = node->count;
	for (const struct config_node *child = node->first; child; child = child->next, i++)
		read_element(r, key, child, i, objects + i * key->section->size);
}
