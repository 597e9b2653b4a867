/* SPDX-License-Identifier: BSD-3-Clause */
/* The bdevs of a target: those of its configuration, and those that come and go later. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "loop/loop.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/util.h"

static struct target_bdev *of(struct object *o)
{
	return container_of(o, struct target_bdev, object);
}

static int create(struct target_bdev *b)
{
	struct object *o = &b->object;
	int rc = bdev_type_of(o->type)->create(b->config->params, o->err);

	if (rc && !o->err[0])
		snprintf(o->err, sizeof(o->err), "%s", strerror(-rc));
	return rc;
}

static struct target_bdev *make(struct target *t, const struct config_bdev *config)
{
	struct target_bdev *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->config = config;
	b->object.target = t;
	b->object.name = config->params->name;
	b->object.type = config->type;
	return b;
}

static void forget(struct target_bdev *b)
{
	object_drop(&b->object.target->bdevs, &b->object);
	free(b);
}

/* --- with the target --- */

int target_create_bdevs(struct target *t)
{
	size_t i;

	for (i = 0; i < t->cfg->nbdevs; i++) {
		const struct config_bdev *config = t->cfg->bdevs_in_order[i];
		struct target_bdev *b = make(t, config);
		int rc = b ? create(b) : -ENOMEM;

		if (!rc) {
			b->object.state = OBJECT_LIVES;
			object_add(&t->bdevs, &b->object);
		} else if (!target_start_cancelled()) {
			log_error("%s:%u:%u: bdev \"%s\": %s", t->cfg->path, config->pos.line,
				  config->pos.column, config->params->name,
				  b ? b->object.err : strerror(ENOMEM));
		}
		if (rc)
			free(b);
		if (target_start_cancelled())
			return -ECANCELED;
		if (rc)
			return rc;
	}
	return 0;
}

/* --- a bdev's names --- */

/* A split is no bdev itself, but its parts are. */
static size_t count_names(const struct config_bdev *config)
{
	return config->nparts ? config->nparts : 1;
}

static const char *name_of(const struct config_bdev *config, size_t i)
{
	return config->nparts ? config->parts[i].params->name : config->params->name;
}

static bool has_name(const struct config_bdev *config, const char *name)
{
	size_t i;

	for (i = 0; i < count_names(config); i++)
		if (!strcmp(name_of(config, i), name))
			return true;
	return false;
}

/* --- who uses one --- */

struct use {
	const struct config_bdev *bdev;
	bool found;
};

static void see_name(void *arg, const char *name)
{
	struct use *use = arg;

	use->found = use->found || has_name(use->bdev, name);
}

static void see_ref(void *arg, const struct config_ref *ref)
{
	see_name(arg, *ref->name);
}

/* Its disks now, if they come and go; else those of its configuration. */
static void see_disks(const struct target_controller *c, struct use *use)
{
	const struct controller_type *type = controller_type_of(c->object.type);

	if (type->bdevs && c->made)
		type->bdevs(c->made, see_name, use);
	else
		type->refs(c->config->params, see_ref, use);
}

static bool stands_on(const struct target_bdev *b, const struct config_bdev *base)
{
	const struct bdev_type *type = bdev_type_of(b->object.type);

	return type->base && has_name(base, *type->base(b->config->params));
}

/* Also those that are about to come or to go. */
static bool find_user(const struct target_bdev *b, char *err)
{
	const struct target *t = b->object.target;
	struct use use = {.bdev = b->config};
	struct object *o;

	for (o = t->bdevs.first; o; o = o->next) {
		if (!stands_on(of(o), b->config))
			continue;
		snprintf(err, OBJECT_ERR_MAX, "bdev \"%s\" is in use by the bdev \"%s\"",
			 b->object.name, o->name);
		return true;
	}
	for (o = t->controllers.first; o && !use.found; o = o->next) {
		see_disks(container_of(o, struct target_controller, object), &use);
		if (use.found)
			snprintf(err, OBJECT_ERR_MAX,
				 "bdev \"%s\" is in use by the controller \"%s\"", b->object.name,
				 o->name);
	}
	return use.found;
}

/* --- coming later --- */

