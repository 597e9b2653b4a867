/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects that a request has the keys of: each has a configuration of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "config/controller_type.h"
#include "target/target_internal.h"
#include "util/util.h"

/* --- what runs already --- */

/* NULL: out of memory. */
static const struct config_bdev **list_bdevs(const struct target *t, size_t *n)
{
	const struct config_bdev **list = calloc(object_count(&t->bdevs) + 1, sizeof(*list));
	struct object *o;

	*n = 0;
	for (o = list ? t->bdevs.first : NULL; o; o = o->next)
		list[(*n)++] = container_of(o, struct target_bdev, object)->config;
	return list;
}

static const struct config_controller **list_controllers(const struct target *t, size_t *n)
{
	const struct config_controller **list =
		calloc(object_count(&t->controllers) + 1, sizeof(*list));
	struct object *o;

	*n = 0;
	for (o = list ? t->controllers.first : NULL; o; o = o->next)
		list[(*n)++] = &container_of(o, struct target_controller, object)->config;
	return list;
}

typedef int (*load_fn)(const struct config *base, const struct config_others *others,
		       const struct schema_node *node, struct schema_errors *errors,
		       struct config **out);

static int load(const struct target *t, load_fn fn, const struct schema_node *node,
		struct schema_errors *errors, struct config **out)
{
	struct config_others others;
	const struct config_bdev **bdevs = list_bdevs(t, &others.nbdevs);
	const struct config_controller **controllers = list_controllers(t, &others.ncontrollers);
	int rc = -ENOMEM;

	others.bdevs = bdevs;
	others.controllers = controllers;
	if (bdevs && controllers)
		rc = fn(t->cfg, &others, node, errors, out);
	free(bdevs);
	free(controllers);
	return rc;
}

/* A name that is taken is told as such; what else is wrong with it is told by the configuration. */
static int check_name(const struct object_list *list, const char *noun,
		      const struct schema_node *keys, char *err)
{
	const struct object *o = NULL;
	const struct schema_node *child;

	for (child = keys->first; child; child = child->next)
		if (!strcmp(child->key->text, "name") && child->kind == SCHEMA_NODE_SCALAR)
			o = object_find(list, child->text);
	if (!o)
		return 0;
	snprintf(err, OBJECT_ERR_MAX, "name: there is a %s named \"%s\" already%s", noun, o->name,
		 o->state == OBJECT_ENDS ? ", which is just being removed" : "");
	return o->state == OBJECT_LIVES ? -EEXIST : -EBUSY;
}

/* --- bdevs --- */

struct base_check {
	const struct config *cfg;
	const struct config_bdev *bdev;
	const char *const *base;
	struct schema_errors *errors;
};

/* A bdev that stands on it has been found already: it has one at most. */
static void refuse_base(void *arg, const char *noun, const char *name)
{
	const struct base_check *c = arg;

	schema_errors_add(
		c->errors, config_locate(c->cfg, c->base, c->bdev->pos),
		"bdev %s: base: %s is a disk of the %s %s; allowed: a bdev that nobody uses",
		SCHEMA_QUOTE(c->bdev->params->name), SCHEMA_QUOTE(*c->base), noun,
		SCHEMA_QUOTE(name));
}

/* Who stands on a bdev has it for itself. */
static int check_base(const struct target *t, const struct config *cfg,
		      struct schema_errors *errors)
{
	const struct bdev_type *type = bdev_type_of(cfg->bdevs->type);
	struct base_check c = {.cfg = cfg, .bdev = cfg->bdevs, .errors = errors};

	if (!type->base)
		return 0;
	c.base = type->base(cfg->bdevs->params);
	target_visit_users(t, *c.base, refuse_base, &c);
	return errors->total ? -EINVAL : 0;
}

