/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "schema/node.h"

enum { WIDTH = 100 };

static int write_bytes(void *arg, unsigned char *buffer, size_t size)
{
	return fwrite(buffer, 1, size, arg) == size;
}

/* Of each of these, the emitter frees the event, too if it fails. */

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	yaml_event_t event;

	return yaml_scalar_event_initialize(
		       &event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
		       quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE) &&
	       yaml_emitter_emit(emitter, &event);
}

static bool emit_begin(yaml_emitter_t *emitter, const struct schema_node *node)
{
	yaml_event_t event;
	int good;

	if (node->kind == SCHEMA_NODE_MAPPING)
		good = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
							   YAML_BLOCK_MAPPING_STYLE);
	else
		good = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
							    YAML_BLOCK_SEQUENCE_STYLE);
	return good && yaml_emitter_emit(emitter, &event);
}

static bool emit_end(yaml_emitter_t *emitter, const struct schema_node *node)
{
	yaml_event_t event;
	int good = node->kind == SCHEMA_NODE_MAPPING ? yaml_mapping_end_event_initialize(&event)
						     : yaml_sequence_end_event_initialize(&event);

	return good && yaml_emitter_emit(emitter, &event);
}

/* As deep as the tree is, which has a limit. */
static bool emit_node(yaml_emitter_t *emitter, const struct schema_node *node)
{
	if (node->kind == SCHEMA_NODE_SCALAR)
		return emit_scalar(emitter, node->text, node->quoted);
	if (!emit_begin(emitter, node))
		return false;
	for (const struct schema_node *child = node->first; child; child = child->next) {
		if (child->key && !emit_scalar(emitter, child->key->text, child->key->quoted))
			return false;
		if (!emit_node(emitter, child))
			return false;
	}
	return emit_end(emitter, node);
}

static bool emit_document(yaml_emitter_t *emitter, const struct schema_node *root)
{
	yaml_event_t event;

	return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(emitter, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(emitter, &event) && emit_node(emitter, root) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(emitter, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(emitter, &event);
}

char *schema_tree_to_yaml(const struct schema_node *root)
{
	yaml_emitter_t emitter;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool good;

	if (!out)
		return NULL;
	good = yaml_emitter_initialize(&emitter);
	if (good) {
		yaml_emitter_set_output(&emitter, write_bytes, out);
		yaml_emitter_set_unicode(&emitter, 1);
		yaml_emitter_set_width(&emitter, WIDTH);
		good = emit_document(&emitter, root);
		yaml_emitter_delete(&emitter);
	}
	if (fclose(out) != 0 || !good) {
		free(text);
		return NULL;
	}
	return text;
}
