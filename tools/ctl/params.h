/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_PARAMS_H
#define CTL_PARAMS_H

/* Words of a command as the parameters of a request. */

#include <jansson.h>
#include <stddef.h>

/*
 * Adds `n` words to `params`, an object that may have some already. A word is NAME=VALUE, where
 * NAME may go on with ".MEMBER" and ".INDEX", or a VALUE alone: of the first required key that is
 * not given, else of the method's first key. A VALUE that begins with a bracket or a quote is YAML,
 * or JSON; any other is taken as it stands, as a plain scalar of YAML. Returns a status, and has
 * said what is wrong.
 */
int ctl_params_add(json_t *params, const json_t *method, char *const *words, size_t n);

/* Whether a word is NAME=VALUE; the length of NAME is put into *len. */
int ctl_word_is_named(const char *word, size_t *len);

#endif
