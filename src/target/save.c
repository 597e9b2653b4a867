/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as it is now, as a file. What the file of the start said is kept word for word
 * where nothing has changed; and whatever is written has been read before, and says what it is to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "schema/yaml_edit.h"
#include "target/config_job.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/replace_file.h"

struct save {
	struct config_job job;
	struct target *target;
	target_done_fn done;
	void *arg;
	char *path;
	bool force;
	struct schema_arena arena;
	const struct schema_node *now, *brief; /* in it */
	/* What came of it. */
	bool is_start; /* it is the file of the start */
	bool is_new;   /* nothing of the text of the start is in it: its comments are lost */
	char *text;    /* that was written */
	int rc;
	char err[REPLACE_FILE_ERR_MAX];
};

/* --- on the thread --- */

/* What a text says, without a look at disks; NULL: nothing that a daemon would start with. */
static const struct schema_node *read_again(struct save *s, const char *text, size_t len)
{
	const struct config_again how = {
		.path = s->path, .text = text, .len = len, .no_looks = true};
	const struct schema_node *node = NULL;
	struct config *cfg = NULL;
	char *errors = NULL;

	if (!config_load_again(s->target->cfg, &how, &cfg, &errors))
		node = config_dump_tree(cfg, &s->arena, false);
	config_free(cfg);
	free(errors);
	return node;
}

static bool says_it(struct save *s, const char *text)
{
	const struct schema_node *node = text ? read_again(s, text, strlen(text)) : NULL;

	return node && schema_node_same(node, s->now);
}

static char *edited(struct save *s, const struct schema_node *before)
{
	const struct target *t = s->target;
	struct yaml_edit edit = {
		.text = t->text,
		.len = t->text_len,
		.before = before,
		.after = s->now,
		.brief = s->brief,
	};
	char *text;

	for (edit.how = YAML_EDIT_KEYS; edit.how <= YAML_EDIT_OBJECTS; edit.how++) {
		text = schema_yaml_edit(&edit);
		if (says_it(s, text))
			return text;
		free(text);
	}
	return NULL;
}

/* NULL: no memory, or what it is can't be said. */
static char *make_text(struct save *s)
{
	const struct target *t = s->target;
	const struct schema_node *before = read_again(s, t->text, t->text_len);
	char *text;

	if (before && schema_node_same(before, s->now))
		return strndup(t->text, t->text_len);
	text = before ? edited(s, before) : NULL;
	if (text)
		return text;
	s->is_new = true;
	text = schema_tree_to_yaml(s->brief);
	if (says_it(s, text))
		return text;
	free(text);
	text = schema_tree_to_yaml(s->now);
	if (says_it(s, text))
		return text;
	free(text);
	return NULL;
}

static bool is_file_of_start(const struct save *s)
{
	const char *path = s->target->cfg->path;
	struct stat a, b;

	return !strcmp(s->path, path) || (!stat(s->path, &a) && !stat(path, &b) &&
					  a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void work(void *arg)
{
	struct save *s = arg;
	const struct target *t = s->target;

	s->is_start = is_file_of_start(s);
	s->text = make_text(s);
	if (!s->text) {
		s->rc = -EINVAL;
		snprintf(s->err, sizeof(s->err),
			 "the configuration can't be written so that it starts the same daemon: "
			 "something that it refers to, such as a user, is not there any more");
		return;
	}
	if (strlen(s->text) > SCHEMA_FILE_BYTES_MAX) {
		s->rc = -EFBIG;
		snprintf(s->err, sizeof(s->err),
			 "the configuration is %zu bytes, and a daemon starts with %d at most; "
			 "remove controllers or bdevs, or comments of the file",
			 strlen(s->text), SCHEMA_FILE_BYTES_MAX);
		return;
	}
	s->rc = replace_file(
		&(struct replace_file){
			.path = s->path,
			.text = s->text,
			.len = strlen(s->text),
			.expected = s->is_start ? t->text : NULL,
			.expected_len = s->is_start ? t->text_len : 0,
			.force = s->force,
		},
		s->err);
}

/* --- on the main thread --- */

static void free_save(struct save *s)
{
	schema_arena_free(&s->arena);
	free(s->path);
	free(s->text);
	free(s);
}

static void ended(void *arg)
{
	struct save *s = arg;
	struct target *t = s->target;

	if (!s->rc && s->is_start) {
		free(t->text);
		t->text = s->text;
		t->text_len = strlen(s->text);
		s->text = NULL;
	}
	if (!s->rc && s->is_new)
		log_warn("config.save: %s is written anew, without comments: how the text of %s is "
			 "written, it can't be changed in place",
			 s->path, t->cfg->path);
	s->done(s->arg, s->rc, s->rc ? s->err : s->path);
	free_save(s);
}

/* NULL: no memory. */
static struct save *new_save(struct target *t, const char *path, bool force, target_done_fn done,
			     void *arg)
{
	struct save *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->target = t;
	s->done = done;
	s->arg = arg;
	s->force = force;
	s->path = strdup(path ? path : t->cfg->path);
	s->now = target_dump_config(t, &s->arena, false);
	s->brief = target_dump_config(t, &s->arena, true);
	s->job = (struct config_job){.work = work, .ended = ended, .arg = s};
	if (s->path && s->now && s->brief)
		return s;
	free_save(s);
	return NULL;
}

void target_save_config(struct target *t, const char *path, bool force, target_done_fn done,
			void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	struct save *s = new_save(t, path, force, done, arg);
	int rc = s ? config_job_begin(t, &s->job, err) : -ENOMEM;

	if (!rc)
		return;
	if (s)
		free_save(s);
	done(arg, rc, err);
}
