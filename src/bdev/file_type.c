/* SPDX-License-Identifier: BSD-3-Clause */
/* The type of bdev "file": its keys, and what is wrong with a file before it is opened. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bdev/bdev_type.h"
#include "bdev/file_internal.h"
#include "schema/size.h"
#include "util/slow_file.h"

static const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
		return "a character device";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "of an unknown kind";
	}
}

static bool parent_exists(const char *path)
{
	size_t len = strrchr(path, '/') - path;
	char parent[PATH_MAX];
	struct stat st;

	memcpy(parent, path, len);
	strcpy(parent + len, "/");
	return stat(parent, &st) == 0;
}

static void check_absent(struct object_check *c, const struct bdev_file_params *p, int err)
{
	if (err != ENOENT)
		object_error(c, &p->path, "path: %s can't be reached: %s", SCHEMA_QUOTE(p->path),
			     strerror(err));
	else if (!p->create)
		object_error(c, &p->path,
			     "path: %s does not exist; allowed: an existing file or block device, "
			     "or create: true and a size",
			     SCHEMA_QUOTE(p->path));
	else if (!parent_exists(p->path))
		object_error(c, &p->path,
			     "path: %s can't be created, as its directory does not exist; allowed: "
			     "a path in an existing directory",
			     SCHEMA_QUOTE(p->path));
	else if (!object_gives(c, &p->common.size_bytes))
		object_error(c, &p->create,
			     "create: %s does not exist and its size is not given; allowed: with "
			     "size",
			     SCHEMA_QUOTE(p->path));
}

static void check_present(struct object_check *c, const struct bdev_file_params *p,
			  const struct stat *st)
{
	uint64_t given = p->common.size_bytes, bytes = (uint64_t)st->st_size;

	if (S_ISBLK(st->st_mode))
		return;
	if (!S_ISREG(st->st_mode))
		object_error(c, &p->path,
			     "path: %s is %s; allowed: a regular file or a block device",
			     SCHEMA_QUOTE(p->path), file_kind(st->st_mode));
	else if (given && given != bytes)
		object_error(c, &p->common.size_bytes,
			     "size: %s is not the size of the existing file %s; allowed: %s, or "
			     "leave size out",
			     SCHEMA_SIZE(given), SCHEMA_QUOTE(p->path), SCHEMA_SIZE(bytes));
	else if (!bytes)
		object_error(c, &p->path,
			     "path: %s is empty; allowed: a file with at least one block",
			     SCHEMA_QUOTE(p->path));
	else if (!given && p->common.block_size && bytes % p->common.block_size)
		object_error(c, &p->path,
			     "path: the %" PRIu64 " bytes of %s are no whole number of blocks; "
			     "allowed: multiples of block_size, %u",
			     bytes, SCHEMA_QUOTE(p->path), p->common.block_size);
}

static void check(struct object_check *c, void *params)
{
	struct bdev_file_params *p = params;
	struct stat st;
	int rc, err;

	if (p->create && p->read_only)
		object_error(c, &p->create,
			     "create: a read-only file would stay empty for ever; allowed: create "
			     "or read_only");
	if (!p->path)
		return;
	slow_file_begin(p->path);
	rc = stat(p->path, &st);
	err = errno;
	slow_file_end();
	if (rc < 0) {
		check_absent(c, p, err);
		return;
	}
	/* A device may have several nodes. */
	p->found.dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	p->found.ino = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	__atomic_store_n(&p->found.exists, true, __ATOMIC_RELEASE);
	check_present(c, p, &st);
}

static bool same_file(const struct bdev_file_params *a, const struct bdev_file_params *b)
{
	if (!a->path || !b->path)
		return false;
	/* Another thread may just be looking. */
	if (__atomic_load_n(&a->found.exists, __ATOMIC_ACQUIRE) &&
	    __atomic_load_n(&b->found.exists, __ATOMIC_ACQUIRE))
		return a->found.dev == b->found.dev && a->found.ino == b->found.ino;
	return strcmp(a->path, b->path) == 0;
}

/* Two bdevs over one file would not see each other's reservations and resizes; namespaces can share
 * a bdev. */
static bool collides(struct object_check *c, const void *params, const void *earlier,
		     struct schema_pos earlier_pos)
{
	const struct bdev_file_params *p = params, *other = earlier;

