/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon becomes what a file says. The file is read on a thread of its own; then the plan's
 * steps are carried out one after the other, with turns for everybody else between them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/config_job.h"
#include "target/plan.h"
#include "target/read_file.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"

struct apply {
	struct config_job job;
	struct config_reading reading;
	struct target *target;
	struct target_apply how;
	target_applied_fn done;
	void *arg;
	struct config_target next_target; /* of the file */
	struct schema_arena now;	  /* what there was when the plan was made */
	struct plan plan;
	size_t next; /* of the steps */
	/* While a step is under way. */
	struct schema_errors errors;
	struct timer timer;
	bool waits;
	bool told; /* and a step that took too long has still to end */
	struct loop_work turn;
};

static void take_turn(void *arg);

static void free_apply(struct apply *a)
{
	schema_errors_free(&a->errors);
	schema_arena_free(&a->plan.arena);
	schema_arena_free(&a->now);
	config_reading_free(&a->reading);
	free(a);
}

/* --- the outcome --- */

const char *target_step_state_name(enum target_step_state state)
{
	static const char *const names[] = {
		[TARGET_STEP_PLANNED] = "planned",
		[TARGET_STEP_DONE] = "done",
		[TARGET_STEP_FAILED] = "failed",
		[TARGET_STEP_NEEDS_FORCE] = "needs force",
		[TARGET_STEP_NEEDS_RESTART] = "needs a restart",
	};

	return names[state];
}

static bool is_file_of_start(const struct apply *a)
{
	return !strcmp(a->reading.path, a->target->cfg->path);
}

/* From now on the daemon is what the file says: what is saved later keeps its text. */
static void take_over_text(struct apply *a)
{
	struct target *t = a->target;

	free(t->text);
	t->text = a->reading.text;
	t->text_len = a->reading.len;
	a->reading.text = NULL;
}

static void tell_outcome(struct apply *a, const struct target_step **list)
{
	struct target_outcome o = {
		.path = a->reading.path, .complete = true, .steps = list, .n = a->plan.n};
	size_t i;

	for (i = 0; i < o.n; i++) {
		list[i] = &a->plan.steps[i].told;
		o.complete = o.complete && list[i]->state == TARGET_STEP_DONE;
		if (list[i]->state == TARGET_STEP_FAILED)
			o.failed = list[i];
	}
	if (o.complete && is_file_of_start(a))
		take_over_text(a);
	a->done(a->arg, 0, "", &o);
}

/* Nobody is told anything after that. */
static void finish(struct apply *a)
{
	const struct target_step **list = calloc(a->plan.n + 1, sizeof(struct target_step *));
	struct target *t = a->target;
	bool ends = !a->waits;

	t->applying = false;
	a->told = true;
	if (list)
		tell_outcome(a, list);
	else
		a->done(a->arg, -ENOMEM, "out of memory", NULL);
	free(list);
	if (ends) {
		free_apply(a);
		object_leave(t);
	}
}

/* --- steps --- */

static void step_over(struct apply *a, enum target_step_state state, const char *why)
{
	struct target_step *told = &a->plan.steps[a->next].told;

	loop_timer_cancel(&a->timer);
	told->state = state;
	told->why = schema_arena_printf(&a->plan.arena, "%s", why);
	if (!told->why)
		told->why = "out of memory";
	a->next++;
	if (state != TARGET_STEP_DONE) {
		finish(a);
		return;
	}
	a->turn = (struct loop_work){.fn = take_turn, .arg = a};
	loop_post(a->target->main, &a->turn);
}

static void step_done(void *arg, int rc, const char *text)
{
	struct apply *a = arg;
	struct target *t = a->target;
	const struct schema_error *first = a->errors.kept ? &a->errors.list[0] : NULL;

	a->waits = false;
	if (a->told) {
		free_apply(a);
		object_leave(t);
		return;
	}
	if (rc)
		step_over(a, TARGET_STEP_FAILED,
			  first	    ? first->text
			  : text[0] ? text
				    : strerror(-rc));
	else
		step_over(a, TARGET_STEP_DONE, "");
}

static void step_late(void *arg)
{
	struct apply *a = arg;
	char text[128];

	snprintf(text, sizeof(text), "not within %u ms; it goes on by itself", a->how.timeout_ms);
	step_over(a, TARGET_STEP_FAILED, text);
}

/* What a file says of the size that it leaves to the medium. */
static void forget_size(struct target *t, const char *name)
{
	struct object *o = object_find(&t->bdevs, name);

	if (o)
		target_bdev_of(o)->config->params->size_bytes = 0;
}

