/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "config/controller_type.h"
#include "schema/size.h"
#include "target/target_internal.h"

/* --- steps --- */

static const struct {
	const char *action, *noun;
} words[PLAN_KINDS] = {
	[PLAN_SET_LOG] = {"set", "target"},
	[PLAN_REMOVE_DISK] = {"remove", NULL},
	[PLAN_REMOVE_CONTROLLER] = {"remove", "controller"},
	[PLAN_REMOVE_BDEV] = {"remove", "bdev"},
	[PLAN_RESIZE_BDEV] = {"resize", "bdev"},
	[PLAN_CREATE_BDEV] = {"create", "bdev"},
	[PLAN_CREATE_CONTROLLER] = {"create", "controller"},
	[PLAN_ADD_DISK] = {"create", NULL},
	[PLAN_NEEDS_FORCE] = {"replace", NULL},
	[PLAN_NEEDS_RESTART] = {"set", "target"},
};

/* One more, NULL: no memory. `name` and `detail` are copied. */
static struct plan_step *add(struct planner *p, enum plan_kind kind, const char *name,
			     const char *detail)
{
	struct plan *plan = p->plan;
	struct plan_step *s;

	if (plan->n == p->size) {
		size_t size = p->size ? 2 * p->size : 64;
		struct plan_step *steps = schema_arena_alloc(&plan->arena, size, sizeof(*steps));

		if (!steps)
			return NULL;
		if (plan->n)
			memcpy(steps, plan->steps, plan->n * sizeof(*steps));
		plan->steps = steps;
		p->size = size;
	}
	s = &plan->steps[plan->n++];
	*s = (struct plan_step){
		.told = {.action = words[kind].action,
			 .noun = words[kind].noun,
			 .name = schema_arena_printf(&plan->arena, "%s", name),
			 .detail = schema_arena_printf(&plan->arena, "%s", detail),
			 .state = kind == PLAN_NEEDS_FORCE     ? TARGET_STEP_NEEDS_FORCE
				  : kind == PLAN_NEEDS_RESTART ? TARGET_STEP_NEEDS_RESTART
							       : TARGET_STEP_PLANNED,
			 .why = ""},
		.kind = kind,
	};
	return s;
}

static void need_force(struct planner *p, const char *action, const char *noun, const char *name,
		       const char *detail, const char *why)
{
	struct plan_step *s = add(p, PLAN_NEEDS_FORCE, name, detail);

	if (!s)
		return;
	s->told.action = action;
	s->told.noun = noun;
	s->told.why = why;
}

/* --- disks --- */

struct disks {
	struct planner *p;
	const struct config_controller *controller;
	const struct controller_type *type;
	/* Of the other configuration: lists of them, and of the keys that say which one it is. */
	struct schema_node *others, *addresses;
	bool adds;
	bool held; /* none may go */
};

/* As the keys of `disk`. */
static void put_node(void *arg, const void *disk)
{
	struct disks *d = arg;
	struct schema_node *node = plan_dump(d->p, d->type->disk, disk);
	struct schema_node *address = plan_dump(d->p, d->type->disk_address, disk);

	if (node)
		schema_node_append(d->others, node);
	if (address)
		schema_node_append(d->addresses, address);
}

static bool is_among(const struct schema_node *list, const struct schema_node *node)
{
	const struct schema_node *child;

	for (child = list->first; child; child = child->next)
		if (schema_node_same(child, node))
			return true;
	return false;
}

static const char *describe(struct planner *p, const struct schema_node *address,
			    const struct schema_node *disk)
{
	const struct schema_node *child, *bdev = schema_node_find(disk, "bdev");
	char text[256] = "";
	size_t n = 0;

	for (child = address->first; child && n < sizeof(text); child = child->next)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s, ", child->key->text,
				      child->text);
	return schema_arena_printf(&p->plan->arena, "%son %s", text, bdev ? bdev->text : "?");
}

static bool has_already(const struct disks *d, const char *bdev)
{
	const struct schema_node *child;

	for (child = d->others->first; child; child = child->next)
		if (!strcmp(schema_node_find(child, "bdev")->text, bdev))
			return true;
	return false;
}

/* Why it neither comes nor goes; NULL: it does. */
static const char *disk_waits(const struct disks *d, const struct schema_node *address,
			      const char *bdev)
{
	if (!d->adds)
		return d->held ? "a front-end is connected; with force its guest loses the disk"
			       : NULL;
	if (d->held && is_among(d->addresses, address))
		return "another disk has its place, which is only removed with force";
	return !has_already(d, bdev) && plan_disk_waits(d->p, bdev) ? PLAN_DISK_WAITS : NULL;
}