static void created(struct target_bdev *b, int rc)
{
	char err[OBJECT_ERR_MAX];

	snprintf(err, sizeof(err), "%s", b->object.err);
	if (!rc) {
		log_info("bdev %s: made", b->object.name);
		object_end(&b->object, OBJECT_LIVES, 0, "");
		return;
	}
	log_error("bdev \"%s\": %s", b->object.name, err);
	object_drop(&b->object.target->bdevs, &b->object);
	object_end(&b->object, OBJECT_ENDS, rc, err);
	free(b);
}

static void *create_apart(void *arg)
{
	struct target_bdev *b = arg;

	b->rc = create(b);
	loop_post(b->object.target->main, &b->object.ended);
	return NULL;
}

static void created_apart(void *arg)
{
	struct target_bdev *b = arg;

	pthread_join(b->thread, NULL);
	created(b, b->rc);
}

/* To look at a disk may take as long as that disk likes: nobody else waits for it. */
static int begin_apart(struct target_bdev *b)
{
	int rc;

	b->object.ended = (struct loop_work){.fn = created_apart, .arg = b};
	rc = pthread_create(&b->thread, NULL, create_apart, b);
	if (rc) {
		snprintf(b->object.err, sizeof(b->object.err), "no thread can be made: %s",
			 strerror(rc));
		return -rc;
	}
	pthread_setname_np(b->thread, "bdev-open");
	return 0;
}

void target_create_bdev(struct target *t, const struct config_bdev *config, target_done_fn done,
			void *arg)
{
	const struct object *other = object_find(&t->bdevs, config->params->name);
	struct target_bdev *b = t->stopping || other ? NULL : make(t, config);
	char err[OBJECT_ERR_MAX];
	int rc;

	if (other && !t->stopping) {
		snprintf(err, sizeof(err), "name: there is a bdev named \"%s\" already",
			 other->name);
		done(arg, other->state == OBJECT_LIVES ? -EEXIST : -EBUSY, err);
		return;
	}
	if (!b) {
		done(arg, t->stopping ? -ESHUTDOWN : -ENOMEM,
		     t->stopping ? "the target is being stopped" : "out of memory");
		return;
	}
	object_add(&t->bdevs, &b->object);
	object_begin(&b->object, OBJECT_STARTS, done, arg);
	if (!bdev_type_of(config->type)->waits) {
		created(b, create(b));
		return;
	}
	rc = begin_apart(b);
	if (rc)
		created(b, rc);
}

/* --- going --- */

static void removed(void *arg)
{
	struct target_bdev *b = arg;

	log_info("bdev %s: removed", b->object.name);
	object_drop(&b->object.target->bdevs, &b->object);
	object_end(&b->object, OBJECT_ENDS, 0, "");
	free(b);
}

/* On the thread that dropped the last reference to it, or to one of its parts. */
static void gone(void *arg)
{
	struct target_bdev *b = arg;

	if (atomic_fetch_sub(&b->left, 1) == 1)
		loop_post(b->object.target->main, &b->object.ended);
}

static void begin_removal(struct target_bdev *b)
{
	size_t i;

	b->object.ended = (struct loop_work){.fn = removed, .arg = b};
	atomic_store(&b->left, 1);
	for (i = 0; i < count_names(b->config); i++) {
		struct bdev *bdev = bdev_find(name_of(b->config, i));

		if (!bdev)
			continue;
		atomic_fetch_add(&b->left, 1);
		bdev_remove(bdev, gone, b);
	}
	gone(b);
}

void target_remove_bdev(struct target *t, const char *name, target_done_fn done, void *arg)
{
	struct object *o = object_find(&t->bdevs, name);
	char err[OBJECT_ERR_MAX];
	int rc = object_check_removal(o, "bdev", name, err);

	if (!rc && find_user(of(o), err))
		rc = -EBUSY;
	if (rc) {
		done(arg, rc, err);
		return;
	}
	object_begin(o, OBJECT_ENDS, done, arg);
	begin_removal(of(o));
}

/* At the end, whoever still holds one. What stands on a bdev goes with it. */
void target_remove_bdevs(struct target *t)
{
	struct object *o, *before;
	size_t i;

	for (o = t->bdevs.last; o; o = before) {
		struct target_bdev *b = of(o);

		before = o->prev;
		for (i = 0; i < count_names(b->config); i++) {
			struct bdev *bdev = bdev_find(name_of(b->config, i));

			if (bdev)
				bdev_remove(bdev, NULL, NULL);
		}
		forget(b);
	}
}
