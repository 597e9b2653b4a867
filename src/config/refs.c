/* SPDX-License-Identifier: BSD-3-Clause */
/* References to bdevs by name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/private.h"

const char *config_where_format(struct config_where *out, const struct config_controller *ctrl,
				const char *fmt, ...)
{
	va_list args;
	int n;

	n = snprintf(out->text, sizeof(out->text), "controller %s: ", CONFIG_QUOTE(ctrl->name));
	va_start(args, fmt);
	vsnprintf(out->text + n, sizeof(out->text) - (size_t)n, fmt, args);
	va_end(args);
	return out->text;
}

size_t config_parts(const struct config_bdev *bdev)
{
	return bdev->type == CONFIG_BDEV_SPLIT && bdev->split_of.parts ? bdev->split_of.count : 0;
}

void config_words_add_parts(struct config_words *words, const struct config_bdev *split)
{
	for (size_t i = 0; i < config_parts(split); i++)
		config_words_add(words, split->split_of.parts[i].name);
}

void config_words_add_disks(struct config_words *words, struct config_nearest *nearest,
			    const struct config *cfg)
{
	for (size_t k = 0; k < cfg->nbdevs; k++) {
		const struct config_bdev *bdev = &cfg->bdevs[k];

		config_words_add_parts(words, bdev);
		for (size_t i = 0; i < config_parts(bdev); i++)
			config_nearest_try(nearest, bdev->split_of.parts[i].name);
		if (!bdev->name || bdev->type == CONFIG_BDEV_SPLIT || bdev->split)
			continue;
		config_nearest_try(nearest, bdev->name);
		config_words_add(words, bdev->name);
	}
}

static void report_dangling(const struct config *cfg, struct config_errors *errors,
			    const char *where, const char *name, struct config_pos pos)
{
	struct config_nearest nearest = {.word = name};
	struct config_words words = {0};
	struct config_hint hint;

	if (config_errors_full(errors)) {
		config_errors_skip(errors);
		return;
	}
	config_words_add_disks(&words, &nearest, cfg);
	config_errors_add(errors, pos, "%s: there is no bdev %s%s; allowed: %s", where,
			  CONFIG_QUOTE(name), config_nearest_hint(&nearest, &hint),
			  words.len ? words.text : "none, as bdevs has none");
}

/* A split is no disk, and what is in parts is no disk of its own any more. */
static const struct config_bdev *refuse_split(const struct config *cfg,
					      struct config_errors *errors, const char *where,
					      const char *const *name, struct config_pos pos,
					      const struct config_bdev *bdev)
{
	struct config_words words = {0};

	if (config_errors_full(errors)) {
		config_errors_skip(errors);
		return NULL;
	}
	pos = config_locate(cfg, name, pos);
	if (bdev->type == CONFIG_BDEV_SPLIT && config_parts(bdev)) {
		config_words_add_parts(&words, bdev);
		config_errors_add(errors, pos,
				  "%s: %s is a split, not a disk; allowed: its parts, %s", where,
				  CONFIG_QUOTE(*name), words.text);
	} else if (bdev->split && config_parts(bdev->split)) {
		config_words_add_parts(&words, bdev->split);
		config_errors_add(
			errors, pos,
			"%s: %s is used in parts, by the split in line %u; allowed: the parts, %s",
			where, CONFIG_QUOTE(*name), bdev->split->pos.line, words.text);
	}
	/* Else the split is wrong, which is an error by itself. */
	return NULL;
}

const struct config_bdev *config_resolve_bdev(struct config *cfg, struct config_errors *errors,
					      const struct config_index *bdevs, const char *where,
					      const char *const *name, struct config_pos pos)
{
	const struct config_index_entry *entry;

	if (!*name)
		return NULL;
	entry = config_index_find(bdevs, *name);
	if (entry && (entry->bdev->type == CONFIG_BDEV_SPLIT || entry->bdev->split))
		return refuse_split(cfg, errors, where, name, pos, entry->bdev);
	if (entry)
		return entry->bdev;
	if (!bdevs->incomplete || !errors->total)
		report_dangling(cfg, errors, where, *name, config_locate(cfg, name, pos));
	return NULL;
}
