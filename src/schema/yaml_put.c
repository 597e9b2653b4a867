/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees as a person would write them in YAML: parts of a file that has the rest already. */
#include "schema/yaml_put.h"

#include <string.h>

enum { STEP = 2 }; /* columns that a level is further to the right */

/* Words that some readers of YAML take for something else than a text. */
static bool is_special(const char *text)
{
	static const char *const words[] = {"null", "true", "false", "yes", "no",
					    "on",   "off",  "y",     "n"};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

/* A text that is one without quotes, too. */
static bool is_plain(const char *text)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789._/-";
	size_t len = strlen(text);

	return len && strchr(safe, text[0]) && !strchr("0123456789.-", text[0]) &&
	       strspn(text, safe) == len && !is_special(text);
}

static void put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void put_scalar(FILE *out, const struct schema_node *node)
{
	if (node->quoted && !is_plain(node->text))
		put_quoted(out, node->text);
	else
		fputs(node->text, out);
}

void yaml_put_flow(FILE *out, const struct schema_node *node)
{
	bool mapping = node->kind == SCHEMA_NODE_MAPPING;
	const struct schema_node *child;

	if (node->kind == SCHEMA_NODE_SCALAR) {
		put_scalar(out, node);
		return;
	}
	fputc(mapping ? '{' : '[', out);
	for (child = node->first; child; child = child->next) {
		if (child->key)
			fprintf(out, "%s: ", child->key->text);
		yaml_put_flow(out, child);
		if (child->next)
			fputs(", ", out);
	}
	fputc(mapping ? '}' : ']', out);
}

static void put_indent(FILE *out, size_t columns)
{
	fprintf(out, "%*s", (int)columns, "");
}

/* In a line: what has no lines of its own. */
static bool is_short(const struct schema_node *node)
{
	return node->kind == SCHEMA_NODE_SCALAR || !node->first ||
	       (node->kind == SCHEMA_NODE_SEQUENCE && node->first->kind == SCHEMA_NODE_SCALAR);
}

void yaml_put_key(FILE *out, const char *key, const struct schema_node *value, size_t columns)
{
	fprintf(out, "%s:", key);
	if (is_short(value)) {
		fputc(' ', out);
		yaml_put_flow(out, value);
		fputc('\n', out);
		return;
	}
	fputc('\n', out);
	put_indent(out, columns + STEP);
	yaml_put_block(out, value, columns + STEP);
}

void yaml_put_block(FILE *out, const struct schema_node *node, size_t columns)
{
	const struct schema_node *child;

	if (is_short(node)) {
		yaml_put_flow(out, node);
		fputc('\n', out);
		return;
	}
	for (child = node->first; child; child = child->next) {
		if (child != node->first)
			put_indent(out, columns);
		if (child->key) {
			yaml_put_key(out, child->key->text, child, columns);
		} else {
			fputs("- ", out);
			yaml_put_block(out, child, columns + STEP);
		}
	}
}
