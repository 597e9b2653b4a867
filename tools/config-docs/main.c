/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes the tables of keys into docs/configuration.md, shadowbell.yaml(5) and docs/control.md,
 *from the tables that the daemon reads by. A page marks where a table goes:
 *
 *	<!-- keys: bdevs/null -->		.\" keys: bdevs/null
 *	...					...
 *	<!-- end of keys -->			.\" end of keys
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/private.h"
#include "tools/config-docs/docs.h"

#define BEGIN "keys: "
#define END   "end of keys"
/* In docs/control.md: a method's description, parameters and answer. */
#define METHOD "method/"
/* And what happens by itself. */
#define EVENTS "events"

char *docs_allowed(const struct docs_table *table, const struct schema_key *key)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	if (key->kind->limits)
		key->kind->limits(key, out);
	for (const struct object_type *const *type = table->types;
	     key->kind == &schema_type && *type; type++)
		fprintf(out, "%s`%s`", type == table->types ? "" : ", ", (*type)->name);
	if (key->allowed_doc)
		fprintf(out, "%s%s", ftell(out) ? "; " : "", key->allowed_doc);
	fclose(out);
	return text;
}

/* --- finding a table --- */

static const struct schema_key *find_key(const struct schema_key *keys, const char *name,
					 size_t len)
{
	for (; keys->name; keys++) {
		if (strlen(keys->name) == len && strncmp(keys->name, name, len) == 0)
			return keys;
	}
	return NULL;
}

static const struct object_type *find_type(const struct object_type *const *types, const char *name,
					   size_t len)
{
	for (; types && *types; types++) {
		if (strlen((*types)->name) == len && strncmp((*types)->name, name, len) == 0)
			return *types;
	}
	return NULL;
}

/* "controllers/nvme/namespaces": keys and types, from the root on. */
static bool find_table(const char *path, struct docs_table *out)
{
	*out = (struct docs_table){.keys = config_root_section.keys};
	while (*path) {
		size_t len = strcspn(path, "/");
		const struct object_type *type = find_type(out->types, path, len);
		const struct schema_key *key = find_key(out->keys, path, len);

		if (type)
			*out = (struct docs_table){.keys = type->keys};
		else if (key && key->section)
			*out = (struct docs_table){.keys = key->section->keys,
						   .types = key->section->types};
		else
			return false;
		path += len;
		path += *path == '/';
	}
	return true;
}

/* --- pages --- */

static char *read_page(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file || getdelim(&text, &size, '\0', file) < 0) {
		fprintf(stderr, "%s: can't be read: %s\n", path, strerror(errno));
		exit(1);
	}
	fclose(file);
	return text;
}

/* The path behind the mark in this line; the caller frees it. NULL: it has none. */
static char *begins_table(const char *line, size_t len)
{
	char *copy = strndup(line, len), *at, *path = NULL;

	if (!copy)
		abort();
	at = strstr(copy, BEGIN);
	if (at && (strncmp(copy, "<!-- ", 5) == 0 || strncmp(copy, ".\\\" ", 4) == 0))
		path = strndup(at + strlen(BEGIN), strcspn(at + strlen(BEGIN), " "));
	free(copy);
	return path;
}

static void write_table(const char *page, const char *path, FILE *out)
{
	const char *dot = strrchr(page, '.');
	struct docs_table table;

	if (!strcmp(path, EVENTS)) {
		docs_events(out);
		return;
	}
	if (strncmp(path, METHOD, strlen(METHOD)) == 0 && docs_method(path + strlen(METHOD), out))
		return;
	if (!find_table(path, &table)) {
		fprintf(stderr, "%s: there is no table \"%s\"\n", page, path);
		exit(1);
	}
	if (dot && strcmp(dot, ".md") == 0)
		docs_markdown(&table, out);
	else
		docs_mdoc(&table, out);
}

/* The page with its tables as they should be. */
static char *renew(const char *page, const char *text)
{
	bool inside = false;
	char *made = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&made, &len);

	if (!out)
		abort();
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *path = begins_table(text, n);

		n += text[n] == '\n';
		if (inside && memmem(text, n, END, strlen(END)))
			inside = false;
		if (!inside)
			fwrite(text, 1, n, out);
		if (path) {
			write_table(page, path, out);
			inside = true;
		}
		free(path);
		text += n;
	}
	fclose(out);
	if (inside) {
		fprintf(stderr, "%s: a table without \"%s\"\n", page, END);
		exit(1);
	}
	return made;
}

static bool is_current(const char *page, bool check)
{
	char *old = read_page(page);
	char *made = renew(page, old);
	bool same = strcmp(old, made) == 0;
	FILE *file;

	if (!same && check) {
		fprintf(stderr, "%s: its tables of keys are not current: run make docs\n", page);
	} else if (!same) {
		file = fopen(page, "we");
		if (!file || fputs(made, file) < 0 || fclose(file)) {
			fprintf(stderr, "%s: can't be written: %s\n", page, strerror(errno));
			exit(1);
		}
	}
	free(old);
	free(made);
	return same;
}

int main(int argc, char **argv)
{
	bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
	bool good = true;

	if (argc < 2 + check) {
		fputs("usage: config-docs [--check] PAGE...\n", stderr);
		return 2;
	}
	for (int i = 1 + check; i < argc; i++)
		good = (is_current(argv[i], check) || !check) && good;
	return good ? 0 : 1;
}