static void plan_disk(void *arg, const void *disk)
{
	struct disks *d = arg;
	const struct schema_node *node = plan_dump(d->p, d->type->disk, disk);
	const struct schema_node *address = plan_dump(d->p, d->type->disk_address, disk);
	const char *name = d->controller->params->name, *bdev, *why;
	struct plan_step *s;

	if (!node || !address)
		return;
	bdev = schema_node_find(node, "bdev")->text;
	if (is_among(d->others, node) && !plan_goes(d->p, bdev))
		return;
	why = disk_waits(d, address, bdev);
	if (why) {
		need_force(d->p, d->adds ? "create" : "remove", d->type->disk->noun, name,
			   describe(d->p, address, node), why);
		return;
	}
	s = add(d->p, d->adds ? PLAN_ADD_DISK : PLAN_REMOVE_DISK, name,
		describe(d->p, address, node));
	if (!s)
		return;
	s->told.noun = d->type->disk->noun;
	s->node = d->adds ? node : address;
}

/* Those of `c` that the other one has not, or not on the same bdev. */
static void plan_disks(struct planner *p, const struct config_controller *c,
		       const struct config_controller *other, bool adds, bool held)
{
	struct disks d = {
		.p = p,
		.controller = c,
		.type = controller_type_of(c->type),
		.others = schema_node_new(&p->plan->arena, SCHEMA_NODE_SEQUENCE),
		.addresses = schema_node_new(&p->plan->arena, SCHEMA_NODE_SEQUENCE),
		.adds = adds,
		.held = held,
	};

	if (!d.others || !d.addresses)
		return;
	d.type->disks(other->params, put_node, &d);
	d.type->disks(c->params, plan_disk, &d);
}

/* --- all of it --- */

static void plan_target(struct planner *p)
{
	const struct config_target *now = &p->in->now->target, *next = p->in->next_target;
	const struct schema_node *a = plan_dump(p, &config_target_section, now);
	const struct schema_node *b = plan_dump(p, &config_target_section, next), *child, *other;
	struct schema_words keys = {0};
	struct plan_step *s;

	if (!a || !b)
		return;
	plan_add_differing(&keys, schema_node_find(a, "log"), schema_node_find(b, "log"));
	if (keys.len)
		add(p, PLAN_SET_LOG, "log", keys.text);
	for (child = b->first; child; child = child->next) {
		other = schema_node_find(a, child->key->text);
		if (!strcmp(child->key->text, "log") || (other && schema_node_same(child, other)))
			continue;
		keys = (struct schema_words){0};
		if (other && child->kind == SCHEMA_NODE_MAPPING)
			plan_add_differing(&keys, other, child);
		s = add(p, PLAN_NEEDS_RESTART, child->key->text, keys.text);
		if (s)
			s->told.why = "it is only read when the daemon starts";
	}
	for (child = a->first; child; child = child->next)
		if (!schema_node_find(b, child->key->text))
			add(p, PLAN_NEEDS_RESTART, child->key->text, "");
}

static void plan_going(struct planner *p)
{
	const struct config *now = p->in->now;
	size_t i;

	for (i = 0; i < now->ncontrollers; i++)
		if (p->controllers[i] == FATE_CHANGES)
			plan_disks(p, &now->controllers[i],
				   plan_next_controller(p, now->controllers[i].params->name), false,
				   p->disks_held[i]);
	for (i = 0; i < now->ncontrollers; i++)
		if (p->controllers[i] == FATE_GOES || p->controllers[i] == FATE_REPLACED)
			add(p, PLAN_REMOVE_CONTROLLER, now->controllers[i].params->name, "");
	for (i = now->nbdevs; i > 0; i--)
		if (p->bdevs[i - 1] == FATE_GOES || p->bdevs[i - 1] == FATE_REPLACED)
			add(p, PLAN_REMOVE_BDEV, now->bdevs[i - 1].params->name, "");
}

/* Less of a bdev that somebody uses, without force. */
static bool is_cut(const struct planner *p, const char *name, uint64_t bytes)
{
	struct object *o = object_find(&p->in->target->bdevs, name);
	const struct bdev *bdev = bdev_find(name);
	char err[OBJECT_ERR_MAX];

	return bytes && !p->in->force && o && bdev &&
	       bytes < bdev_nblocks(bdev) << bdev->block_shift &&
	       target_bdev_in_use(target_bdev_of(o), err);
}

static void plan_sizes(struct planner *p)
{
	const struct config *now = p->in->now;
	struct plan_step *s;
	size_t i;

	for (i = 0; i < now->nbdevs; i++) {
		const char *name = now->bdevs[i].params->name;
		uint64_t bytes;

		if (p->bdevs[i] != FATE_CHANGES)
			continue;
		bytes = plan_next_bdev(p, name)->params->size_bytes;
		if (is_cut(p, name, bytes)) {
			need_force(p, "resize", "bdev", name, SCHEMA_SIZE(bytes),
				   "it would be smaller, and is in use; with force what it has "
				   "behind its new end is lost");
			continue;
		}
		s = add(p, PLAN_RESIZE_BDEV, name, bytes ? SCHEMA_SIZE(bytes) : "as its medium");
		if (s)
			s->bytes = bytes;
	}
}

