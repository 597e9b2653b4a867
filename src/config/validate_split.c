/* SPDX-License-Identifier: BSD-3-Clause */
/* Splits: which bdev they are made of, and what parts that gives. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config/private.h"
#include "config/size.h"
#include "config/uuid.h"

struct split_check {
	struct config *cfg;
	struct config_errors *errors;
	size_t total; /* bdevs and parts so far */
};

#define ERROR(check, bdev, field, fmt, ...)                                                        \
	config_errors_add((check)->errors, config_locate((check)->cfg, (field), (bdev)->pos),      \
			  "bdev %s: " fmt, CONFIG_QUOTE((bdev)->name), ##__VA_ARGS__)

/* --- the base --- */

static struct config_bdev *find_bdev(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		if (cfg->bdevs[i].name && strcmp(cfg->bdevs[i].name, name) == 0)
			return (struct config_bdev *)&cfg->bdevs[i];
	}
	return NULL;
}

static void find_base(struct split_check *c, struct config_bdev *bdev)
{
	struct config_bdev_split *split = &bdev->split_of;
	struct config_bdev *base = find_bdev(c->cfg, split->base_name);

	if (!base)
		return; /* report_no_base() */
	if (base->type == CONFIG_BDEV_SPLIT) {
		ERROR(c, bdev, &split->base_name,
		      "base: %s is a split itself; allowed: a bdev of another type",
		      CONFIG_QUOTE(split->base_name));
	} else if (base->split) {
		ERROR(c, bdev, &split->base_name,
		      "base: %s is the base of the split in line %u already; allowed: one split per "
		      "bdev",
		      CONFIG_QUOTE(split->base_name), base->split->pos.line);
	} else {
		split->base = base;
		base->split = bdev;
	}
}

/* NULL: no split has a part of that name. */
static const struct config_bdev *find_part(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		for (size_t k = 0; k < config_parts(&cfg->bdevs[i]); k++) {
			const struct config_bdev *part = &cfg->bdevs[i].split_of.parts[k];

			if (strcmp(part->name, name) == 0)
				return part;
		}
	}
	return NULL;
}

static bool all_named(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		if (!cfg->bdevs[i].name)
			return false;
	}
	return true;
}

/* When all parts are known: they are no bases, either. */
static void report_no_base(struct split_check *c, const struct config_bdev *bdev)
{
	const char *const *name = &bdev->split_of.base_name;
	struct config_nearest nearest = {.word = *name};
	const struct config_bdev *part;
	struct config_words words = {0};
	struct config_hint hint;

	if (config_errors_full(c->errors)) {
		config_errors_skip(c->errors);
		return;
	}
	part = find_part(c->cfg, *name);
	if (part) {
		ERROR(c, bdev, name,
		      "base: %s is a part of the split in line %u; allowed: a bdev of another type",
		      CONFIG_QUOTE(*name), part->pos.line);
		return;
	}
	/* One whose name can't be read may be it. */
	if (!all_named(c->cfg) && c->errors->total)
		return;
	for (size_t i = 0; i < c->cfg->nbdevs; i++) {
		const struct config_bdev *other = &c->cfg->bdevs[i];

		if (!other->name || other->type == CONFIG_BDEV_SPLIT || other->split)
			continue;
		config_words_add(&words, other->name);
		config_nearest_try(&nearest, other->name);
	}
	ERROR(c, bdev, name, "base: there is no bdev %s%s; allowed: %s", CONFIG_QUOTE(*name),
	      config_nearest_hint(&nearest, &hint),
	      words.len ? words.text : "none, as there is no bdev to split");
}

/* 0: it can't be found out. */
static uint64_t device_bytes(dev_t dev)
{
	uint64_t sectors = 0;
	char path[64];
	FILE *file;

	/* It says so without opening the device, and always in units of 512 bytes. */
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(dev), minor(dev));
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &sectors) != 1 || sectors > UINT64_MAX / 512)
		sectors = 0;
	fclose(file);
	return sectors * 512;
}

