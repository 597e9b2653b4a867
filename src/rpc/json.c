/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/methods.h"
#include "schema/utf8.h"

/* Without a leading zero, which a mode has. */
static bool is_number(const char *text)
{
	size_t n = strlen(text);

	return n && n < 19 && strspn(text, "0123456789") == n && (n == 1 || text[0] != '0');
}

static json_t *scalar(const struct schema_node *node)
{
	if (node->quoted)
		return json_string(node->text);
	if (!strcmp(node->text, "true") || !strcmp(node->text, "false"))
		return json_boolean(node->text[0] == 't');
	if (is_number(node->text))
		return json_integer(strtoll(node->text, NULL, 10));
	return json_string(node->text);
}

json_t *rpc_json_of_text(const char *text)
{
	size_t i, n, len = strlen(text);
	char *copy = malloc(len + 1);
	json_t *json;
	uint32_t code;

	if (!copy)
		return NULL;
	for (i = 0; i < len; i += n) {
		n = schema_utf8_decode(text + i, len - i, &code);
		if (n)
			memcpy(copy + i, text + i, n);
		else
			copy[i] = '?';
		n += !n;
	}
	json = json_stringn(copy, len);
	free(copy);
	return json;
}

/* As deep as the tree is, which has a limit. */
json_t *rpc_json_of_node(const struct schema_node *node)
{
	const struct schema_node *child;
	json_t *json;

	if (node->kind == SCHEMA_NODE_SCALAR)
		return scalar(node);
	json = node->kind == SCHEMA_NODE_MAPPING ? json_object() : json_array();
	for (child = node->first; json && child; child = child->next) {
		if (child->key)
			json_object_set_new(json, child->key->text, rpc_json_of_node(child));
		else
			json_array_append_new(json, rpc_json_of_node(child));
	}
	return json;
}

json_t *rpc_json_of_object(const struct schema_section *section, const void *object)
{
	struct schema_arena arena = {0};
	const struct schema_node *node = schema_object_dump(&arena, section, object);
	json_t *json = node ? rpc_json_of_node(node) : NULL;

	schema_arena_free(&arena);
	return json;
}
