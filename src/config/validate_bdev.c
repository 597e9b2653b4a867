/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "config/private.h"
#include "schema/size.h"
#include "schema/uuid.h"

struct object_check config_check_of(const struct config *cfg, struct schema_errors *errors,
				    const struct config_bdev *bdev)
{
	return (struct object_check){
		.errors = errors,
		.places = &cfg->priv->places,
		.noun = "bdev",
		.name = bdev->params->name,
		.pos = bdev->pos,
	};
}

/* Of what stands on another bdev, the type knows what its size means. */
static void check_size(struct object_check *c, const struct config_bdev *bdev)
{
	const struct bdev_params *p = bdev->params;

	if (!bdev_type_of(bdev->type)->base && p->block_size && p->size_bytes % p->block_size)
		object_error(c, &p->size_bytes,
			     "size: %s is no multiple of block_size; allowed: multiples of %u",
			     SCHEMA_SIZE(p->size_bytes), p->block_size);
}

static void check_others(struct object_check *c, const struct config *cfg, size_t i)
{
	const struct config_bdev *bdev = &cfg->bdevs[i];
	const struct bdev_type *type = bdev_type_of(bdev->type);

	for (size_t k = 0; type->collides && config_bdev_at(cfg, k) != bdev; k++) {
		const struct config_bdev *other = config_bdev_at(cfg, k);

		if (other->type == bdev->type &&
		    type->collides(c, bdev->params, other->params, other->pos))
			return;
	}
}

/* Nobody waits for a disk while others run: see config_look(). */
static bool looks_later(const struct config *cfg, const struct config_bdev *bdev)
{
	return (cfg->priv->beside || cfg->priv->no_looks) && bdev_type_of(bdev->type)->waits;
}

void config_look_at_disks(struct config *cfg, struct schema_errors *errors)
{
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		struct object_check check = config_check_of(cfg, errors, &cfg->bdevs[i]);

		if (looks_later(cfg, &cfg->bdevs[i]) && cfg->bdevs[i].type->check)
			cfg->bdevs[i].type->check(&check, cfg->bdevs[i].params);
	}
}

static void check_by_type(const struct config *cfg, struct schema_errors *errors, size_t i)
{
	const struct config_bdev *bdev = &cfg->bdevs[i];
	struct object_check check = config_check_of(cfg, errors, bdev);

	if (!bdev->type)
		return;
	check_size(&check, bdev);
	if (bdev->type->check && !looks_later(cfg, bdev))
		bdev->type->check(&check, bdev->params);
	check_others(&check, cfg, i);
}

static void derive_uuid(const struct config *cfg, const struct config_bdev *bdev)
{
	if (!config_gives(cfg, bdev->params->uuid))
		schema_uuid_from_name(bdev->params->name, bdev->params->uuid);
}

/* The first bdev with that UUID among a bdev and its parts, or NULL. */
static const struct config_bdev *find_uuid(const struct config_bdev *bdev, const uint8_t uuid[16])
{
	if (memcmp(bdev->params->uuid, uuid, 16) == 0)
		return bdev;
	for (size_t i = 0; i < bdev->nparts; i++) {
		if (memcmp(bdev->parts[i].params->uuid, uuid, 16) == 0)
			return &bdev->parts[i];
	}
	return NULL;
}

/* Of two that are written out, the second one is wrong; a derived one never is. What others have is
 * not to be changed. */
static void check_uuid(const struct config *cfg, struct schema_errors *errors, size_t i)
{
	static const uint8_t unread[16];
	const struct config_bdev *bdev = &cfg->bdevs[i];
	const uint8_t *uuid = bdev->params->uuid;
	const size_t nothers = cfg->priv->others.nbdevs;
	struct object_check check = config_check_of(cfg, errors, bdev);

	if (!memcmp(uuid, unread, sizeof(unread)))
		return;
	for (size_t k = 0; k < config_count_bdevs(cfg); k++) {
		const struct config_bdev *entry = config_bdev_at(cfg, k);
		const struct config_bdev *other = find_uuid(entry, uuid);
		char text[37];

		if (entry == bdev || !other || !other->params->name)
			continue;
		if (k >= nothers && (!config_gives(cfg, uuid) ||
				     (k > nothers + i && config_gives(cfg, other->params->uuid))))
			continue;
		schema_uuid_format(uuid, text);
		object_error(&check, uuid,
			     "uuid: %s is the UUID of the bdev %s; allowed: one of its own", text,
			     SCHEMA_AT(other->pos));
		return;
	}
}

void config_validate_bdevs(struct config *cfg, struct schema_errors *errors)
{
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		if (cfg->bdevs[i].params->name)
			derive_uuid(cfg, &cfg->bdevs[i]);
	}
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		if (!cfg->bdevs[i].params->name)
			continue;
		check_by_type(cfg, errors, i);
		check_uuid(cfg, errors, i);
	}
}
