/* SPDX-License-Identifier: BSD-3-Clause */
/* The shell's own commands, and how those of the daemon are found at a place in the tree. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "builtins.h"
#include "catalog.h"
#include "help.h"
#include "params.h"
#include "print.h"
#include "shell.h"
#include "text.h"
#include "tree.h"

/* At a place; words are those behind the command. */
struct ctl_at {
	struct ctl_shell *sh;
	struct ctl *ctl;
	const struct ctl_place *place;
	char *const *words;
	size_t n;
};

/* --- the daemon's commands --- */

/* "create" and "delete" are also what adds and removes parts. */
const json_t *ctl_method_at(const struct ctl *ctl, const struct ctl_place *place, const char *verb)
{
	const char *area = ctl_tree_area(place);
	const json_t *method = ctl_find_method(ctl->methods, area, verb);

	if (!method && !strcmp(verb, "create"))
		method = ctl_find_method(ctl->methods, area, "add");
	if (!method && !strcmp(verb, "delete"))
		method = ctl_find_method(ctl->methods, area, "remove");
	return method;
}

/* Up, as far as what was removed has taken the place with it. */
static void leave_what_is_gone(struct ctl_shell *sh)
{
	struct ctl_place place = {0};

	while (sh->cwd[1] && ctl_tree_find(sh->ctl, "/", sh->cwd, true, &place) == CTL_USAGE) {
		char *slash = strrchr(sh->cwd, '/');

		slash[slash == sh->cwd] = '\0';
	}
	ctl_place_free(&place);
}

static int run_method(const struct ctl_at *at, const json_t *method)
{
	json_t *params = ctl_tree_params(at->ctl, at->place, method);
	int rc = ctl_params_add(params, method, at->words, at->n);

	if (!rc)
		rc = ctl_run_method(at->ctl, method, params);
	json_decref(params);
	if (!rc && json_is_true(json_object_get(method, "changes")))
		leave_what_is_gone(at->sh);
	return rc;
}

/* --- ls --- */

struct rows {
	struct ctl_words left, right;
	unsigned long depth;
};

static void add_row(struct rows *r, const char *indent, const char *name, const char *status)
{
	char *clean = ctl_text_clean(name);
	char *left = ctl_format("%so- %s%s", indent, clean, *status ? " " : "");
	char *right = *status ? ctl_format(" [%s]", status) : ctl_copy("", 0);

	ctl_words_add(&r->left, left, strlen(left));
	ctl_words_add(&r->right, right, strlen(right));
	free(left);
	free(right);
	free(clean);
}

static int add_below(struct ctl *ctl, const char *path, const char *indent, unsigned long depth,
		     struct rows *r)
{
	struct ctl_words names = {0}, status = {0};
	struct ctl_place place;
	int rc = ctl_tree_find(ctl, "/", path, true, &place);
	size_t i;

	if (rc)
		return rc == CTL_USAGE ? CTL_OK : rc; /* it has gone meanwhile */
	rc = ctl_tree_below(ctl, &place, &names, &status);
	for (i = 0; !rc && i < names.n; i++) {
		char *deeper = ctl_format("%s%s", indent, i + 1 < names.n ? "| " : "  ");
		char *child = ctl_format("%s/%s", path, names.word[i]);

		add_row(r, indent, names.word[i], status.word[i]);
		/* A name with a slash would lead elsewhere. */
		if (depth > 1 && *names.word[i] && !strchr(names.word[i], '/'))
			rc = add_below(ctl, child, deeper, depth - 1, r);
		free(child);
		free(deeper);
	}
	ctl_words_free(&names);
	ctl_words_free(&status);
	ctl_place_free(&place);
	return rc;
}

static size_t screen_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < 40)
		return 80;
	return size.ws_col;
}

static void print_tree(const struct rows *r)
{
	size_t width = screen_width() - 1, i, dots;

	for (i = 0; i < r->left.n; i++) {
		size_t used = ctl_text_width(r->left.word[i]) + ctl_text_width(r->right.word[i]);

		printf("%s", r->left.word[i]);
		for (dots = used; *r->right.word[i] && dots < width; dots++)
			putchar('.');
		printf("%s\n", r->right.word[i]);
	}
}

