/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of a bdev as bdevs of their own. A part has no I/O of its own: what it gets, its base gets
 * by the same struct, some blocks further on. The base is open and claimed as long as there is a
 * part; when it is removed, so are the parts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/bdev_backends.h"
#include "bdev/bdev_internal.h"
#include "util/log.h"
#include "util/util.h"

#define UNIT_MIN 4096u	    /* bytes; what disks and file systems align to */
#define UNIT_MAX (1u << 20) /* more would be wasted */

struct split {
	char name[BDEV_NAME_MAX + 1];
	struct bdev_desc *desc; /* of the base */
	unsigned int nparts;
	atomic_uint refs; /* one per part, and one of who works with it */
};

struct part {
	struct bdev bdev;
	struct split *split;
	uint64_t first_lba; /* in the base */
};

static struct part *of(struct bdev *bdev)
{
	return container_of(bdev, struct part, bdev);
}

/* On whichever thread: the base is closed as soon as it has no part. */
static void split_put(struct split *s)
{
	if (atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	bdev_close(s->desc);
	free(s);
}

/* False: it is about to close the base. */
static bool split_get(struct split *s)
{
	unsigned int refs = atomic_load(&s->refs);

	while (refs)
		if (atomic_compare_exchange_weak(&s->refs, &refs, refs + 1))
			return true;
	return false;
}

/* --- a part --- */

static int channel_create(struct bdev *bdev, struct bdev_channel *ch)
{
	struct part *part = of(bdev);

	ch->priv->base = bdev_channel_get(part->split->desc);
	ch->priv->first_lba = part->first_lba;
	return ch->priv->base ? 0 : -EIO;
}

static void channel_destroy(struct bdev *bdev, struct bdev_channel *ch)
{
	bdev_channel_put(ch->priv->base);
}

static void submit(struct bdev_channel *ch, struct bdev_io *io)
{
	bdev_io_pass_on(io);
}

/* Only what the layer itself submitted gets here: all other I/O has the base's channel by now. */
static void cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	const struct bdev_ops *ops = io->channel->bdev->ops;

	if (io->part && ops->cancel)
		ops->cancel(io->channel, io);
}

/* Likewise. A fence is raised at the base, where all newer I/O comes by. */
static bool abandon(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status)
{
	const struct bdev_ops *ops = io->channel->bdev->ops;

	return io->part && ops->abandon && ops->abandon(io->channel, io, status);
}

static void destroy(struct bdev *bdev)
{
	struct part *part = of(bdev);
	struct split *s = part->split;

	free(part);
	split_put(s);
}

static const struct bdev_ops split_ops = {
	.type = "split",
	.channel_create = channel_create,
	.channel_destroy = channel_destroy,
	.submit = submit,
	.cancel = cancel,
	.abandon = abandon,
	.destroy = destroy,
};

#define PART_NAME_BYTES (BDEV_NAME_MAX + sizeof("4294967295"))

/* Its length. */
static int part_name(char name[PART_NAME_BYTES], const char *split, unsigned int i)
{
	return snprintf(name, PART_NAME_BYTES, "%.*s%u", BDEV_NAME_MAX, split, i);
}

