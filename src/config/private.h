/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_PRIVATE_H
#define SHADOWBELL_CONFIG_PRIVATE_H

/* What the files of src/config share and nobody else sees. */

#include "config/arena.h"
#include "config/config.h"
#include "config/errors.h"

/* Where a field's value was written. */
struct config_place {
	const void *field;
	struct config_pos pos;
};

struct config_private {
	struct config_arena arena;   /* holds all of struct config */
	struct config_place *places; /* sorted by field once everything has been read */
	size_t nplaces;
	size_t places_size;
};

/* What the configuration is checked against besides itself. */
struct config_host {
	bool cpu[CONFIG_CPUS_MAX]; /* this thread may run on it */
};

/* Returns 0 or a negative errno. */
int config_host_get(struct config_host *host);

/*
 * config_load() of a text in memory, for a given host; path only names the file in messages.
 */
int config_load_text(const char *path, const char *text, size_t len, const struct config_host *host,
		     struct config **out, char **errors);

/* Returns 0 or -ENOMEM. */
int config_places_add(struct config *cfg, const void *field, struct config_pos pos);
void config_places_sort(struct config *cfg);

/* Did the file give this field a value (perhaps a wrong one)? Only after config_places_sort(). */
bool config_places_has(const struct config *cfg, const void *field);

/*
 * The checks that need more than one value, and the defaults and references that depend on others.
 * Runs also on what could only be read in part, and then reports what does not follow from errors
 * reported before.
 */
void config_validate(struct config *cfg, struct config_errors *errors,
		     const struct config_host *host);

/* validate_nvme.c: one controller of type nvme. */
struct config_index;
void config_validate_nvme(struct config *cfg, struct config_errors *errors,
			  const struct config_index *bdevs, struct config_controller *ctrl);

/* validate_scsi.c: one controller of type scsi. */
void config_validate_scsi(struct config *cfg, struct config_errors *errors,
			  const struct config_index *bdevs, struct config_controller *ctrl);

/*
 * refs.c: looks up the bdev of a name that the file gives at `where` ("controller 'c': bdev"); pos
 * is the position of what has the name in it. NULL after reporting that there is none, or if
 * there is nothing to report here.
 */
const struct config_bdev *config_resolve_bdev(struct config *cfg, struct config_errors *errors,
					      const struct config_index *bdevs, const char *where,
					      const char *const *name, struct config_pos pos);

/* A `where`: the name of the controller and what of it; cut if that gets too long. */
struct config_where {
	char text[256];
};

const char *config_where_format(struct config_where *out, const struct config_controller *ctrl,
				const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* validate_serials.c: derives the serial numbers that are not given, and refuses duplicates. */
void config_validate_serials(struct config *cfg, struct config_errors *errors);

/*
 * validate_split.c: the parts of all splits. Returns false if there may be parts of which nothing
 * is known.
 */
bool config_validate_splits(struct config *cfg, struct config_errors *errors);

/* How many parts of it are known. */
size_t config_parts(const struct config_bdev *bdev);

/* Lists what a reference may name: the parts of splits, and the bdevs that are in no parts. */
struct config_nearest;
void config_words_add_disks(struct config_words *words, struct config_nearest *nearest,
			    const struct config *cfg);
void config_words_add_parts(struct config_words *words, const struct config_bdev *split);

/* validate_bdev.c: sizes, files and UUIDs of all bdevs. */
void config_validate_bdevs(struct config *cfg, struct config_errors *errors);

/* Sets the paths of all sockets; they must fit. */
void config_validate_sockets(struct config *cfg, struct config_errors *errors);

/* names.c: names of one kind of object, sorted. */
struct config_index_entry {
	const char *name;
	size_t i;			/* in the file's order */
	struct config_pos pos;		/* of the name */
	const struct config_bdev *bdev; /* NULL: something else has the name */
};

struct config_index {
	struct config_index_entry *entries;
	size_t n;
	bool incomplete; /* some object's name could not be read: absence proves nothing */
};

/*
 * Sorts the names of bdevs and their parts, or of controllers, and reports those that are there
 * before.
 */
void config_index_bdevs(struct config *cfg, struct config_errors *errors,
			struct config_index *index);
void config_index_controllers(struct config *cfg, struct config_errors *errors,
			      struct config_index *index);

/* NULL: there is none. */
const struct config_index_entry *config_index_find(const struct config_index *index,
						   const char *name);

/* "0-3,8" */
struct config_cpus_text {
	char text[128];
};

const char *config_cpus_format(struct config_cpus_text *out, const bool *set);

#endif /* SHADOWBELL_CONFIG_PRIVATE_H */
