/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

/* What the last word of a command may become. What can't be asked for is not offered; nothing is
 * said. */

#include "command.h"
#include "words.h"

/* AREA VERB NAME=VALUE...: the last of `n` words is completed, n > 0. */
void ctl_complete(struct ctl *ctl, char *const *words, size_t n, struct ctl_words *out);

/* Of the words behind the verb; `given` are parameters that need no words. */
void ctl_complete_params(struct ctl *ctl, const json_t *method, const json_t *given,
			 char *const *words, size_t n, struct ctl_words *out);

/* Adds `text` if it begins with `prefix`. */
void ctl_complete_add(struct ctl_words *out, const char *prefix, const char *text);

#endif
