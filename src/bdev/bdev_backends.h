/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_BACKENDS_H
#define BDEV_BACKENDS_H

/* Makers of bdevs, one per backend. All: main thread; 0 or -errno, with *err set to a sentence. */

#include <shadowbell/bdev_backend.h>
#include <sys/types.h>

struct bdev_params {
	const char *name;
	uint8_t uuid[16];    /* RFC 4122 byte order */
	uint32_t block_size; /* bytes */
	uint64_t size_bytes; /* 0: as large as the file */
	uint32_t
		io_timeout_s; /* an I/O that takes longer ends in TIMEOUT; 0: none; not of malloc */
};

struct bdev_malloc_params {
	struct bdev_params common;
	int32_t numa_node; /* -1: any */
};

struct bdev_null_params {
	struct bdev_params common;
	/* Each I/O completes that much later; 0: at once, inside bdev_submit(). */
	uint32_t latency_us;
};

#define BDEV_NULL_LATENCY_US_MAX 60000000

/* Whether the I/O of a file goes through memory of the daemon's own, so that it can be abandoned.
 */
enum bdev_bounce {
	BDEV_BOUNCE_AUTO, /* what the kernel would have to wait for, and all of a file that hangs */
	BDEV_BOUNCE_ALWAYS,
	BDEV_BOUNCE_NEVER, /* nothing but what direct I/O can't do otherwise */
};

struct bdev_file_params {
	struct bdev_params common;
	const char *path;
	bool direct; /* O_DIRECT */
	bool create; /* make it, with size_bytes, if it doesn't exist */
	bool read_only;
	enum bdev_bounce bounce;
	/* Set by the check of the configuration: which file is there. */
	struct {
		bool exists;
		dev_t dev;
		ino_t ino;
	} found;
};

/* Parts of another bdev, which is claimed while there is one of them. */
struct bdev_split_params {
	/*
	 * The name is the parts' with a number behind it, counted from 0; the size is that of each,
	 * 0: equal shares of the base. The rest is the base's.
	 */
	struct bdev_params common;
	const char *base;
	uint32_t count;
	const uint8_t (*uuids)[16]; /* of the parts */
};

#define BDEV_SPLIT_PARTS_MAX 256

#define BDEV_ERR_MAX 256
int bdev_malloc_create(const struct bdev_malloc_params *p, char err[BDEV_ERR_MAX]);
int bdev_null_create(const struct bdev_null_params *p, char err[BDEV_ERR_MAX]);
int bdev_file_create(const struct bdev_file_params *p, char err[BDEV_ERR_MAX]);
int bdev_split_create(const struct bdev_split_params *p, char err[BDEV_ERR_MAX]);

/* Shared by the makers: the common parameters; 0 or -EINVAL and *err. */
int bdev_params_check(const struct bdev_params *p, bool size_needed, char err[BDEV_ERR_MAX]);
/* *err for what bdev_register() said. */
void bdev_register_error(const struct bdev *bdev, int rc, char err[BDEV_ERR_MAX]);

#endif
