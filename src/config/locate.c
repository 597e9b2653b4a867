/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the file gave a field its value. */
#include "config/private.h"

bool config_gives(const struct config *cfg, const void *field)
{
	return schema_places_has(&cfg->priv->places, field);
}

struct schema_pos config_locate(const struct config *cfg, const void *field,
				struct schema_pos fallback)
{
	return schema_places_find(&cfg->priv->places, field, fallback);
}
