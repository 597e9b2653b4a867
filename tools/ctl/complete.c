/* SPDX-License-Identifier: BSD-3-Clause */
#include "complete.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "params.h"
#include "text.h"
#include "top.h"
#include "tree.h"

void ctl_complete_add(struct ctl_words *out, const char *prefix, const char *text)
{
	char *clean = ctl_text_clean(text);
	bool fit = !strcmp(clean, text);
	size_t i;

	free(clean);
	/* What would do something to the terminal is not typed either. */
	if (!fit || !*text || strncmp(text, prefix, strlen(prefix)) != 0)
		return;
	for (i = 0; i < out->n; i++)
		if (!strcmp(out->word[i], text))
			return;
	ctl_words_add(out, text, strlen(text));
}

/* --- values --- */

/* Whether a text has the word. */
static bool mentions(const char *text, const char *word)
{
	size_t n = strlen(word);
	const char *at;

	for (at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || !isalnum((unsigned char)at[-1])) &&
		    !isalnum((unsigned char)at[n]))
			return true;
	return false;
}

/* Rather than numbers. */
static bool has_names(const struct ctl *ctl, const char *area)
{
	const json_t *list = ctl_find_method(ctl->methods, area, "list");

	return !strcmp(ctl_list_identity(ctl_list_member(list)), "name");
}

/* Of which areas a key names an object. */
static bool names_object_of(const struct ctl *ctl, const json_t *method, const json_t *key,
			    const char *area)
{
	const char *name = ctl_text_of(key, "name");

	if (ctl_tree_is_listed(ctl, name))
		return !strcmp(name, area);
	if (strcmp(ctl_text_of(key, "kind"), "name") != 0 || !has_names(ctl, area))
		return false;
	if (!strcmp(name, "name"))
		return ctl_area_is(method, area) && strcmp(ctl_verb_of(method), "create") != 0;
	return mentions(ctl_text_of(key, "allowed"), area) ||
	       mentions(ctl_text_of(key, "doc"), area);
}

static void add_objects(struct ctl *ctl, const json_t *method, const json_t *key,
			struct ctl_words *values)
{
	const json_t *other;
	size_t i;

	json_array_foreach(ctl->methods, i, other)
	{
		const char *area = CTL_AREA(other);

		if (!strcmp(ctl_verb_of(other), "list") && names_object_of(ctl, method, key, area))
			ctl_tree_objects(ctl, area, values);
	}
}

static void add_values(struct ctl *ctl, const json_t *method, const json_t *key,
		       struct ctl_words *values)
{
	const json_t *choice;
	size_t i;

	json_array_foreach(json_object_get(key, "choices"), i, choice)
	{
		if (json_is_string(choice))
			ctl_complete_add(values, "", json_string_value(choice));
	}
	if (!strcmp(ctl_text_of(key, "kind"), "boolean")) {
		ctl_complete_add(values, "", "true");
		ctl_complete_add(values, "", "false");
	}
	add_objects(ctl, method, key, values);
}

/* `head` stands before each. */
static void offer_values(struct ctl *ctl, const json_t *method, const json_t *key, const char *head,
			 const char *last, struct ctl_words *out)
{
	struct ctl_words values = {0};
	size_t i;

	add_values(ctl, method, key, &values);
	for (i = 0; i < values.n; i++) {
		char *text = ctl_format("%s%s", head, values.word[i]);

		ctl_complete_add(out, last, text);
		free(text);
	}
	ctl_words_free(&values);
}

/* --- names --- */

struct names {
	const json_t *section; /* whose keys */
	const char *type;
	char *head; /* "namespaces.0." */
};

/* Goes into lists and mappings as far as `name` has dots. */
static struct names names_at(const json_t *section, const char *type, const char *name)
{
	struct names n = {.section = section, .type = type};
	char *copy = ctl_copy(name, strlen(name)), *rest = copy, *part;
	const char *dot = strrchr(name, '.');

	while ((part = strsep(&rest, ".")) && rest) {
		if (isdigit((unsigned char)*part))
			continue;
		n.section = json_object_get(ctl_find_key(n.section, n.type, part), "section");
		n.type = "";
	}
	free(copy);
	n.head = ctl_copy(name, dot ? (size_t)(dot + 1 - name) : 0);
	return n;
}

static bool is_given(const json_t *given, char *const *words, size_t n, const char *name)
{
	size_t i, len;

	for (i = 0; i < n; i++)
		if (ctl_word_is_named(words[i], &len) && strlen(name) == len &&
		    !strncmp(words[i], name, len))
			return true;
	return json_object_get(given, name);
}

