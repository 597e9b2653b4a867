/* SPDX-License-Identifier: BSD-3-Clause */
#include "params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "schema/node.h"
#include "text.h"

/* --- values --- */

static bool is_integer(const char *text)
{
	const char *digits = text + (*text == '-');
	size_t n = strlen(digits);

	/* A leading zero is a mode's, or a mistake. */
	return n && n < 19 && strspn(digits, "0123456789") == n && (n == 1 || digits[0] != '0');
}

/* As the daemon reads a scalar of its file. NULL: it is no UTF-8. */
static json_t *plain_json(const char *text)
{
	if (!*text || !strcmp(text, "~"))
		return json_null();
	if (!strcmp(text, "true") || !strcmp(text, "false"))
		return json_boolean(text[0] == 't');
	if (is_integer(text))
		return json_integer(strtoll(text, NULL, 10));
	return json_string(text);
}

/* As deep as the tree is, which has a limit. */
static json_t *node_json(const struct schema_node *node)
{
	const struct schema_node *child;
	json_t *json;

	if (node->kind == SCHEMA_NODE_BAD)
		return NULL;
	if (node->kind == SCHEMA_NODE_SCALAR)
		return node->quoted ? json_string(node->text) : plain_json(node->text);
	json = node->kind == SCHEMA_NODE_MAPPING ? json_object() : json_array();
	for (child = node->first; child; child = child->next) {
		int rc;

		if (!child->key)
			rc = json_array_append_new(json, node_json(child));
		else if (json_object_get(json, child->key->text))
			rc = -1;
		else
			rc = json_object_set_new(json, child->key->text, node_json(child));
		if (rc) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

/* NULL: it has been told. */
static json_t *yaml_json(const char *name, const char *text)
{
	struct schema_arena arena = {0};
	struct schema_errors errors = {0};
	const struct schema_node *node;
	json_t *json;

	node = schema_tree_from_yaml(&arena, &errors, text, strlen(text));
	json = node && !errors.total ? node_json(node) : NULL;
	if (!json) {
		const struct schema_error *first = &errors.list[0];

		ctl_fail(CTL_USAGE,
			 "%s: column %u: %s; allowed in brackets and quotes: YAML or JSON", name,
			 errors.kept ? first->pos.column : 1,
			 errors.kept ? first->text : "a key is there twice");
	}
	schema_errors_free(&errors);
	schema_arena_free(&arena);
	return json;
}

static json_t *value_json(const char *name, const char *text)
{
	json_t *json;

	if (*text && strchr("[{\"'", *text))
		return yaml_json(name, text);
	json = plain_json(text);
	if (!json)
		ctl_fail(CTL_USAGE, "%s: the value is no UTF-8", name);
	return json;
}

/* --- places: "namespaces.0.bdev" --- */

/* Up to the next dot, or the end. */
static bool is_index(const char *part)
{
	size_t n = strcspn(part, ".");

	return n && n < 5 && strspn(part, "0123456789") == n;
}

/* The list or mapping in `parent` at `part`, made if it is not there; NULL: it can't be. */
static json_t *step_into(json_t *parent, const char *part, const char *next)
{
	size_t index = strtoul(part, NULL, 10);
	json_t *child = json_is_array(parent) ? json_array_get(parent, index)
					      : json_object_get(parent, part);

	if (child)
		return child;
	if (json_is_array(parent) && (!is_index(part) || index != json_array_size(parent)))
		return NULL;
	child = is_index(next) ? json_array() : json_object();
	if (json_is_array(parent) ? json_array_append_new(parent, child)
				  : json_object_set_new(parent, part, child))
		return NULL;
	return child;
}

/* Takes `value`. False: there is no such place, or it is taken. */
static bool put(json_t *parent, const char *part, json_t *value)
{
	if (json_is_array(parent) && is_index(part) &&
	    strtoul(part, NULL, 10) == json_array_size(parent))
		return !json_array_append_new(parent, value);
	if (json_is_object(parent) && *part && !json_object_get(parent, part))
		return !json_object_set_new(parent, part, value);
	json_decref(value);
	return false;
}

static int put_at(json_t *params, const char *name, json_t *value)
{
	char *path = ctl_copy(name, strlen(name)), *part = path, *dot;
	bool good;

	while (params && (dot = strchr(part, '.'))) {
		*dot = '\0';
		params = step_into(params, part, dot + 1);
		part = dot + 1;
	}
	good = params && put(params, part, value);
	if (!params)
		json_decref(value);
	free(path);
	if (good)
		return CTL_OK;
	return ctl_fail(CTL_USAGE,
			"%s: given twice, or not in order; elements of a list are "
			"counted from 0",
			name);
}

/* --- words --- */

int ctl_word_is_named(const char *word, size_t *len)
{
	*len = strcspn(word, "=");
	if (!*len || !word[*len])
		return 0;
	for (size_t i = 0; i < *len; i++)
		if (!isalnum((unsigned char)word[i]) && !strchr("_.", word[i]))
			return 0;
	return 1;
}

static const json_t *first_required(const json_t *params, const json_t *keys)
{
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
	{
		if (ctl_key_is_required(key) && !json_object_get(params, ctl_text_of(key, "name")))
			return key;
	}
	return NULL;
}

/* Whose value a word without a name is. NULL: nobody's. */
static const json_t *key_of_value(const json_t *params, const json_t *section)
{
	const json_t *key = first_required(params, ctl_keys(section));

	if (!key)
		key = first_required(params, ctl_type_keys(section, ctl_text_of(params, "type")));
	if (!key)
		key = json_array_get(ctl_keys(section), 0);
	return json_object_get(params, ctl_text_of(key, "name")) ? NULL : key;
}

static int add_value(json_t *params, const json_t *method, const char *text)
{
	const json_t *key = key_of_value(params, json_object_get(method, "params"));
	const char *name = ctl_text_of(key, "name");
	json_t *value;

	if (!*name)
		return ctl_fail(CTL_USAGE,
				"'%s': whose value is it? Say NAME=VALUE; "
				"'help %s %s' tells what there is",
				text, CTL_AREA(method), ctl_verb_of(method));
	value = value_json(name, text);
	return value ? put_at(params, name, value) : CTL_USAGE;
}

static int add_named(json_t *params, const char *word, size_t len)
{
	char *name = ctl_copy(word, len);
	json_t *value = value_json(name, word + len + 1);
	int rc = value ? put_at(params, name, value) : CTL_USAGE;

	free(name);
	return rc;
}

/* Values without a name come last: whose they are depends on the others. */
int ctl_params_add(json_t *params, const json_t *method, char *const *words, size_t n)
{
	int rc = CTL_OK;
	size_t i, len;

	for (i = 0; !rc && i < n; i++)
		if (ctl_word_is_named(words[i], &len))
			rc = add_named(params, words[i], len);
	for (i = 0; !rc && i < n; i++)
		if (!ctl_word_is_named(words[i], &len))
			rc = add_value(params, method, words[i]);
	return rc;
}