static int make_part(struct split *s, unsigned int i, uint64_t nblocks, const uint8_t uuid[16],
		     char err[BDEV_ERR_MAX])
{
	const struct bdev *base = bdev_desc_bdev(s->desc);
	struct part *part = calloc(1, sizeof(*part));
	char name[PART_NAME_BYTES];
	int rc;

	if (!part) {
		snprintf(err, BDEV_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	part_name(name, s->name, i);
	memcpy(part->bdev.name, name, sizeof(part->bdev.name));
	memcpy(part->bdev.uuid, uuid, sizeof(part->bdev.uuid));
	part->bdev.block_size = base->block_size;
	part->bdev.nblocks = nblocks;
	part->bdev.read_only = base->read_only;
	part->bdev.limits = base->limits;
	part->bdev.io_timeout_ns = base->io_timeout_ns;
	part->bdev.levels = (uint8_t)(base->levels + 1);
	part->bdev.ops = &split_ops;
	part->split = s;
	part->first_lba = i * nblocks;
	rc = bdev_register(&part->bdev);
	if (rc) {
		bdev_register_error(&part->bdev, rc, err);
		free(part);
		return rc;
	}
	/* It can't be removed before this: this is the thread that removes bdevs. */
	atomic_fetch_add(&s->refs, 1);
	return 0;
}

/* Main thread, which is the only one that removes bdevs. */
static void visit_parts(const struct split *s, void (*fn)(struct bdev *part, uint64_t n),
			uint64_t n)
{
	char name[PART_NAME_BYTES];
	unsigned int i;

	for (i = 0; i < s->nparts; i++) {
		struct bdev *bdev;

		part_name(name, s->name, i);
		bdev = bdev_find(name);
		/* A part that went before may have left its name to another bdev. */
		if (bdev && bdev->ops == &split_ops && of(bdev)->split == s)
			fn(bdev, n);
	}
}

static void remove_part(struct bdev *bdev, uint64_t unused)
{
	bdev_remove(bdev, NULL, NULL);
}

/* A part that the base's end is in becomes shorter, and one behind it goes. */
static void cut_part(struct bdev *bdev, uint64_t base_blocks)
{
	uint64_t first = of(bdev)->first_lba;

	if (first >= base_blocks)
		bdev_remove(bdev, NULL, NULL);
	else if (bdev_nblocks(bdev) > base_blocks - first)
		bdev_resize(bdev, base_blocks - first);
}

/* What a base has more than it had is in no part. */
static void base_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct split *s = arg;

	/* If not, the last part is gone, and whoever dropped it waits for this call's end. */
	if (!split_get(s))
		return;
	if (event == BDEV_EVENT_REMOVED)
		visit_parts(s, remove_part, 0);
	else
		visit_parts(s, cut_part, bdev_nblocks(bdev_desc_bdev(desc)));
	split_put(s);
}

/* --- making them --- */

static int check_params(const struct bdev_split_params *p, char err[BDEV_ERR_MAX])
{
	size_t len = p->common.name ? strlen(p->common.name) : 0;
	char last[PART_NAME_BYTES];

	if (!p->count || p->count > BDEV_SPLIT_PARTS_MAX) {
		snprintf(err, BDEV_ERR_MAX, "count: %" PRIu32 " parts; it must be 1 to %d",
			 p->count, BDEV_SPLIT_PARTS_MAX);
		return -EINVAL;
	}
	if (len && len <= BDEV_NAME_MAX &&
	    part_name(last, p->common.name, p->count - 1) <= BDEV_NAME_MAX)
		return 0;
	snprintf(err, BDEV_ERR_MAX,
		 "name: it has %zu characters; with the number of a part, it must have at most %d",
		 len, BDEV_NAME_MAX);
	return -EINVAL;
}

static void open_error(const struct bdev_split_params *p, int rc, char err[BDEV_ERR_MAX])
{
	char holder[BDEV_HOLDER_MAX];

	if (rc == -ENOENT)
		snprintf(err, BDEV_ERR_MAX, "base: there is no bdev \"%s\"", p->base);
	else if (rc == -EBUSY && bdev_claimed(p->base, holder))
		snprintf(err, BDEV_ERR_MAX, "base: bdev \"%s\" is in use: %s has it", p->base,
			 holder);
	else if (rc == -EBUSY)
		snprintf(err, BDEV_ERR_MAX,
			 "base: bdev \"%s\" is open for writing or being removed; use it as a "
			 "whole or in parts",
			 p->base);
	else
		snprintf(err, BDEV_ERR_MAX, "base: bdev \"%s\" can't be opened: %s", p->base,
			 strerror(-rc));
}

static int open_base(struct split *s, const struct bdev_split_params *p, char err[BDEV_ERR_MAX])
{
	char holder[BDEV_HOLDER_MAX];
	int rc;

	rc = bdev_open(p->base, BDEV_WRITE_IF_ABLE, base_event, s, &s->desc);
	if (rc) {
		open_error(p, rc, err);
		return rc;
	}
	snprintf(holder, sizeof(holder), "split \"%s\"", s->name);
	rc = bdev_claim(s->desc, holder);
	if (rc) {
		open_error(p, rc, err);
		bdev_close(s->desc);
	}
	return rc;
}

/* A size below which no part's first block should be misaligned, in bytes. */
static uint32_t unit_of(const struct bdev *base)
{
	const uint32_t wishes[] = {base->limits.discard_granularity_bytes,
				   base->limits.preferred_bytes};
	uint32_t unit = UNIT_MIN;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wishes); i++)
		if (wishes[i] > unit && wishes[i] <= UNIT_MAX && !(wishes[i] & (wishes[i] - 1)))
			unit = wishes[i];
	return unit;
}

