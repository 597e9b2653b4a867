/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/read_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "target/config_job.h"
#include "target/target_internal.h"

/* A pipe would be waited for, by all who want to read or save after this. */
static int check_kind(struct schema_errors *errors, const char *path)
{
	struct stat st;

	if (stat(path, &st) || S_ISREG(st.st_mode))
		return 0; /* what is wrong with it is told by who opens it */
	schema_errors_add(errors, (struct schema_pos){0},
			  "is no regular file; allowed: one, while the daemon runs");
	return -EINVAL;
}

static int read_text(struct config_reading *r)
{
	struct schema_errors errors = {.path = r->path};
	int rc = check_kind(&errors, r->path);

	if (!rc)
		rc = schema_file_read(r->path, &errors, &r->text, &r->len);
	if (rc && errors.total)
		r->errors = schema_errors_text(&errors);
	schema_errors_free(&errors);
	return rc;
}

struct limits {
	const struct config_reading *r;
	FILE *warnings;
	bool good;
};

static void see_limit(void *arg, bool is_error, const char *text)
{
	struct limits *l = arg;

	l->good = l->good && !is_error;
	fprintf(l->warnings, "%s: %s%s\n", l->r->path, is_error ? "" : "warning: ", text);
}

static int check_limits(struct config_reading *r)
{
	struct limits l = {.r = r, .good = true};
	char *text = NULL;
	size_t len = 0;

	l.warnings = open_memstream(&text, &len);
	if (!l.warnings)
		return -ENOMEM;
	target_check_limits(r->cfg, see_limit, &l);
	if (fclose(l.warnings)) {
		free(text);
		return -ENOMEM;
	}
	*(l.good ? &r->warnings : &r->errors) = text;
	return l.good ? 0 : -EINVAL;
}

void config_reading_run(struct config_reading *r)
{
	struct config_again again = {.path = r->path};

	r->rc = r->text ? 0 : read_text(r);
	if (r->rc)
		return;
	again.text = r->text;
	again.len = r->len;
	r->rc = config_load_again(r->target->cfg, &again, &r->cfg, &r->errors);
	if (!r->rc)
		r->rc = check_limits(r);
}

void config_reading_free(struct config_reading *r)
{
	config_free(r->cfg);
	free(r->path);
	free(r->text);
	free(r->errors);
	free(r->warnings);
}

const char *config_reading_problem(struct config_reading *r)
{
	size_t n = r->errors ? strlen(r->errors) : 0;

	if (!n)
		return r->rc == -ENOMEM ? "out of memory" : strerror(-r->rc);
	if (r->errors[n - 1] == '\n')
		r->errors[n - 1] = '\0';
	return r->errors;
}

/* --- target_check_config() --- */

struct check {
	struct config_job job;
	struct config_reading reading;
	target_done_fn done;
	void *arg;
};

static void work(void *arg)
{
	struct check *c = arg;

	config_reading_run(&c->reading);
}

static void free_check(struct check *c)
{
	config_reading_free(&c->reading);
	free(c);
}

static void ended(void *arg)
{
	struct check *c = arg;
	struct config_reading *r = &c->reading;

	c->done(c->arg, r->rc, r->rc ? config_reading_problem(r) : r->warnings ? r->warnings : "");
	free_check(c);
}

void target_check_config(struct target *t, const char *path, const char *text, target_done_fn done,
			 void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	struct check *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c) {
		c->job = (struct config_job){.work = work, .ended = ended, .arg = c};
		c->done = done;
		c->arg = arg;
		c->reading.target = t;
		c->reading.path = strdup(path ? path : text ? "text" : t->cfg->path);
		c->reading.text = text ? strdup(text) : NULL;
		c->reading.len = text ? strlen(text) : 0;
		if (c->reading.path && (c->reading.text || !text))
			rc = config_job_begin(t, &c->job, err);
	}
	if (!rc)
		return;
	if (c)
		free_check(c);
	done(arg, rc, err);
}