void target_add_bdev(struct target *t, const struct schema_node *keys, struct schema_errors *errors,
		     target_done_fn done, void *arg)
{
	char err[OBJECT_ERR_MAX] = "";
	struct config *cfg = NULL;
	int rc = check_name(&t->bdevs, "bdev", keys, err);

	if (!rc)
		rc = load(t, config_load_bdev, keys, errors, &cfg);
	if (!rc)
		rc = check_base(t, cfg, errors);
	if (rc) {
		config_free(cfg);
		done(arg, rc, err[0] || errors->total ? err : "out of memory");
		return;
	}
	target_create_own_bdev(t, cfg, errors, done, arg);
}

static const struct config_bdev *disk_of(const struct config_bdev *config, const char *name)
{
	size_t i;

	for (i = 0; i < target_bdev_disks(config); i++)
		if (!strcmp(target_bdev_disk(config, i), name))
			return config->nparts ? &config->parts[i] : config;
	return NULL;
}

/* *o: what it is, or is a part of. */
static const struct config_bdev *find_disk(const struct target *t, const char *name,
					   struct object **o)
{
	const struct config_bdev *disk = NULL;

	for (*o = t->bdevs.first; *o; *o = (*o)->next) {
		disk = disk_of(target_bdev_of(*o)->config, name);
		if (disk)
			break;
	}
	return disk;
}

const struct config_bdev *target_find_disk(const struct target *t, const char *name)
{
	struct object *o;

	return find_disk(t, name, &o);
}

bool target_has_disk(const struct target *t, const char *name)
{
	struct object *o;

	return find_disk(t, name, &o) && (o->state == OBJECT_LIVES || o->state == OBJECT_RESIZES) &&
	       bdev_find(name);
}

/* What refers to a bdev that is gone: disks that a forced removal took away. */
struct forgetting {
	const struct config *cfg;
};

static bool is_of(const struct config *cfg, const struct config_bdev *bdev)
{
	return bdev == cfg->bdevs || (bdev && bdev->whole == cfg->bdevs);
}

static void forget_ref(void *arg, const struct config_ref *ref)
{
	const struct forgetting *f = arg;

	if (is_of(f->cfg, *ref->bdev))
		*ref->bdev = NULL;
}

void target_free_own_bdev(struct target *t, struct config *cfg)
{
	struct forgetting f = {.cfg = cfg};
	struct object *o;

	if (!cfg)
		return;
	for (o = t->controllers.first; o; o = o->next)
		controller_type_of(o->type)->refs(
			container_of(o, struct target_controller, object)->config.params,
			forget_ref, &f);
	config_free(cfg);
}

/* --- controllers --- */

void target_add_controller(struct target *t, const struct schema_node *keys,
			   struct schema_errors *errors, target_done_fn done, void *arg)
{
	char err[OBJECT_ERR_MAX] = "";
	struct config *cfg = NULL;
	int rc = check_name(&t->controllers, "controller", keys, err);

	if (!rc)
		rc = load(t, config_load_controller, keys, errors, &cfg);
	if (rc) {
		done(arg, rc, err[0] || errors->total ? err : "out of memory");
		return;
	}
	target_create_own_controller(t, cfg, done, arg);
}

/* --- what there is --- */

static const char *state_name(const struct object *o)
{
	static const char *const names[] = {
		[OBJECT_STARTS] = "starting",
		[OBJECT_LIVES] = "there",
		[OBJECT_RESIZES] = "resizing",
		[OBJECT_ENDS] = "ending",
	};

	return names[o->state];
}

void target_visit_bdevs(const struct target *t, target_bdev_fn fn, void *arg)
{
	struct object *o;

	for (o = t->bdevs.first; o; o = o->next)
		fn(arg, state_name(o), container_of(o, struct target_bdev, object)->config);
}

void target_visit_controllers(const struct target *t, target_controller_fn fn, void *arg)
{
	struct object *o;

	for (o = t->controllers.first; o; o = o->next) {
		const struct target_controller *c =
			container_of(o, struct target_controller, object);

		fn(arg, state_name(o), c->number, &c->config);
	}
}
