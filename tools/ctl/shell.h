/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_SHELL_H
#define CTL_SHELL_H

/* The shell: commands in a tree, from a terminal or a pipe. */

#include "command.h"
#include "words.h"

struct ctl_shell {
	struct ctl *ctl;
	char *cwd; /* a path that there was when it was entered */
	bool done;
};

/* All lines of stdin, until one fails: its status. At a terminal none ends it. */
int ctl_shell(struct ctl *ctl);

/* One line. A status; it has said what is wrong. */
int ctl_shell_line(struct ctl_shell *sh, const char *line);

/* builtins.c: carries out the words at a path, as seen from sh->cwd. */
int ctl_shell_run(struct ctl_shell *sh, const char *path, char *const *words, size_t n);
/* What the last of the words may become, n > 0. */
void ctl_shell_complete(struct ctl_shell *sh, char *const *words, size_t n, struct ctl_words *out);

/* lineedit.c: lines from a terminal, with history and completion. */
int ctl_shell_edit(struct ctl_shell *sh);

#endif
