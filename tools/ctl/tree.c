/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "disks.h"
#include "status.h"
#include "text.h"

void ctl_place_free(struct ctl_place *place)
{
	free(place->object);
	free(place->disk);
	json_decref(place->element);
	*place = (struct ctl_place){0};
}

/* --- areas --- */

static const json_t *list_of(const struct ctl *ctl, const char *area)
{
	const json_t *method = ctl_find_method(ctl->methods, area, "list");

	return ctl_list_member(method) ? method : NULL;
}

bool ctl_tree_is_listed(const struct ctl *ctl, const char *area)
{
	return list_of(ctl, area);
}

/* As it is called in a path: those with objects in the plural. The caller frees it. */
static char *folder_name(const struct ctl *ctl, const char *area)
{
	bool many = list_of(ctl, area) || ctl_disks_parent(ctl->methods, area);

	return ctl_format("%s%s", area, many ? "s" : "");
}

static bool is_folder(const struct ctl *ctl, const char *area, const char *name)
{
	char *folder = folder_name(ctl, area);
	bool same = !strcmp(folder, name);

	free(folder);
	return same;
}

/* Each area once. Borrows from nothing. */
static void all_areas(const struct ctl *ctl, struct ctl_words *areas)
{
	const json_t *method;
	size_t i, known;

	json_array_foreach(ctl->methods, i, method)
	{
		const char *area = CTL_AREA(method);

		for (known = 0; known < areas->n && strcmp(areas->word[known], area) != 0; known++)
			;
		if (known == areas->n)
			ctl_words_add(areas, area, strlen(area));
	}
}

/* The area of a folder in the root, or, with a parent, of one in its objects. False: none. */
static bool find_area(const struct ctl *ctl, const char *parent, const char *name, char area[64])
{
	struct ctl_words areas = {0};
	bool found = false;
	size_t i;

	all_areas(ctl, &areas);
	for (i = 0; !found && i < areas.n; i++) {
		const char *of = ctl_disks_parent(ctl->methods, areas.word[i]);

		found = (parent ? of && !strcmp(of, parent) : !of) &&
			is_folder(ctl, areas.word[i], name);
		if (found)
			snprintf(area, 64, "%s", areas.word[i]);
	}
	ctl_words_free(&areas);
	return found;
}

/* --- objects --- */

/* Of all objects of an area; *list is a new reference. */
static int list_area(struct ctl *ctl, const char *area, json_t **list)
{
	const json_t *method = list_of(ctl, area);
	json_t *params = json_object(), *result;
	int rc = ctl_call(ctl, method, params, &result);

	json_decref(params);
	if (rc)
		return rc;
	*list = json_object_get(result, ctl_text_of(ctl_list_member(method), "name"));
	json_incref(*list);
	json_decref(result);
	return CTL_OK;
}

static char *name_of(const struct ctl *ctl, const char *area, const json_t *element)
{
	const char *identity = ctl_list_identity(ctl_list_member(list_of(ctl, area)));

	return ctl_status_text(json_object_get(element, identity));
}

static json_t *find_object(const struct ctl *ctl, const char *area, const json_t *list,
			   const char *name)
{
	json_t *element, *found = NULL;
	size_t i;

	json_array_foreach(list, i, element)
	{
		char *this = name_of(ctl, area, element);

		if (!found && !strcmp(this, name))
			found = element;
		free(this);
	}
	return json_incref(found);
}

void ctl_tree_objects(struct ctl *ctl, const char *area, struct ctl_words *names)
{
	const json_t *element;
	json_t *list = NULL;
	size_t i;

	if (!list_of(ctl, area) || list_area(ctl, area, &list))
		return;
	json_array_foreach(list, i, element)
	{
		char *name = name_of(ctl, area, element);

		ctl_words_add(names, name, strlen(name));
		free(name);
	}
	json_decref(list);
}

/* --- from a path to a place --- */

