/* SPDX-License-Identifier: BSD-3-Clause */
/* What the last word of a line of the shell may become. */
#include <stdlib.h>
#include <string.h>

#include "builtins.h"
#include "catalog.h"
#include "complete.h"
#include "shell.h"
#include "text.h"
#include "tree.h"

/* The part behind the last slash, below what stands before it. */
static void complete_path(struct ctl_shell *sh, const char *last, struct ctl_words *out)
{
	const char *slash = strrchr(last, '/');
	char *head = ctl_copy(last, slash ? (size_t)(slash + 1 - last) : 0);
	struct ctl_words names = {0};
	struct ctl_place place;
	size_t i;

	if (!ctl_tree_find(sh->ctl, sh->cwd, *head ? head : ".", true, &place) &&
	    !ctl_tree_below(sh->ctl, &place, &names, NULL)) {
		for (i = 0; i < names.n; i++) {
			char *text = ctl_format("%s%s", head, names.word[i]);

			ctl_complete_add(out, last, text);
			free(text);
		}
	}
	ctl_place_free(&place);
	ctl_words_free(&names);
	free(head);
}

static void complete_first(struct ctl_shell *sh, const struct ctl_place *place, const char *last,
			   struct ctl_words *out)
{
	const char *area = ctl_tree_area(place);
	const json_t *method;
	size_t i;

	for (i = 0; ctl_builtins[i].name; i++)
		ctl_complete_add(out, last, ctl_builtins[i].name);
	json_array_foreach(sh->ctl->methods, i, method)
	{
		if (ctl_area_is(method, area))
			ctl_complete_add(out, last, ctl_verb_of(method));
		if (!*area)
			ctl_complete_add(out, last, CTL_AREA(method));
	}
	if (ctl_method_at(sh->ctl, place, "create"))
		ctl_complete_add(out, last, "create");
	if (ctl_method_at(sh->ctl, place, "delete"))
		ctl_complete_add(out, last, "delete");
}

/* Of any method that `set` may be. */
static void complete_set(struct ctl_shell *sh, const struct ctl_place *place, json_t *given,
			 char *const *words, size_t n, struct ctl_words *out)
{
	const json_t *method;
	size_t i;

	json_array_foreach(sh->ctl->methods, i, method)
	{
		if (ctl_is_setter(place, method))
			ctl_complete_params(sh->ctl, method, given, words, n, out);
	}
}

static void complete_at(struct ctl_shell *sh, const struct ctl_place *place, char *const *words,
			size_t n, struct ctl_words *out)
{
	const struct ctl_builtin *builtin = ctl_find_builtin(words[0]);
	const json_t *method = ctl_method_at(sh->ctl, place, words[0]);
	json_t *given;

	if (n == 1) {
		complete_first(sh, place, words[0], out);
	} else if (builtin && builtin->takes_path) {
		complete_path(sh, words[n - 1], out);
	} else if (method || (builtin && builtin->sets)) {
		given = method ? ctl_tree_params(sh->ctl, place, method) : json_object();
		if (method)
			ctl_complete_params(sh->ctl, method, given, words + 1, n - 1, out);
		else
			complete_set(sh, place, given, words + 1, n - 1, out);
		json_decref(given);
	} else {
		ctl_complete(sh->ctl, words, n, out);
	}
}

void ctl_shell_complete(struct ctl_shell *sh, char *const *words, size_t n, struct ctl_words *out)
{
	bool path = strchr(words[0], '/');
	struct ctl_place place;

	if (path && n == 1) {
		complete_path(sh, words[0], out);
		return;
	}
	if (ctl_tree_find(sh->ctl, sh->cwd, path ? words[0] : ".", true, &place))
		return;
	complete_at(sh, &place, words + path, n - path, out);
	ctl_place_free(&place);
}