static void offer_key(const struct names *at, const json_t *key, const json_t *given,
		      char *const *words, size_t n, struct ctl_words *out)
{
	const char *last = words[n - 1];
	char *name = ctl_format("%s%s", at->head, ctl_text_of(key, "name"));
	char *text = ctl_format("%s=", name);

	if (*ctl_text_of(key, "name") && !is_given(given, words, n - 1, name)) {
		ctl_complete_add(out, last, text);
		/* Its elements are only offered to who goes on. */
		if (json_object_get(key, "section") && !strncmp(last, name, strlen(name))) {
			free(text);
			text = ctl_format("%s.0.", name);
			ctl_complete_add(out, last, text);
		}
	}
	free(text);
	free(name);
}

static void offer_keys(const struct names *at, const json_t *given, char *const *words, size_t n,
		       struct ctl_words *out)
{
	const json_t *key;
	size_t i;

	json_array_foreach(ctl_keys(at->section), i, key) offer_key(at, key, given, words, n, out);
	json_array_foreach(ctl_type_keys(at->section, at->type), i, key)
		offer_key(at, key, given, words, n, out);
}

/* --- a command's parameters --- */

static bool is_type(const json_t *section, const char *word)
{
	return ctl_type_keys(section, word);
}

/* As it is given by name, or as a word that can't be anything else. */
static const char *type_of(const json_t *section, char *const *words, size_t n)
{
	const char *type = "";
	size_t i;

	for (i = 0; i < n; i++) {
		if (!strncmp(words[i], "type=", strlen("type=")))
			return words[i] + strlen("type=");
		if (is_type(section, words[i]))
			type = words[i];
	}
	return type;
}

/* What stands before the first value without a name: its key is the first that is required. */
static void offer_unnamed(struct ctl *ctl, const json_t *method, const json_t *given,
			  char *const *words, size_t n, struct ctl_words *out)
{
	const json_t *keys = ctl_keys(json_object_get(method, "params")), *key;
	size_t i, len, unnamed = 0;

	for (i = 0; i + 1 < n; i++)
		unnamed += !ctl_word_is_named(words[i], &len);
	json_array_foreach(keys, i, key)
	{
		const char *name = ctl_text_of(key, "name");

		if (is_given(given, words, n - 1, name) || (i && !ctl_key_is_required(key)))
			continue;
		if (!unnamed--) {
			offer_values(ctl, method, key, "", words[n - 1], out);
			return;
		}
	}
}

void ctl_complete_params(struct ctl *ctl, const json_t *method, const json_t *given,
			 char *const *words, size_t n, struct ctl_words *out)
{
	const json_t *section = json_object_get(method, "params");
	const char *type = type_of(section, words, n - 1), *last = words[n - 1];
	struct names at;
	size_t len;

	if (ctl_word_is_named(last, &len)) {
		char *name = ctl_copy(last, len), *head = ctl_copy(last, len + 1);
		const char *dot = strrchr(name, '.');

		at = names_at(section, type, name);
		offer_values(ctl, method, ctl_find_key(at.section, at.type, dot ? dot + 1 : name),
			     head, last, out);
		free(head);
		free(name);
	} else {
		at = names_at(section, type, last);
		offer_keys(&at, given, words, n, out);
		if (!*at.head)
			offer_unnamed(ctl, method, given, words, n, out);
	}
	free(at.head);
}

void ctl_complete(struct ctl *ctl, char *const *words, size_t n, struct ctl_words *out)
{
	const json_t *method;
	size_t i;

	if (n > 1 && !strcmp(words[0], "top")) {
		ctl_top_complete(words[n - 1], out);
		return;
	}
	if (n > 1 && !strcmp(words[0], "help")) {
		words++;
		n--;
	} else if (n == 1) {
		ctl_complete_add(out, words[0], "help");
		ctl_complete_add(out, words[0], "top");
	}
	if (n > 2) {
		method = ctl_find_method(ctl->methods, words[0], words[1]);
		if (method)
			ctl_complete_params(ctl, method, NULL, words + 2, n - 2, out);
		return;
	}
	json_array_foreach(ctl->methods, i, method)
	{
		if (n == 1)
			ctl_complete_add(out, words[0], CTL_AREA(method));
		else if (ctl_area_is(method, words[0]))
			ctl_complete_add(out, words[1], ctl_verb_of(method));
	}
}