static int run_ls(const struct ctl_at *at)
{
	char *path = ctl_tree_path(at->ctl, at->place), *end = NULL;
	struct rows r = {.depth = at->n ? strtoul(at->words[0], &end, 10) : 16};
	int rc;

	if (at->n > 1 || (at->n && (*end || !r.depth))) {
		free(path);
		return ctl_fail(CTL_USAGE, "ls: allowed: a path, and how many levels from 1 on");
	}
	add_row(&r, "", path, "");
	rc = add_below(at->ctl, path, "  ", r.depth, &r);
	if (!rc)
		print_tree(&r);
	ctl_words_free(&r.left);
	ctl_words_free(&r.right);
	free(path);
	return rc;
}

/* --- others --- */

static int run_cd(const struct ctl_at *at)
{
	if (at->n)
		return ctl_fail(CTL_USAGE, "cd: allowed: one path");
	free(at->sh->cwd);
	at->sh->cwd = ctl_tree_path(at->ctl, at->place);
	return CTL_OK;
}

static int run_pwd(const struct ctl_at *at)
{
	char *path = ctl_tree_path(at->ctl, at->place), *clean = ctl_text_clean(path);

	puts(clean);
	free(clean);
	free(path);
	return CTL_OK;
}

static int run_info(const struct ctl_at *at)
{
	const struct ctl_place *place = at->place;
	const json_t *info;

	if (place->element && (!place->child[0] || place->disk)) {
		if (at->ctl->json)
			ctl_print_json(place->element);
		else
			ctl_print_mapping(place->element, 0);
		return CTL_OK;
	}
	info = ctl_find_method(at->ctl->methods, place->area[0] ? place->area : "target",
			       ctl_tree_is_listed(at->ctl, place->area) ? "list" : "info");
	if (info && !place->child[0])
		return run_method(at, info);
	ctl_help_commands(at->ctl->methods, ctl_tree_area(place));
	return CTL_OK;
}

static bool makes_or_ends(const json_t *method)
{
	static const char *const verbs[] = {"create", "delete", "add", "remove"};
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(ctl_verb_of(method), verbs[i]))
			return true;
	return false;
}

bool ctl_is_setter(const struct ctl_place *place, const json_t *method)
{
	return ctl_area_is(method, ctl_tree_area(place)) && !makes_or_ends(method) &&
	       json_is_true(json_object_get(method, "changes"));
}

static bool takes_all(const json_t *method, char *const *words, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		char *name;
		bool known;

		if (!ctl_word_is_named(words[i], &len))
			return false;
		name = ctl_copy(words[i], len);
		known = ctl_find_key(json_object_get(method, "params"), "", name);
		free(name);
		if (!known)
			return false;
	}
	return true;
}

/* By the method of this area that changes what is there and has such parameters. */
static int run_set(const struct ctl_at *at)
{
	const json_t *method;
	size_t i;

	if (!at->n)
		return ctl_fail(CTL_USAGE, "set: allowed: NAME=VALUE; 'help' tells what there is");
	json_array_foreach(at->ctl->methods, i, method)
	{
		if (ctl_is_setter(at->place, method) && takes_all(method, at->words, at->n))
			return run_method(at, method);
	}
	return ctl_fail(CTL_USAGE,
			"set: %s cannot be changed here while the daemon runs; 'help' tells "
			"what can",
			at->words[0]);
}

static int run_saveconfig(const struct ctl_at *at)
{
	const json_t *method = ctl_find_method(at->ctl->methods, "config", "save");

	if (method)
		return run_method(at, method);
	return ctl_fail(CTL_USAGE, "saveconfig: this daemon has no config.save: write what is to "
				   "stay into its configuration file");
}

static int run_exit(const struct ctl_at *at)
{
	at->sh->done = true;
	return CTL_OK;
}

static int run_help(const struct ctl_at *at);

const struct ctl_builtin ctl_builtins[] = {
	{"ls", "[PATH] [LEVELS]", "what is there, and below", .takes_path = true, .run = run_ls},
	{"cd", "[PATH]", "goes to a place: /bdevs, nvme0/namespaces, ..", .takes_path = true,
	 .run = run_cd},
	{"pwd", "", "where one is", .run = run_pwd},
	{"info", "[PATH]", "all about what is there", .takes_path = true, .run = run_info},
	{"set", "NAME=VALUE...", "changes it while it is used, such as a bdev's size", .sets = true,
	 .run = run_set},
	{"saveconfig", "[FILE]", "writes what there is into the configuration",
	 .run = run_saveconfig},
	{"help", "[COMMAND...]", "this, or about a command", .run = run_help},
	{"exit", "", "ends the shell; the daemon goes on", .run = run_exit},
	{0},
};

