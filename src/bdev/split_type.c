/* SPDX-License-Identifier: BSD-3-Clause */
/* The type of bdev "split": its keys, and how many parts they ask for. */
#include <inttypes.h>

#include "bdev/bdev_type.h"
#include "schema/size.h"

static bool check_keys(struct object_check *c, const struct bdev_split_params *p)
{
	const bool count = object_gives(c, &p->count);
	const bool size = object_gives(c, &p->common.size_bytes);

	if (object_gives(c, &p->common.block_size))
		object_error(c, &p->common.block_size,
			     "block_size: the parts of a split have that of their base; allowed: "
			     "leave block_size out");
	if (!count && !size)
		object_error(c, NULL,
			     "neither count nor size says how to split; allowed: count, size or "
			     "both");
	/* What is given and can't be read is an error already. */
	return (count || size) && (!count || p->count) && (!size || p->common.size_bytes);
}

/* Whether that many parts of that size fit into the base's bytes. */
static bool check_fit(struct object_check *c, const struct bdev_split_params *p,
		      const struct bdev_base *base)
{
	uint64_t size = p->common.size_bytes, each = size ? size : base->block_size;

	if (size > base->bytes)
		object_error(c, &p->common.size_bytes,
			     "size: %s is more than %s has; allowed: up to %s", SCHEMA_SIZE(size),
			     SCHEMA_QUOTE(base->name), SCHEMA_SIZE(base->bytes));
	else if (p->count > base->bytes / each && size)
		object_error(c, &p->count,
			     "count: %" PRIu32 " parts of %s are more than the %s of %s; allowed: "
			     "up to %" PRIu64 ", or a smaller size",
			     p->count, SCHEMA_SIZE(size), SCHEMA_SIZE(base->bytes),
			     SCHEMA_QUOTE(base->name), base->bytes / each);
	else if (p->count > base->bytes / each)
		object_error(c, &p->count,
			     "count: %" PRIu32 " parts are more than the blocks of %s; allowed: up "
			     "to %" PRIu64,
			     p->count, SCHEMA_QUOTE(base->name), base->bytes / each);
	else
		return true;
	return false;
}

/* As many as fit; the size is given. */
static uint32_t count_fitting(struct object_check *c, const struct bdev_split_params *p,
			      const struct bdev_base *base)
{
	uint64_t n;

	if (base->bytes == BDEV_BYTES_UNTOLD) {
		object_error(c, &p->common.size_bytes,
			     "size: that of %s can't be found out; allowed: with count",
			     SCHEMA_QUOTE(base->name));
		return 0;
	}
	n = base->bytes / p->common.size_bytes;
	if (n <= BDEV_SPLIT_PARTS_MAX)
		return (uint32_t)n;
	object_error(c, &p->common.size_bytes,
		     "size: %s makes %" PRIu64 " parts of the %s of %s; allowed: up to %d, with a "
		     "larger size or a count",
		     SCHEMA_SIZE(p->common.size_bytes), n, SCHEMA_SIZE(base->bytes),
		     SCHEMA_QUOTE(base->name), BDEV_SPLIT_PARTS_MAX);
	return 0;
}

static uint32_t count_parts(struct object_check *c, const void *params,
			    const struct bdev_base *base)
{
	const struct bdev_split_params *p = params;
	bool known;

	if (!check_keys(c, p) || !base || !base->block_size)
		return 0;
	if (p->common.size_bytes % base->block_size) {
		object_error(c, &p->common.size_bytes,
			     "size: %s is no multiple of the block_size of %s; allowed: multiples "
			     "of %u",
			     SCHEMA_SIZE(p->common.size_bytes), SCHEMA_QUOTE(base->name),
			     base->block_size);
		return 0;
	}
	known = base->bytes && base->bytes != BDEV_BYTES_UNTOLD;
	if (known && !check_fit(c, p, base))
		return 0;
	if (p->count)
		return p->count;
	return base->bytes ? count_fitting(c, p, base) : 0;
}

static void set_parts(void *params, uint32_t count, const uint8_t (*uuids)[16])
{
	struct bdev_split_params *p = params;

	p->count = count;
	p->uuids = uuids;
}

static const char *const *base(const void *params)
{
	return &((const struct bdev_split_params *)params)->base;
}

static int create(const void *params, char err[BDEV_ERR_MAX])
{
	return bdev_split_create(params, err);
}

#define FIELD(member) .offset = offsetof(struct bdev_split_params, member)

static const struct schema_key keys[] = {
	{"base", &schema_name, FIELD(base), .required = true,
	 .doc = "The bdev that is made into parts; nobody else uses it.",
	 .allowed_doc = "a bdev of this file or a part of another split; each once"},
	{"count", &schema_uint32, FIELD(count), .min = 1, .max = BDEV_SPLIT_PARTS_MAX,
	 .unit = "parts", .dflt_doc = "as many as fit", .doc = "How many parts.",
	 .allowed_doc = "required without `size`"},
	{"size", &schema_size, FIELD(common.size_bytes), .min = BDEV_BYTES_MIN,
	 .max = BDEV_BYTES_MAX, .dflt_doc = "equal shares", .doc = "The size of each part.",
	 .allowed_doc = "a multiple of the base's `block_size`; required without `count`"},
	{0},
};

const struct bdev_type bdev_split_type = {
	.object = {.name = "split",
		   .doc = "Parts of another bdev, each of which is a bdev.",
		   .keys = keys,
		   .params_size = sizeof(struct bdev_split_params)},
	.create = create,
	.base = base,
	.count_parts = count_parts,
	.set_parts = set_parts,
};
