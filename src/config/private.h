/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_PRIVATE_H
#define SHADOWBELL_CONFIG_PRIVATE_H

/* What the files of src/config share and nobody else sees. */

#include "config/config.h"
#include "config/controller_type.h"

struct config_host;

struct config_private {
	struct schema_arena arena; /* holds all of struct config */
	struct schema_places places;
	struct config_others others; /* while one more object is read beside them */
	bool beside;
	/* Of a file: what it had, from malloc(), and what it was read on. */
	char *text;
	size_t len;
	struct config_host *host;	/* the arena's */
	const char *socket_dir_instead; /* of the file's; or NULL */
	bool no_looks;			/* at disks: they may take long, and may be gone */
};

/* The others' bdevs, and then the configuration's own, by number. */
static inline size_t config_count_bdevs(const struct config *cfg)
{
	return cfg->priv->others.nbdevs + cfg->nbdevs;
}

static inline const struct config_bdev *config_bdev_at(const struct config *cfg, size_t i)
{
	const struct config_others *others = &cfg->priv->others;

	return i < others->nbdevs ? others->bdevs[i] : &cfg->bdevs[i - others->nbdevs];
}

/* Likewise. */
static inline size_t config_count_controllers(const struct config *cfg)
{
	return cfg->priv->others.ncontrollers + cfg->ncontrollers;
}

static inline const struct config_controller *config_controller_at(const struct config *cfg,
								   size_t i)
{
	const struct config_others *others = &cfg->priv->others;

	return i < others->ncontrollers ? others->controllers[i]
					: &cfg->controllers[i - others->ncontrollers];
}

/* What the configuration is checked against besides itself. */
struct config_host {
	bool cpu[SCHEMA_CPUS_MAX]; /* this thread may run on it */
};

/* Returns 0 or a negative errno. */
int config_host_get(struct config_host *host);

/* What a text is written in. */
typedef struct schema_node *(*config_parse_fn)(struct schema_arena *arena,
					       struct schema_errors *errors, const char *text,
					       size_t len);

/*
 * config_load() of a text in memory, for a given host; path only names the file in messages.
 */
int config_load_text(const char *path, config_parse_fn parse, const char *text, size_t len,
		     const struct config_host *host, struct config **out, char **errors);

/* What the root of a file is; and a list of one bdev or controller. */
extern const struct schema_section config_root_section;
extern const struct schema_section config_one_bdev_section, config_one_controller_section;

struct config *config_new(const char *path);

/* Did the file give this field a value (perhaps a wrong one)? */
bool config_gives(const struct config *cfg, const void *field);

/*
 * The checks that need more than one value, and the defaults and references that depend on others.
 * Runs also on what could only be read in part, and then reports what does not follow from errors
 * reported before.
 */
void config_validate(struct config *cfg, struct schema_errors *errors,
		     const struct config_host *host);
/* Likewise of what is read beside others. */
void config_validate_beside(struct config *cfg, struct schema_errors *errors);

/*
 * refs.c: looks up the bdev that a controller names. NULL after reporting that there is none, or if
 * there is nothing to report here.
 */
struct config_index;
const struct config_bdev *config_resolve_bdev(struct config *cfg, struct schema_errors *errors,
					      const struct config_index *bdevs,
					      const struct config_controller *ctrl,
					      const struct config_ref *ref);

/* validate_serials.c: derives the serial numbers that are not given, and refuses duplicates. */
void config_validate_serials(struct config *cfg, struct schema_errors *errors);

/*
 * stack.c: what bdevs stand on, their parts and their order. Returns false if there may be parts of
 * which nothing is known.
 */
bool config_validate_stack(struct config *cfg, struct schema_errors *errors);

/* Lists what a reference may name: what is a disk, and in nobody's use. */
void config_words_add_disks(struct schema_words *words, struct schema_nearest *nearest,
			    const struct config *cfg);
void config_words_add_parts(struct schema_words *words, const struct config_bdev *whole);

/* Whether it is no disk, but in parts, which may be not known. */
static inline bool config_is_whole(const struct config_bdev *bdev)
{
	return bdev->type && !bdev->whole && bdev_type_of(bdev->type)->count_parts;
}

/* validate_bdev.c: sizes, files and UUIDs of all bdevs. */
void config_validate_bdevs(struct config *cfg, struct schema_errors *errors);
/* What types check that may take as long as a disk likes. */
void config_look_at_disks(struct config *cfg, struct schema_errors *errors);

/* For the check of a bdev. */
struct object_check config_check_of(const struct config *cfg, struct schema_errors *errors,
				    const struct config_bdev *bdev);

/* sockets.c: sets the paths of all sockets; they must fit. */
void config_validate_sockets(struct config *cfg, struct schema_errors *errors);
void config_validate_controller_sockets(struct config *cfg, struct schema_errors *errors);

/* names.c: names of one kind of object, sorted. */
struct config_index_entry {
	const char *name;
	size_t i;			/* in the file's order */
	struct schema_pos pos;		/* of the name */
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
void config_index_bdevs(struct config *cfg, struct schema_errors *errors,
			struct config_index *index);
void config_index_controllers(struct config *cfg, struct schema_errors *errors,
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
