/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/node.h"

#include <string.h>
#include <yaml.h>

#include "schema/utf8.h"

/* What became of an event. */
enum step {
	STEP_MORE,
	STEP_DONE,
	STEP_FAILED,
};

struct builder {
	struct schema_arena *arena;
	struct schema_errors *errors;
	struct schema_node *root;
	struct schema_node *open[SCHEMA_TREE_DEPTH_MAX]; /* the node being filled is the last */
	struct schema_node *key[SCHEMA_TREE_DEPTH_MAX];	 /* of the value that comes next */
	size_t depth;
	size_t nodes;
	bool seen_document;
};

static struct schema_pos pos_of(yaml_mark_t mark)
{
	return (struct schema_pos){.line = mark.line + 1, .column = mark.column + 1};
}

/* Where byte number offset of the text stands. */
static struct schema_pos pos_at(const char *text, size_t offset)
{
	struct schema_pos pos = {.line = 1, .column = 1};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n' || (text[i] == '\r' && text[i + 1] != '\n')) {
			pos.line++;
			pos.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			pos.column++;
		}
	}
	return pos;
}

/* libyaml refuses these bytes too, but without saying where they are. */
static bool check_characters(struct schema_errors *errors, const char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint32_t code;
		size_t n = schema_utf8_decode(text + i, len - i, &code);

		if (n == 0) {
			schema_errors_add(errors, pos_at(text, i),
					  "byte 0x%02x is not UTF-8; allowed: UTF-8 text",
					  (unsigned char)text[i]);
			return false;
		}
		if (!schema_utf8_yaml(code)) {
			schema_errors_add(
				errors, pos_at(text, i),
				"control character U+%04X; allowed: text, tabs and line breaks",
				code);
			return false;
		}
		i += n;
	}
	return true;
}

static void report_syntax(struct schema_errors *errors, const yaml_parser_t *parser,
			  const char *text, size_t len)
{
	const char *problem = parser->problem ? parser->problem : "unknown problem";

	if (parser->error == YAML_READER_ERROR) {
		size_t at = parser->problem_offset < len ? parser->problem_offset : len;

		schema_errors_add(errors, pos_at(text, at), "not valid YAML: %s", problem);
		return;
	}
	/* A context without a line of its own says nothing that the position does not. */
	if (parser->context && parser->context_mark.line != parser->problem_mark.line)
		schema_errors_add(errors, pos_of(parser->problem_mark),
				  "not valid YAML: %s %s that begins in line %zu", problem,
				  parser->context, parser->context_mark.line + 1);
	else
		schema_errors_add(errors, pos_of(parser->problem_mark), "not valid YAML: %s",
				  problem);
}

static struct schema_node *new_node(struct builder *b, enum schema_node_kind kind, yaml_mark_t mark)
{
	struct schema_node *node;

	if (b->nodes == SCHEMA_TREE_NODES_MAX) {
		schema_errors_add(b->errors, pos_of(mark), "too many values; allowed: %d in a file",
				  SCHEMA_TREE_NODES_MAX);
		return NULL;
	}
	b->nodes++;
	node = schema_node_new(b->arena, kind);
	if (node) {
		node->pos = pos_of(mark);
		node->begin = node->end = mark.index;
	}
	return node;
}

/* Hangs a finished or just opened node into its parent; scalars in a mapping are key and value in
 * turn. */
static enum step attach(struct builder *b, struct schema_node *node)
{
	struct schema_node *parent = b->depth ? b->open[b->depth - 1] : NULL;
	struct schema_node **key = b->depth ? &b->key[b->depth - 1] : NULL;

	if (!parent) {
		b->root = node;
		return STEP_MORE;
	}
	if (parent->kind == SCHEMA_NODE_MAPPING && !*key) {
		if (node->kind == SCHEMA_NODE_SCALAR) {
			*key = node;
			return STEP_MORE;
		}
		if (node->kind != SCHEMA_NODE_BAD)
			schema_errors_add(b->errors, node->pos,
					  "a list or mapping can't be a key; allowed: a word");
		return STEP_FAILED;
	}
	if (parent->kind == SCHEMA_NODE_MAPPING) {
		node->key = *key;
		*key = NULL;
	}
	schema_node_append(parent, node);
	return STEP_MORE;
}

static void refuse_extras(struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag,
			  yaml_mark_t mark)
{
	if (anchor)
		schema_errors_add(
			b->errors, pos_of(mark),
			"anchor %s is not supported; write the value out where it is needed",
			SCHEMA_QUOTE((const char *)anchor));
	if (tag)
		schema_errors_add(b->errors, pos_of(mark),
				  "tag %s is not supported; write the value without it",
				  SCHEMA_QUOTE((const char *)tag));
}

