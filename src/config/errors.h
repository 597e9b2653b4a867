/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_ERRORS_H
#define SHADOWBELL_CONFIG_ERRORS_H

#include "config/config.h"

/* Errors beyond this many are counted, not kept. */
#define CONFIG_ERRORS_MAX 20

struct config_error {
	struct config_pos pos;
	unsigned int order; /* of arrival */
	char *text;
};

/* The errors of one file. Zero-initialise it but for path. One thread at a time. */
struct config_errors {
	const char *path;
	struct config_error list[CONFIG_ERRORS_MAX];
	unsigned int kept;
	unsigned int total;
	bool no_memory; /* sticky: an error's text could not be kept */
};

/* A position with line 0 concerns the whole file. */
void config_errors_add(struct config_errors *errors, struct config_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Counts an error whose text is not worth working out, as config_errors_full(). */
void config_errors_skip(struct config_errors *errors);

/* True if a further error's text would not be kept: no need to work it out. */
bool config_errors_full(const struct config_errors *errors);

/* One line per error in the order of the file; the caller frees it. NULL if memory ran out. */
char *config_errors_text(struct config_errors *errors);

void config_errors_free(struct config_errors *errors);

/* A value as it is shown in a message. */
struct config_quoted {
	char text[96];
};

/*
 * The text in single quotes, made fit for a terminal and a log: control characters are shown as
 * \xNN, a long text is cut. The input is valid UTF-8 or its odd bytes are shown as \xNN too.
 */
const char *config_quote_bytes(struct config_quoted *out, const char *text, size_t len);

/* For one use as an argument: the buffer lives as long as the enclosing block. */
#define CONFIG_QUOTE(text) config_quote_bytes(&(struct config_quoted){{0}}, (text), strlen(text))

/* A list of words in a message: "busy, adaptive, interrupt". Cut if it gets too long. */
struct config_words {
	char text[512];
	size_t len;
};

void config_words_add(struct config_words *words, const char *word);

/*
 * Finds the candidate that is most like a mistyped word. Feed it one by one; best stays NULL when
 * none is near enough to be worth suggesting. Neither word nor candidates are copied.
 */
struct config_nearest {
	const char *word;
	const char *best;
	unsigned int distance;
};

void config_nearest_try(struct config_nearest *nearest, const char *candidate);

/* " (did you mean 'X'?)" or "". */
struct config_hint {
	char text[128];
};

const char *config_nearest_hint(const struct config_nearest *nearest, struct config_hint *out);

#endif /* SHADOWBELL_CONFIG_ERRORS_H */