/* Without empty parts, "." and "..". */
static void normalise(const char *cwd, const char *path, struct ctl_words *parts)
{
	char *whole = *path == '/' ? ctl_copy(path, strlen(path)) : ctl_format("%s/%s", cwd, path);
	char *rest = whole, *part;

	while ((part = strsep(&rest, "/"))) {
		if (!strcmp(part, "..") && parts->n)
			free(parts->word[--parts->n]);
		else if (*part && strcmp(part, ".") != 0 && strcmp(part, "..") != 0)
			ctl_words_add(parts, part, strlen(part));
	}
	free(whole);
}

static int not_there(bool quiet, const char *what)
{
	if (quiet)
		return CTL_USAGE;
	return ctl_fail(CTL_USAGE, "there is no %s here; 'ls' tells what there is", what);
}

static int find_in_area(struct ctl *ctl, struct ctl_place *place, const char *name)
{
	json_t *list = NULL;
	int rc;

	if (!list_of(ctl, place->area))
		return CTL_USAGE;
	rc = list_area(ctl, place->area, &list);
	if (rc)
		return rc;
	place->element = find_object(ctl, place->area, list, name);
	json_decref(list);
	if (!place->element)
		return CTL_USAGE;
	place->object = ctl_copy(name, strlen(name));
	return CTL_OK;
}

static int find_child(struct ctl *ctl, struct ctl_place *place, const char *name)
{
	char area[64];

	if (!find_area(ctl, place->area, name, area) ||
	    !ctl_disks_fit(ctl->methods, place->area, area, place->element))
		return CTL_USAGE;
	memcpy(place->child, area, sizeof(area));
	return CTL_OK;
}

static int find_disk(struct ctl *ctl, struct ctl_place *place, const char *name)
{
	struct ctl_words ids = {0};
	json_t *disks = ctl_disks_of(ctl->methods, place->child, place->element, &ids);
	int rc = CTL_USAGE;
	size_t i;

	for (i = 0; rc && i < ids.n; i++) {
		if (strcmp(ids.word[i], name) != 0)
			continue;
		json_decref(place->element);
		place->element = json_incref(json_array_get(disks, i));
		place->disk = ctl_copy(name, strlen(name));
		rc = CTL_OK;
	}
	json_decref(disks);
	ctl_words_free(&ids);
	return rc;
}

static int step(struct ctl *ctl, struct ctl_place *place, const char *part)
{
	if (!place->area[0])
		return find_area(ctl, NULL, part, place->area) ? CTL_OK : CTL_USAGE;
	if (!place->object)
		return find_in_area(ctl, place, part);
	if (!place->child[0])
		return find_child(ctl, place, part);
	return place->disk ? CTL_USAGE : find_disk(ctl, place, part);
}

int ctl_tree_find(struct ctl *ctl, const char *cwd, const char *path, bool quiet,
		  struct ctl_place *place)
{
	struct ctl_words parts = {0};
	int rc = CTL_OK;
	size_t i;

	*place = (struct ctl_place){0};
	normalise(cwd, path, &parts);
	for (i = 0; !rc && i < parts.n; i++) {
		rc = step(ctl, place, parts.word[i]);
		if (rc == CTL_USAGE)
			rc = not_there(quiet, parts.word[i]);
	}
	if (rc)
		ctl_place_free(place);
	ctl_words_free(&parts);
	return rc;
}

char *ctl_tree_path(const struct ctl *ctl, const struct ctl_place *place)
{
	char *area = place->area[0] ? folder_name(ctl, place->area) : ctl_copy("", 0);
	char *child = place->child[0] ? folder_name(ctl, place->child) : ctl_copy("", 0);
	char *path = ctl_format("/%s%s%s%s%s%s%s", area, place->object ? "/" : "",
				place->object ? place->object : "", *child ? "/" : "", child,
				place->disk ? "/" : "", place->disk ? place->disk : "");

	free(area);
	free(child);
	return path;
}

/* --- what can be done there --- */

