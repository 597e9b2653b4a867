/* SPDX-License-Identifier: BSD-3-Clause */
#include "top.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "catalog.h"
#include "complete.h"
#include "print.h"
#include "rates.h"
#include "text.h"

#define INTERVAL_DEFAULT_S 1.0
#define INTERVAL_MIN_S	   0.1
#define INTERVAL_MAX_S	   3600.0
#define CTRL_C		   3
#define CLEAR_SCREEN	   "\033[H\033[J"

struct column {
	const char *name; /* as in ctl_rates(), and of --sort */
	const char *heading;
	int decimals; /* negative: a text */
	char key;     /* that sorts by it, at a terminal; 0: it can't be sorted by */
};

static const struct column columns[] = {
	{"kind", "KIND", -1, 0},	{"name", "NAME", -1, 'n'},	{"iops", "IOPS", 0, 'i'},
	{"reads", "READS/S", 0, 'r'},	{"writes", "WRITES/S", 0, 'w'}, {"mb", "MB/S", 1, 'm'},
	{"mean_us", "MEAN_US", 1, 'l'}, {"p99_us", "P99_US", 1, '9'},	{"depth", "DEPTH", 1, 'd'},
	{"busy", "BUSY%", 1, 'b'},
};

#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

struct top {
	struct ctl *ctl;
	const struct column *sort;
	double interval;
	bool once;
	bool keys; /* of a terminal are heard */
	bool done;
};

/* --- options --- */

static const struct column *find_column(const char *name)
{
	size_t i;

	for (i = 0; i < NCOLUMNS; i++)
		if (columns[i].key && !strcmp(columns[i].name, name))
			return &columns[i];
	return NULL;
}

static int read_sort(struct top *t, const char *text)
{
	t->sort = find_column(text);
	if (t->sort)
		return CTL_OK;
	return ctl_fail(CTL_USAGE,
			"top: --sort: there is no '%s'; allowed: name, iops, reads, "
			"writes, mb, mean_us, p99_us, depth, busy",
			text);
}

static int read_interval(struct top *t, const char *text)
{
	char *end;

	t->interval = strtod(text, &end);
	if (end != text && !*end && t->interval >= INTERVAL_MIN_S && t->interval <= INTERVAL_MAX_S)
		return CTL_OK;
	return ctl_fail(CTL_USAGE,
			"top: --interval: '%s' is not a number of seconds from %.1f to %.0f", text,
			INTERVAL_MIN_S, INTERVAL_MAX_S);
}

/* "--sort KEY", or "--sort=KEY": and the value. */
static bool is_option(const char *option, char *const *words, size_t n, size_t *i,
		      const char **value)
{
	size_t len = strlen(option);
	const char *word = words[*i];

	if (strncmp(word, option, len) != 0 || (word[len] && word[len] != '='))
		return false;
	if (word[len])
		*value = word + len + 1;
	else
		*value = ++*i < n ? words[*i] : "";
	return true;
}

static int read_words(struct top *t, char *const *words, size_t n)
{
	const char *value;
	int rc = CTL_OK;
	size_t i;

	for (i = 0; !rc && i < n; i++) {
		if (!strcmp(words[i], "--once"))
			t->once = true;
		else if (is_option("--sort", words, n, &i, &value))
			rc = read_sort(t, value);
		else if (is_option("--interval", words, n, &i, &value))
			rc = read_interval(t, value);
		else
			rc = ctl_fail(CTL_USAGE,
				      "top: '%s' is unknown; allowed: --once, --sort KEY, "
				      "--interval SECONDS",
				      words[i]);
	}
	return rc;
}

void ctl_top_complete(const char *last, struct ctl_words *out)
{
	static const char *const options[] = {"--once", "--sort=", "--interval="};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		ctl_complete_add(out, last, options[i]);
	for (i = 0; !strncmp(last, "--sort=", strlen("--sort=")) && i < NCOLUMNS; i++) {
		char *text = ctl_format("--sort=%s", columns[i].name);

		if (columns[i].key)
			ctl_complete_add(out, last, text);
		free(text);
	}
}

/* --- the table --- */

/* How a row compares by the column, within its kind; the largest first. */
static int compare(const struct column *by, const json_t *a, const json_t *b)
{
	double x = json_number_value(json_object_get(a, by->name));
	double y = json_number_value(json_object_get(b, by->name));

	if (strcmp(ctl_text_of(a, "kind"), ctl_text_of(b, "kind")) != 0)
		return 0;
	if (by->decimals < 0)
		return strcmp(ctl_text_of(a, by->name), ctl_text_of(b, by->name));
	return (x < y) - (x > y);
}

