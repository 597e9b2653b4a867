/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

const char *ctl_text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static size_t area_length(const json_t *method)
{
	return strcspn(ctl_text_of(method, "name"), ".");
}

bool ctl_area_is(const json_t *method, const char *area)
{
	size_t n = area_length(method);

	return strlen(area) == n && !strncmp(ctl_text_of(method, "name"), area, n);
}

const char *ctl_verb_of(const json_t *method)
{
	const char *verb = ctl_text_of(method, "name") + area_length(method);

	return *verb ? verb + 1 : verb;
}

const char *ctl_area_copy(struct ctl_area *out, const json_t *method)
{
	snprintf(out->text, sizeof(out->text), "%.*s", (int)area_length(method),
		 ctl_text_of(method, "name"));
	return out->text;
}

static bool same_verb(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '_' && *b == '-'))
			return false;
	return *a == *b;
}

const json_t *ctl_find_method(const json_t *methods, const char *area, const char *verb)
{
	const json_t *method;
	size_t i;

	json_array_foreach(methods, i, method)
	{
		if (ctl_area_is(method, area) && same_verb(ctl_verb_of(method), verb))
			return method;
	}
	return NULL;
}

bool ctl_has_area(const json_t *methods, const char *area)
{
	const json_t *method;
	size_t i;

	json_array_foreach(methods, i, method)
	{
		if (ctl_area_is(method, area))
			return true;
	}
	return false;
}

const json_t *ctl_keys(const json_t *section)
{
	return json_object_get(section, "keys");
}

const json_t *ctl_find_named(const json_t *list, const char *name)
{
	const json_t *element;
	size_t i;

	json_array_foreach(list, i, element)
	{
		if (!strcmp(ctl_text_of(element, "name"), name))
			return element;
	}
	return NULL;
}

const json_t *ctl_type_keys(const json_t *section, const char *type)
{
	return ctl_keys(ctl_find_named(json_object_get(section, "types"), type));
}

const json_t *ctl_find_key(const json_t *section, const char *type, const char *name)
{
	const json_t *key = ctl_find_named(ctl_keys(section), name);

	return key ? key : ctl_find_named(ctl_type_keys(section, type), name);
}

bool ctl_key_is_required(const json_t *key)
{
	return json_is_true(json_object_get(key, "required"));
}

const json_t *ctl_list_member(const json_t *method)
{
	const json_t *result = json_object_get(method, "result");
	const json_t *only = json_array_get(result, 0);

	if (json_array_size(result) != 1 || !json_array_size(json_object_get(only, "members")))
		return NULL;
	return only;
}

const char *ctl_list_identity(const json_t *member)
{
	return ctl_text_of(json_array_get(json_object_get(member, "members"), 0), "name");
}

char *ctl_plain_doc(const char *doc)
{
	char *plain = ctl_text_clean(doc), *out = plain;
	const char *at;

	for (at = plain; *at; at++)
		if (*at != '`')
			*out++ = *at;
	*out = '\0';
	return plain;
}
