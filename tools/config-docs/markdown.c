/* SPDX-License-Identifier: BSD-3-Clause */
/* For docs/configuration.md. */
#include <stdlib.h>

#include "tools/config-docs/docs.h"

static void print_default(const struct schema_key *key, FILE *out)
{
	if (key->required)
		fputs("required", out);
	else if (key->dflt_doc)
		fputs(key->dflt_doc, out);
	else if (key->dflt && key->dflt[0])
		fprintf(out, "`%s`", key->dflt);
	else if (key->kind == &schema_mapping)
		fputs("see below", out);
}

static void print_row(const struct docs_table *table, const struct schema_key *key, FILE *out)
{
	char *allowed = docs_allowed(table, key);

	fprintf(out, "| `%s` | %s", key->name, key->kind->name);
	if (key->unit)
		fprintf(out, " of %s", key->unit);
	fputs(" | ", out);
	print_default(key, out);
	fprintf(out, " | %s | %s |\n", allowed, key->doc);
	free(allowed);
}

void docs_markdown(const struct docs_table *table, FILE *out)
{
	fputs("| Key | Kind | Default | Allowed | What it is |\n|---|---|---|---|---|\n", out);
	for (const struct schema_key *key = table->keys; key->name; key++)
		print_row(table, key, out);
}