/* Blocks of each part. */
static int find_size(const struct bdev *base, const struct bdev_split_params *p, uint64_t *nblocks,
		     char err[BDEV_ERR_MAX])
{
	uint64_t n = p->common.size_bytes >> base->block_shift, share = base->nblocks / p->count;
	uint64_t unit = unit_of(base) >> base->block_shift;

	if (p->common.size_bytes % base->block_size) {
		snprintf(err, BDEV_ERR_MAX,
			 "size: %" PRIu64 " bytes are not a multiple of the block size of bdev "
			 "\"%s\", %" PRIu32,
			 p->common.size_bytes, base->name, base->block_size);
		return -EINVAL;
	}
	if (p->common.size_bytes && n > share) {
		snprintf(err, BDEV_ERR_MAX,
			 "size: %" PRIu32 " parts of %" PRIu64
			 " bytes don't fit into bdev \"%s\", which has %" PRIu64
			 " blocks of %" PRIu32,
			 p->count, p->common.size_bytes, base->name, base->nblocks,
			 base->block_size);
		return -EINVAL;
	}
	if (!share) {
		snprintf(err, BDEV_ERR_MAX,
			 "count: %" PRIu32 " parts are more than the %" PRIu64
			 " blocks of bdev \"%s\"",
			 p->count, base->nblocks, base->name);
		return -EINVAL;
	}
	if (!n)
		n = share >= unit ? share - share % unit : share;
	*nblocks = n;
	return 0;
}

static int make_parts(struct split *s, const struct bdev_split_params *p, char err[BDEV_ERR_MAX])
{
	const struct bdev *base = bdev_desc_bdev(s->desc);
	uint64_t nblocks, rest;
	int rc;

	rc = find_size(base, p, &nblocks, err);
	while (!rc && s->nparts < p->count) {
		rc = make_part(s, s->nparts, nblocks, p->uuids[s->nparts], err);
		if (!rc)
			s->nparts++;
	}
	if (rc) {
		visit_parts(s, remove_part, 0);
		return rc;
	}
	rest = base->nblocks - nblocks * p->count;
	log_info("bdev %s: %" PRIu32 " parts of %" PRIu64 " bytes of %s", s->name, p->count,
		 nblocks << base->block_shift, base->name);
	if (rest)
		log_info("bdev %s: the last %" PRIu64 " bytes of %s are in no part", s->name,
			 rest << base->block_shift, base->name);
	return 0;
}

int bdev_split_create(const struct bdev_split_params *p, char err[BDEV_ERR_MAX])
{
	struct split *s;
	int rc;

	rc = check_params(p, err);
	if (rc)
		return rc;
	s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(err, BDEV_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	snprintf(s->name, sizeof(s->name), "%s", p->common.name);
	atomic_init(&s->refs, 1);
	rc = open_base(s, p, err);
	if (rc) {
		free(s);
		return rc;
	}
	rc = make_parts(s, p, err);
	split_put(s);
	return rc;
}
