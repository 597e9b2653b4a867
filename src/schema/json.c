/* SPDX-License-Identifier: BSD-3-Clause */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "schema/node.h"

#define KEY_MAX 128 /* bytes; no key that is known is as long */

struct reader {
	struct schema_arena *arena;
	struct schema_errors *errors;
	unsigned int nodes;
};

static struct schema_node *read_value(struct reader *r, const json_t *value, const char *pointer,
				      int depth);

/* RFC 6901, section 3: ~ and / of a key are written as ~0 and ~1. */
static const char *pointer_to(struct schema_arena *arena, const char *parent, const char *key)
{
	size_t len = strlen(parent);
	char *text = schema_arena_alloc(arena, 2, len + strlen(key) + 2);
	char *at;

	if (!text)
		return NULL;
	memcpy(text, parent, len);
	at = text + len;
	*at++ = '/';
	for (; *key; key++) {
		if (*key == '~' || *key == '/') {
			*at++ = '~';
			*at++ = *key == '~' ? '0' : '1';
		} else {
			*at++ = *key;
		}
	}
	return text;
}

static const char *scalar_text(const json_t *value, char *buf, size_t size)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_INTEGER:
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return buf;
	case JSON_REAL:
		snprintf(buf, size, "%.17g", json_real_value(value));
		return buf;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return ""; /* null: as an empty plain scalar of YAML */
	}
}

static bool read_members(struct reader *r, json_t *object, struct schema_node *node, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		struct schema_node *name, *child;
		const char *pointer;

		/* Each value below it has the key in its pointer. */
		if (strlen(key) > KEY_MAX) {
			schema_errors_add(r->errors, node->pos,
					  "a key of %zu bytes; allowed: up to %d", strlen(key),
					  KEY_MAX);
			return false;
		}
		pointer = pointer_to(r->arena, node->pos.pointer, key);
		child = pointer ? read_value(r, value, pointer, depth) : NULL;
		name = child ? schema_node_scalar(r->arena, key, true) : NULL;
		if (!name)
			return false;
		name->pos = child->pos;
		child->key = name;
		schema_node_append(node, child);
	}
	return true;
}

static bool read_elements(struct reader *r, const json_t *array, struct schema_node *node,
			  int depth)
{
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		struct schema_node *child;
		const char *pointer;
		char index[24];

		snprintf(index, sizeof(index), "%zu", i);
		pointer = pointer_to(r->arena, node->pos.pointer, index);
		child = pointer ? read_value(r, value, pointer, depth) : NULL;
		if (!child)
			return false;
		schema_node_append(node, child);
	}
	return true;
}

static bool fill(struct reader *r, json_t *value, struct schema_node *node, int depth)
{
	char buf[64];
	const char *text;

	if (node->kind == SCHEMA_NODE_MAPPING)
		return read_members(r, value, node, depth);
	if (node->kind == SCHEMA_NODE_SEQUENCE)
		return read_elements(r, value, node, depth);
	text = scalar_text(value, buf, sizeof(buf));
	node->text = schema_arena_strndup(r->arena, text, strlen(text));
	node->quoted = json_is_string(value);
	return node->text;
}

/* NULL: no memory, or an error has been reported. `depth`: of its parent. */
static struct schema_node *read_value(struct reader *r, const json_t *value, const char *pointer,
				      int depth)
{
	enum schema_node_kind kind = json_is_object(value)  ? SCHEMA_NODE_MAPPING
				     : json_is_array(value) ? SCHEMA_NODE_SEQUENCE
							    : SCHEMA_NODE_SCALAR;
	struct schema_pos pos = {.column = r->nodes, .pointer = pointer};
	struct schema_node *node;

	if (r->nodes++ == SCHEMA_TREE_NODES_MAX) {
		schema_errors_add(r->errors, pos, "too many values; allowed: %d in a text",
				  SCHEMA_TREE_NODES_MAX);
		return NULL;
	}
	if (kind != SCHEMA_NODE_SCALAR && depth == SCHEMA_TREE_DEPTH_MAX) {
		schema_errors_add(r->errors, pos, "nested too deeply; allowed: %d levels",
				  SCHEMA_TREE_DEPTH_MAX);
		return NULL;
	}
	node = schema_node_new(r->arena, kind);
	if (!node)
		return NULL;
	node->pos = pos;
	/* jansson has no constant iterators. */
	return fill(r, (json_t *)(uintptr_t)value, node, depth + 1) ? node : NULL;
}

struct schema_node *schema_tree_from_json_value(struct schema_arena *arena,
						struct schema_errors *errors,
						const struct json_t *value, const char *pointer)
{
	struct reader r = {.arena = arena, .errors = errors};

	return read_value(&r, value, pointer, 0);
}

struct schema_node *schema_tree_from_json(struct schema_arena *arena, struct schema_errors *errors,
					  const char *text, size_t len)
{
	struct schema_node *root;
	json_error_t error;
	json_t *value;

	value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!value) {
		if (json_error_code(&error) == json_error_out_of_memory)
			arena->failed = 1;
		else
			schema_errors_add(errors,
					  (struct schema_pos){
						  .line = (unsigned int)error.line,
						  .column = (unsigned int)error.column,
					  },
					  "not valid JSON: %s", error.text);
		return NULL;
	}
	root = schema_tree_from_json_value(arena, errors, value, "");
	json_decref(value);
	return root;
}
