/* SPDX-License-Identifier: BSD-3-Clause */
#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "print.h"
#include "schema/errors.h"
#include "text.h"

/* --- all commands --- */

void ctl_help_commands(const json_t *methods, const char *area)
{
	char **cells = NULL;
	const json_t *method;
	size_t i, n = 0;

	json_array_foreach(methods, i, method)
	{
		char *name;

		if (area && !ctl_area_is(method, area))
			continue;
		name = ctl_format("  %s %s", CTL_AREA(method), ctl_verb_of(method));
		cells = ctl_resize(cells, n + 2, sizeof(*cells));
		cells[n++] = ctl_text_clean(name);
		cells[n++] = ctl_plain_doc(ctl_text_of(method, "doc"));
		free(name);
	}
	ctl_print_rows(cells, 2, n / 2);
	for (i = 0; i < n; i++)
		free(cells[i]);
	free(cells);
}

/* --- one command --- */

static char *default_of(const json_t *key)
{
	const char *text = ctl_text_of(key, "default");

	return ctl_plain_doc(*text ? text : ctl_text_of(key, "default_doc"));
}

/* With the names of its choices, where the limits don't have them. */
static char *allowed_of(const json_t *key)
{
	const json_t *choices = json_object_get(key, "choices"), *choice;
	const char *allowed = ctl_text_of(key, "allowed");
	char *all, *plain;
	size_t i;

	if (*allowed || !json_array_size(choices))
		return ctl_plain_doc(allowed);
	all = ctl_copy("", 0);
	json_array_foreach(choices, i, choice)
	{
		const char *name = json_is_string(choice) ? json_string_value(choice) : "";
		char *more = ctl_format("%s%s%s", all, i ? ", " : "", name);

		free(all);
		all = more;
	}
	plain = ctl_plain_doc(all);
	free(all);
	return plain;
}

static void print_line(int depth, const char *what, char *text)
{
	if (*text)
		printf("%*s%s%s\n", depth, "", what, text);
	free(text);
}

/* As deep as rpc.discover's answer is, which jansson limits. */
static void print_keys(const json_t *keys, int depth)
{
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
	{
		char *name = ctl_text_clean(ctl_text_of(key, "name"));
		char *kind = ctl_plain_doc(ctl_text_of(key, "kind"));
		char *unit = ctl_plain_doc(ctl_text_of(key, "unit"));

		printf("%*s%s=  %s%s%s%s\n", depth, "", name, kind, *unit ? " of " : "", unit,
		       ctl_key_is_required(key) ? ", required" : "");
		print_line(depth + 4, "", ctl_plain_doc(ctl_text_of(key, "doc")));
		print_line(depth + 4, "allowed: ", allowed_of(key));
		print_line(depth + 4, "default: ", default_of(key));
		free(name);
		free(kind);
		free(unit);
		print_keys(ctl_keys(json_object_get(key, "section")), depth + 4);
	}
}

static void print_types(const json_t *types)
{
	const json_t *type;
	size_t i;

	json_array_foreach(types, i, type)
	{
		char *name = ctl_text_clean(ctl_text_of(type, "name"));
		char *doc = ctl_plain_doc(ctl_text_of(type, "doc"));

		printf("\nWith type=%s (%s):\n", name, doc);
		print_keys(ctl_keys(type), 2);
		free(name);
		free(doc);
	}
}

static void print_answer(const json_t *members, int depth)
{
	const json_t *member;
	size_t i;

	json_array_foreach(members, i, member)
	{
		char *name = ctl_text_clean(ctl_text_of(member, "name"));

		printf("%*s%s:", depth, "", name);
		print_line(0, " ", ctl_plain_doc(ctl_text_of(member, "doc")));
		free(name);
		print_answer(json_object_get(member, "members"), depth + 4);
	}
}

/* "NAME" of a required key, for the line that shows how the command is written. */
static void print_usage(const json_t *method, const json_t *section)
{
	char *name = ctl_format("%s %s", CTL_AREA(method), ctl_verb_of(method));
	char *clean = ctl_text_clean(name);
	const json_t *key;
	size_t i;

	printf("Usage: %s", clean);
	free(clean);
	free(name);
	json_array_foreach(ctl_keys(section), i, key)
	{
		clean = ctl_text_clean(ctl_text_of(key, "name"));
		if (ctl_key_is_required(key))
			printf(" %s=...", clean);
		free(clean);
	}
	printf("%s\n", json_array_size(ctl_keys(section)) ? " [NAME=VALUE...]" : "");
}

void ctl_help_method(const json_t *method)
{
	const json_t *section = json_object_get(method, "params");

	print_usage(method, section);
	print_line(0, "", ctl_plain_doc(ctl_text_of(method, "doc")));
	if (json_array_size(ctl_keys(section))) {
		puts("\nParameters:");
		print_keys(ctl_keys(section), 2);
	}
	print_types(json_object_get(section, "types"));
	puts("\nAnswer:");
	print_answer(json_object_get(method, "result"), 2);
}

/* --- what there is not --- */

static int unknown_area(const json_t *methods, const char *area)
{
	struct schema_nearest nearest = {.word = area};
	struct ctl_area *areas = ctl_alloc(json_array_size(methods), sizeof(*areas));
	struct schema_words words = {0};
	struct schema_hint hint;
	const json_t *method;
	size_t i, n = 0;
	int rc;

	json_array_foreach(methods, i, method)
	{
		ctl_area_copy(&areas[n], method);
		if (n && !strcmp(areas[n].text, areas[n - 1].text))
			continue;
		schema_words_add(&words, areas[n].text);
		schema_nearest_try(&nearest, areas[n].text);
		n++;
	}
	rc = ctl_fail(CTL_USAGE, "there is no command %s%s; the daemon has: %s, and 'help'",
		      SCHEMA_QUOTE(area), schema_nearest_hint(&nearest, &hint), words.text);
	free(areas);
	return rc;
}

int ctl_help_unknown(const json_t *methods, const char *area, const char *verb)
{
	struct schema_nearest nearest = {.word = verb};
	struct schema_words words = {0};
	struct schema_hint hint;
	const json_t *method;
	size_t i;

	json_array_foreach(methods, i, method)
	{
		if (!ctl_area_is(method, area))
			continue;
		schema_words_add(&words, ctl_verb_of(method));
		schema_nearest_try(&nearest, ctl_verb_of(method));
	}
	if (!words.len)
		return unknown_area(methods, area);
	if (!*verb)
		return ctl_fail(CTL_USAGE, "%s: a verb is missing; there are: %s", area,
				words.text);
	return ctl_fail(CTL_USAGE, "%s: there is no verb %s%s; there are: %s", area,
			SCHEMA_QUOTE(verb), schema_nearest_hint(&nearest, &hint), words.text);
}

int ctl_help(const json_t *methods, char *const *words, size_t n)
{
	const json_t *method;

	if (n == 0) {
		ctl_help_commands(methods, NULL);
		return CTL_OK;
	}
	method = ctl_find_method(methods, words[0], n > 1 ? words[1] : "");
	if (method) {
		ctl_help_method(method);
		return CTL_OK;
	}
	/* An area that there is, as a whole. */
	if (n == 1 && ctl_has_area(methods, words[0])) {
		ctl_help_commands(methods, words[0]);
		return CTL_OK;
	}
	return ctl_help_unknown(methods, words[0], n > 1 ? words[1] : "");
}
