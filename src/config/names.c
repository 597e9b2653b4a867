/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "config/private.h"

static int compare_entries(const void *a, const void *b)
{
	const struct config_index_entry *x = a;
	const struct config_index_entry *y = b;
	int order = strcmp(x->name, y->name);

	if (order)
		return order;
	return x->i < y->i ? -1 : x->i > y->i;
}

const struct config_index_entry *config_index_find(const struct config_index *index,
						   const char *name)
{
	size_t low = 0;
	size_t high = index->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(index->entries[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == index->n || strcmp(index->entries[low].name, name) != 0)
		return NULL;
	return &index->entries[low];
}

static void add(struct config_index *index, const char *name, struct schema_pos pos,
		const struct config_bdev *bdev)
{
	if (!name) {
		index->incomplete = true;
		return;
	}
	index->entries[index->n] =
		(struct config_index_entry){.name = name, .i = index->n, .pos = pos, .bdev = bdev};
	index->n++;
}

/* NULL: it is no part. */
static const struct config_bdev *split_of(const struct config_index_entry *entry)
{
	return entry->bdev ? entry->bdev->whole : NULL;
}

static void report_same(struct schema_errors *errors, const char *noun,
			const struct config_index_entry *before,
			const struct config_index_entry *entry)
{
	const struct config_bdev *split = split_of(entry);
	const char *whose = split_of(before) ? "a part of the " : "the ";

	if (!split)
		schema_errors_add(errors, entry->pos,
				  "%s %s: name: %s is the name of %s%s %s; allowed: one of its own",
				  noun, SCHEMA_QUOTE(entry->name), SCHEMA_QUOTE(entry->name), whose,
				  noun, SCHEMA_AT(before->pos));
	/* Of splits with one name, all parts have the same names. */
	else if (!split_of(before) ||
		 strcmp(split_of(before)->params->name, split->params->name) != 0)
		schema_errors_add(errors, entry->pos,
				  "%s %s: name: its part %s has the name of %s%s %s; allowed: "
				  "another name",
				  noun, SCHEMA_QUOTE(split->params->name),
				  SCHEMA_QUOTE(entry->name), whose, noun, SCHEMA_AT(before->pos));
}

static void sort(struct schema_errors *errors, const char *noun, struct config_index *index)
{
	qsort(index->entries, index->n, sizeof(*index->entries), compare_entries);
	for (size_t k = 1; k < index->n; k++) {
		if (strcmp(index->entries[k - 1].name, index->entries[k].name) == 0)
			report_same(errors, noun, &index->entries[k - 1], &index->entries[k]);
	}
}

void config_index_bdevs(struct config *cfg, struct schema_errors *errors,
			struct config_index *index)
{
	size_t n = 0;

	for (size_t i = 0; i < config_count_bdevs(cfg); i++)
		n += 1 + config_bdev_at(cfg, i)->nparts;
	index->entries = schema_arena_alloc(&cfg->priv->arena, n, sizeof(*index->entries));
	if (!index->entries)
		return;
	for (size_t i = 0; i < config_count_bdevs(cfg); i++) {
		const struct config_bdev *bdev = config_bdev_at(cfg, i);
		struct schema_pos pos = config_locate(cfg, &bdev->params->name, bdev->pos);

		add(index, bdev->params->name, pos, bdev);
		for (size_t k = 0; k < bdev->nparts; k++)
			add(index, bdev->parts[k].params->name, pos, &bdev->parts[k]);
	}
	sort(errors, "bdev", index);
}

void config_index_controllers(struct config *cfg, struct schema_errors *errors,
			      struct config_index *index)
{
	index->entries = schema_arena_alloc(&cfg->priv->arena, config_count_controllers(cfg),
					    sizeof(*index->entries));
	if (!index->entries)
		return;
	for (size_t i = 0; i < config_count_controllers(cfg); i++) {
		const struct config_controller *ctrl = config_controller_at(cfg, i);

		add(index, ctrl->params->name, config_locate(cfg, &ctrl->params->name, ctrl->pos),
		    NULL);
	}
	sort(errors, "controller", index);
}
