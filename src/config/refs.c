/* SPDX-License-Identifier: BSD-3-Clause */
/* References to bdevs by name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/private.h"

void config_words_add_parts(struct schema_words *words, const struct config_bdev *whole)
{
	for (size_t i = 0; i < whole->nparts; i++)
		schema_words_add(words, whole->parts[i].params->name);
}

static void add_disk(struct schema_words *words, struct schema_nearest *nearest,
		     const struct config_bdev *bdev)
{
	if (!bdev->params->name || config_is_whole(bdev) || bdev->user)
		return;
	schema_nearest_try(nearest, bdev->params->name);
	schema_words_add(words, bdev->params->name);
}

void config_words_add_disks(struct schema_words *words, struct schema_nearest *nearest,
			    const struct config *cfg)
{
	for (size_t k = 0; k < config_count_bdevs(cfg); k++) {
		const struct config_bdev *bdev = config_bdev_at(cfg, k);

		for (size_t i = 0; i < bdev->nparts; i++)
			add_disk(words, nearest, &bdev->parts[i]);
		add_disk(words, nearest, bdev);
	}
}

/* Reports at the name. */
static void __attribute__((format(printf, 5, 6)))
report(const struct config *cfg, struct schema_errors *errors, const struct config_controller *ctrl,
       const struct config_ref *ref, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	schema_errors_add(errors, config_locate(cfg, ref->name, ref->pos), "controller %s: %s: %s",
			  SCHEMA_QUOTE(ctrl->params->name), ref->where, text);
}

static void report_dangling(const struct config *cfg, struct schema_errors *errors,
			    const struct config_controller *ctrl, const struct config_ref *ref)
{
	struct schema_nearest nearest = {.word = *ref->name};
	struct schema_words words = {0};
	struct schema_hint hint;

	if (schema_errors_full(errors)) {
		schema_errors_skip(errors);
		return;
	}
	config_words_add_disks(&words, &nearest, cfg);
	report(cfg, errors, ctrl, ref, "there is no bdev %s%s; allowed: %s",
	       SCHEMA_QUOTE(*ref->name), schema_nearest_hint(&nearest, &hint),
	       words.len ? words.text : "none, as bdevs has none");
}

static void report_used(const struct config *cfg, struct schema_errors *errors,
			const struct config_controller *ctrl, const struct config_ref *ref,
			const struct config_bdev *user)
{
	struct schema_words words = {0};

	config_words_add_parts(&words, user);
	if (user->nparts)
		report(cfg, errors, ctrl, ref,
		       "%s is used in parts, by the split %s; allowed: the parts, %s",
		       SCHEMA_QUOTE(*ref->name), SCHEMA_AT(user->pos), words.text);
	else if (!config_is_whole(user))
		report(cfg, errors, ctrl, ref, "%s is the base of the bdev %s; allowed: %s",
		       SCHEMA_QUOTE(*ref->name), SCHEMA_AT(user->pos), user->params->name);
	/* Else the split is wrong, which is an error by itself. */
}

/* A split is no disk, and what others stand on is no disk of its own any more. */
static void refuse(const struct config *cfg, struct schema_errors *errors,
		   const struct config_controller *ctrl, const struct config_ref *ref,
		   const struct config_bdev *bdev)
{
	struct schema_words words = {0};

	if (schema_errors_full(errors)) {
		schema_errors_skip(errors);
	} else if (bdev->user) {
		report_used(cfg, errors, ctrl, ref, bdev->user);
	} else if (bdev->nparts) {
		config_words_add_parts(&words, bdev);
		report(cfg, errors, ctrl, ref, "%s is a split, not a disk; allowed: its parts, %s",
		       SCHEMA_QUOTE(*ref->name), words.text);
	}
	/* Else the split is wrong, which is an error by itself. */
}

const struct config_bdev *config_resolve_bdev(struct config *cfg, struct schema_errors *errors,
					      const struct config_index *bdevs,
					      const struct config_controller *ctrl,
					      const struct config_ref *ref)
{
	const struct config_index_entry *entry;

	if (!*ref->name)
		return NULL;
	entry = config_index_find(bdevs, *ref->name);
	if (entry && (config_is_whole(entry->bdev) || entry->bdev->user)) {
		refuse(cfg, errors, ctrl, ref, entry->bdev);
		return NULL;
	}
	if (entry)
		return entry->bdev;
	if (!bdevs->incomplete || !errors->total)
		report_dangling(cfg, errors, ctrl, ref);
	return NULL;
}
