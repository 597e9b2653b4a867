/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

/*
 * Tables of keys, and what follows from them. A section (target, a namespace, ...) is a table of
 * keys; a key has a kind, the field of a struct that it fills, limits, a default, a unit and a line
 * of documentation. From the table come reading (read.c), writing (dump.c), the messages about
 * wrong values, and the tables of docs/configuration.md and shadowbell.yaml(5) (tools/config-docs).
 *
 * A list of objects of several types has a section with the keys of all, and a table of types, each
 * with the keys that only this type has (object_type.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "schema/arena.h"
#include "schema/errors.h"
#include "schema/node.h"
#include "schema/object_type.h"
#include "schema/places.h"

#define SCHEMA_CPUS_MAX 8192 /* CPU numbers are below this */
#define SCHEMA_NUMA_ANY (-1)
#define SCHEMA_ID_NONE	UINT32_MAX /* of a user or group: none is given */

struct schema_key;
struct schema_section;

struct schema_reader {
	const void *root; /* the object of the root section, for init() */
	struct schema_places *places;
	struct schema_arena *arena;
	struct schema_errors *errors;
	char where[256]; /* names the object that is being read, for messages: "bdev 'ram0': " */
	size_t where_len;
};

/* What values a key takes. */
struct schema_kind {
	const char *name; /* in documentation: "size" */
	/*
	 * Fills the field from the node, or reports an error and leaves the field alone. The node's
	 * kind has not been checked.
	 */
	void (*read)(struct schema_reader *r, const struct schema_key *key,
		     const struct schema_node *node, void *field);
	/* The node that read() would make this of; NULL: the field has no value, or no memory. */
	struct schema_node *(*dump)(struct schema_arena *arena, const struct schema_key *key,
				    const void *field);
	/* Optional: what is allowed, for documentation. */
	void (*limits)(const struct schema_key *key, FILE *out);
};

struct schema_choice {
	const char *name; /* NULL ends a table */
	int value;
};

struct schema_key {
	const char *name; /* NULL ends a table */
	const struct schema_kind *kind;
	size_t offset;	  /* of the field in the section's object */
	const char *dflt; /* in the file's syntax; NULL: the field keeps what init gave it, or 0 */
	bool required;
	uint64_t min; /* value; length of a text; elements of a list */
	uint64_t max;
	const struct schema_choice *choices;
	/* Documentation; `x` is code. */
	const char *doc;	 /* a line: what it is */
	const char *unit;	 /* of a number: "microseconds" */
	const char *dflt_doc;	 /* a default that is no constant: "the target's" */
	const char *allowed_doc; /* goes behind the limits, if there are any */
	/* Mappings and lists of them: */
	const struct schema_section *section;
	size_t count_offset; /* of the size_t with the number of elements */
};

/*
 * An object of a section without types begins with its struct schema_pos, and keys are fields of
 * it. With types it begins with a struct schema_object, and keys are fields of its params.
 */
struct schema_section {
	const char *noun; /* "bdev": an object with a name is called "bdev 'ram0'" */
	size_t size;
	const struct schema_key *keys;
	const struct object_type *const *types; /* ended by NULL; NULL: no types */
	size_t params_size;			/* if the type is not known */
	/* Optional: values before the keys are read. */
	void (*init)(const void *root, void *object_or_params);
	/* Optional: whether a key is not written, as its value follows from others. */
	bool (*follows)(const void *object, const struct schema_key *key);
	/* Optional: whether a value of an object's tree is what it would be if it were left out. */
	bool (*implied)(const struct schema_node *object, const struct schema_node *value);
};

/* Fills an object from a mapping. */
void schema_object_read(struct schema_reader *r, const struct schema_section *section,
			const struct schema_node *node, void *object);

/* The mapping of an object; NULL: no memory. */
struct schema_node *schema_object_dump(struct schema_arena *arena,
				       const struct schema_section *section, const void *object);

/* Likewise without keys that have the value they have if they are left out. `root` as above. */
struct schema_node *schema_object_dump_brief(struct schema_arena *arena,
					     const struct schema_section *section,
					     const void *object, const void *root);

/* Reports an error at the node: "WHERE: KEY: ...". */
void schema_reader_error(struct schema_reader *r, const struct schema_key *key,
			 const struct schema_node *node, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * The node's text if it is a scalar, else NULL after reporting what the key takes instead ("a
 * name"). BAD nodes give NULL silently.
 */
const char *schema_reader_scalar(struct schema_reader *r, const struct schema_key *key,
				 const struct schema_node *node, const char *what);

/* Likewise, and the scalar must be unquoted: what has a type of its own in YAML. */
const char *schema_reader_plain(struct schema_reader *r, const struct schema_key *key,
				const struct schema_node *node, const char *what);

/* The name of a choice's value; "unknown". */
const char *schema_choice_name(const struct schema_choice *choices, int value);

/* CPU numbers in the order of the file, each at most once. */
struct schema_cpus {
	const unsigned int *cpu;
	size_t n;
};

/* read.c: other sections. */
extern const struct schema_kind schema_mapping; /* the struct of key.section, inside this one */
extern const struct schema_kind schema_list;	/* pointer to structs of key.section, and a count */

/* values.c: scalars; the field's type is in the comment. */
extern const struct schema_kind schema_name;	   /* const char * */
extern const struct schema_kind schema_path;	   /* const char * */
extern const struct schema_kind schema_ascii;	   /* const char * */
extern const struct schema_kind schema_bool;	   /* bool */
extern const struct schema_kind schema_uint32;	   /* uint32_t */
extern const struct schema_kind schema_block_size; /* uint32_t */
extern const struct schema_kind schema_size;	   /* uint64_t; 0: no value */
extern const struct schema_kind schema_word;	   /* an enum */
extern const struct schema_kind schema_type;	   /* nothing: it is read first */
extern const struct schema_kind schema_uuid;	   /* uint8_t[16] */

/* host_values.c: scalars and lists that mean something on this machine only. */
extern const struct schema_kind schema_mode;	  /* mode_t */
extern const struct schema_kind schema_user;	  /* uid_t */
extern const struct schema_kind schema_group;	  /* gid_t */
extern const struct schema_kind schema_numa_node; /* int32_t; SCHEMA_NUMA_ANY */
extern const struct schema_kind schema_cpu_list;  /* struct schema_cpus */

#endif
