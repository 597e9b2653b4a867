/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of values that are numbers or words. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "schema/schema.h"
#include "schema/size.h"

static void read_bool(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	const char *text = schema_reader_plain(r, key, node, "true or false");

	if (!text)
		return;
	if (strcmp(text, "true") == 0)
		*(bool *)field = true;
	else if (strcmp(text, "false") == 0)
		*(bool *)field = false;
	else
		schema_reader_error(r, key, node, "%s is not a boolean; allowed: true or false",
				    SCHEMA_QUOTE(text));
}

static void read_uint32(struct schema_reader *r, const struct schema_key *key,
			const struct schema_node *node, void *field)
{
	const char *text = schema_reader_plain(r, key, node, "a whole number");
	const char *end;
	uint64_t value;
	int rc;

	if (!text)
		return;
	rc = schema_number_parse(text[0] == '-' ? text + 1 : text, &value, &end);
	if (*end || rc == -EINVAL) {
		schema_reader_error(r, key, node,
				    "%s is not a whole number; allowed: %" PRIu64 " to %" PRIu64
				    " in decimal, without leading zeros",
				    SCHEMA_QUOTE(text), key->min, key->max);
		return;
	}
	if (rc == -ERANGE || text[0] == '-' || value < key->min || value > key->max) {
		schema_reader_error(r, key, node,
				    "%s is out of range; allowed: %" PRIu64 " to %" PRIu64,
				    SCHEMA_QUOTE(text), key->min, key->max);
		return;
	}
	*(uint32_t *)field = value;
}

static void read_block_size(struct schema_reader *r, const struct schema_key *key,
			    const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "512 or 4096");
	const char *problem;
	uint64_t value;

	/* A wrong one leaves 0, so that no size is measured by the default instead. */
	*(uint32_t *)field = 0;
	if (!text)
		return;
	if (schema_size_parse(text, &value, &problem) == 0 && (value == 512 || value == 4096))
		*(uint32_t *)field = value;
	else
		schema_reader_error(r, key, node, "%s is not a block size; allowed: 512 or 4096",
				    SCHEMA_QUOTE(text));
}

static void read_size(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	const char *allowed =
		"a whole number with KiB, MiB, GiB or TiB, such as 64MiB, or a number of bytes";
	const char *text = schema_reader_scalar(r, key, node, allowed);
	const char *problem;
	uint64_t value;

	if (!text)
		return;
	if (schema_size_parse(text, &value, &problem) < 0)
		schema_reader_error(r, key, node, "%s %s; allowed: %s, up to %s",
				    SCHEMA_QUOTE(text), problem, allowed, SCHEMA_SIZE(key->max));
	else if (value < key->min || value > key->max)
		schema_reader_error(r, key, node, "%s is out of range; allowed: %s to %s",
				    SCHEMA_QUOTE(text), SCHEMA_SIZE(key->min),
				    SCHEMA_SIZE(key->max));
	else
		*(uint64_t *)field = value;
}

static void read_choice(struct schema_reader *r, const struct schema_key *key,
			const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "a word");
	struct schema_nearest nearest = {.word = text};
	struct schema_words words = {0};
	struct schema_hint hint;

	if (!text)
		return;
	for (const struct schema_choice *c = key->choices; c->name; c++) {
		if (strcmp(c->name, text) == 0) {
			*(int *)field = c->value;
			return;
		}
		schema_words_add(&words, c->name);
		schema_nearest_try(&nearest, c->name);
	}
	schema_reader_error(r, key, node, "%s is not known%s; allowed: %s", SCHEMA_QUOTE(text),
			    schema_nearest_hint(&nearest, &hint), words.text);
}

/* The reader has set the type before all other keys, which depend on it. */
static void read_type(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	(void)r;
	(void)key;
	(void)node;
	(void)field;
}

static struct schema_node *dump_bool(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	return schema_node_scalar(arena, *(const bool *)field ? "true" : "false", false);
}

/* 0 where it is not allowed says that there is no value. */
static struct schema_node *dump_uint32(struct schema_arena *arena, const struct schema_key *key,
				       const void *field)
{
	uint32_t value = *(const uint32_t *)field;
	char text[16];

	if (value < key->min)
		return NULL;
	snprintf(text, sizeof(text), "%" PRIu32, value);
	return schema_node_scalar(arena, text, false);
}

static struct schema_node *dump_block_size(struct schema_arena *arena, const struct schema_key *key,
					   const void *field)
{
	return *(const uint32_t *)field ? dump_uint32(arena, key, field) : NULL;
}

static struct schema_node *dump_size(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	uint64_t value = *(const uint64_t *)field;

	return value ? schema_node_scalar(arena, SCHEMA_SIZE(value), false) : NULL;
}

const char *schema_choice_name(const struct schema_choice *choices, int value)
{
	for (; choices->name; choices++) {
		if (choices->value == value)
			return choices->name;
	}
	return "unknown";
}

static struct schema_node *dump_choice(struct schema_arena *arena, const struct schema_key *key,
				       const void *field)
{
	int value = *(const int *)field;

	/* 0 is no choice: there is no value. */
	return value ? schema_node_scalar(arena, schema_choice_name(key->choices, value), false)
		     : NULL;
}

/* schema_object_dump() does it: there is no field. */
static struct schema_node *dump_type(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	return NULL;
}

/* --- what is allowed, for documentation --- */

static void number_limits(const struct schema_key *key, FILE *out)
{
	fprintf(out, "%" PRIu64 " to %" PRIu64, key->min, key->max);
}

static void size_limits(const struct schema_key *key, FILE *out)
{
	fprintf(out, "%s to %s", SCHEMA_SIZE(key->min), SCHEMA_SIZE(key->max));
}

static void choice_limits(const struct schema_key *key, FILE *out)
{
	for (const struct schema_choice *c = key->choices; c->name; c++)
		fprintf(out, "%s`%s`", c == key->choices ? "" : ", ", c->name);
}

static void bool_limits(const struct schema_key *key, FILE *out)
{
	fputs("`true`, `false`", out);
}

static void block_size_limits(const struct schema_key *key, FILE *out)
{
	fputs("`512`, `4096`", out);
}

const struct schema_kind schema_bool = {
	.name = "boolean",
	.read = read_bool,
	.dump = dump_bool,
	.limits = bool_limits,
};

const struct schema_kind schema_uint32 = {
	.name = "number",
	.read = read_uint32,
	.dump = dump_uint32,
	.limits = number_limits,
};

const struct schema_kind schema_block_size = {
	.name = "bytes",
	.read = read_block_size,
	.dump = dump_block_size,
	.limits = block_size_limits,
};

const struct schema_kind schema_size = {
	.name = "size",
	.read = read_size,
	.dump = dump_size,
	.limits = size_limits,
};

const struct schema_kind schema_word = {
	.name = "word",
	.read = read_choice,
	.dump = dump_choice,
	.limits = choice_limits,
};

const struct schema_kind schema_type = {.name = "word", .read = read_type, .dump = dump_type};