const char *ctl_tree_area(const struct ctl_place *place)
{
	return place->child[0] ? place->child : place->area;
}

/* Only of keys that the method has, and not of an object that is to be made. */
json_t *ctl_tree_params(const struct ctl *ctl, const struct ctl_place *place, const json_t *method)
{
	const json_t *section = json_object_get(method, "params");
	json_t *params = json_object();
	const char *identity;

	if (!place->object)
		return params;
	if (place->child[0]) {
		json_object_set_new(params, place->area, json_string(place->object));
		if (place->disk && strcmp(ctl_verb_of(method), "add") != 0)
			ctl_disks_params(ctl->methods, place->child, place->disk, params);
		return params;
	}
	identity = ctl_list_identity(ctl_list_member(list_of(ctl, place->area)));
	if (ctl_find_key(section, "", identity) && strcmp(ctl_verb_of(method), "create") != 0)
		json_object_set(params, identity, json_object_get(place->element, identity));
	return params;
}

/* --- below --- */

static void add_status(struct ctl_words *status, char *text)
{
	if (status)
		ctl_words_add(status, text, strlen(text));
	free(text);
}

static void below_root(struct ctl *ctl, struct ctl_words *names, struct ctl_words *status)
{
	struct ctl_words areas = {0};
	size_t i;

	all_areas(ctl, &areas);
	for (i = 0; i < areas.n; i++) {
		char *name;

		if (ctl_disks_parent(ctl->methods, areas.word[i]))
			continue;
		name = folder_name(ctl, areas.word[i]);
		ctl_words_add(names, name, strlen(name));
		free(name);
		add_status(status, ctl_status_area(ctl->methods, areas.word[i]));
	}
	ctl_words_free(&areas);
}

static int below_area(struct ctl *ctl, const char *area, struct ctl_words *names,
		      struct ctl_words *status)
{
	const json_t *method = list_of(ctl, area), *element;
	json_t *list = NULL;
	size_t i;
	int rc;

	if (!method)
		return CTL_OK;
	rc = list_area(ctl, area, &list);
	json_array_foreach(list, i, element)
	{
		char *name = name_of(ctl, area, element);

		ctl_words_add(names, name, strlen(name));
		free(name);
		add_status(status, ctl_status_object(ctl_list_member(method), element));
	}
	json_decref(list);
	return rc;
}

static void below_object(struct ctl *ctl, const struct ctl_place *place, struct ctl_words *names,
			 struct ctl_words *status)
{
	struct ctl_words areas = {0};
	size_t i;

	all_areas(ctl, &areas);
	for (i = 0; i < areas.n; i++) {
		const char *parent = ctl_disks_parent(ctl->methods, areas.word[i]);
		char *name;

		if (!parent || strcmp(parent, place->area) != 0 ||
		    !ctl_disks_fit(ctl->methods, place->area, areas.word[i], place->element))
			continue;
		name = folder_name(ctl, areas.word[i]);
		ctl_words_add(names, name, strlen(name));
		free(name);
		add_status(status, ctl_copy("", 0));
	}
	ctl_words_free(&areas);
}

static void below_child(struct ctl *ctl, const struct ctl_place *place, struct ctl_words *names,
			struct ctl_words *status)
{
	json_t *disks = ctl_disks_of(ctl->methods, place->child, place->element, names), *disk;
	size_t i;

	json_array_foreach(disks, i, disk) add_status(status, ctl_status_object(NULL, disk));
	json_decref(disks);
}

int ctl_tree_below(struct ctl *ctl, const struct ctl_place *place, struct ctl_words *names,
		   struct ctl_words *status)
{
	if (!place->area[0])
		below_root(ctl, names, status);
	else if (!place->object)
		return below_area(ctl, place->area, names, status);
	else if (!place->child[0])
		below_object(ctl, place, names, status);
	else if (!place->disk)
		below_child(ctl, place, names, status);
	return CTL_OK;
}
