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

/* Of one that a request made: what could not be found out before without waiting. */
static int look(struct target_bdev *b)
{
	return b->own ? config_look(b->own, b->errors) : 0;
}

static int create(struct target_bdev *b)
{
	struct object *o = &b->object;
	const struct bdev_type *type = bdev_type_of(o->type);
	int rc = look(b);

	if (!rc) {
		rc = type->create(b->config->params, o->err);
		b->by_system = rc && type->waits;
	}
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

static void free_bdev(struct target_bdev *b)
{
	config_leave_base(b->config);
	target_free_own_bdev(b->object.target, b->own);
	free(b);
}

static void forget(struct target_bdev *b)
{
	object_drop(&b->object.target->bdevs, &b->object);
	free_bdev(b);
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

/* --- a bdev's disks --- */

/* A split is no disk itself, but its parts are. */
size_t target_bdev_disks(const struct config_bdev *config)
{
	return config->nparts ? config->nparts : 1;
}

const char *target_bdev_disk(const struct config_bdev *config, size_t i)
{
	return config->nparts ? config->parts[i].params->name : config->params->name;
}

bool target_bdev_has(const struct config_bdev *config, const struct config_bdev *disk)
{
	return disk == config || disk->whole == config;
}

struct object *target_bdev_above(const struct target_bdev *b)
{
	struct object *o;

	for (o = b->object.target->bdevs.first; o; o = o->next) {
		const struct config_bdev *base = target_bdev_of(o)->config->base;

		if (base && target_bdev_has(b->config, base))
			break;
	}
	return o;
}

/* --- coming later --- */

static void created(struct target_bdev *b, int rc)
{
	char err[OBJECT_ERR_MAX];

	snprintf(err, sizeof(err), "%s", b->object.err);
	if (!rc) {
		log_info("bdev %s: made", b->object.name);
		target_tell_name(b->object.target, TARGET_EVENT_BDEV_CREATED, b->object.name);
		object_end(&b->object, OBJECT_LIVES, 0, "");
		return;
	}
	if (!b->own) /* else whoever asked is told */
		log_error("bdev \"%s\": %s", b->object.name, err);
	object_drop(&b->object.target->bdevs, &b->object);
	object_end(&b->object, OBJECT_ENDS, b->by_system ? target_system_error(rc) : rc, err);
	free_bdev(b);
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

int target_bdev_apart(struct target_bdev *b, const char *thread, void *(*fn)(void *arg),
		      void (*ended)(void *arg))
{
	int rc;

	b->object.ended = (struct loop_work){.fn = ended, .arg = b};
	rc = pthread_create(&b->thread, NULL, fn, b);
	if (rc) {
		snprintf(b->object.err, sizeof(b->object.err), "no thread can be made: %s",
			 strerror(rc));
		return -rc;
	}
	pthread_setname_np(b->thread, thread);
	return 0;
}

/* Why there can't be one of that name; 0: nothing speaks against it. */
static int check_new(const struct target *t, const char *name, char *err)
{
	const struct object *other = object_find(&t->bdevs, name);

	if (t->stopping) {
		snprintf(err, OBJECT_ERR_MAX, "the target is being stopped");
		return -ESHUTDOWN;
	}
	if (!other)
		return 0;
	snprintf(err, OBJECT_ERR_MAX, "name: there is a bdev named \"%s\" already", name);
	return other->state == OBJECT_LIVES ? -EEXIST : -EBUSY;
}

static void begin_creation(struct target_bdev *b, target_done_fn done, void *arg)
{
	int rc;

	object_add(&b->object.target->bdevs, &b->object);
	object_begin(&b->object, OBJECT_STARTS, done, arg);
	if (!bdev_type_of(b->object.type)->waits) {
		created(b, create(b));
		return;
	}
	/* To look at a disk may take as long as that disk likes: nobody else waits for it. */
	rc = target_bdev_apart(b, "bdev-open", create_apart, created_apart);
	if (rc)
		created(b, rc);
}

void target_create_bdev(struct target *t, const struct config_bdev *config, target_done_fn done,
			void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	int rc = check_new(t, config->params->name, err);
	struct target_bdev *b = rc ? NULL : make(t, config);

	if (b)
		begin_creation(b, done, arg);
	else
		done(arg, rc ? rc : -ENOMEM, err);
}

void target_create_own_bdev(struct target *t, struct config *cfg, struct schema_errors *errors,
			    target_done_fn done, void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	int rc = check_new(t, cfg->bdevs->params->name, err);
	struct target_bdev *b = rc ? NULL : make(t, cfg->bdevs);

	if (!b) {
		config_free(cfg);
		done(arg, rc ? rc : -ENOMEM, err);
		return;
	}
	b->own = cfg;
	b->errors = errors;
	config_settle(cfg);
	begin_creation(b, done, arg);
}

/* --- going --- */

static void removed(void *arg)
{
	struct target_bdev *b = arg;

	log_info("bdev %s: removed", b->object.name);
	target_tell_name(b->object.target, TARGET_EVENT_BDEV_REMOVED, b->object.name);
	object_drop(&b->object.target->bdevs, &b->object);
	object_end(&b->object, OBJECT_ENDS, 0, "");
	free_bdev(b);
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
	for (i = 0; i < target_bdev_disks(b->config); i++) {
		struct bdev *bdev = bdev_find(target_bdev_disk(b->config, i));

		if (!bdev)
			continue;
		atomic_fetch_add(&b->left, 1);
		bdev_remove(bdev, gone, b);
	}
	gone(b);
	target_drop_disks(b->object.target);
}

static void begin_end(struct target_bdev *b, target_done_fn done, void *arg)
{
	object_begin(&b->object, OBJECT_ENDS, done, arg);
	/* The base may be gone before this is known to be. */
	config_leave_base(b->config);
	begin_removal(b);
}

void target_remove_bdev(struct target *t, const char *name, target_done_fn done, void *arg)
{
	struct object *o = object_find(&t->bdevs, name);
	char err[OBJECT_ERR_MAX];
	int rc = object_check_idle(o, "bdev", name, err);

	if (!rc && target_bdev_in_use(target_bdev_of(o), err))
		rc = -EBUSY;
	if (rc)
		done(arg, rc, err);
	else
		begin_end(target_bdev_of(o), done, arg);
}

/* Whether it, and all that stands on it, may go now. */
static int check_tree(const struct target_bdev *b, char *err)
{
	const struct object_list *list = &b->object.target->bdevs;
	struct object *o;
	int rc = object_check_idle(&b->object, "bdev", b->object.name, err);

	for (o = list->first; o && !rc; o = o->next)
		if (target_bdev_of(o)->config->base &&
		    target_bdev_has(b->config, target_bdev_of(o)->config->base))
			rc = check_tree(target_bdev_of(o), err);
	return rc;
}

/* From the top down: who stands on a bdev holds it. */
static void begin_end_of_tree(struct target_bdev *b, target_done_fn done, void *arg)
{
	const struct object_list *list = &b->object.target->bdevs;
	struct object *o, *next;

	for (o = list->first; o; o = next) {
		next = o->next;
		if (o->state == OBJECT_LIVES && target_bdev_of(o)->config->base &&
		    target_bdev_has(b->config, target_bdev_of(o)->config->base))
			begin_end_of_tree(target_bdev_of(o), NULL, NULL);
	}
	begin_end(b, done, arg);
}

void target_force_bdev_out(struct target *t, const char *name, target_done_fn done, void *arg)
{
	struct object *o = object_find(&t->bdevs, name);
	char err[OBJECT_ERR_MAX];
	int rc = o ? check_tree(target_bdev_of(o), err) : object_check_idle(o, "bdev", name, err);

	if (rc)
		done(arg, rc, err);
	else
		begin_end_of_tree(target_bdev_of(o), done, arg);
}

/* At the end, whoever still holds one. What stands on a bdev goes with it. */
void target_remove_bdevs(struct target *t)
{
	struct object *o, *before;
	size_t i;

	for (o = t->bdevs.last; o; o = before) {
		struct target_bdev *b = target_bdev_of(o);

		before = o->prev;
		for (i = 0; i < target_bdev_disks(b->config); i++) {
			struct bdev *bdev = bdev_find(target_bdev_disk(b->config, i));

			if (bdev)
				bdev_remove(bdev, NULL, NULL);
		}
		forget(b);
	}
}
