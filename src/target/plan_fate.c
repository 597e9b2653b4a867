/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of what there is, if it is to be what a file says. */
#include <string.h>

#include "config/controller_type.h"
#include "target/plan_internal.h"
#include "target/target_internal.h"

/* --- what differs --- */

struct schema_node *plan_dump(struct planner *p, const struct schema_section *section,
			      const void *object)
{
	return schema_object_dump(&p->plan->arena, section, object);
}

void plan_add_differing(struct schema_words *keys, const struct schema_node *a,
			const struct schema_node *b)
{
	const struct schema_node *child, *other;

	for (child = a->first; child; child = child->next) {
		other = schema_node_find(b, child->key->text);
		if (!other || !schema_node_same(child, other))
			schema_words_add(keys, child->key->text);
	}
	for (child = b->first; child; child = child->next)
		if (!schema_node_find(a, child->key->text))
			schema_words_add(keys, child->key->text);
}

/* The keys that are not the same; an empty text: all are. */
struct schema_words plan_difference(struct planner *p, const struct schema_section *section,
				    const void *a, const void *b)
{
	const struct schema_node *x = plan_dump(p, section, a), *y = plan_dump(p, section, b);
	struct schema_words keys = {0};

	if (x && y)
		plan_add_differing(&keys, x, y);
	return keys;
}

const struct config_bdev *plan_next_bdev(const struct planner *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->in->next->nbdevs; i++)
		if (!strcmp(p->in->next->bdevs[i].params->name, name))
			return &p->in->next->bdevs[i];
	return NULL;
}

const struct config_controller *plan_next_controller(const struct planner *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->in->next->ncontrollers; i++)
		if (!strcmp(p->in->next->controllers[i].params->name, name))
			return &p->in->next->controllers[i];
	return NULL;
}

/* --- bdevs that go --- */

/* The number of the bdev that has the disk among those that are there; or of none. */
static size_t bdev_of(const struct planner *p, const char *disk)
{
	const struct config *now = p->in->now;
	size_t i, k;

	for (i = 0; i < now->nbdevs; i++)
		for (k = 0; k < target_bdev_disks(&now->bdevs[i]); k++)
			if (!strcmp(target_bdev_disk(&now->bdevs[i], k), disk))
				return i;
	return now->nbdevs;
}

bool plan_goes(const struct planner *p, const char *disk)
{
	size_t i = bdev_of(p, disk);

	return i < p->in->now->nbdevs && (p->bdevs[i] == FATE_GOES || p->bdevs[i] == FATE_REPLACED);
}

static enum fate replaced(const struct planner *p)
{
	return p->in->force ? FATE_REPLACED : FATE_HELD;
}

static enum fate fate_of_bdev(struct planner *p, const struct config_bdev *bdev)
{
	const struct config_bdev *next = plan_next_bdev(p, bdev->params->name);
	struct schema_words keys;

	if (!next)
		return FATE_GOES;
	if (next->type != bdev->type)
		return replaced(p);
	keys = plan_difference(p, &config_bdev_section, bdev, next);
	if (!keys.len)
		return FATE_STAYS;
	return !strcmp(keys.text, "size") && bdev_type_of(bdev->type)->resize ? FATE_CHANGES
									      : replaced(p);
}

/* What stands on a bdev that is made anew is made anew, too; it comes behind it. */
static void settle_bdevs(struct planner *p)
{
	const struct config *now = p->in->now;
	size_t i;

	for (i = 0; i < now->nbdevs; i++) {
		const struct config_bdev *bdev = &now->bdevs[i];
		const struct bdev_type *type = bdev_type_of(bdev->type);

		p->bdevs[i] = fate_of_bdev(p, bdev);
		if (p->bdevs[i] < FATE_GOES && type->base &&
		    plan_goes(p, *type->base(bdev->params)))
			p->bdevs[i] = FATE_REPLACED;
	}
}

/* --- controllers --- */

struct user {
	const struct planner *p;
	bool uses; /* a bdev that goes */
};