static void resized(void *arg, int rc, const char *text)
{
	struct apply *a = arg;
	const struct plan_step *s = &a->plan.steps[a->next];

	if (!rc && !a->told && !s->bytes)
		forget_size(a->target, s->told.name);
	step_done(arg, rc, text);
}

static void set_log(struct apply *a, const struct plan_step *s)
{
	target_set_log(a->target, &a->next_target.log);
	step_done(a, 0, "");
}

static void remove_disk(struct apply *a, const struct plan_step *s)
{
	target_request_disk(a->target, s->told.name, s->node, false, &a->errors, step_done, a);
}

static void remove_controller(struct apply *a, const struct plan_step *s)
{
	if (a->how.force)
		target_remove_controller(a->target, s->told.name, step_done, a);
	else
		target_remove_idle_controller(a->target, s->told.name, step_done, a);
}

static void remove_bdev(struct apply *a, const struct plan_step *s)
{
	target_remove_bdev(a->target, s->told.name, step_done, a);
}

static void resize_bdev(struct apply *a, const struct plan_step *s)
{
	target_resize_bdev(a->target, s->told.name, s->bytes, resized, a);
}

static void create_bdev(struct apply *a, const struct plan_step *s)
{
	target_add_bdev(a->target, s->node, &a->errors, step_done, a);
}

static void create_controller(struct apply *a, const struct plan_step *s)
{
	target_add_controller(a->target, s->node, &a->errors, step_done, a);
}

static void add_disk(struct apply *a, const struct plan_step *s)
{
	target_request_disk(a->target, s->told.name, s->node, true, &a->errors, step_done, a);
}

static void (*const do_step[PLAN_KINDS])(struct apply *a, const struct plan_step *s) = {
	[PLAN_SET_LOG] = set_log,
	[PLAN_REMOVE_DISK] = remove_disk,
	[PLAN_REMOVE_CONTROLLER] = remove_controller,
	[PLAN_REMOVE_BDEV] = remove_bdev,
	[PLAN_RESIZE_BDEV] = resize_bdev,
	[PLAN_CREATE_BDEV] = create_bdev,
	[PLAN_CREATE_CONTROLLER] = create_controller,
	[PLAN_ADD_DISK] = add_disk,
};

static void take_turn(void *arg)
{
	struct apply *a = arg;
	const struct plan_step *s;

	while (a->next < a->plan.n && !do_step[a->plan.steps[a->next].kind])
		a->next++;
	if (a->next == a->plan.n) {
		finish(a);
		return;
	}
	s = &a->plan.steps[a->next];
	a->waits = true;
	a->timer = (struct timer){.fn = step_late, .arg = a};
	loop_timer_start(a->target->main, &a->timer, a->how.timeout_ms * NS_PER_MS);
	do_step[s->kind](a, s);
}

/* --- the plan --- */

static int make_plan(struct apply *a)
{
	struct config_reading *r = &a->reading;
	struct config now;
	struct config_target running;
	struct plan_input in = {
		.target = a->target,
		.now = &now,
		.next = r->cfg,
		.next_target = &a->next_target,
		.force = a->how.force,
	};

	if (!target_present(a->target, &a->now, true, &now))
		return -ENOMEM;
	a->next_target = r->cfg->target;
	target_present_target(a->target, &running);
	config_adopt_target(r->cfg, &running);
	return plan_make(&in, &a->plan);
}

static void work(void *arg)
{
	struct apply *a = arg;

	config_reading_run(&a->reading);
}

static void ended(void *arg)
{
	struct apply *a = arg;
	struct target *t = a->target;

	if (!a->reading.rc)
		a->reading.rc = make_plan(a);
	if (a->reading.rc) {
		a->done(a->arg, a->reading.rc, config_reading_problem(&a->reading), NULL);
		free_apply(a);
		return;
	}
	t->applying = true;
	object_enter(t);
	if (a->how.dry_run)
		finish(a);
	else
		take_turn(a);
}

void target_apply_config(struct target *t, const struct target_apply *how, target_applied_fn done,
			 void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	struct apply *a = calloc(1, sizeof(*a));
	int rc = -ENOMEM;

	if (a) {
		a->job = (struct config_job){.work = work, .ended = ended, .arg = a};
		a->target = t;
		a->how = *how;
		a->done = done;
		a->arg = arg;
		a->reading.target = t;
		a->reading.path = strdup(how->path ? how->path : t->cfg->path);
		if (a->reading.path)
			rc = config_job_begin(t, &a->job, err);
	}
	if (!rc)
		return;
	if (a)
		free_apply(a);
	done(arg, rc, err, NULL);
}