	if (!same_file(p, other) || (p->read_only && other->read_only))
		return false;
	object_error(c, &p->path,
		     "path: %s is the file of the bdev %s already; allowed: one bdev per file, "
		     "which any number of namespaces may use, or all of them read_only",
		     SCHEMA_QUOTE(p->path), SCHEMA_AT(earlier_pos));
	return true;
}

/* It says so without opening the device, and always in units of 512 bytes. */
static uint64_t device_bytes(dev_t dev)
{
	uint64_t sectors = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(dev), minor(dev));
	file = fopen(path, "re");
	if (!file)
		return BDEV_BYTES_UNTOLD;
	if (fscanf(file, "%" SCNu64, &sectors) != 1 || sectors > UINT64_MAX / 512)
		sectors = 0;
	fclose(file);
	return sectors ? sectors * 512 : BDEV_BYTES_UNTOLD;
}

static uint64_t bytes(const void *params)
{
	const struct bdev_file_params *p = params;
	struct stat st;
	int rc;

	if (p->common.size_bytes || !p->path)
		return p->common.size_bytes;
	slow_file_begin(p->path);
	rc = stat(p->path, &st);
	slow_file_end();
	if (rc < 0)
		return 0;
	if (S_ISBLK(st.st_mode))
		return device_bytes(st.st_rdev);
	return S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void needs(const void *params, struct object_needs *needs)
{
	needs->files_idle++;
	needs->tasks += FILE_WORKERS_MAX;
}

static int create(const void *params, char err[BDEV_ERR_MAX])
{
	const struct bdev_file_params *p = params;
	int rc;

	slow_file_begin(p->path);
	rc = bdev_file_create(p, err);
	slow_file_end();
	return rc;
}

static const struct schema_choice bounce_choices[] = {
	{"auto", BDEV_BOUNCE_AUTO},
	{"always", BDEV_BOUNCE_ALWAYS},
	{"never", BDEV_BOUNCE_NEVER},
	{0},
};

#define FIELD(member) .offset = offsetof(struct bdev_file_params, member)

static const struct schema_key keys[] = {
	{"path", &schema_path, FIELD(path), .required = true, .max = PATH_MAX - 1,
	 .doc = "The file or device; one bdev per file, unless all are `read_only`.",
	 .allowed_doc = "a regular file or block device, or with `create` nothing yet in an "
			"existing directory"},
	{"size", &schema_size, FIELD(common.size_bytes), .min = BDEV_BYTES_MIN,
	 .max = BDEV_BYTES_MAX,
	 .doc = "Needed to create the file; of one that exists, a statement about it.",
	 .dflt_doc = "the file's",
	 .allowed_doc = "a multiple of `block_size`; of a file that exists, exactly its size"},
	{"direct", &schema_bool, FIELD(direct), .dflt = "true",
	 .doc = "Past the page cache of the host (O_DIRECT)."},
	{"create", &schema_bool, FIELD(create), .dflt = "false",
	 .doc = "Makes the file, sparse, if it does not exist.",
	 .allowed_doc = "not with `read_only: true`"},
	{"read_only", &schema_bool, FIELD(read_only), .dflt = "false",
	 .doc = "Opens it for reading only."},
	{"io_timeout_s", &schema_uint32, FIELD(common.io_timeout_s), .dflt = "30",
	 .max = BDEV_IO_TIMEOUT_MAX, .unit = "seconds",
	 .doc = "I/O that has not been answered for so long ends with an error; 0: none does."},
	{"bounce", &schema_word, FIELD(bounce), .dflt = "auto", .choices = bounce_choices,
	 .doc = "Which I/O goes through memory of the daemon's own, so that it can be ended "
		"although the disk hangs: what the kernel has to wait for and all of a disk that "
		"hangs, all, or none."},
	{0},
};

const struct bdev_type bdev_file_type = {
	.object = {.name = "file",
		   .doc = "A regular file or a block device.",
		   .keys = keys,
		   .params_size = sizeof(struct bdev_file_params),
		   .check = check,
		   .needs = needs},
	.create = create,
	.waits = true,
	.resize = file_resize,
	.cut = file_cut,
	.bytes = bytes,
	.collides = collides,
};
