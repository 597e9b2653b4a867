/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of values that are texts. */
#include <inttypes.h>
#include <string.h>

#include "schema/schema.h"
#include "schema/utf8.h"
#include "schema/uuid.h"

static const char *copy(struct schema_reader *r, const char *text)
{
	return schema_arena_strndup(r->arena, text, strlen(text));
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > SCHEMA_NAME_MAX || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && !strchr("._-", text[i]))
			return false;
	}
	return true;
}

/* A bad name is kept all the same: what refers to it is not wrong on its own. */
static void read_name(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "a name");

	if (!text)
		return;
	if (!is_name(text))
		schema_reader_error(
			r, key, node,
			"%s is not a name; allowed: 1 to %d of the characters A-Z a-z 0-9 . _ -, "
			"not beginning with . or -",
			SCHEMA_QUOTE(text), SCHEMA_NAME_MAX);
	*(const char **)field = copy(r, text);
}

static bool is_printable(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t n = schema_utf8_decode(text + i, len - i, &code);

		if (n == 0 || !schema_utf8_printable(code))
			return false;
		i += n;
	}
	return true;
}

static void read_path(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "an absolute path");

	if (!text)
		return;
	if (text[0] != '/')
		schema_reader_error(r, key, node, "%s is not absolute; allowed: a path from /",
				    SCHEMA_QUOTE(text));
	else if (strlen(text) > key->max)
		schema_reader_error(r, key, node, "%s is %zu bytes long; allowed: up to %" PRIu64,
				    SCHEMA_QUOTE(text), strlen(text), key->max);
	else if (!is_printable(text))
		schema_reader_error(r, key, node,
				    "%s contains control characters; allowed: printable text",
				    SCHEMA_QUOTE(text));
	else
		*(const char **)field = copy(r, text);
}

static void read_ascii(struct schema_reader *r, const struct schema_key *key,
		       const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "a text");
	bool ascii = true;
	size_t len;

	if (!text)
		return;
	len = strlen(text);
	for (size_t i = 0; i < len; i++)
		ascii = ascii && text[i] >= 0x20 && text[i] <= 0x7e;
	if (len < key->min || len > key->max)
		schema_reader_error(r, key, node,
				    "%s is %zu bytes long; allowed: %" PRIu64 " to %" PRIu64
				    " printable ASCII characters",
				    SCHEMA_QUOTE(text), len, key->min, key->max);
	else if (!ascii)
		schema_reader_error(
			r, key, node,
			"%s has characters beyond ASCII or control characters; allowed: "
			"%" PRIu64 " to %" PRIu64 " printable ASCII characters",
			SCHEMA_QUOTE(text), key->min, key->max);
	else if (text[0] == ' ' || text[len - 1] == ' ')
		schema_reader_error(
			r, key, node,
			"%s begins or ends with a blank, which guests don't see; allowed: "
			"text without outer blanks",
			SCHEMA_QUOTE(text));
	else
		*(const char **)field = copy(r, text);
}

static void read_uuid(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	static const uint8_t nil[16];
	const char *text = schema_reader_scalar(r, key, node, "a UUID");
	uint8_t uuid[16];

	if (!text)
		return;
	if (schema_uuid_parse(text, uuid) < 0)
		schema_reader_error(
			r, key, node,
			"%s is not a UUID; allowed: 8-4-4-4-12 hexadecimal digits (RFC 4122)",
			SCHEMA_QUOTE(text));
	else if (memcmp(uuid, nil, sizeof(nil)) == 0)
		schema_reader_error(
			r, key, node,
			"%s is the nil UUID; allowed: any other one, or leave the key out",
			SCHEMA_QUOTE(text));
	else
		memcpy(field, uuid, sizeof(uuid));
}

/* Texts that the file need not give are NULL. */
static struct schema_node *dump_text(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	const char *text = *(const char *const *)field;

	return text ? schema_node_scalar(arena, text, true) : NULL;
}

static struct schema_node *dump_uuid(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	char text[37];

	schema_uuid_format(field, text);
	return schema_node_scalar(arena, text, true);
}

static void ascii_limits(const struct schema_key *key, FILE *out)
{
	fprintf(out, "%" PRIu64 " to %" PRIu64 " printable ASCII characters, no outer blanks",
		key->min, key->max);
}

const struct schema_kind schema_name = {.name = "name", .read = read_name, .dump = dump_text};
const struct schema_kind schema_path = {.name = "path", .read = read_path, .dump = dump_text};
const struct schema_kind schema_uuid = {.name = "UUID", .read = read_uuid, .dump = dump_uuid};

const struct schema_kind schema_ascii = {
	.name = "text",
	.read = read_ascii,
	.dump = dump_text,
	.limits = ascii_limits,
};
