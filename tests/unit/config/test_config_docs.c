/* SPDX-License-Identifier: BSD-3-Clause */
/* The documentation knows every key of the schema, with its default and its limits. */
#include <inttypes.h>

#include "schema/schema.h"
#include "schema/size.h"
#include "tests/unit/config/load.h"

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 256 * 1024);
	size_t n;

	/* The tests run in the root of the tree. */
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	n = fread(text, 1, 256 * 1024 - 1, file);
	CU_ASSERT(n > 0);
	fclose(file);
	return text;
}

/* Is there a line with all of these? */
static bool has_line(const char *text, const char *const words[], size_t n)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		char *copy = strndup(line, len);
		size_t found = 0;

		while (found < n && strstr(copy, words[found]))
			found++;
		free(copy);
		if (found == n)
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

/* The limits as a reader of the file would write them. */
static void format_max(const struct schema_key *key, char *out, size_t size)
{
	out[0] = '\0';
	if (key->kind == &schema_size)
		snprintf(out, size, "%s", SCHEMA_SIZE(key->max));
	else if (key->kind == &schema_uint32 || key->kind == &schema_cpu_list ||
		 key->kind == &schema_list || key->kind == &schema_ascii)
		snprintf(out, size, "%" PRIu64, key->max);
}

static void check_markdown(const char *doc, const struct schema_key *key)
{
	char quoted[64], dflt[64] = "", max[32];
	const char *const words[] = {"| ", quoted, dflt, max};

	snprintf(quoted, sizeof(quoted), "`%s`", key->name);
	if (key->dflt && key->dflt[0])
		snprintf(dflt, sizeof(dflt), key->kind == &schema_cpu_list ? "`[%s]`" : "`%s`",
			 key->dflt);
	format_max(key, max, sizeof(max));
	if (!has_line(doc, words, 4))
		fail_case(__FILE__, __LINE__, key->name, "no row with its default and limit");
}

typedef void (*visit_fn)(const char *doc, const struct schema_key *key);

static void visit_section(const char *doc, const struct schema_section *section, visit_fn visit);

/* The keys that the root has are headings; overrides in controllers refer to the target's. */
static void visit_keys(const char *doc, const struct schema_key *keys, visit_fn visit, bool root)
{
	for (const struct schema_key *key = keys; key->name; key++) {
		if (!root)
			visit(doc, key);
		if (key->section)
			visit_section(doc, key->section, visit);
	}
}

static void visit_section(const char *doc, const struct schema_section *section, visit_fn visit)
{
	visit_keys(doc, section->keys, visit, section == &config_root_section);
	for (const struct object_type *const *type = section->types; type && *type; type++)
		visit_keys(doc, (*type)->keys, visit, false);
}

static void markdown(void)
{
	char *doc = read_whole("docs/configuration.md");

	visit_section(doc, &config_root_section, check_markdown);
	free(doc);
}

static void check_manual(const char *doc, const struct schema_key *key)
{
	const char *const words[] = {"It Cm ", key->name};

	if (!has_line(doc, words, 2))
		fail_case(__FILE__, __LINE__, key->name, "not in shadowbell.yaml(5)");
}

static void manual(void)
{
	char *doc = read_whole("docs/man/shadowbell.yaml.5");

	visit_section(doc, &config_root_section, check_manual);
	free(doc);
}

static void check_choices(const char *doc, const struct schema_key *key)
{
	for (const struct schema_choice *c = key->choices; c && c->name; c++) {
		char quoted[64];
		const char *const words[] = {quoted, key->name};

		snprintf(quoted, sizeof(quoted), "`%s`", c->name);
		if (!has_line(doc, words, 2))
			fail_case(__FILE__, __LINE__, c->name, "not with its key");
	}
}

static void words(void)
{
	char *doc = read_whole("docs/configuration.md");

	visit_section(doc, &config_root_section, check_choices);
	free(doc);
}

/* Each YAML block of the page is a valid configuration. */
static void examples_of_the_page(void)
{
	char *doc = read_whole("docs/configuration.md");
	const char *at = doc;
	int n = 0;

	while ((at = strstr(at, "```yaml\n"))) {
		const char *begin = at + strlen("```yaml\n");
		const char *end = strstr(begin, "```");
		char *text;

		CU_ASSERT_PTR_NOT_NULL_FATAL(end);
		text = strndup(begin, end - begin);
		config_free(load_good("a block of docs/configuration.md", text));
		free(text);
		at = end + 3;
		n++;
	}
	CU_ASSERT(n > 0);
	free(doc);
}

static const struct test_case cases[] = {
	{"markdown", markdown},
	{"manual", manual},
	{"words", words},
	{"examples_of_the_page", examples_of_the_page},
};

TEST_MAIN("config_docs", cases)
