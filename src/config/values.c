/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config/reader.h"
#include "config/size.h"
#include "config/utf8.h"
#include "config/uuid.h"

static const char *copy(struct config_reader *r, const char *text)
{
	return config_arena_strndup(r->arena, text, strlen(text));
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > CONFIG_NAME_MAX || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && !strchr("._-", text[i]))
			return false;
	}
	return true;
}

/* A bad name is kept all the same: what refers to it is not wrong on its own. */
void config_read_name(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	const char *text = config_reader_scalar(r, key, node, "a name");

	if (!text)
		return;
	if (!is_name(text))
		config_reader_error(
			r, key, node,
			"%s is not a name; allowed: 1 to %d of the characters A-Z a-z 0-9 . _ -, "
			"not beginning with . or -",
			CONFIG_QUOTE(text), CONFIG_NAME_MAX);
	*(const char **)field = copy(r, text);
}

static bool is_printable(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t n = config_utf8_decode(text + i, len - i, &code);

		if (n == 0 || !config_utf8_printable(code))
			return false;
		i += n;
	}
	return true;
}

void config_read_path(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	const char *text = config_reader_scalar(r, key, node, "an absolute path");

	if (!text)
		return;
	if (text[0] != '/')
		config_reader_error(r, key, node, "%s is not absolute; allowed: a path from /",
				    CONFIG_QUOTE(text));
	else if (strlen(text) > key->max)
		config_reader_error(r, key, node, "%s is %zu bytes long; allowed: up to %" PRIu64,
				    CONFIG_QUOTE(text), strlen(text), key->max);
	else if (!is_printable(text))
		config_reader_error(r, key, node,
				    "%s contains control characters; allowed: printable text",
				    CONFIG_QUOTE(text));
	else
		*(const char **)field = copy(r, text);
}

void config_read_ascii(struct config_reader *r, const struct config_key *key,
		       const struct config_node *node, void *field)
{
	const char *text = config_reader_scalar(r, key, node, "a text");
	bool ascii = true;
	size_t len;

	if (!text)
		return;
	len = strlen(text);
	for (size_t i = 0; i < len; i++)
		ascii = ascii && text[i] >= 0x20 && text[i] <= 0x7e;
	if (len < key->min || len > key->max)
		config_reader_error(r, key, node,
				    "%s is %zu bytes long; allowed: %" PRIu64 " to %" PRIu64
				    " printable ASCII characters",
				    CONFIG_QUOTE(text), len, key->min, key->max);
	else if (!ascii)
		config_reader_error(
			r, key, node,
			"%s has characters beyond ASCII or control characters; allowed: "
			"%" PRIu64 " to %" PRIu64 " printable ASCII characters",
			CONFIG_QUOTE(text), key->min, key->max);
	else if (text[0] == ' ' || text[len - 1] == ' ')
		config_reader_error(
			r, key, node,
			"%s begins or ends with a blank, which guests don't see; allowed: "
			"text without outer blanks",
			CONFIG_QUOTE(text));
	else
		*(const char **)field = copy(r, text);
}

void config_read_bool(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	const char *text = config_reader_plain(r, key, node, "true or false");

	if (!text)
		return;
	if (strcmp(text, "true") == 0)
		*(bool *)field = true;
	else if (strcmp(text, "false") == 0)
		*(bool *)field = false;
	else
		config_reader_error(r, key, node, "%s is not a boolean; allowed: true or false",
				    CONFIG_QUOTE(text));
}

void config_read_uint32(struct config_reader *r, const struct config_key *key,
			const struct config_node *node, void *field)
{
	const char *text = config_reader_plain(r, key, node, "a whole number");
	const char *end;
	uint64_t value;
	int rc;

	if (!text)
		return;
	rc = config_number_parse(text[0] == '-' ? text + 1 : text, &value, &end);
	if (*end || rc == -EINVAL) {
		config_reader_error(r, key, node,
				    "%s is not a whole number; allowed: %" PRIu64 " to %" PRIu64
				    " in decimal, without leading zeros",
				    CONFIG_QUOTE(text), key->min, key->max);
		return;
	}
	if (rc == -ERANGE || text[0] == '-' || value < key->min || value > key->max) {
		config_reader_error(r, key, node,
				    "%s is out of range; allowed: %" PRIu64 " to %" PRIu64,
				    CONFIG_QUOTE(text), key->min, key->max);
		return;
	}
	*(uint32_t *)field = value;
}

void config_read_block_size(struct config_reader *r, const struct config_key *key,
			    const struct config_node *node, void *field)
{
	const char *text = config_reader_scalar(r, key, node, "512 or 4096");
	const char *problem;
	uint64_t value;

	/* A wrong one leaves 0, so that no size is measured by the default instead. */
	*(uint32_t *)field = 0;
	if (!text)
		return;
	if (config_size_parse(text, &value, &problem) == 0 && (value == 512 || value == 4096))
		*(uint32_t *)field = value;
	else
		config_reader_error(r, key, node, "%s is not a block size; allowed: 512 or 4096",
				    CONFIG_QUOTE(text));
}

void config_read_size(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	const char *allowed =
		"a whole number with KiB, MiB, GiB or TiB, such as 64MiB, or a number of bytes";
	const char *text = config_reader_scalar(r, key, node, allowed);
	const char *problem;
	uint64_t value;

	if (!text)
		return;
	if (config_size_parse(text, &value, &problem) < 0)
		config_reader_error(r, key, node, "%s %s; allowed: %s, up to %s",
				    CONFIG_QUOTE(text), problem, allowed, CONFIG_SIZE(key->max));
	else if (value < key->min || value > key->max)
		config_reader_error(r, key, node, "%s is out of range; allowed: %s to %s",
				    CONFIG_QUOTE(text), CONFIG_SIZE(key->min),
				    CONFIG_SIZE(key->max));
	else
		*(uint64_t *)field = value;
}

void config_read_choice(struct config_reader *r, const struct config_key *key,
			const struct config_node *node, void *field)
{
	const char *text = config_reader_scalar(r, key, node, "a word");
	struct config_nearest nearest = {.word = text};
	struct config_words words = {0};
	struct config_hint hint;

	if (!text)
		return;
	for (const struct config_choice *c = key->choices; c->name; c++) {
		if (strcmp(c->name, text) == 0) {
			*(int *)field = c->value;
			return;
		}
		config_words_add(&words, c->name);
		config_nearest_try(&nearest, c->name);
	}
	config_reader_error(r, key, node, "%s is not known%s; allowed: %s", CONFIG_QUOTE(text),
			    config_nearest_hint(&nearest, &hint), words.text);
}

/* The reader has set the type before all other keys, which depend on it. */
void config_read_type(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	(void)r;
	(void)key;
	(void)node;
	(void)field;
}

void config_read_uuid(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field)
{
	static const uint8_t nil[16];
	const char *text = config_reader_scalar(r, key, node, "a UUID");
	uint8_t uuid[16];

	if (!text)
		return;
	if (config_uuid_parse(text, uuid) < 0)
		config_reader_error(
			r, key, node,
			"%s is not a UUID; allowed: 8-4-4-4-12 hexadecimal digits (RFC 4122)",
			CONFIG_QUOTE(text));
	else if (memcmp(uuid, nil, sizeof(nil)) == 0)
		config_reader_error(
			r, key, node,
			"%s is the nil UUID; allowed: any other one, or leave the key out",
			CONFIG_QUOTE(text));
	else
		memcpy(field, uuid, sizeof(uuid));
}
