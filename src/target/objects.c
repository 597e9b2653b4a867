/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects of a target, and what is under way with them. */
#include <errno.h>
#include <string.h>

#include "loop/loop.h"
#include "target/target_internal.h"

void object_add(struct object_list *list, struct object *o)
{
	o->next = NULL;
	o->prev = list->last;
	*(o->prev ? &o->prev->next : &list->first) = o;
	list->last = o;
}

void object_drop(struct object_list *list, struct object *o)
{
	*(o->prev ? &o->prev->next : &list->first) = o->next;
	*(o->next ? &o->next->prev : &list->last) = o->prev;
}

struct object *object_find(const struct object_list *list, const char *name)
{
	struct object *o;

	for (o = list->first; o && strcmp(o->name, name) != 0; o = o->next)
		;
	return o;
}

size_t object_count(const struct object_list *list)
{
	const struct object *o;
	size_t n = 0;

	for (o = list->first; o; o = o->next)
		n++;
	return n;
}

void object_enter(struct target *t)
{
	t->under_way++;
}

void object_leave(struct target *t)
{
	t->under_way--;
	if (t->stopping && !t->under_way)
		loop_quit(t->main);
}

void object_begin(struct object *o, enum object_state state, target_done_fn done, void *arg)
{
	o->state = state;
	o->done = done;
	o->arg = arg;
	object_enter(o->target);
}

void object_end(struct object *o, enum object_state state, int rc, const char *text)
{
	target_done_fn done = o->done;

	o->state = state;
	object_leave(o->target);
	/* It may remove the object. */
	if (done)
		done(o->arg, rc, text);
}

int object_check_idle(const struct object *o, const char *noun, const char *name, char *err)
{
	if (!o) {
		snprintf(err, OBJECT_ERR_MAX, "there is no %s \"%s\"", noun, name);
		return -ENOENT;
	}
	if (o->target->stopping) {
		snprintf(err, OBJECT_ERR_MAX, "the target is being stopped");
		return -ESHUTDOWN;
	}
	if (o->state == OBJECT_LIVES)
		return 0;
	snprintf(err, OBJECT_ERR_MAX, "%s \"%s\" is still being %s", noun, name,
		 o->state == OBJECT_STARTS    ? "made"
		 : o->state == OBJECT_RESIZES ? "resized"
					      : "removed");
	return -EBUSY;
}

void target_finish_objects(struct target *t)
{
	/* Who is told of an end may end the loop, too. */
	while (t->under_way)
		loop_run(t->main);
}
