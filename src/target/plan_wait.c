/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is to come, and has to wait for what is held: two guests would have a disk that the file
 * gives to one of them.
 */
#include <string.h>

#include "bdev/bdev_type.h"
#include "config/controller_type.h"
#include "target/plan_internal.h"
#include "target/target_internal.h"

struct search {
	const char *disk;
	bool found;
};

static void see_ref(void *arg, const struct config_ref *ref)
{
	struct search *s = arg;

	s->found = s->found || !strcmp(*ref->name, s->disk);
}

static bool uses(const struct config_controller *c, const char *disk)
{
	struct search s = {.disk = disk};

	if (c)
		controller_type_of(c->type)->refs(c->params, see_ref, &s);
	return s.found;
}

static bool stands_on(const struct config_bdev *bdev, const char *disk)
{
	const struct bdev_type *type = bdev ? bdev_type_of(bdev->type) : NULL;

	return type && type->base && !strcmp(*type->base(bdev->params), disk);
}

static bool has(const struct config_bdev *bdev, const char *disk)
{
	size_t i;

	for (i = 0; i < target_bdev_disks(bdev); i++)
		if (!strcmp(target_bdev_disk(bdev, i), disk))
			return true;
	return false;
}

/* Some controller, or what stands on it, has it as long as that is held, and not by the file. */
static bool is_kept(const struct planner *p, const char *disk)
{
	const struct config *now = p->in->now;
	size_t i;

	for (i = 0; i < now->ncontrollers; i++) {
		const struct config_controller *c = &now->controllers[i];
		const char *name = c->params->name;

		if ((p->controllers[i] == FATE_HELD || p->disks_held[i]) && uses(c, disk) &&
		    !target_controller_is_lost(p->in->target, name) &&
		    !uses(plan_next_controller(p, name), disk))
			return true;
	}
	for (i = 0; i < now->nbdevs; i++) {
		const struct config_bdev *bdev = &now->bdevs[i];

		if (p->bdevs[i] == FATE_HELD &&
		    (has(bdev, disk) || (stands_on(bdev, disk) &&
					 !stands_on(plan_next_bdev(p, bdev->params->name), disk))))
			return true;
	}
	return false;
}

bool plan_disk_waits(const struct planner *p, const char *disk)
{
	const struct config *next = p->in->next;
	size_t i;

	for (i = 0; i < next->nbdevs; i++)
		if (p->waits[i] && has(&next->bdevs[i], disk))
			return true;
	return is_kept(p, disk);
}

/* As the check of a configuration tells, which is nobody's here. */
static bool collides(const struct config_bdev *bdev, const struct config_bdev *other)
{
	struct schema_errors errors = {0};
	struct schema_places places = {0};
	struct object_check check = {.errors = &errors,
				     .places = &places,
				     .noun = "bdev",
				     .name = bdev->params->name,
				     .pos = bdev->pos};
	const struct bdev_type *type = bdev_type_of(bdev->type);
	bool is = bdev->type == other->type && type->collides &&
		  type->collides(&check, bdev->params, other->params, other->pos);

	schema_errors_free(&errors);
	return is;
}

static bool collides_with_held(const struct planner *p, const struct config_bdev *bdev)
{
	const struct config *now = p->in->now;
	size_t i;

	for (i = 0; i < now->nbdevs; i++)
		if (p->bdevs[i] == FATE_HELD && collides(bdev, &now->bdevs[i]))
			return true;
	return false;
}

const char *plan_bdev_waits(struct planner *p, const struct config_bdev *bdev)
{
	const struct bdev_type *type = bdev_type_of(bdev->type);
	const char *why = NULL;

	if (collides_with_held(p, bdev))
		why = "its file is that of a bdev that is only removed or replaced with force";
	else if (type->base && plan_disk_waits(p, *type->base(bdev->params)))
		why = PLAN_DISK_WAITS;
	if (why)
		p->waits[bdev - p->in->next->bdevs] = true;
	return why;
}

struct wait {
	const struct planner *p;
	bool waits;
};

static void see_disk(void *arg, const struct config_ref *ref)
{
	struct wait *w = arg;

	w->waits = w->waits || plan_disk_waits(w->p, *ref->name);
}

const char *plan_controller_waits(const struct planner *p, const struct config_controller *c)
{
	struct wait w = {.p = p};

	controller_type_of(c->type)->refs(c->params, see_disk, &w);
	return w.waits ? PLAN_DISK_WAITS : NULL;
}
