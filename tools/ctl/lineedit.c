/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines from a terminal, by libedit. */
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shell.h"
#include "text.h"

#define HISTORY_LINES 1000

struct editor {
	struct ctl_shell *sh;
	EditLine *el;
	History *history;
	char *file; /* of the history; NULL: none */
	char *prompt;
};

static char *prompt_of(EditLine *el)
{
	struct editor *e;

	el_get(el, EL_CLIENTDATA, &e);
	return e->prompt;
}

/* --- completion --- */

static size_t common_prefix(const struct ctl_words *found)
{
	size_t n = strlen(found->word[0]), i;

	for (i = 1; i < found->n; i++) {
		size_t k = 0;

		while (k < n && found->word[i][k] == found->word[0][k])
			k++;
		n = k;
	}
	return n;
}

static bool goes_on(const char *word)
{
	size_t n = strlen(word);

	return n && strchr("=./", word[n - 1]);
}

/* False: nothing was added. */
static bool insert(EditLine *el, const struct ctl_words *found, const char *last)
{
	size_t n = common_prefix(found), had = strlen(last);
	char *more = ctl_format("%.*s%s", (int)(n - had), found->word[0] + had,
				found->n == 1 && !goes_on(found->word[0]) ? " " : "");
	bool any = *more;

	if (any)
		el_insertstr(el, more);
	free(more);
	return any;
}

static void show(const struct ctl_words *found)
{
	size_t i;

	putchar('\n');
	for (i = 0; i < found->n; i++) {
		char *clean = ctl_text_clean(found->word[i]);

		printf("%s%s", clean, i + 1 < found->n ? "  " : "\n");
		free(clean);
	}
	fflush(stdout);
}

static unsigned char complete(EditLine *el, int key)
{
	const LineInfo *line = el_line(el);
	struct ctl_words words, found = {0};
	unsigned char rc = CC_ERROR;
	struct editor *e;
	char *text;

	(void)key;
	el_get(el, EL_CLIENTDATA, &e);
	text = ctl_copy(line->buffer, (size_t)(line->cursor - line->buffer));
	ctl_words_split(text, &words);
	if (!*text || strchr(" \t", text[strlen(text) - 1]))
		ctl_words_add(&words, "", 0);
	/* Within quotes and brackets there is nothing to offer. */
	if (words.n && !strpbrk(words.word[words.n - 1], "[{'\"") && !ctl_begin(e->sh->ctl))
		ctl_shell_complete(e->sh, words.word, words.n, &found);
	if (found.n && insert(el, &found, words.word[words.n - 1])) {
		rc = CC_REFRESH;
	} else if (found.n > 1) {
		show(&found);
		rc = CC_REDISPLAY;
	}
	ctl_words_free(&found);
	ctl_words_free(&words);
	free(text);
	return rc;
}

/* --- history --- */

static void load_history(struct editor *e)
{
	const char *home = getenv("HOME");
	HistEvent event;

	history(e->history, &event, H_SETSIZE, HISTORY_LINES);
	history(e->history, &event, H_SETUNIQUE, 1);
	if (!home || !*home)
		return;
	e->file = ctl_format("%s/.shadowbellctl_history", home);
	history(e->history, &event, H_LOAD, e->file);
}

/* At once: an end by a signal loses none. It is nobody else's to read. */
static void remember(struct editor *e, const char *line)
{
	HistEvent event;
	mode_t mask;

	if (line[strspn(line, " \t\r\n")] == '\0')
		return;
	history(e->history, &event, H_ENTER, line);
	mask = umask(077);
	if (e->file)
		history(e->history, &event, H_SAVE, e->file);
	umask(mask);
}

/* --- lines --- */

static void set_up(struct editor *e)
{
	el_set(e->el, EL_CLIENTDATA, e);
	el_set(e->el, EL_PROMPT, prompt_of);
	el_set(e->el, EL_EDITOR, "emacs");
	el_set(e->el, EL_SIGNAL, 1);
	el_set(e->el, EL_HIST, history, e->history);
	el_set(e->el, EL_ADDFN, "shadowbell-complete", "completes the word", complete);
	el_set(e->el, EL_BIND, "^I", "shadowbell-complete", NULL);
	el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

static void run_lines(struct editor *e)
{
	while (!e->sh->done) {
		const char *line;
		char *copy;
		int n;

		free(e->prompt);
		copy = ctl_text_clean(e->sh->cwd);
		e->prompt = ctl_format("%s> ", copy);
		free(copy);
		line = el_gets(e->el, &n);
		if (!line || n <= 0)
			break;
		/* What libedit gives is its own until the next call. */
		copy = ctl_copy(line, (size_t)n);
		remember(e, copy);
		(void)ctl_shell_line(e->sh, copy);
		fflush(stdout);
		free(copy);
	}
	if (!e->sh->done)
		putchar('\n');
}

int ctl_shell_edit(struct ctl_shell *sh)
{
	struct editor e = {.sh = sh};

	e.el = el_init("shadowbellctl", stdin, stdout, stderr);
	e.history = history_init();
	if (!e.el || !e.history)
		return ctl_fail(CTL_REFUSED, "this terminal cannot be used");
	set_up(&e);
	load_history(&e);
	run_lines(&e);
	history_end(e.history);
	el_end(e.el);
	free(e.file);
	free(e.prompt);
	return CTL_OK;
}
