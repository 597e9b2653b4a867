/* SPDX-License-Identifier: BSD-3-Clause */
/* Who uses a bdev: those that stand on it, and controllers that have it as a disk. */
#include <stdio.h>
#include <string.h>

#include "config/controller_type.h"
#include "target/target_internal.h"
#include "util/util.h"

struct search {
	const char *name; /* of the bdev */
	bool found;
};

static void see_name(void *arg, const char *name)
{
	struct search *s = arg;

	s->found = s->found || !strcmp(s->name, name);
}

struct visit {
	void (*fn)(void *arg, const char *bdev);
	void *arg;
};

static void see_ref(void *arg, const struct config_ref *ref)
{
	const struct visit *v = arg;

	v->fn(v->arg, *ref->name);
}

/* Its disks now, if they come and go; else those of its configuration. */
static void visit_disks(const struct target_controller *c, struct visit *v)
{
	const struct controller_type *type = controller_type_of(c->object.type);

	if (type->bdevs && c->made)
		type->bdevs(c->made, v->fn, v->arg);
	else
		type->refs(c->config.params, see_ref, v);
}

static bool has_disk(const struct target_controller *c, const char *name)
{
	struct search s = {.name = name};
	struct visit v = {.fn = see_name, .arg = &s};

	visit_disks(c, &v);
	return s.found;
}

void target_visit_disks(const struct target *t, const char *controller,
			void (*fn)(void *arg, const char *bdev), void *arg)
{
	struct object *o = object_find(&t->controllers, controller);
	struct visit v = {.fn = fn, .arg = arg};

	if (o)
		visit_disks(container_of(o, struct target_controller, object), &v);
}

static bool stands_on(const struct target_bdev *b, const char *name)
{
	const struct bdev_type *type = bdev_type_of(b->object.type);

	return type->base && !strcmp(*type->base(b->config->params), name);
}

void target_visit_users(const struct target *t, const char *bdev, target_user_fn fn, void *arg)
{
	struct object *o;

	for (o = t->bdevs.first; o; o = o->next)
		if (stands_on(container_of(o, struct target_bdev, object), bdev))
			fn(arg, "bdev", o->name);
	for (o = t->controllers.first; o; o = o->next)
		if (has_disk(container_of(o, struct target_controller, object), bdev))
			fn(arg, "controller", o->name);
}

/* --- all of them, in a sentence --- */

static void add_words(void *arg, const char *noun, const char *name)
{
	struct schema_words *words = arg;
	char text[SCHEMA_NAME_MAX + 32];

	snprintf(text, sizeof(text), "the %s \"%s\"", noun, name);
	schema_words_add(words, text);
}

bool target_bdev_in_use(const struct target_bdev *b, char *err)
{
	struct schema_words words = {0};
	size_t i;

	for (i = 0; i < target_bdev_disks(b->config); i++)
		target_visit_users(b->object.target, target_bdev_disk(b->config, i), add_words,
				   &words);
	if (words.len)
		snprintf(err, OBJECT_ERR_MAX, "bdev \"%s\" is in use by %.*s", b->object.name,
			 OBJECT_ERR_MAX - 128, words.text);
	return words.len;
}
