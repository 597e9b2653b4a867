/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/private.h"
#include "config/size.h"
#include "config/uuid.h"
#include "util/slow_file.h"

/* What is known about the file of a bdev. */
struct file_id {
	bool exists;
	dev_t dev;
	ino_t ino;
};

struct bdev_check {
	struct config *cfg;
	struct config_errors *errors;
	struct file_id *ids; /* per bdev */
};

#define ERROR(check, bdev, field, fmt, ...)                                                        \
	config_errors_add((check)->errors, config_locate((check)->cfg, (field), (bdev)->pos),      \
			  "bdev %s: " fmt, CONFIG_QUOTE((bdev)->name), ##__VA_ARGS__)

static void check_size(struct bdev_check *c, const struct config_bdev *bdev, const uint64_t *size)
{
	if (bdev->block_size && *size % bdev->block_size)
		ERROR(c, bdev, size,
		      "size: %s is no multiple of block_size; allowed: multiples of %u",
		      CONFIG_SIZE(*size), bdev->block_size);
}

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

static void check_absent_file(struct bdev_check *c, const struct config_bdev *bdev, int err)
{
	const struct config_bdev_file *file = &bdev->file;

	if (err != ENOENT)
		ERROR(c, bdev, &file->path, "path: %s can't be reached: %s",
		      CONFIG_QUOTE(file->path), strerror(err));
	else if (!file->create)
		ERROR(c, bdev, &file->path,
		      "path: %s does not exist; allowed: an existing file or block device, or create: "
		      "true and a size",
		      CONFIG_QUOTE(file->path));
	else if (!parent_exists(file->path))
		ERROR(c, bdev, &file->path,
		      "path: %s can't be created, as its directory does not exist; allowed: a path in an "
		      "existing directory",
		      CONFIG_QUOTE(file->path));
	else if (!config_places_has(c->cfg, &file->size_bytes))
		ERROR(c, bdev, &file->create,
		      "create: %s does not exist and its size is not given; allowed: with size",
		      CONFIG_QUOTE(file->path));
}

static void check_present_file(struct bdev_check *c, const struct config_bdev *bdev,
			       const struct stat *st)
{
	const struct config_bdev_file *file = &bdev->file;
	uint64_t bytes = st->st_size;

	if (S_ISBLK(st->st_mode))
		return;
	if (!S_ISREG(st->st_mode))
		ERROR(c, bdev, &file->path,
		      "path: %s is %s; allowed: a regular file or a block device",
		      CONFIG_QUOTE(file->path), file_kind(st->st_mode));
	else if (file->size_bytes && file->size_bytes != bytes)
		ERROR(c, bdev, &file->size_bytes,
		      "size: %s is not the size of the existing file %s; allowed: %s, or leave size out",
		      CONFIG_SIZE(file->size_bytes), CONFIG_QUOTE(file->path), CONFIG_SIZE(bytes));
	else if (!bytes)
		ERROR(c, bdev, &file->path,
		      "path: %s is empty; allowed: a file with at least one block",
		      CONFIG_QUOTE(file->path));
	else if (!file->size_bytes && bdev->block_size && bytes % bdev->block_size)
		ERROR(c, bdev, &file->path,
		      "path: the %ju bytes of %s are no whole number of blocks; allowed: multiples of "
		      "block_size, %u",
		      (uintmax_t)bytes, CONFIG_QUOTE(file->path), bdev->block_size);
}

static void check_file(struct bdev_check *c, size_t i)
{
	const struct config_bdev *bdev = &c->cfg->bdevs[i];
	const struct config_bdev_file *file = &bdev->file;
	struct stat st;

	if (file->create && file->read_only)
		ERROR(c, bdev, &file->create,
		      "create: a read-only file would stay empty for ever; allowed: create or read_only");
	if (!file->path)
		return;
	slow_file_begin(file->path);
	if (stat(file->path, &st) < 0) {
		check_absent_file(c, bdev, errno);
		slow_file_end();
		return;
	}
	slow_file_end();
	c->ids[i] = (struct file_id){.exists = true, .dev = st.st_dev, .ino = st.st_ino};
	/* A device may have several nodes. */
	if (S_ISBLK(st.st_mode))
		c->ids[i] = (struct file_id){.exists = true, .dev = st.st_rdev, .ino = 0};
	check_present_file(c, bdev, &st);
}

static bool same_file(const struct bdev_check *c, size_t i, size_t k)
{
	const struct config_bdev *a = &c->cfg->bdevs[i];
	const struct config_bdev *b = &c->cfg->bdevs[k];

	if (b->type != CONFIG_BDEV_FILE || !b->file.path)
		return false;
	if (c->ids[i].exists && c->ids[k].exists)
		return c->ids[i].dev == c->ids[k].dev && c->ids[i].ino == c->ids[k].ino;
	return strcmp(a->file.path, b->file.path) == 0;
}

/* Two bdevs over one file would not see each other's reservations and resizes; namespaces can share
 * a bdev. */
static void check_sharing(struct bdev_check *c, size_t i)
{
	const struct config_bdev *bdev = &c->cfg->bdevs[i];

	if (!bdev->file.path)
		return;
	for (size_t k = 0; k < i; k++) {
		const struct config_bdev *other = &c->cfg->bdevs[k];

		if (!same_file(c, i, k) || (bdev->file.read_only && other->file.read_only))
			continue;
		ERROR(c, bdev, &bdev->file.path,
		      "path: %s is the file of the bdev in line %u already; allowed: one bdev per file, "
		      "which any number of namespaces may use, or all of them read_only",
		      CONFIG_QUOTE(bdev->file.path), other->pos.line);
		return;
	}
}

static void check_by_type(struct bdev_check *c, size_t i)
{
	const struct config_bdev *bdev = &c->cfg->bdevs[i];

	switch (bdev->type) {
	case CONFIG_BDEV_MALLOC:
		check_size(c, bdev, &bdev->malloc.size_bytes);
		break;
	case CONFIG_BDEV_FILE:
		check_size(c, bdev, &bdev->file.size_bytes);
		check_file(c, i);
		check_sharing(c, i);
		break;
	case CONFIG_BDEV_NULL:
		check_size(c, bdev, &bdev->null.size_bytes);
		break;
	case CONFIG_BDEV_SPLIT: /* validate_split.c */
	case CONFIG_BDEV_PART:
		break;
	}
}

static void derive_uuid(const struct config *cfg, struct config_bdev *bdev)
{
	if (!config_places_has(cfg, bdev->uuid))
		config_uuid_from_name(bdev->name, bdev->uuid);
}

/* The first bdev with that UUID among a bdev and its parts, or NULL. */
static const struct config_bdev *find_uuid(const struct config_bdev *bdev, const uint8_t uuid[16])
{
	if (memcmp(bdev->uuid, uuid, sizeof(bdev->uuid)) == 0)
		return bdev;
	for (size_t i = 0; i < config_parts(bdev); i++) {
		const struct config_bdev *part = &bdev->split_of.parts[i];

		if (memcmp(part->uuid, uuid, sizeof(part->uuid)) == 0)
			return part;
	}
	return NULL;
}

/* Of two that are written out, the second one is wrong; a derived one never is. */
static void check_uuid(struct bdev_check *c, size_t i)
{
	static const uint8_t unread[16];
	const struct config_bdev *bdev = &c->cfg->bdevs[i];

	if (!config_places_has(c->cfg, bdev->uuid) || !memcmp(bdev->uuid, unread, sizeof(unread)))
		return;
	for (size_t k = 0; k < c->cfg->nbdevs; k++) {
		const struct config_bdev *other = find_uuid(&c->cfg->bdevs[k], bdev->uuid);
		char text[37];

		if (k == i || !other)
			continue;
		if (!other->name || (k > i && config_places_has(c->cfg, other->uuid)))
			continue;
		config_uuid_format(bdev->uuid, text);
		ERROR(c, bdev, bdev->uuid,
		      "uuid: %s is the UUID of the bdev in line %u; allowed: one of its own", text,
		      other->pos.line);
		return;
	}
}

void config_validate_bdevs(struct config *cfg, struct config_errors *errors)
{
	struct config_bdev *bdevs = (struct config_bdev *)cfg->bdevs;
	struct bdev_check c = {.cfg = cfg, .errors = errors};

	c.ids = config_arena_alloc(&cfg->priv->arena, cfg->nbdevs, sizeof(*c.ids));
	if (!c.ids)
		return;
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		if (bdevs[i].name)
			derive_uuid(cfg, &bdevs[i]);
	}
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		if (!bdevs[i].name)
			continue;
		check_by_type(&c, i);
		check_uuid(&c, i);
	}
}
