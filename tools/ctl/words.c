/* SPDX-License-Identifier: BSD-3-Clause */
#include "words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

void ctl_words_add(struct ctl_words *words, const char *text, size_t len)
{
	words->word = ctl_resize(words->word, words->n + 1, sizeof(*words->word));
	words->word[words->n++] = ctl_copy(text, len);
}

void ctl_words_free(struct ctl_words *words)
{
	size_t i;

	for (i = 0; i < words->n; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct ctl_words){0};
}

struct splitter {
	const char *at;
	char *out; /* the word so far */
	size_t len;
	unsigned int depth; /* of brackets */
};

static void put(struct splitter *s, char c)
{
	s->out[s->len++] = c;
}

/* False: it has no end. */
static bool take_quoted(struct splitter *s)
{
	char quote = *s->at++;
	bool keep = s->depth;

	if (keep)
		put(s, quote);
	while (*s->at && *s->at != quote) {
		if (quote == '"' && *s->at == '\\' && s->at[1]) {
			if (keep)
				put(s, *s->at);
			s->at++;
		}
		put(s, *s->at++);
	}
	if (!*s->at)
		return false;
	s->at++;
	if (keep)
		put(s, quote);
	return true;
}

/* False: something in it has no end. */
static bool take_word(struct splitter *s)
{
	while (*s->at && (s->depth || !isspace((unsigned char)*s->at))) {
		if (*s->at == '"' || *s->at == '\'') {
			if (!take_quoted(s))
				return false;
			continue;
		}
		if (*s->at == '\\' && s->at[1] && !s->depth)
			s->at++;
		else if (*s->at == '[' || *s->at == '{')
			s->depth++;
		else if ((*s->at == ']' || *s->at == '}') && s->depth)
			s->depth--;
		put(s, *s->at++);
	}
	return !s->depth;
}

bool ctl_words_split(const char *line, struct ctl_words *out)
{
	struct splitter s = {.at = line, .out = ctl_alloc(strlen(line) + 1, 1)};
	bool good = true;

	*out = (struct ctl_words){0};
	while (good) {
		while (isspace((unsigned char)*s.at))
			s.at++;
		if (!*s.at || *s.at == '#')
			break;
		s.len = 0;
		good = take_word(&s);
		ctl_words_add(out, s.out, s.len);
	}
	free(s.out);
	return good;
}