/* Whether one of that name is there, and will be: then it is not made. */
static bool stays_bdev(const struct planner *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->in->now->nbdevs; i++)
		if (!strcmp(p->in->now->bdevs[i].params->name, name))
			return p->bdevs[i] != FATE_REPLACED;
	return false;
}

static bool stays_controller(const struct planner *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->in->now->ncontrollers; i++)
		if (!strcmp(p->in->now->controllers[i].params->name, name))
			return p->controllers[i] != FATE_REPLACED;
	return false;
}

static void plan_coming(struct planner *p)
{
	const struct config *now = p->in->now, *next = p->in->next;
	struct plan_step *s;
	const char *why;
	size_t i;

	for (i = 0; i < next->nbdevs; i++) {
		const struct config_bdev *bdev = next->bdevs_in_order[i];

		if (stays_bdev(p, bdev->params->name))
			continue;
		why = plan_bdev_waits(p, bdev);
		if (why) {
			need_force(p, "create", "bdev", bdev->params->name, bdev->type->name, why);
			continue;
		}
		s = add(p, PLAN_CREATE_BDEV, bdev->params->name, bdev->type->name);
		if (s)
			s->node = plan_dump(p, &config_bdev_section, bdev);
	}
	for (i = 0; i < next->ncontrollers; i++) {
		const struct config_controller *c = &next->controllers[i];

		if (stays_controller(p, c->params->name))
			continue;
		why = plan_controller_waits(p, c);
		if (why) {
			need_force(p, "create", "controller", c->params->name, c->type->name, why);
			continue;
		}
		s = add(p, PLAN_CREATE_CONTROLLER, c->params->name, c->type->name);
		if (s)
			s->node = plan_dump(p, &config_controller_section, c);
	}
	for (i = 0; i < now->ncontrollers; i++)
		if (p->controllers[i] == FATE_CHANGES)
			plan_disks(p, plan_next_controller(p, now->controllers[i].params->name),
				   &now->controllers[i], true, p->disks_held[i]);
}

static void plan_held(struct planner *p)
{
	const struct config *now = p->in->now;
	size_t i;

	for (i = 0; i < now->nbdevs; i++) {
		const struct config_bdev *bdev = &now->bdevs[i];
		const struct config_bdev *next = plan_next_bdev(p, bdev->params->name);

		if (p->bdevs[i] == FATE_HELD && next)
			need_force(p, "replace", "bdev", bdev->params->name,
				   plan_difference(p, &config_bdev_section, bdev, next).text,
				   "these keys can't be changed; with force it is removed and made "
				   "anew, with all that uses it");
		else if (p->bdevs[i] == FATE_HELD)
			need_force(p, "remove", "bdev", bdev->params->name, "",
				   "it is used by what is only replaced or removed with force");
	}
	for (i = 0; i < now->ncontrollers; i++) {
		const struct config_controller *c = &now->controllers[i];
		const struct config_controller *next = plan_next_controller(p, c->params->name);

		if (p->controllers[i] == FATE_HELD && next &&
		    target_controller_is_lost(p->in->target, c->params->name))
			need_force(p, "replace", "controller", c->params->name, "",
				   "its disk was removed from under it and a front-end is still "
				   "connected; with force that is disconnected, and it is made "
				   "anew");
		else if (p->controllers[i] == FATE_HELD && next)
			need_force(p, "replace", "controller", c->params->name,
				   plan_controller_difference(p, c, next).text,
				   "these keys can't be changed; with force it is removed and made "
				   "anew, and its guest loses it");
		else if (p->controllers[i] == FATE_HELD)
			need_force(p, "remove", "controller", c->params->name, "",
				   "a front-end is connected; with force it is disconnected");
	}
}

int plan_make(const struct plan_input *in, struct plan *plan)
{
	struct planner p = {.in = in, .plan = plan};

	p.bdevs = schema_arena_alloc(&plan->arena, in->now->nbdevs + 1, sizeof(*p.bdevs));
	p.controllers =
		schema_arena_alloc(&plan->arena, in->now->ncontrollers + 1, sizeof(*p.controllers));
	p.disks_held =
		schema_arena_alloc(&plan->arena, in->now->ncontrollers + 1, sizeof(*p.disks_held));
	p.waits = schema_arena_alloc(&plan->arena, in->next->nbdevs + 1, sizeof(*p.waits));
	if (!p.bdevs || !p.controllers || !p.disks_held || !p.waits)
		return -ENOMEM;
	plan_settle(&p);
	plan_target(&p);
	plan_going(&p);
	plan_sizes(&p);
	plan_coming(&p);
	plan_held(&p);
	return plan->arena.failed || p.failed ? -ENOMEM : 0;
}
