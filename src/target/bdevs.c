/* SPDX-License-Identifier: BSD-3-Clause */
/* The bdevs of a configuration. */
#include <errno.h>
#include <string.h>

#include "target/target_internal.h"
#include "util/log.h"

int target_create_bdevs(struct target *t)
{
	char err[BDEV_ERR_MAX] = "";
	size_t i;
	int rc;

	for (i = 0; i < t->cfg->nbdevs; i++) {
		const struct config_bdev *b = t->cfg->bdevs_in_order[i];

		rc = bdev_type_of(b->type)->create(b->params, err);
		if (target_start_cancelled())
			return -ECANCELED;
		if (rc) {
			log_error("%s:%u:%u: bdev \"%s\": %s", t->cfg->path, b->pos.line,
				  b->pos.column, b->params->name, err[0] ? err : strerror(-rc));
			return rc;
		}
	}
	return 0;
}

/* Those that have been made. What stands on a bdev goes with it. */
void target_remove_bdevs(struct target *t)
{
	size_t i;

	for (i = t->cfg->nbdevs; i; i--) {
		struct bdev *bdev = bdev_find(t->cfg->bdevs_in_order[i - 1]->params->name);

		if (bdev)
			bdev_remove(bdev, NULL, NULL);
	}
}