static enum step add_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct schema_node *node = new_node(b, SCHEMA_NODE_SCALAR, event->start_mark);

	if (!node)
		return STEP_FAILED;
	refuse_extras(b, event->data.scalar.anchor, event->data.scalar.tag, event->start_mark);
	/* Double quotes let NUL in as an escape. */
	if (memchr(text, '\0', len)) {
		schema_errors_add(
			b->errors, node->pos,
			"the text contains a NUL character (\\0); allowed: text without it");
		node->kind = SCHEMA_NODE_BAD;
	}
	node->text = schema_arena_strndup(b->arena, text, len);
	if (!node->text)
		return STEP_FAILED;
	node->quoted = !plain;
	node->end = event->end_mark.index;
	return attach(b, node);
}

static enum step add_alias(struct builder *b, const yaml_event_t *event)
{
	struct schema_node *node = new_node(b, SCHEMA_NODE_BAD, event->start_mark);

	if (!node)
		return STEP_FAILED;
	schema_errors_add(b->errors, node->pos,
			  "alias %s is not supported; write the value out here",
			  SCHEMA_QUOTE((const char *)event->data.alias.anchor));
	return attach(b, node);
}

static bool is_flow(const yaml_event_t *event)
{
	return event->type == YAML_SEQUENCE_START_EVENT
		       ? event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
		       : event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
}

static enum step open_node(struct builder *b, enum schema_node_kind kind, const yaml_event_t *event)
{
	struct schema_node *node;

	if (b->depth == SCHEMA_TREE_DEPTH_MAX) {
		schema_errors_add(b->errors, pos_of(event->start_mark),
				  "nested too deeply; allowed: %d levels", SCHEMA_TREE_DEPTH_MAX);
		return STEP_FAILED;
	}
	node = new_node(b, kind, event->start_mark);
	if (!node || attach(b, node) == STEP_FAILED)
		return STEP_FAILED;
	node->flow = is_flow(event);
	b->open[b->depth] = node;
	b->key[b->depth] = NULL;
	b->depth++;
	return STEP_MORE;
}

/* Without brackets the parser sees the end only at what comes next. */
static void close_node(struct schema_node *node, const yaml_event_t *event)
{
	if (!node)
		return;
	if (node->flow)
		node->end = event->end_mark.index;
	else if (node->last)
		node->end = node->last->end;
}

static enum step open_document(struct builder *b, const yaml_event_t *event)
{
	if (b->seen_document) {
		schema_errors_add(b->errors, pos_of(event->start_mark),
				  "a second document begins here; allowed: one document in a file");
		return STEP_FAILED;
	}
	b->seen_document = true;
	return STEP_MORE;
}

static enum step handle_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return open_document(b, event);
	case YAML_SCALAR_EVENT:
		return add_scalar(b, event);
	case YAML_ALIAS_EVENT:
		return add_alias(b, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(b, event->data.sequence_start.anchor, event->data.sequence_start.tag,
			      event->start_mark);
		return open_node(b, SCHEMA_NODE_SEQUENCE, event);
	case YAML_MAPPING_START_EVENT:
		refuse_extras(b, event->data.mapping_start.anchor, event->data.mapping_start.tag,
			      event->start_mark);
		return open_node(b, SCHEMA_NODE_MAPPING, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_node(b->open[--b->depth], event);
		return STEP_MORE;
	case YAML_STREAM_END_EVENT:
		return STEP_DONE;
	default:
		return STEP_MORE;
	}
}

static enum step run_parser(struct builder *b, yaml_parser_t *parser, const char *text, size_t len)
{
	enum step step = STEP_MORE;

	while (step == STEP_MORE) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event)) {
			if (parser->error == YAML_MEMORY_ERROR)
				b->arena->failed = 1;
			else
				report_syntax(b->errors, parser, text, len);
			return STEP_FAILED;
		}
		step = handle_event(b, &event);
		yaml_event_delete(&event);
	}
	return step;
}

struct schema_node *schema_tree_from_yaml(struct schema_arena *arena, struct schema_errors *errors,
					  const char *text, size_t len)
{
	struct builder b = {.arena = arena, .errors = errors};
	yaml_parser_t parser;
	enum step step;

	/* libyaml would count it as a column. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (!check_characters(errors, text, len))
		return NULL;
	if (!yaml_parser_initialize(&parser)) {
		arena->failed = 1;
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	step = run_parser(&b, &parser, text, len);
	yaml_parser_delete(&parser);
	if (step == STEP_FAILED)
		return NULL;
	if (!b.root)
		schema_errors_add(
			errors, (struct schema_pos){0},
			"the file is empty; a configuration has the keys target, bdevs and "
			"controllers");
	return b.root;
}
