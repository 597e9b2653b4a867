/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "config/private.h"

int config_places_add(struct config *cfg, const void *field, struct config_pos pos)
{
	struct config_private *priv = cfg->priv;

	if (priv->nplaces == priv->places_size) {
		size_t size = priv->places_size ? 2 * priv->places_size : 64;
		struct config_place *places =
			reallocarray(priv->places, size, sizeof(*priv->places));

		if (!places) {
			priv->arena.failed = 1;
			return -ENOMEM;
		}
		priv->places = places;
		priv->places_size = size;
	}
	priv->places[priv->nplaces++] = (struct config_place){.field = field, .pos = pos};
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct config_place *x = a;
	const struct config_place *y = b;

	if (x->field != y->field)
		return (uintptr_t)x->field < (uintptr_t)y->field ? -1 : 1;
	return 0;
}

void config_places_sort(struct config *cfg)
{
	if (cfg->priv->nplaces)
		qsort(cfg->priv->places, cfg->priv->nplaces, sizeof(*cfg->priv->places),
		      compare_places);
}

static const struct config_place *find_place(const struct config *cfg, const void *field)
{
	const struct config_place key = {.field = field};

	if (!cfg->priv->nplaces)
		return NULL;
	return bsearch(&key, cfg->priv->places, cfg->priv->nplaces, sizeof(key), compare_places);
}

bool config_places_has(const struct config *cfg, const void *field)
{
	return find_place(cfg, field) != NULL;
}

struct config_pos config_locate(const struct config *cfg, const void *field,
				struct config_pos fallback)
{
	const struct config_place *place = find_place(cfg, field);

	return place ? place->pos : fallback;
}
