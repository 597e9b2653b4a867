/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_READER_H
#define SHADOWBELL_CONFIG_READER_H

/*
 * Reading driven by tables: a section (target, a bdev, ...) is a table of keys, a key names its
 * type's read function, the field that it fills, its limits and its default. Sections of several
 * types have a table of variants, each with the keys that only this type has.
 *
 * To add a key, add a line to its table in schema.c; to add a type, add a variant there.
 */

#include "config/private.h"
#include "config/yaml_tree.h"

struct config_key;
struct config_section;

struct config_reader {
	struct config *cfg;
	struct config_arena *arena;
	struct config_errors *errors;
	char where[256]; /* names the object that is being read, for messages: "bdev 'ram0': " */
	size_t where_len;
};

/*
 * Fills the field from the node, which is of the kind that the function's value takes, or reports
 * an error and leaves the field alone.
 */
typedef void (*config_read_fn)(struct config_reader *r, const struct config_key *key,
			       const struct config_node *node, void *field);

struct config_choice {
	const char *name; /* NULL ends a table */
	int value;
};

struct config_key {
	const char *name; /* NULL ends a table */
	config_read_fn read;
	size_t offset;	  /* of the field in the section's object */
	const char *dflt; /* in the file's syntax; NULL: the field keeps what init gave it, or 0 */
	bool required;
	uint64_t min; /* value; length of a text; elements of a list */
	uint64_t max;
	const struct config_choice *choices;
	const char *allowed; /* completes "allowed: " where the type's own words don't do */
	/* Lists of objects: */
	const struct config_section *section;
	size_t count_offset; /* of the size_t with the number of elements */
};

struct config_variant {
	const char *name; /* the value of the key "type"; NULL ends a table */
	int value;
	const struct config_key *keys;
};

/* Every object begins with its struct config_pos. */
struct config_section {
	const char *noun; /* "bdev": an object with a name is called "bdev 'ram0'" */
	size_t size;
	const struct config_key *keys;
	const struct config_variant *variants; /* NULL: no types */
	size_t type_offset;		       /* of an enum's int; 0 means not known */
	void (*init)(const struct config *cfg, void *object); /* optional */
};

/* What the root of a file is. */
extern const struct config_section config_root_section;

/* Fills an object from a mapping. */
void config_read_object(struct config_reader *r, const struct config_section *section,
			const struct config_node *node, void *object);

/* Reports an error at the node: "WHERE: KEY: ...". */
void config_reader_error(struct config_reader *r, const struct config_key *key,
			 const struct config_node *node, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * The node's text if it is a scalar, else NULL after reporting what the key takes instead ("a
 * name"). BAD nodes give NULL silently.
 */
const char *config_reader_scalar(struct config_reader *r, const struct config_key *key,
				 const struct config_node *node, const char *what);

/* Likewise, and the scalar must be unquoted: what has a type of its own in YAML. */
const char *config_reader_plain(struct config_reader *r, const struct config_key *key,
				const struct config_node *node, const char *what);

/* Objects (struct-like, key.section). */
void config_read_section(struct config_reader *r, const struct config_key *key,
			 const struct config_node *node, void *field);
void config_read_list(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field);

/* values.c: scalars; the field's type is in the comment. */
void config_read_name(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* const char * */
void config_read_path(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* const char * */
void config_read_ascii(struct config_reader *r, const struct config_key *key,
		       const struct config_node *node, void *field); /* const char * */
void config_read_bool(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* bool */
void config_read_uint32(struct config_reader *r, const struct config_key *key,
			const struct config_node *node, void *field); /* uint32_t */
void config_read_block_size(struct config_reader *r, const struct config_key *key,
			    const struct config_node *node, void *field); /* uint32_t */
void config_read_size(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* uint64_t */
void config_read_choice(struct config_reader *r, const struct config_key *key,
			const struct config_node *node, void *field); /* an enum */
void config_read_type(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* nothing: read first */
void config_read_uuid(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* uint8_t[16] */

/* host_values.c: scalars and lists that mean something on this machine only. */
void config_read_mode(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* mode_t */
void config_read_owner(struct config_reader *r, const struct config_key *key,
		       const struct config_node *node, void *field); /* uid_t */
void config_read_group(struct config_reader *r, const struct config_key *key,
		       const struct config_node *node, void *field); /* gid_t */
void config_read_numa_node(struct config_reader *r, const struct config_key *key,
			   const struct config_node *node, void *field); /* int32_t */
void config_read_cpus(struct config_reader *r, const struct config_key *key,
		      const struct config_node *node, void *field); /* struct config_cpus */

#endif /* SHADOWBELL_CONFIG_READER_H */
