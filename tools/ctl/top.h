/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include "command.h"
#include "words.h"

/* "top": what goes on now, again and again. A status. */
int ctl_top(struct ctl *ctl, char *const *words, size_t n);

/* What its last word may become. */
void ctl_top_complete(const char *last, struct ctl_words *out);

#endif