static int run_help(const struct ctl_at *at)
{
	const char *area = ctl_tree_area(at->place);
	const json_t *method = at->n ? ctl_method_at(at->ctl, at->place, at->words[0]) : NULL;
	size_t i;

	if (method) {
		ctl_help_method(method);
		return CTL_OK;
	}
	if (at->n)
		return ctl_help(at->ctl->methods, at->words, at->n);
	puts("Everywhere:");
	for (i = 0; ctl_builtins[i].name; i++)
		printf("  %-10s %-16s %s\n", ctl_builtins[i].name, ctl_builtins[i].args,
		       ctl_builtins[i].doc);
	puts("Before each a path may stand: '/bdevs ls'. So may an area: 'bdev list'.");
	if (*area) {
		puts("Here:");
		ctl_help_commands(at->ctl->methods, area);
	}
	return CTL_OK;
}

/* --- which of them --- */

const struct ctl_builtin *ctl_find_builtin(const char *name)
{
	size_t i;

	for (i = 0; ctl_builtins[i].name; i++)
		if (!strcmp(ctl_builtins[i].name, name))
			return &ctl_builtins[i];
	return !strcmp(name, "quit") ? ctl_find_builtin("exit") : NULL;
}

static int no_command(const struct ctl_at *at, const char *name)
{
	if (!*ctl_tree_area(at->place))
		return ctl_fail(CTL_USAGE,
				"there is no command '%s' here; go to a place "
				"('cd /bdevs'), or see 'help' and 'ls'",
				name);
	return ctl_help_unknown(at->ctl->methods, ctl_tree_area(at->place), name);
}

static int run_at(struct ctl_at *at, char *const *words, size_t n);

/* "nvme0 info": what is below, without a slash. */
static int run_below(struct ctl_at *at, char *const *words, size_t n)
{
	static char *const cd[] = {"cd"};
	char *path = ctl_tree_path(at->ctl, at->place);
	struct ctl_place place;
	struct ctl_at below = *at;
	int rc = ctl_tree_find(at->ctl, path, words[0], true, &place);

	free(path);
	if (rc == CTL_USAGE)
		return no_command(at, words[0]);
	below.place = &place;
	if (!rc)
		rc = n > 1 ? run_at(&below, words + 1, n - 1) : run_at(&below, cd, 1);
	ctl_place_free(&place);
	return rc;
}

static int run_at(struct ctl_at *at, char *const *words, size_t n)
{
	const struct ctl_builtin *builtin = ctl_find_builtin(words[0]);
	const json_t *method = ctl_method_at(at->ctl, at->place, words[0]);

	at->words = words + 1;
	at->n = n - 1;
	if (builtin)
		return builtin->run(at);
	if (method)
		return run_method(at, method);
	if (!strcmp(words[0], "top") || ctl_has_area(at->ctl->methods, words[0]))
		return ctl_run(at->ctl, words, n);
	return run_below(at, words, n);
}

/* The first word behind such a command that is no number is its path. */
static bool has_path(char *const *words, size_t n)
{
	const struct ctl_builtin *builtin = ctl_find_builtin(words[0]);

	return builtin && builtin->takes_path && n > 1 &&
	       (words[1][strspn(words[1], "0123456789")] || builtin->run == run_cd || n > 2);
}

int ctl_shell_run(struct ctl_shell *sh, const char *path, char *const *words, size_t n)
{
	char *const first[] = {words[0]};
	struct ctl_place place;
	struct ctl_at at = {.sh = sh, .ctl = sh->ctl, .place = &place};
	char *below;
	int rc;

	if (!has_path(words, n)) {
		rc = ctl_tree_find(sh->ctl, sh->cwd, path, false, &place);
		rc = rc ? rc : run_at(&at, words, n);
		ctl_place_free(&place);
		return rc;
	}
	below = words[1][0] == '/' ? ctl_copy(words[1], strlen(words[1]))
				   : ctl_format("%s/%s", path, words[1]);
	rc = ctl_tree_find(sh->ctl, sh->cwd, below, false, &place);
	free(below);
	if (!rc && n > 2)
		rc = ctl_find_builtin(words[0])->run(
			&(struct ctl_at){sh, sh->ctl, &place, words + 2, n - 2});
	else if (!rc)
		rc = run_at(&at, first, 1);
	ctl_place_free(&place);
	return rc;
}
