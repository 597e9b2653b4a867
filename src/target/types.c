/* SPDX-License-Identifier: BSD-3-Clause */
/* All types of controller, in the order in which messages list them. Those of bdev: bdev/types.c.
 */
#include "config/controller_type.h"

/* clang-format off */
#define TYPES(T) \
	T(nvme) \
	T(blk) \
	T(scsi)
/* clang-format on */

#define DECLARE(name) extern const struct controller_type controller_##name##_type;
#define LIST(name)    &controller_##name##_type.object,

TYPES(DECLARE)

const struct object_type *const controller_types[] = {TYPES(LIST) NULL};