static void see_ref(void *arg, const struct config_ref *ref)
{
	struct user *u = arg;

	u->uses = u->uses || plan_goes(u->p, *ref->name);
}

static bool uses_what_goes(const struct planner *p, const struct config_controller *c)
{
	struct user u = {.p = p};

	controller_type_of(c->type)->refs(c->params, see_ref, &u);
	return u.uses;
}

static bool keeps_none(void *arg, const char *bdev)
{
	return false;
}

/* Without its disks, if they come and go. */
static struct config_controller bare(struct planner *p, const struct config_controller *c)
{
	const struct controller_type *type = controller_type_of(c->type);
	const struct controller_disks none = {.keeps = keeps_none};
	struct config_controller copy = *c;

	if (type->with_disks)
		copy.params = type->with_disks(&p->plan->arena, c->params, &none);
	if (!copy.params) {
		p->failed = true;
		copy.params = c->params;
	}
	return copy;
}

struct schema_words plan_controller_difference(struct planner *p, const struct config_controller *c,
					       const struct config_controller *next)
{
	struct config_controller a = bare(p, c), b = bare(p, next);

	return plan_difference(p, &config_controller_section, &a, &b);
}

static enum fate fate_of_controller(struct planner *p, const struct config_controller *c)
{
	const struct config_controller *next = plan_next_controller(p, c->params->name);
	const bool held =
		!p->in->force && target_controller_is_connected(p->in->target, c->params->name);

	if (!next)
		return held ? FATE_HELD : FATE_GOES;
	if (target_controller_is_lost(p->in->target, c->params->name))
		return held ? FATE_HELD : FATE_REPLACED;
	if (next->type != c->type || plan_controller_difference(p, c, next).len)
		return replaced(p);
	if (plan_difference(p, &config_controller_section, c, next).len)
		return FATE_CHANGES;
	if (!uses_what_goes(p, c))
		return FATE_STAYS;
	return controller_type_of(c->type)->with_disks ? FATE_CHANGES : FATE_REPLACED;
}

static void settle_controllers(struct planner *p)
{
	size_t i;

	for (i = 0; i < p->in->now->ncontrollers; i++) {
		const struct config_controller *c = &p->in->now->controllers[i];

		p->controllers[i] = fate_of_controller(p, c);
		p->disks_held[i] = p->controllers[i] == FATE_CHANGES && !p->in->force &&
				   target_controller_is_connected(p->in->target, c->params->name);
	}
}

/* --- what is held holds what it stands on --- */

struct hold {
	struct planner *p;
	bool changed;
};

static void hold(struct hold *h, const char *disk)
{
	size_t i = bdev_of(h->p, disk);

	if (i == h->p->in->now->nbdevs ||
	    (h->p->bdevs[i] != FATE_GOES && h->p->bdevs[i] != FATE_REPLACED))
		return;
	h->p->bdevs[i] = FATE_HELD;
	h->changed = true;
}

static void hold_ref(void *arg, const struct config_ref *ref)
{
	hold(arg, *ref->name);
}

static void settle_held(struct planner *p)
{
	const struct config *now = p->in->now;
	struct hold h = {.p = p};
	size_t i;

	for (i = 0; i < now->ncontrollers; i++)
		if ((p->controllers[i] == FATE_HELD || p->disks_held[i]) &&
		    !target_controller_is_lost(p->in->target, now->controllers[i].params->name))
			controller_type_of(now->controllers[i].type)
				->refs(now->controllers[i].params, hold_ref, &h);
	/* From the top down: who stands on a bdev comes behind it. */
	for (i = now->nbdevs; i > 0; i--) {
		const struct config_bdev *bdev = &now->bdevs[i - 1];
		const struct bdev_type *type = bdev_type_of(bdev->type);

		if (p->bdevs[i - 1] == FATE_HELD && type->base)
			hold(&h, *type->base(bdev->params));
	}
}

void plan_settle(struct planner *p)
{
	settle_bdevs(p);
	settle_controllers(p);
	settle_held(p);
}
