/* SPDX-License-Identifier: BSD-3-Clause */
#include "disks.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "status.h"
#include "text.h"

static const json_t *keys_of(const json_t *methods, const char *area, const char *verb)
{
	return ctl_keys(json_object_get(ctl_find_method(methods, area, verb), "params"));
}

const char *ctl_disks_parent(const json_t *methods, const char *area)
{
	const char *parent = ctl_text_of(json_array_get(keys_of(methods, area, "add"), 0), "name");

	if (!*parent || !ctl_find_method(methods, area, "remove") ||
	    !ctl_find_method(methods, parent, "list"))
		return NULL;
	return parent;
}

/* "namespace" as the key "namespaces". */
static bool is_plural(const char *name, const char *area)
{
	size_t n = strlen(area);

	return !strncmp(name, area, n) && !strcmp(name + n, "s");
}

/* In the keys themselves, or in those of a list among them. */
static bool have_key(const json_t *keys, const char *area, int depth)
{
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
	{
		if (is_plural(ctl_text_of(key, "name"), area))
			return true;
		if (depth && have_key(ctl_keys(json_object_get(key, "section")), area, depth - 1))
			return true;
	}
	return false;
}

bool ctl_disks_fit(const json_t *methods, const char *parent, const char *area,
		   const json_t *object)
{
	const json_t *create = ctl_find_method(methods, parent, "create");
	const json_t *section = json_object_get(create, "params");

	return have_key(ctl_type_keys(section, ctl_text_of(object, "type")), area, 1);
}

/* --- ids: the required keys of `remove`, but for the first, which is the parent's --- */

static const json_t *id_key(const json_t *keys, size_t *at)
{
	for (; *at < json_array_size(keys); (*at)++) {
		const json_t *key = json_array_get(keys, *at);

		if (*at && ctl_key_is_required(key))
			return key;
	}
	return NULL;
}

/* A key that the part itself does not have is what tells the list around it apart: its first. */
static json_t *id_value(const json_t *key, const json_t *part, const json_t *around)
{
	json_t *value = json_object_get(part, ctl_text_of(key, "name"));
	json_t *object = (json_t *)(uintptr_t)around;

	return value ? value : json_object_iter_value(json_object_iter(object));
}

static void add_id(const json_t *keys, const json_t *part, const json_t *around,
		   struct ctl_words *ids)
{
	char *id = ctl_copy("", 0);
	const json_t *key;
	size_t at = 0;

	for (; (key = id_key(keys, &at)); at++) {
		char *text = ctl_status_text(id_value(key, part, around)), *before = id;

		id = *before ? ctl_format("%s:%s", before, text) : ctl_copy(text, strlen(text));
		free(before);
		free(text);
	}
	ctl_words_add(ids, id, strlen(id));
	free(id);
}

static void add_parts(const json_t *keys, const json_t *parts, const json_t *around, json_t *all,
		      struct ctl_words *ids)
{
	json_t *part;
	size_t i;

	json_array_foreach(parts, i, part)
	{
		json_array_append(all, part);
		add_id(keys, part, around, ids);
	}
}

/* In the mapping itself, or in those of a list in it. */
static void collect(const json_t *keys, const char *area, const json_t *mapping, int depth,
		    json_t *all, struct ctl_words *ids)
{
	json_t *object = (json_t *)(uintptr_t)mapping, *value, *element;
	const char *name;
	size_t i;

	json_object_foreach(object, name, value)
	{
		if (is_plural(name, area)) {
			add_parts(keys, value, mapping, all, ids);
			continue;
		}
		if (!depth)
			continue;
		json_array_foreach(value, i, element)
			collect(keys, area, element, depth - 1, all, ids);
	}
}

json_t *ctl_disks_of(const json_t *methods, const char *area, const json_t *object,
		     struct ctl_words *ids)
{
	json_t *all = json_array();

	collect(keys_of(methods, area, "remove"), area, json_object_get(object, "config"), 1, all,
		ids);
	return all;
}

void ctl_disks_params(const json_t *methods, const char *area, const char *id, json_t *params)
{
	const json_t *keys = keys_of(methods, area, "remove"), *key;
	char *copy = ctl_copy(id, strlen(id)), *rest = copy, *part;
	size_t at = 0;

	for (; (key = id_key(keys, &at)) && (part = strsep(&rest, ":")); at++) {
		char *end;
		long long number = strtoll(part, &end, 10);

		json_object_set_new(params, ctl_text_of(key, "name"),
				    *part && !*end ? json_integer(number) : json_string(part));
	}
	free(copy);
}
