/* SPDX-License-Identifier: BSD-3-Clause */
/* The bdevs of a configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/bdev_backends.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/slow_file.h"

static struct bdev_params common_params(const struct config_bdev *b, uint64_t size_bytes,
					uint32_t io_timeout_s)
{
	struct bdev_params p = {
		.name = b->name,
		.block_size = b->block_size,
		.size_bytes = size_bytes,
		.io_timeout_s = io_timeout_s,
	};

	memcpy(p.uuid, b->uuid, sizeof(p.uuid));
	return p;
}

static int create_split(const struct config_bdev *b, char err[BDEV_ERR_MAX])
{
	const struct config_bdev_split *split = &b->split_of;
	uint8_t(*uuids)[16] = calloc(split->count, sizeof(*uuids));
	uint32_t i;
	int rc;

	if (!uuids)
		return -ENOMEM;
	for (i = 0; i < split->count; i++)
		memcpy(uuids[i], split->parts[i].uuid, sizeof(uuids[i]));
	rc = bdev_split_create(
		&(struct bdev_split_params){
			.name = b->name,
			.base = split->base_name,
			.count = split->count,
			.size_bytes = split->size_bytes,
			.uuids = uuids,
		},
		err);
	free(uuids);
	return rc;
}

static enum bdev_bounce bounce_of(enum config_bounce bounce)
{
	switch (bounce) {
	case CONFIG_BOUNCE_ALWAYS:
		return BDEV_BOUNCE_ALWAYS;
	case CONFIG_BOUNCE_NEVER:
		return BDEV_BOUNCE_NEVER;
	case CONFIG_BOUNCE_AUTO:
		break;
	}
	return BDEV_BOUNCE_AUTO;
}

static int create_bdev(const struct config_bdev *b, char err[BDEV_ERR_MAX])
{
	switch (b->type) {
	case CONFIG_BDEV_MALLOC:
		return bdev_malloc_create(
			&(struct bdev_malloc_params){
				.common = common_params(b, b->malloc.size_bytes, 0),
				.numa_node = b->malloc.numa_node,
			},
			err);
	case CONFIG_BDEV_FILE:
		return bdev_file_create(
			&(struct bdev_file_params){
				.common =
					common_params(b, b->file.size_bytes, b->file.io_timeout_s),
				.path = b->file.path,
				.direct = b->file.direct,
				.create = b->file.create,
				.read_only = b->file.read_only,
				.bounce = bounce_of(b->file.bounce),
			},
			err);
	case CONFIG_BDEV_NULL:
		return bdev_null_create(
			&(struct bdev_null_params){
				.common =
					common_params(b, b->null.size_bytes, b->null.io_timeout_s),
				.latency_us = b->null.latency_us,
			},
			err);
	case CONFIG_BDEV_SPLIT:
		return create_split(b, err);
	case CONFIG_BDEV_PART:
		break;
	}
	return -EINVAL;
}

static int create_bdevs(const struct target *t, bool splits)
{
	char err[BDEV_ERR_MAX] = "";
	size_t i;
	int rc;

	for (i = 0; i < t->cfg->nbdevs; i++) {
		const struct config_bdev *b = &t->cfg->bdevs[i];

		if ((b->type == CONFIG_BDEV_SPLIT) != splits)
			continue;
		if (b->type == CONFIG_BDEV_FILE)
			slow_file_begin(b->file.path);
		rc = create_bdev(b, err);
		slow_file_end();
		if (target_start_cancelled())
			return -ECANCELED;
		if (rc) {
			log_error("%s:%u:%u: bdev \"%s\": %s", t->cfg->path, b->pos.line,
				  b->pos.column, b->name, err[0] ? err : strerror(-rc));
			return rc;
		}
	}
	return 0;
}

/* A split may stand before its base in the file. */
int target_create_bdevs(struct target *t)
{
	int rc = create_bdevs(t, false);

	return rc ? rc : create_bdevs(t, true);
}

/* Those that have been made. The parts of a split go with their base. */
void target_remove_bdevs(struct target *t)
{
	size_t i;

	for (i = t->cfg->nbdevs; i; i--) {
		struct bdev *bdev = bdev_find(t->cfg->bdevs[i - 1].name);

		if (bdev)
			bdev_remove(bdev, NULL, NULL);
	}
}
