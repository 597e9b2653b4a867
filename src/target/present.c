/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration as it is now: what a file would have to say to start the same daemon. */
#include <errno.h>
#include <string.h>

#include "config/controller_type.h"
#include "target/target_internal.h"
#include "util/util.h"

static bool is_there(const struct object *o)
{
	return o->state == OBJECT_LIVES || o->state == OBJECT_RESIZES;
}

static bool has_bdev(void *arg, const char *bdev)
{
	return target_has_disk(arg, bdev);
}

/* --- a disk that a controller can't be without --- */

struct lack {
	const struct target *target;
	const struct target_controller *controller;
	const char *name; /* of a bdev that it is made with */
	bool has;	  /* the controller, that one */
	bool lacks;	  /* any */
};

static void see_disk(void *arg, const char *bdev)
{
	struct lack *l = arg;

	l->has = l->has || !strcmp(bdev, l->name);
}

/* A bdev of that name may be another one, which was made since: the controller knows. */
static void see_ref(void *arg, const struct config_ref *ref)
{
	struct lack *l = arg;

	l->name = *ref->name;
	l->has = false;
	target_visit_disks(l->target, l->controller->object.name, see_disk, l);
	l->lacks = l->lacks || !l->has || !target_has_disk(l->target, l->name);
}

static bool is_lost(const struct target_controller *c)
{
	const struct controller_type *type = controller_type_of(c->object.type);
	struct lack l = {.target = c->object.target, .controller = c};

	if (!type->with_disks)
		type->refs(c->config.params, see_ref, &l);
	return l.lacks;
}

bool target_controller_is_lost(const struct target *t, const char *name)
{
	struct object *o = object_find(&t->controllers, name);

	return o && is_there(o) && is_lost(container_of(o, struct target_controller, object));
}

/* --- all that there is --- */

/* Without disks whose bdev was taken from under them: a file could not name it. False: no memory.
 */
static bool fill_controller(struct target *t, struct schema_arena *arena,
			    const struct target_controller *c, struct config_controller *out)
{
	const struct controller_type *type = controller_type_of(c->object.type);
	const struct controller_disks change = {.keeps = has_bdev, .arg = t};

	*out = c->config;
	if (type->with_disks)
		out->params = type->with_disks(arena, out->params, &change);
	return out->params;
}

static bool fill(struct target *t, struct schema_arena *arena, bool with_lost, struct config *cfg)
{
	struct config_bdev *bdevs =
		schema_arena_alloc(arena, object_count(&t->bdevs) + 1, sizeof(*bdevs));
	struct config_controller *ctrls =
		schema_arena_alloc(arena, object_count(&t->controllers) + 1, sizeof(*ctrls));
	struct object *o;

	if (!bdevs || !ctrls)
		return false;
	for (o = t->bdevs.first; o; o = o->next)
		if (is_there(o))
			bdevs[cfg->nbdevs++] = *target_bdev_of(o)->config;
	for (o = t->controllers.first; o; o = o->next) {
		const struct target_controller *c =
			container_of(o, struct target_controller, object);

		if (!is_there(o) || (!with_lost && is_lost(c)))
			continue;
		if (!fill_controller(t, arena, c, &ctrls[cfg->ncontrollers]))
			return false;
		cfg->ncontrollers++;
	}
	cfg->bdevs = bdevs;
	cfg->controllers = ctrls;
	return !arena->failed;
}

void target_present_target(const struct target *t, struct config_target *out)
{
	*out = t->cfg->target;
	out->log = t->log;
}

bool target_present(struct target *t, struct schema_arena *arena, bool with_lost,
		    struct config *cfg)
{
	*cfg = (struct config){.path = t->cfg->path};
	target_present_target(t, &cfg->target);
	return fill(t, arena, with_lost, cfg);
}

struct schema_node *target_dump_config(struct target *t, struct schema_arena *arena, bool brief)
{
	struct config cfg;

	return target_present(t, arena, false, &cfg) ? config_dump_tree(&cfg, arena, brief) : NULL;
}

void target_visit_left_out(const struct target *t, void (*fn)(void *arg, const char *controller),
			   void *arg)
{
	struct object *o;

	for (o = t->controllers.first; o; o = o->next)
		if (is_there(o) && is_lost(container_of(o, struct target_controller, object)))
			fn(arg, o->name);
}

/* --- the log --- */

static void use_log(const struct config_log *log)
{
	log_limit_set((struct log_budget){log->object_burst, log->object_rate},
		      (struct log_budget){log->burst, log->rate});
}

void target_set_log(struct target *t, const struct config_log *log)
{
	t->log = *log;
	t->log.otherwise = t->cfg->target.log.otherwise;
	use_log(log);
	/* One of the command line, which differs from that of a start without, comes first. */
	log_set_level(log->level && t->log.otherwise == LOG_LEVEL_INFO
			      ? config_log_level(log->level)
			      : t->log.otherwise);
}

void target_set_log_level(struct target *t, enum log_level level)
{
	t->log.level = CONFIG_LOG_ERROR + (int)level - (int)LOG_LEVEL_ERROR;
	log_set_level(level);
}
