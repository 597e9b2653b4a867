/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_CATALOG_H
#define CTL_CATALOG_H

/*
 * What rpc.discover tells of: methods, their parameters, the members of their answers. Nothing here
 * knows any of them by itself. Returned references are borrowed; a member that is not there, or of
 * another kind than it should be, counts as empty.
 */

#include <jansson.h>
#include <stdbool.h>

/* A text; "": none. */
const char *ctl_text_of(const json_t *object, const char *member);
/* The element of a list of objects that has this `name`; NULL: there is none. */
const json_t *ctl_find_named(const json_t *list, const char *name);

/* "bdev.create" is the verb "create" of the area "bdev". */
bool ctl_area_is(const json_t *method, const char *area);
const char *ctl_verb_of(const json_t *method);
/* Copies the area of a method, cut if it is too long. */
struct ctl_area {
	char text[64];
};
const char *ctl_area_copy(struct ctl_area *out, const json_t *method);
#define CTL_AREA(method) ctl_area_copy(&(struct ctl_area){{0}}, (method))

bool ctl_has_area(const json_t *methods, const char *area);

/* NULL: there is none. A verb may be written with "-" for "_". */
const json_t *ctl_find_method(const json_t *methods, const char *area, const char *verb);

/* Of a section, or a method's `params`: the keys of all, and those of a type ("" or unknown: none).
 */
const json_t *ctl_keys(const json_t *section);
const json_t *ctl_type_keys(const json_t *section, const char *type);
/* By name, among both. NULL: none. */
const json_t *ctl_find_key(const json_t *section, const char *type, const char *name);
bool ctl_key_is_required(const json_t *key);

/* The only list of mappings in its answer, as a `list` method has: the member; NULL: not so. */
const json_t *ctl_list_member(const json_t *method);
/* What tells its elements apart: the name of their first member; "": none. */
const char *ctl_list_identity(const json_t *member);

/* Of its errors and help: `x` without the quotes. The caller frees it. */
char *ctl_plain_doc(const char *doc);

#endif
