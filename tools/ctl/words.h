/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_WORDS_H
#define CTL_WORDS_H

/* A line of the shell as words. */

#include <stdbool.h>
#include <stddef.h>

struct ctl_words {
	char **word;
	size_t n;
};

/*
 * Blanks separate words, but for those in quotes, brackets and braces, and behind a backslash. A
 * word that begins with "#" begins a comment. Quotes of a whole value, NAME='...', go; those within
 * brackets stay, as they are YAML's. False: a quote or bracket has no end; the words are there all
 * the same. The words are to be freed in any case.
 */
bool ctl_words_split(const char *line, struct ctl_words *out);
void ctl_words_add(struct ctl_words *words, const char *text, size_t len);
void ctl_words_free(struct ctl_words *words);

#endif
