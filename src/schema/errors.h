/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_ERRORS_H
#define SCHEMA_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "schema/pos.h"

#define SCHEMA_NAME_MAX 63 /* bytes of an object's name */

/* Errors beyond this many are counted, not kept. */
#define SCHEMA_ERRORS_MAX 20

struct schema_error {
	struct schema_pos pos;
	unsigned int order; /* of arrival */
	char *text;
};

/* The errors of one file. Zero-initialise it but for path. One thread at a time. */
struct schema_errors {
	const char *path;
	struct schema_error list[SCHEMA_ERRORS_MAX];
	unsigned int kept;
	unsigned int total;
	bool no_memory; /* sticky: an error's text could not be kept */
};

/* A position that is nowhere concerns the whole file. */
void schema_errors_add(struct schema_errors *errors, struct schema_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Counts an error whose text is not worth working out, as schema_errors_full(). */
void schema_errors_skip(struct schema_errors *errors);

/* True if a further error's text would not be kept: no need to work it out. */
bool schema_errors_full(const struct schema_errors *errors);

/* In the order of the file, or of the members. */
void schema_errors_sort(struct schema_errors *errors);

/* One line per error in the order of the file; the caller frees it. NULL if memory ran out. */
char *schema_errors_text(struct schema_errors *errors);

void schema_errors_free(struct schema_errors *errors);

/* A value as it is shown in a message. */
struct schema_quoted {
	char text[96];
};

/*
 * The text in single quotes, made fit for a terminal and a log: control characters are shown as
 * \xNN, a long text is cut. The input is valid UTF-8 or its odd bytes are shown as \xNN too.
 */
const char *schema_quote_bytes(struct schema_quoted *out, const char *text, size_t len);

/* For one use as an argument: the buffer lives as long as the enclosing block. */
#define SCHEMA_QUOTE(text) schema_quote_bytes(&(struct schema_quoted){{0}}, (text), strlen(text))

/* A list of words in a message: "busy, adaptive, interrupt". Cut if it gets too long. */
struct schema_words {
	char text[512];
	size_t len;
};

void schema_words_add(struct schema_words *words, const char *word);

/*
 * Finds the candidate that is most like a mistyped word. Feed it one by one; best stays NULL when
 * none is near enough to be worth suggesting. Neither word nor candidates are copied.
 */
struct schema_nearest {
	const char *word;
	const char *best;
	unsigned int distance;
};

void schema_nearest_try(struct schema_nearest *nearest, const char *candidate);

/* " (did you mean 'X'?)" or "". */
struct schema_hint {
	char text[128];
};

const char *schema_nearest_hint(const struct schema_nearest *nearest, struct schema_hint *out);

#endif /* SCHEMA_ERRORS_H */
