/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_REFUSAL_H
#define CTL_REFUSAL_H

#include <jansson.h>
#include <stdbool.h>

/* Says on stderr why the daemon refuses, with names of parameters as they are typed instead of JSON
 * pointers; or the error as it came, as one line of JSON. Returns CTL_REFUSED. */
int ctl_refused(const json_t *error, bool json);

#endif
