/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_DISKS_H
#define CTL_DISKS_H

/* Areas whose objects are parts of another area's: namespaces and LUNs of controllers. Which these
 * are follows from rpc.discover; what there is, from an object's `config`. */

#include <jansson.h>
#include <stdbool.h>

#include "words.h"

/* The area that it is a part of; NULL: it is none. Borrowed from `methods`. */
const char *ctl_disks_parent(const json_t *methods, const char *area);

/* Whether an object of the parent's area has a place for such parts, by its type's keys. */
bool ctl_disks_fit(const json_t *methods, const char *parent, const char *area,
		   const json_t *object);

/* The parts of an object, a new list; `ids` gets what tells each apart: "1", or "0:1". */
json_t *ctl_disks_of(const json_t *methods, const char *area, const json_t *object,
		     struct ctl_words *ids);

/* Adds the parameters that such an id stands for. */
void ctl_disks_params(const json_t *methods, const char *area, const char *id, json_t *params);

#endif
