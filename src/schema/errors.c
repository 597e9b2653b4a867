/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/errors.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/utf8.h"

void schema_errors_add(struct schema_errors *errors, struct schema_pos pos, const char *fmt, ...)
{
	struct schema_error *error;
	va_list args;
	int len;

	errors->total++;
	if (errors->kept == SCHEMA_ERRORS_MAX)
		return;
	error = &errors->list[errors->kept];
	va_start(args, fmt);
	len = vasprintf(&error->text, fmt, args);
	va_end(args);
	if (len < 0) {
		errors->no_memory = true;
		return;
	}
	error->pos = pos;
	/* The tree that it is in may be gone when the text is wanted. */
	if (pos.pointer) {
		error->pos.pointer = strdup(pos.pointer);
		errors->no_memory = errors->no_memory || !error->pos.pointer;
	}
	error->order = errors->kept++;
}

void schema_errors_skip(struct schema_errors *errors)
{
	errors->total++;
}

bool schema_errors_full(const struct schema_errors *errors)
{
	return errors->kept == SCHEMA_ERRORS_MAX;
}

static int compare_errors(const void *a, const void *b)
{
	const struct schema_error *x = a;
	const struct schema_error *y = b;

	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	if (x->pos.column != y->pos.column)
		return x->pos.column < y->pos.column ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void schema_errors_sort(struct schema_errors *errors)
{
	qsort(errors->list, errors->kept, sizeof(errors->list[0]), compare_errors);
}

static void print_error(FILE *out, const char *path, const struct schema_error *error)
{
	if (error->pos.pointer && error->pos.pointer[0])
		fprintf(out, "%s: %s: %s\n", path, error->pos.pointer, error->text);
	else if (error->pos.line)
		fprintf(out, "%s:%u:%u: %s\n", path, error->pos.line, error->pos.column,
			error->text);
	else
		fprintf(out, "%s: %s\n", path, error->text);
}

char *schema_errors_text(struct schema_errors *errors)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	bool failed;

	if (errors->no_memory)
		return NULL;
	out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	schema_errors_sort(errors);
	for (unsigned int i = 0; i < errors->kept; i++)
		print_error(out, errors->path, &errors->list[i]);
	if (errors->total > errors->kept)
		fprintf(out, "%s: further errors, not shown: %u\n", errors->path,
			errors->total - errors->kept);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

void schema_errors_free(struct schema_errors *errors)
{
	for (unsigned int i = 0; i < errors->kept; i++) {
		free(errors->list[i].text);
		free((void *)(uintptr_t)errors->list[i].pos.pointer);
	}
	errors->kept = 0;
	errors->total = 0;
}

const char *schema_quote_bytes(struct schema_quoted *out, const char *text, size_t len)
{
	/* Room for the longest piece, "...", the closing quote and the NUL. */
	const size_t end = sizeof(out->text) - 4 - 3 - 2;
	size_t used = 1;
	size_t i = 0;

	out->text[0] = '\'';
	while (i < len && used < end) {
		uint32_t code;
		size_t n = schema_utf8_decode(text + i, len - i, &code);

		if (n && schema_utf8_printable(code)) {
			memcpy(out->text + used, text + i, n);
			used += n;
		} else {
			n = 1;
			used += sprintf(out->text + used, "\\x%02x", (unsigned char)text[i]);
		}
		i += n;
	}
	strcpy(out->text + used, i < len ? "...'" : "'");
	return out->text;
}

void schema_words_add(struct schema_words *words, const char *word)
{
	static const char cut[] = ", ...";
	size_t need = strlen(word) + (words->len ? 2 : 0);

	if (words->len >= sizeof(words->text) - sizeof(cut))
		return;
	if (need > sizeof(words->text) - sizeof(cut) - words->len) {
		strcpy(words->text + words->len, cut);
		words->len = sizeof(words->text);
		return;
	}
	words->len += sprintf(words->text + words->len, "%s%s", words->len ? ", " : "", word);
}
