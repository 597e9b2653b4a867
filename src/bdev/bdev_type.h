/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_BDEV_TYPE_H
#define BDEV_BDEV_TYPE_H

/*
 * A type of bdev: its keys, and how one is made. Each is in its own file, which ends with it, and
 * has its line in the array of bdev/types.c; docs/bdev.md walks through one.
 */

#include "bdev/bdev_backends.h"
#include "schema/schema.h"

/* What a bdev will stand on, before it is made. */
struct bdev_base {
	const char *name;
	uint32_t block_size; /* 0: not known, because of an error that has been reported */
	uint64_t bytes;	     /* likewise; BDEV_BYTES_UNTOLD: a device that doesn't tell */
};

#define BDEV_BYTES_UNTOLD UINT64_MAX

struct bdev_type {
	/* Its params begin with a struct bdev_params. */
	struct object_type object;
	/* Main thread, or one of its own. 0, or -errno with *err set to a sentence. */
	int (*create)(const void *params, char err[BDEV_ERR_MAX]);
	/* create() may take as long as a disk likes, and so has a thread of its own at run time. */
	bool waits;
	/*
	 * Optional: how large it will be; 0: not known, because of an error that is reported
	 * elsewhere; BDEV_BYTES_UNTOLD. Without it: params->size_bytes.
	 */
	uint64_t (*bytes)(const void *params);
	/*
	 * Optional: another size. Each on a thread of its own, as it may wait for a disk.
	 *
	 * resize() makes the medium as large as *bytes, if it is smaller; 0: it stays as it is.
	 * Then *bytes is how large the bdev will be. 0, or -errno with *err set to a sentence.
	 * cut(): the bdev has become smaller, or did before, and nothing looks behind its end any
	 * more: what the medium has there is not needed. Likewise.
	 */
	int (*resize)(struct bdev *bdev, uint64_t *bytes, char err[BDEV_ERR_MAX]);
	int (*cut)(struct bdev *bdev, char err[BDEV_ERR_MAX]);
	/* Optional: reports that it can't be beside an earlier one of its type, and returns true.
	 */
	bool (*collides)(struct object_check *c, const void *params, const void *earlier,
			 struct schema_pos earlier_pos);
	/* Of types that stand on another bdev, which nobody else uses then: where its name is. */
	const char *const *(*base)(const void *params);
	/*
	 * Of those, the ones that are no disk themselves, but in parts: how many. 0: an error has
	 * been reported, or follows from one. And takes the UUIDs of the parts.
	 */
	uint32_t (*count_parts)(struct object_check *c, const void *params,
				const struct bdev_base *base);
	void (*set_parts)(void *params, uint32_t count, const uint8_t (*uuids)[16]);
};

static inline const struct bdev_type *bdev_type_of(const struct object_type *type)
{
	return (const struct bdev_type *)((const char *)type - offsetof(struct bdev_type, object));
}

/* All of them, in the order in which messages list them, ended by NULL: bdev/types.c. */
extern const struct object_type *const bdev_types[];

_Static_assert(SCHEMA_NAME_MAX == BDEV_NAME_MAX, "a name that is read is one");

/* Limits that several types have. */
#define BDEV_BYTES_MIN	    512
#define BDEV_BYTES_MAX	    (UINT64_C(1) << 62) /* fits into off_t, and for some time */
#define BDEV_IO_TIMEOUT_MAX 86400		/* seconds */

#endif
