/* SPDX-License-Identifier: BSD-3-Clause */
/* One more object, beside those that run. */
#include <errno.h>
#include <string.h>

#include "config/private.h"

/* A list with the node in it, under the key that the section has. */
static struct schema_node *wrap(struct schema_arena *arena, const struct schema_section *section,
				const struct schema_node *node)
{
	struct schema_node *root = schema_node_new(arena, SCHEMA_NODE_MAPPING);
	struct schema_node *list = schema_node_new(arena, SCHEMA_NODE_SEQUENCE);
	struct schema_node *copy = schema_node_new(arena, SCHEMA_NODE_MAPPING);

	if (!root || !list || !copy)
		return NULL;
	*copy = *node;
	copy->next = NULL;
	root->pos = list->pos = node->pos;
	schema_node_append(list, copy);
	return schema_node_set(arena, root, section->keys->name, list) ? NULL : root;
}

static void read_object(struct config *cfg, const struct schema_section *section,
			const struct schema_node *node, struct schema_errors *errors)
{
	struct schema_arena wrapping = {0};
	const struct schema_node *root = wrap(&wrapping, section, node);
	struct schema_reader reader = {
		.root = cfg,
		.places = &cfg->priv->places,
		.arena = &cfg->priv->arena,
		.errors = errors,
	};

	if (root)
		schema_object_read(&reader, section, root, cfg);
	else
		cfg->priv->arena.failed = 1;
	schema_places_sort(&cfg->priv->places);
	schema_arena_free(&wrapping);
}

static int load(const struct config *base, const struct config_others *others,
		const struct schema_section *section, const struct schema_node *node,
		struct schema_errors *errors, struct config **out)
{
	struct config *cfg = config_new(base->path);

	if (!cfg)
		return -ENOMEM;
	cfg->target = base->target;
	cfg->priv->beside = true;
	cfg->priv->others = *others;
	read_object(cfg, section, node, errors);
	if (!cfg->priv->arena.failed)
		config_validate_beside(cfg, errors);
	cfg->priv->others = (struct config_others){0};
	if (!cfg->priv->arena.failed && !errors->no_memory && !errors->total) {
		*out = cfg;
		return 0;
	}
	config_free(cfg);
	return errors->total ? -EINVAL : -ENOMEM;
}

int config_load_bdev(const struct config *base, const struct config_others *others,
		     const struct schema_node *node, struct schema_errors *errors,
		     struct config **out)
{
	return load(base, others, &config_one_bdev_section, node, errors, out);
}

int config_load_controller(const struct config *base, const struct config_others *others,
			   const struct schema_node *node, struct schema_errors *errors,
			   struct config **out)
{
	return load(base, others, &config_one_controller_section, node, errors, out);
}

int config_look(struct config *cfg, struct schema_errors *errors)
{
	config_look_at_disks(cfg, errors);
	return errors->no_memory ? -ENOMEM : errors->total ? -EINVAL : 0;
}

static void settle_bdev(struct config_bdev *bdev)
{
	struct config_bdev *parts = (struct config_bdev *)(uintptr_t)bdev->parts;

	bdev->pos = (struct schema_pos){.name = bdev->params->name};
	for (size_t i = 0; i < bdev->nparts; i++)
		parts[i].pos = bdev->pos;
	if (bdev->base)
		((struct config_bdev *)(uintptr_t)bdev->base)->user = bdev;
}

void config_settle(struct config *cfg)
{
	struct config_controller *ctrls = (struct config_controller *)(uintptr_t)cfg->controllers;

	for (size_t i = 0; i < cfg->nbdevs; i++)
		settle_bdev((struct config_bdev *)(uintptr_t)&cfg->bdevs[i]);
	for (size_t i = 0; i < cfg->ncontrollers; i++)
		ctrls[i].pos = (struct schema_pos){.name = ctrls[i].params->name};
}

void config_leave_base(const struct config_bdev *bdev)
{
	struct config_bdev *base = (struct config_bdev *)(uintptr_t)bdev->base;

	if (!base)
		return;
	if (base->user == bdev)
		base->user = NULL;
	((struct config_bdev *)(uintptr_t)bdev)->base = NULL;
}
