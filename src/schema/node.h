/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_NODE_H
#define SCHEMA_NODE_H

/*
 * What a YAML or JSON text says, as a tree that knows where each value stands; and such a tree as a
 * text.
 */

#include "schema/arena.h"
#include "schema/errors.h"

/* Limits on the file; a valid configuration stays far below the last two. */
#define SCHEMA_FILE_BYTES_MAX (1024 * 1024)
#define SCHEMA_TREE_DEPTH_MAX 16
#define SCHEMA_TREE_NODES_MAX 200000

enum schema_node_kind {
	SCHEMA_NODE_SCALAR,
	SCHEMA_NODE_SEQUENCE,
	SCHEMA_NODE_MAPPING,
	SCHEMA_NODE_BAD, /* has been reported as an error: skip it silently */
};

/* A node of the file. A mapping's children are its values, in the order of the file, each with its
 * key. */
struct schema_node {
	enum schema_node_kind kind;
	struct schema_pos pos;
	struct schema_node *next;      /* in the same parent */
	const struct schema_node *key; /* a scalar; only if the parent is a mapping */
	const char *text;	       /* scalar: UTF-8 without NUL */
	bool quoted; /* scalar: not plain, so it is never null, a number or a boolean */
	struct schema_node *first; /* sequence and mapping */
	struct schema_node *last;
	size_t count;
	/* Of YAML: the characters of the text that it takes, from the first to behind the last. */
	size_t begin, end;
	bool flow; /* in brackets or braces */
};

/*
 * Reads a YAML 1.1 document of mappings, sequences and scalars; what a configuration has no use for
 * (anchors, aliases, tags, merge keys, further documents) is refused.
 *
 * Returns the root in the arena, or NULL: then errors has the reason, unless arena->failed. A root
 * may come with errors.
 */
struct schema_node *schema_tree_from_yaml(struct schema_arena *arena, struct schema_errors *errors,
					  const char *text, size_t len);

/*
 * Reads a JSON text (RFC 8259): the same tree as from YAML with the same content, its positions are
 * JSON pointers. Returns as schema_tree_from_yaml().
 */
struct schema_node *schema_tree_from_json(struct schema_arena *arena, struct schema_errors *errors,
					  const char *text, size_t len);

/* Likewise of what jansson has read; `pointer`, which outlives the tree, is the value's own. */
struct json_t;
struct schema_node *schema_tree_from_json_value(struct schema_arena *arena,
						struct schema_errors *errors,
						const struct json_t *value, const char *pointer);

/* Empty; a scalar has no text yet. NULL: no memory. */
struct schema_node *schema_node_new(struct schema_arena *arena, enum schema_node_kind kind);
/* A scalar with a copy of the text. NULL: no memory. */
struct schema_node *schema_node_scalar(struct schema_arena *arena, const char *text, bool quoted);
void schema_node_append(struct schema_node *sequence, struct schema_node *child);
/* `key` is not copied. 0 or -ENOMEM. */
int schema_node_set(struct schema_arena *arena, struct schema_node *mapping, const char *key,
		    struct schema_node *value);
/* The value of that key; NULL: there is none. */
struct schema_node *schema_node_find(const struct schema_node *mapping, const char *key);
/*
 * Whether they say the same: of mappings the order does not matter, nor does that of lists of
 * mappings. How a scalar is quoted does not matter either.
 */
bool schema_node_same(const struct schema_node *a, const struct schema_node *b);
/*
 * The element of a list that tells of the same object as `like`, by its name or number; NULL: there
 * is none. Where elements have neither, it is one that says the same.
 */
struct schema_node *schema_node_match(const struct schema_node *list,
				      const struct schema_node *like);
/* What elements of a list have as a name or number: a key; NULL: nothing. */
const char *schema_node_name_key(const struct schema_node *element);
/* The tree in YAML, which the caller frees; NULL: no memory. */
char *schema_tree_to_yaml(const struct schema_node *root);

/*
 * Reads a file of at most SCHEMA_FILE_BYTES_MAX bytes, regular or a pipe. Returns 0 and the bytes,
 * which the caller frees, or a negative errno with the reason in errors.
 */
int schema_file_read(const char *path, struct schema_errors *errors, char **text, size_t *len);

#endif /* SCHEMA_NODE_H */
