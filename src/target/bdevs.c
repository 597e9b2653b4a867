/* SPDX-License-Identifier: BSD-3-Clause */
/* The bdevs of a configuration. */
#include <errno.h>
#include <string.h>

#include "bdev/bdev_backends.h"
#include "target/target_internal.h"
#include "util/log.h"

static struct bdev_params common_params(const struct config_bdev *b, uint64_t size_bytes)
{
	struct bdev_params p = {
		.name = b->name,
		.block_size = b->block_size,
		.size_bytes = size_bytes,
	};

	memcpy(p.uuid, b->uuid, sizeof(p.uuid));
	return p;
}

static int create_bdev(const struct config_bdev *b, char err[BDEV_ERR_MAX])
{
	switch (b->type) {
	case CONFIG_BDEV_MALLOC:
		return bdev_malloc_create(
			&(struct bdev_malloc_params){
				.common = common_params(b, b->malloc.size_bytes),
				.numa_node = b->malloc.numa_node,
			},
			err);
	case CONFIG_BDEV_FILE:
		return bdev_file_create(
			&(struct bdev_file_params){
				.common = common_params(b, b->file.size_bytes),
				.path = b->file.path,
				.direct = b->file.direct,
				.create = b->file.create,
				.read_only = b->file.read_only,
			},
			err);
	case CONFIG_BDEV_NULL:
		return bdev_null_create(
			&(struct bdev_null_params){
				.common = common_params(b, b->null.size_bytes),
				.latency_us = b->null.latency_us,
			},
			err);
	}
	return -EINVAL;
}

int target_create_bdevs(struct target *t)
{
	char err[BDEV_ERR_MAX] = "";
	size_t i;
	int rc;

	for (i = 0; i < t->cfg->nbdevs; i++) {
		const struct config_bdev *b = &t->cfg->bdevs[i];

		rc = create_bdev(b, err);
		if (rc) {
			log_error("%s:%u:%u: bdev \"%s\": %s", t->cfg->path, b->pos.line,
				  b->pos.column, b->name, err[0] ? err : strerror(-rc));
			return rc;
		}
		t->nbdevs++;
	}
	return 0;
}

void target_remove_bdevs(struct target *t)
{
	while (t->nbdevs) {
		struct bdev *bdev = bdev_find(t->cfg->bdevs[--t->nbdevs].name);

		if (bdev)
			bdev_remove(bdev, NULL, NULL);
	}
}
