/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

/* Answers for people, on stdout. Texts of the daemon's are shown as ctl_text_clean() has them. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A result: its lists of mappings as tables, the rest as "NAME VALUE" lines. `members` are those of
 * rpc.discover; what the result has besides is shown as well. `whole`: a list of one object that
 * was asked for by name is told with all that there is. */
void ctl_print_result(const json_t *result, const json_t *members, bool whole);

/* One mapping, all of it, indented by `depth`. */
void ctl_print_mapping(const json_t *mapping, int depth);

/* A value in a cell: a member's name tells its unit. The caller frees it; "": nothing is said. */
char *ctl_print_cell(const char *name, const json_t *value);

/* Rows of clean texts, columns aligned, NULL cells as "-". */
void ctl_print_rows(char *const *cells, size_t ncolumns, size_t nrows);

/* As one line of JSON, as it came. */
void ctl_print_json(const json_t *value);

#endif
