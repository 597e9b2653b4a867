/* SPDX-License-Identifier: BSD-3-Clause */
/* All types of bdev, in the order in which messages list them. */
#include "bdev/bdev_type.h"

/* clang-format off */
#define TYPES(T) \
	T(malloc) \
	T(file) \
	T(null) \
	T(split) \
	T(delay)
/* clang-format on */

#define DECLARE(name) extern const struct bdev_type bdev_##name##_type;
#define LIST(name)    &bdev_##name##_type.object,

TYPES(DECLARE)

const struct object_type *const bdev_types[] = {TYPES(LIST) NULL};
