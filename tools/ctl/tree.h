/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_TREE_H
#define CTL_TREE_H

/*
 * What the daemon has, as a tree of paths. It follows from rpc.discover:
 *
 *   /bdevs/ram0                        an area with a `list`, and what that lists
 *   /controllers/nvme0/namespaces/1    an area with `add` and `remove` whose first key is named
 *                                      after another area; its elements are in the object's
 * `config` /log                               any other area
 */

#include "command.h"
#include "words.h"

/* What a path leads to; each level that there is has a name. Areas are those of methods. */
struct ctl_place {
	char area[64];	 /* "": the root */
	char *object;	 /* NULL: the folder of all */
	char child[64];	 /* "": none */
	char *disk;	 /* of the child's area; NULL: the folder of all */
	json_t *element; /* the object, or the element of the child's area; NULL: none */
};

void ctl_place_free(struct ctl_place *place);

/* Finds `path`, which begins at `cwd` unless it begins with "/". A status; it has said what is
 * wrong. `quiet`: it says nothing. */
int ctl_tree_find(struct ctl *ctl, const char *cwd, const char *path, bool quiet,
		  struct ctl_place *place);
/* "/bdevs/ram0"; the caller frees it. */
char *ctl_tree_path(const struct ctl *ctl, const struct ctl_place *place);

/* Whose methods are carried out there; "": nobody's. */
const char *ctl_tree_area(const struct ctl_place *place);
/* Parameters that follow from the place: which object. A new reference. */
json_t *ctl_tree_params(const struct ctl *ctl, const struct ctl_place *place, const json_t *method);

/* What is below a place: names, and if `status` is not NULL what is told of each. A status. */
int ctl_tree_below(struct ctl *ctl, const struct ctl_place *place, struct ctl_words *names,
		   struct ctl_words *status);

/* The names of an area's objects; none if it lists none. Says nothing. */
void ctl_tree_objects(struct ctl *ctl, const char *area, struct ctl_words *names);

/* Whether an area has a `list`, as its objects are told apart then. */
bool ctl_tree_is_listed(const struct ctl *ctl, const char *area);

#endif
