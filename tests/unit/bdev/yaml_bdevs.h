/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_BDEV_YAML_BDEVS_H
#define TESTS_UNIT_BDEV_YAML_BDEVS_H

/* Bdevs for tests, as a configuration describes them. */

#include "tests/unit/config/load.h"

/*
 * Makes bdevs of the text, the list below "bdevs:"; NULL after a failed check. They stay when the
 * configuration is freed.
 */
static inline struct config *yaml_bdevs(const char *list)
{
	char text[2048], err[BDEV_ERR_MAX] = "";
	struct config *cfg;

	snprintf(text, sizeof(text), "bdevs:\n%s" EMPTY, list);
	cfg = load_good(list, text);
	for (size_t i = 0; cfg && i < cfg->nbdevs; i++) {
		const struct config_bdev *b = cfg->bdevs_in_order[i];

		if (bdev_type_of(b->type)->create(b->params, err))
			fail_case(__FILE__, __LINE__, b->params->name, err);
	}
	return cfg;
}

/* Removes those that are there, what stands on others first. */
static inline void yaml_bdevs_remove(struct config *cfg)
{
	for (size_t i = cfg->nbdevs; i; i--) {
		struct bdev *bdev = bdev_find(cfg->bdevs_in_order[i - 1]->params->name);

		if (bdev)
			bdev_remove(bdev, NULL, NULL);
	}
	config_free(cfg);
}

#endif
