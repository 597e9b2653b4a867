/* SPDX-License-Identifier: BSD-3-Clause */
/* For docs/control.md: a method of the control socket. */
#include <stdlib.h>
#include <string.h>

#include "rpc/rpc_internal.h"
#include "target/target_events.h"
#include "tools/config-docs/docs.h"

static void print_params(const struct schema_section *params, FILE *out)
{
	const struct docs_table table = {.keys = params->keys, .types = params->types};

	if (!params->keys->name) {
		fputs("No parameters.\n", out);
		return;
	}
	fputs("Parameters:\n\n", out);
	docs_markdown(&table, out);
	if (params->types)
		fprintf(out,
			"\nAnd the keys of its type, as in [configuration.md](configuration.md#%ss)."
			"\n",
			params->noun);
}

/* A mapping within is "outer.inner". */
static void print_members(const struct rpc_member *m, const char *outer, FILE *out)
{
	for (; m->name; m++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s%s", outer, outer[0] ? "." : "", m->name);
		fprintf(out, "| `%s` | %s | %s |\n", path, m->kind, m->doc);
		if (m->members)
			print_members(m->members, path, out);
	}
}

bool docs_method(const char *name, FILE *out)
{
	const struct rpc_method *const *m;

	rpc_methods_init();
	for (m = rpc_methods; *m && strcmp((*m)->name, name) != 0; m++)
		;
	if (!*m)
		return false;
	fprintf(out, "%s%s\n\n", (*m)->doc, (*m)->changes ? " The log tells it." : "");
	print_params((*m)->params, out);
	fputs("\nAnswer:\n\n| Member | Kind | What it is |\n|---|---|---|\n", out);
	print_members((*m)->result, "", out);
	return true;
}

void docs_events(FILE *out)
{
	const struct target_event_member *m;
	size_t i;

	fputs("| Event | Member | Kind | What it is |\n|---|---|---|---|\n", out);
	for (i = 0; i < TARGET_EVENTS; i++) {
		const struct target_event_type *type = &target_event_types[i];

		fprintf(out, "| `%s` | | | %s |\n", type->name, type->doc);
		for (m = type->members; m->name; m++)
			fprintf(out, "| | `%s` | %s | %s |\n", m->name, m->kind, m->doc);
	}
}
