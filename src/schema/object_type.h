/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_OBJECT_TYPE_H
#define SCHEMA_OBJECT_TYPE_H

/*
 * What a type of bdev or controller says of itself. A kind of object embeds it in a struct of its
 * own (bdev/bdev_type.h, target/controller_type.h), and has one explicit array of all its types.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/errors.h"
#include "schema/places.h"

struct schema_key;
struct object_check;

/* What an object takes of the limits of the process. */
struct object_needs {
	uint64_t files_idle; /* before a guest connects */
	uint64_t files_all;  /* what comes on top when its guest uses all of it */
	uint64_t memory;     /* bytes */
	uint64_t tasks;	     /* threads, when a disk that can block does */
};

struct object_type {
	const char *name; /* the value of the key "type" */
	const char *doc;  /* what it is, in a line */
	/* Besides the keys of every object of its kind; fields of the params. */
	const struct schema_key *keys;
	size_t params_size; /* of the struct, which begins with what every object of its kind has */
	/* Optional: reports what is wrong with the params besides single values. Main thread. */
	void (*check)(struct object_check *c, void *params);
	/* Optional: whether a key is not written, as it means nothing beside the others. */
	bool (*is_void)(const void *params, const struct schema_key *key);
	/* Optional: adds to *needs. */
	void (*needs)(const void *params, struct object_needs *needs);
};

/* What a list of objects of several types consists of. */
struct schema_object {
	struct schema_pos pos;
	const struct object_type *type; /* NULL: not known, which is an error by itself */
	void *params;
};

/* For a type's check(). */
struct object_check {
	struct schema_errors *errors;
	const struct schema_places *places;
	const char *noun; /* "bdev" */
	const char *name;
	struct schema_pos pos;
};

/* Reports "NOUN 'NAME': ..." at the value of the field, or at the object if it was given none. */
void object_error(struct object_check *c, const void *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether the field was given a value, perhaps a wrong one. */
bool object_gives(const struct object_check *c, const void *field);

#endif
