/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_YAML_TREE_H
#define SHADOWBELL_CONFIG_YAML_TREE_H

#include "config/arena.h"
#include "config/errors.h"

/* Limits on the file; a valid configuration stays far below the last two. */
#define CONFIG_FILE_BYTES_MAX (1024 * 1024)
#define CONFIG_TREE_DEPTH_MAX 16
#define CONFIG_TREE_NODES_MAX 200000

enum config_node_kind {
	CONFIG_NODE_SCALAR,
	CONFIG_NODE_SEQUENCE,
	CONFIG_NODE_MAPPING,
	CONFIG_NODE_BAD, /* has been reported as an error: skip it silently */
};

/* A node of the file. A mapping's children are its values, in the order of the file, each with its
 * key. */
struct config_node {
	enum config_node_kind kind;
	struct config_pos pos;
	struct config_node *next;      /* in the same parent */
	const struct config_node *key; /* a scalar; only if the parent is a mapping */
	const char *text;	       /* scalar: UTF-8 without NUL */
	bool quoted; /* scalar: not plain, so it is never null, a number or a boolean */
	struct config_node *first; /* sequence and mapping */
	struct config_node *last;
	size_t count;
};

/*
 * Reads a YAML 1.1 document of mappings, sequences and scalars; what a configuration has no use for
 * (anchors, aliases, tags, merge keys, further documents) is refused.
 *
 * Returns the root in the arena, or NULL: then errors has the reason, unless arena->failed. A root
 * may come with errors.
 */
struct config_node *config_tree_parse(struct config_arena *arena, struct config_errors *errors,
				      const char *text, size_t len);

/*
 * Reads a file of at most CONFIG_FILE_BYTES_MAX bytes, regular or a pipe. Returns 0 and the bytes,
 * which the caller frees, or a negative errno with the reason in errors.
 */
int config_file_read(const char *path, struct config_errors *errors, char **text, size_t *len);

#endif /* SHADOWBELL_CONFIG_YAML_TREE_H */
