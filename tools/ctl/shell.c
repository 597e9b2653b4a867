/* SPDX-License-Identifier: BSD-3-Clause */
#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"
#include "tree.h"

static bool is_path(const char *word)
{
	return strchr(word, '/') || !strcmp(word, "..") || !strcmp(word, ".");
}

static int run_words(struct ctl_shell *sh, char **words, size_t n)
{
	static char *const cd[] = {"cd"};
	size_t len = strcspn(words[0], "=");

	/* A value may have a slash; a command does not begin with one. */
	if (!is_path(words[0]) || words[0][len])
		return ctl_shell_run(sh, ".", words, n);
	if (n == 1)
		return ctl_shell_run(sh, words[0], cd, 1);
	return ctl_shell_run(sh, words[0], words + 1, n - 1);
}

int ctl_shell_line(struct ctl_shell *sh, const char *line)
{
	struct ctl_words words;
	int rc = CTL_OK;

	if (!ctl_words_split(line, &words))
		rc = ctl_fail(CTL_USAGE, "a quote or a bracket has no end");
	else if (words.n)
		rc = ctl_begin(sh->ctl);
	if (!rc && words.n)
		rc = run_words(sh, words.word, words.n);
	ctl_words_free(&words);
	return rc;
}

static int run_file(struct ctl_shell *sh, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	unsigned int number = 0;
	ssize_t len;
	int rc = CTL_OK;

	while (!rc && !sh->done && (len = getline(&line, &size, in)) >= 0) {
		ctl_text_line(++number);
		if (strlen(line) != (size_t)len)
			rc = ctl_fail(CTL_USAGE, "the line has a NUL character");
		else
			rc = ctl_shell_line(sh, line);
		fflush(stdout);
	}
	ctl_text_line(0);
	free(line);
	return rc;
}

int ctl_shell(struct ctl *ctl)
{
	struct ctl_shell sh = {.ctl = ctl, .cwd = ctl_copy("/", 1)};
	int rc;

	rc = isatty(STDIN_FILENO) ? ctl_shell_edit(&sh) : run_file(&sh, stdin);
	free(sh.cwd);
	return rc;
}