/* 0: not known, because of an error that is reported elsewhere or a device that doesn't tell. */
static uint64_t base_bytes(const struct config_bdev *base)
{
	struct stat st;

	switch (base->type) {
	case CONFIG_BDEV_MALLOC:
		return base->malloc.size_bytes;
	case CONFIG_BDEV_NULL:
		return base->null.size_bytes;
	case CONFIG_BDEV_FILE:
		break;
	default:
		return 0;
	}
	if (base->file.size_bytes || !base->file.path || stat(base->file.path, &st) < 0)
		return base->file.size_bytes;
	if (S_ISBLK(st.st_mode))
		return device_bytes(st.st_rdev);
	return S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* --- the parts --- */

static bool check_keys(struct split_check *c, const struct config_bdev *bdev)
{
	const struct config_bdev_split *split = &bdev->split_of;
	const bool count = config_places_has(c->cfg, &split->count);
	const bool size = config_places_has(c->cfg, &split->size_bytes);

	if (config_places_has(c->cfg, &bdev->block_size))
		ERROR(c, bdev, &bdev->block_size,
		      "block_size: the parts of a split have that of their base; allowed: leave "
		      "block_size out");
	if (!count && !size)
		ERROR(c, bdev, bdev,
		      "neither count nor size says how to split; allowed: count, size or both");
	/* What is given and can't be read is an error already. */
	return (count || size) && (!count || split->count) && (!size || split->size_bytes);
}

/* Whether that many parts of that size fit into the base's bytes. */
static bool check_fit(struct split_check *c, const struct config_bdev *bdev, uint64_t bytes)
{
	const struct config_bdev_split *split = &bdev->split_of;
	uint32_t block_size = split->base->block_size;
	const char *base = split->base->name;
	uint64_t each = split->size_bytes ? split->size_bytes : block_size;

	if (split->size_bytes > bytes)
		ERROR(c, bdev, &split->size_bytes,
		      "size: %s is more than %s has; allowed: up to %s",
		      CONFIG_SIZE(split->size_bytes), CONFIG_QUOTE(base), CONFIG_SIZE(bytes));
	else if (split->count > bytes / each && split->size_bytes)
		ERROR(c, bdev, &split->count,
		      "count: %" PRIu32 " parts of %s are more than the %s of %s; allowed: up to "
		      "%" PRIu64 ", or a smaller size",
		      split->count, CONFIG_SIZE(split->size_bytes), CONFIG_SIZE(bytes),
		      CONFIG_QUOTE(base), bytes / each);
	else if (split->count > bytes / each)
		ERROR(c, bdev, &split->count,
		      "count: %" PRIu32 " parts are more than the blocks of %s; allowed: up to "
		      "%" PRIu64,
		      split->count, CONFIG_QUOTE(base), bytes / each);
	else
		return true;
	return false;
}

/* Finds the number of parts; 0 after reporting why not. */
static uint32_t find_count(struct split_check *c, const struct config_bdev *bdev)
{
	const struct config_bdev_split *split = &bdev->split_of;
	uint64_t bytes = base_bytes(split->base);
	uint32_t block_size = split->base->block_size;
	struct stat st;

	if (!block_size)
		return 0;
	if (split->size_bytes % block_size) {
		ERROR(c, bdev, &split->size_bytes,
		      "size: %s is no multiple of the block_size of %s; allowed: multiples of %u",
		      CONFIG_SIZE(split->size_bytes), CONFIG_QUOTE(split->base->name), block_size);
		return 0;
	}
	if (bytes && !check_fit(c, bdev, bytes))
		return 0;
	if (split->count)
		return split->count;
	if (!bytes) {
		if (split->base->type == CONFIG_BDEV_FILE && split->base->file.path &&
		    stat(split->base->file.path, &st) == 0 && S_ISBLK(st.st_mode))
			ERROR(c, bdev, &split->size_bytes,
			      "size: that of %s can't be found out; allowed: with count",
			      CONFIG_QUOTE(split->base->file.path));
		return 0;
	}
	if (bytes / split->size_bytes <= CONFIG_PARTS_MAX)
		return (uint32_t)(bytes / split->size_bytes);
	ERROR(c, bdev, &split->size_bytes,
	      "size: %s makes %" PRIu64 " parts of the %s of %s; allowed: up to %d, with a larger "
	      "size or a count",
	      CONFIG_SIZE(split->size_bytes), bytes / split->size_bytes, CONFIG_SIZE(bytes),
	      CONFIG_QUOTE(split->base->name), CONFIG_PARTS_MAX);
	return 0;
}

static void derive_uuid(const struct config *cfg, struct config_bdev *part, uint32_t i)
{
	const struct config_bdev *split = part->part.split;
	char text[64];

	if (!config_places_has(cfg, split->uuid)) {
		config_uuid_from_name(part->name, part->uuid);
		return;
	}
	config_uuid_format(split->uuid, text);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%" PRIu32, i);
	config_uuid_from_name(text, part->uuid);
}

static void make_parts(struct split_check *c, struct config_bdev *bdev, uint32_t count)
{
	struct config_arena *arena = &c->cfg->priv->arena;
	struct config_bdev *parts = config_arena_alloc(arena, count, sizeof(*parts));

	if (!parts)
		return;
	for (uint32_t i = 0; i < count; i++) {
		parts[i].pos = bdev->pos;
		parts[i].name = config_arena_printf(arena, "%s%" PRIu32, bdev->name, i);
		if (!parts[i].name)
			return;
		parts[i].type = CONFIG_BDEV_PART;
		parts[i].block_size = bdev->block_size;
		parts[i].part.split = bdev;
		derive_uuid(c->cfg, &parts[i], i);
	}
	bdev->split_of.count = count;
	bdev->split_of.parts = parts;
}

static bool check_names(struct split_check *c, const struct config_bdev *bdev, uint32_t count)
{
	int digits = snprintf(NULL, 0, "%" PRIu32, count - 1);

	if (strlen(bdev->name) + (size_t)digits <= CONFIG_NAME_MAX)
		return true;
	ERROR(c, bdev, &bdev->name,
	      "name: with the number of a part it is longer than %d characters; allowed: up to %d, "
	      "for %" PRIu32 " parts",
	      CONFIG_NAME_MAX, CONFIG_NAME_MAX - digits, count);
	return false;
}

static bool check_total(struct split_check *c, const struct config_bdev *bdev, uint32_t count)
{
	c->total += count;
	if (c->total <= CONFIG_BDEVS_MAX)
		return true;
	ERROR(c, bdev, bdev, "with its %" PRIu32 " parts there are %zu bdevs; allowed: up to %d",
	      count, c->total, CONFIG_BDEVS_MAX);
	return false;
}

/* Returns whether all of its parts are known. */
static bool expand(struct split_check *c, struct config_bdev *bdev)
{
	uint32_t count;

	if (!check_keys(c, bdev) || !bdev->split_of.base)
		return false;
	count = find_count(c, bdev);
	if (!count || !check_names(c, bdev, count) || !check_total(c, bdev, count))
		return false;
	bdev->block_size = bdev->split_of.base->block_size;
	make_parts(c, bdev, count);
	return true;
}

static struct config_bdev *next_split(const struct config *cfg, size_t *i)
{
	for (; *i < cfg->nbdevs; ++*i) {
		const struct config_bdev *bdev = &cfg->bdevs[*i];

		if (bdev->type == CONFIG_BDEV_SPLIT && bdev->name)
			return (struct config_bdev *)bdev;
	}
	return NULL;
}

bool config_validate_splits(struct config *cfg, struct config_errors *errors)
{
	struct split_check c = {.cfg = cfg, .errors = errors, .total = cfg->nbdevs};
	struct config_bdev *bdev;
	bool complete = true;

	for (size_t i = 0; (bdev = next_split(cfg, &i)); i++) {
		if (bdev->split_of.base_name)
			find_base(&c, bdev);
	}
	for (size_t i = 0; (bdev = next_split(cfg, &i)); i++)
		complete = expand(&c, bdev) && complete;
	for (size_t i = 0; (bdev = next_split(cfg, &i)); i++) {
		if (bdev->split_of.base_name && !find_bdev(cfg, bdev->split_of.base_name))
			report_no_base(&c, bdev);
	}
	return complete;
}
