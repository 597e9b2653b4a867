/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

/* What the tree tells of an object, in a few words. All return clean texts, which the caller frees.
 */

#include <jansson.h>

/* A text or number, as a name in a path. */
char *ctl_status_text(const json_t *value);
/* By the members that rpc.discover has for it (NULL: by its own): "malloc, there, 64MiB". */
char *ctl_status_object(const json_t *list_member, const json_t *object);
/* Which commands an area has. */
char *ctl_status_area(const json_t *methods, const char *area);

#endif
