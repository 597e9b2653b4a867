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

static void report_dangling(const struct config *cfg, struct config_errors *errors,
			    const struct config_index *bdevs, const char *where, const char *name,
			    struct config_pos pos)
{
	struct config_nearest nearest = {.word = name};
	struct config_words words = {0};
	struct config_hint hint;

	if (config_errors_full(errors)) {
		config_errors_skip(errors);
		return;
	}
	for (size_t k = 0; k < cfg->nbdevs; k++) {
		if (!cfg->bdevs[k].name)
			continue;
		config_nearest_try(&nearest, cfg->bdevs[k].name);
		config_words_add(&words, cfg->bdevs[k].name);
	}
	config_errors_add(errors, pos, "%s: there is no bdev %s%s; allowed: %s", where,
			  CONFIG_QUOTE(name), config_nearest_hint(&nearest, &hint),
			  bdevs->n ? words.text : "none, as bdevs has none");
}

const struct config_bdev *config_resolve_bdev(struct config *cfg, struct config_errors *errors,
					      const struct config_index *bdevs, const char *where,
					      const char *const *name, struct config_pos pos)
{
	const struct config_index_entry *entry;

	if (!*name)
		return NULL;
	entry = config_index_find(bdevs, *name);
	if (entry)
		return &cfg->bdevs[entry->i];
	if (!bdevs->incomplete || !errors->total)
		report_dangling(cfg, errors, bdevs, where, *name, config_locate(cfg, name, pos));
	return NULL;
}
