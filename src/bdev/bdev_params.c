/* SPDX-License-Identifier: BSD-3-Clause */
/* What the makers of all backends check alike. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bdev/bdev_backends.h"

static int check_name(const char *name, char err[BDEV_ERR_MAX])
{
	size_t len = name ? strlen(name) : 0;

	if (len && len <= BDEV_NAME_MAX)
		return 0;
	snprintf(err, BDEV_ERR_MAX, "name: it has %zu characters, but must have 1 to %d", len,
		 BDEV_NAME_MAX);
	return -EINVAL;
}

int bdev_params_check(const struct bdev_params *p, bool size_needed, char err[BDEV_ERR_MAX])
{
	int rc = check_name(p->name, err);

	if (rc)
		return rc;
	if (p->block_size != 512 && p->block_size != 4096) {
		snprintf(err, BDEV_ERR_MAX, "block_size: %" PRIu32 " is neither 512 nor 4096",
			 p->block_size);
		return -EINVAL;
	}
	if (size_needed && !p->size_bytes) {
		snprintf(err, BDEV_ERR_MAX, "size: it is needed, and must not be 0");
		return -EINVAL;
	}
	if (p->size_bytes % p->block_size) {
		snprintf(err, BDEV_ERR_MAX,
			 "size: %" PRIu64 " bytes are not a multiple of the block_size, %" PRIu32,
			 p->size_bytes, p->block_size);
		return -EINVAL;
	}
	if (p->size_bytes > INT64_MAX) {
		snprintf(err, BDEV_ERR_MAX,
			 "size: %" PRIu64 " bytes are more than the limit of 2^63 - 1",
			 p->size_bytes);
		return -EINVAL;
	}
	return 0;
}

void bdev_register_error(const struct bdev *bdev, int rc, char err[BDEV_ERR_MAX])
{
	if (rc == -EEXIST)
		snprintf(err, BDEV_ERR_MAX, "name: there is a bdev named \"%s\" already",
			 bdev->name);
	else if (rc == -ELOOP)
		snprintf(err, BDEV_ERR_MAX,
			 "base: %d bdevs stand on one another here; allowed: up to %d below a bdev",
			 bdev->levels, BDEV_LEVELS_MAX);
	else
		snprintf(err, BDEV_ERR_MAX, "bdev \"%s\" can't be registered: %s", bdev->name,
			 strerror(-rc));
}