/* By insertion, which keeps kinds, and equal rows, in their order. */
static json_t *sorted(const struct column *by, json_t *rows)
{
	json_t *out = json_array(), *row;
	size_t i, at;

	json_array_foreach(rows, i, row)
	{
		for (at = i; at && compare(by, json_array_get(out, at - 1), row) > 0; at--)
			;
		json_array_insert(out, at, row);
	}
	json_decref(rows);
	return out;
}

static char *cell_of(const struct column *c, const json_t *row)
{
	const json_t *value = json_object_get(row, c->name);

	if (c->decimals < 0)
		return ctl_text_clean(ctl_text_of(row, c->name));
	if (!json_is_number(value) || !isfinite(json_number_value(value)))
		return ctl_copy("-", 1);
	return ctl_format("%.*f", c->decimals, json_number_value(value));
}

static void print_rows(const json_t *rows)
{
	size_t nrows = json_array_size(rows) + 1, row, i;
	char **cells = ctl_alloc(nrows * NCOLUMNS, sizeof(*cells));

	for (i = 0; i < NCOLUMNS; i++)
		cells[i] = ctl_copy(columns[i].heading, strlen(columns[i].heading));
	for (row = 1; row < nrows; row++)
		for (i = 0; i < NCOLUMNS; i++)
			cells[row * NCOLUMNS + i] =
				cell_of(&columns[i], json_array_get(rows, row - 1));
	ctl_print_rows(cells, NCOLUMNS, nrows);
	for (i = 0; i < nrows * NCOLUMNS; i++)
		free(cells[i]);
	free(cells);
}

static void print_title(const struct top *t)
{
	time_t now = time(NULL);
	struct tm tm;

	if (t->once || t->ctl->json)
		return;
	localtime_r(&now, &tm);
	printf("%s%02d:%02d:%02d  every %g s, by %s%s\n", t->keys ? CLEAR_SCREEN : "", tm.tm_hour,
	       tm.tm_min, tm.tm_sec, t->interval, t->sort->name,
	       t->keys ? "; keys: n i r w m l 9 d b sort, q ends" : "");
}

static void show(const struct top *t, const json_t *before, const json_t *now, double seconds)
{
	json_t *rows = sorted(t->sort, ctl_rates(before, now, seconds));

	print_title(t);
	if (t->ctl->json)
		ctl_print_json(rows);
	else
		print_rows(rows);
	if (!t->once && !t->keys && !t->ctl->json)
		putchar('\n');
	fflush(stdout);
	json_decref(rows);
}

/* --- time, and keys --- */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void take_key(struct top *t)
{
	char key;
	size_t i;

	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == CTRL_C) {
		t->done = true;
		return;
	}
	for (i = 0; i < NCOLUMNS; i++)
		if (columns[i].key == key)
			t->sort = &columns[i];
}

static void wait_until(struct top *t, double end)
{
	double left;

	while (!t->done && (left = end - now_s()) > 0) {
		struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

		if (poll(&in, t->keys, (int)(left * 1000) + 1) > 0)
			take_key(t);
	}
}

/* --- the command --- */

static int get_stats(struct top *t, json_t **stats)
{
	const json_t *method = ctl_find_method(t->ctl->methods, "stats", "get");
	json_t *none = json_object();
	int rc;

	*stats = NULL;
	if (method)
		rc = ctl_call(t->ctl, method, none, stats);
	else
		rc = ctl_fail(CTL_USAGE, "top: this daemon has no stats.get; use a newer one");
	json_decref(none);
	return rc;
}

static int run(struct top *t)
{
	json_t *before, *now;
	double at = now_s(), next;
	int rc = get_stats(t, &before);

	while (!rc && !t->done) {
		wait_until(t, at + t->interval);
		if (t->done)
			break;
		rc = get_stats(t, &now);
		next = now_s();
		if (!rc)
			show(t, before, now, next - at);
		json_decref(before);
		before = now;
		at = next;
		t->done = t->once || ferror(stdout);
	}
	json_decref(before);
	return rc;
}

int ctl_top(struct ctl *ctl, char *const *words, size_t n)
{
	struct top t = {.ctl = ctl, .sort = find_column("name"), .interval = INTERVAL_DEFAULT_S};
	struct termios before, raw;
	int rc = read_words(&t, words, n);

	if (rc)
		return rc;
	t.keys = !t.once && !ctl->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		 !tcgetattr(STDIN_FILENO, &before);
	if (t.keys) {
		raw = before;
		/* ^C is a key, so that the terminal is left as it was. */
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	rc = run(&t);
	if (t.keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return rc;
}
