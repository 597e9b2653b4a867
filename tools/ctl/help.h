/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_HELP_H
#define CTL_HELP_H

/* What rpc.discover tells, for people, on stdout. */

#include <jansson.h>
#include <stddef.h>

/* All commands, or those of an area. */
void ctl_help_commands(const json_t *methods, const char *area);
/* A command: its parameters, and what it answers. */
void ctl_help_method(const json_t *method);
/* `help`, `help AREA`, `help AREA VERB`: a status; it has said what is wrong. */
int ctl_help(const json_t *methods, char *const *words, size_t n);
/* The error of a command that there is not: CTL_USAGE. */
int ctl_help_unknown(const json_t *methods, const char *area, const char *verb);

#endif
