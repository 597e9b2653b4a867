/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "schema/errors.h"

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance: insert, delete, replace, and swap of two neighbours cost 1
 * each. */
static unsigned int distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned int rows[3][SCHEMA_NAME_MAX + 1];
	unsigned int *before = rows[0];
	unsigned int *last = rows[1];
	unsigned int *row = rows[2];

	for (size_t j = 0; j <= blen; j++)
		last[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned int *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[blen];
}

void schema_nearest_try(struct schema_nearest *nearest, const char *candidate)
{
	size_t wlen = strlen(nearest->word);
	size_t clen = strlen(candidate);
	unsigned int d;

	if (wlen == 0 || wlen > SCHEMA_NAME_MAX || clen > SCHEMA_NAME_MAX)
		return;
	d = distance(nearest->word, wlen, candidate, clen);
	/* One slip in three characters: more and it is another word. */
	if (d > (wlen + 2) / 3 || d >= clen)
		return;
	if (!nearest->best || d < nearest->distance) {
		nearest->best = candidate;
		nearest->distance = d;
	}
}

const char *schema_nearest_hint(const struct schema_nearest *nearest, struct schema_hint *out)
{
	out->text[0] = '\0';
	if (nearest->best)
		snprintf(out->text, sizeof(out->text), " (did you mean '%s'?)", nearest->best);
	return out->text;
}
