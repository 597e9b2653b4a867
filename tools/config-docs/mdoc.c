/* SPDX-License-Identifier: BSD-3-Clause */
/* For shadowbell.yaml(5). */
#include <stdlib.h>
#include <string.h>

#include "tools/config-docs/docs.h"

/* What follows a word in code: punctuation is an argument of its own. */
static const char *print_code(const char *text, FILE *out)
{
	const char *end = strchr(text, '`');

	fprintf(out, ".Cm %.*s", (int)(end - text), text);
	for (text = end + 1; *text && strchr(",.;:", *text); text++)
		fprintf(out, " %c", *text);
	fputc('\n', out);
	while (*text == ' ')
		text++;
	return text;
}

/* Lines of text, with `code` as macros, the last one ended. */
static void print_text(const char *text, FILE *out)
{
	while (*text) {
		size_t n = strcspn(text, "`");
		size_t shown = n;

		while (shown && text[shown - 1] == ' ')
			shown--;
		if (shown)
			fprintf(out, "%.*s\n", (int)shown, text);
		text += n;
		if (*text == '`')
			text = print_code(text + 1, out);
	}
}

static void print_choices(const struct schema_key *key, FILE *out)
{
	for (const struct schema_choice *c = key->choices; c->name; c++)
		fprintf(out, "%s %s", c == key->choices ? "Cm" : " |", c->name);
}

static void print_types(const struct object_type *const *types, FILE *out)
{
	for (const struct object_type *const *type = types; *type; type++)
		fprintf(out, "%s %s", type == types ? "Cm" : " |", (*type)->name);
}

static void print_item(const struct docs_table *table, const struct schema_key *key, FILE *out)
{
	const char *name = key->kind->name, *code = strchr(name, '`');

	fprintf(out, ".It Cm %s : ", key->name);
	if (key->choices)
		print_choices(key, out);
	else if (key->kind == &schema_type)
		print_types(table->types, out);
	else if (code)
		fprintf(out, "Ar %.*sCm %.*s", (int)(code - name), name,
			(int)strcspn(code + 1, "`"), code + 1);
	else
		fprintf(out, "Ar %s%s%s", name, key->unit ? " of " : "",
			key->unit ? key->unit : "");
	fputc('\n', out);
}

/* The choices stand in the item already. */
static void print_allowed(const struct docs_table *table, const struct schema_key *key, FILE *out)
{
	char *allowed = key->choices || key->kind == &schema_type
				? strdup(key->allowed_doc ? key->allowed_doc : "")
				: docs_allowed(table, key);
	char *text = NULL;

	if (allowed && allowed[0] && key->kind != &schema_bool &&
	    asprintf(&text, "Allowed: %s.", allowed) > 0)
		print_text(text, out);
	free(text);
	free(allowed);
}

static void print_default(const struct schema_key *key, FILE *out)
{
	char *text = NULL;

	if (key->required)
		fputs("Required.\n", out);
	else if (key->dflt_doc && asprintf(&text, "Default: %s.", key->dflt_doc) > 0)
		print_text(text, out);
	else if (key->dflt && key->dflt[0])
		fprintf(out, "Default:\n.Cm %s .\n", key->dflt);
	free(text);
}

void docs_mdoc(const struct docs_table *table, FILE *out)
{
	for (const struct schema_key *key = table->keys; key->name; key++) {
		print_item(table, key, out);
		print_text(key->doc, out);
		print_allowed(table, key, out);
		print_default(key, out);
	}
}
