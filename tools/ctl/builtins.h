/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_BUILTINS_H
#define CTL_BUILTINS_H

/* The shell's own commands, for completion too. */

#include <stdbool.h>

#include "tree.h"

struct ctl_at;

struct ctl_builtin {
	const char *name; /* NULL ends the table */
	const char *args;
	const char *doc;
	bool takes_path;
	bool sets; /* its parameters are those of ctl_is_setter() */
	int (*run)(const struct ctl_at *at);
};

extern const struct ctl_builtin ctl_builtins[];
const struct ctl_builtin *ctl_find_builtin(const char *name);

/* The method that a verb of the shell means at a place; NULL: none. */
const json_t *ctl_method_at(const struct ctl *ctl, const struct ctl_place *place, const char *verb);
/* Whether `set` may mean it at a place: it changes what is there. */
bool ctl_is_setter(const struct ctl_place *place, const json_t *method);

#endif
