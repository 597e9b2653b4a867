/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bdev gets another size: first its medium, if that has to become larger, then the bdev, whose
 * users are told, and when nothing looks behind a nearer end any more, the medium again. What may
 * wait for a disk is done by a thread of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "config/controller_type.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"

/* For I/O behind the end to end: then its blocks stay with the medium. */
#define SETTLE_ROUNDS 1000
#define SETTLE_NS     (5 * NS_PER_MS)

static const struct bdev_type *type_of(const struct target_bdev *b)
{
	return bdev_type_of(b->object.type);
}

static void tell(const struct target_bdev *b)
{
	log_info("bdev %s: %" PRIu64 " bytes", b->object.name, b->bytes);
	target_tell(b->object.target,
		    &(struct target_event){
			    .kind = TARGET_EVENT_BDEV_RESIZED,
			    .values = {{.text = b->object.name}, {.number = b->bytes}},
		    });
}

static void end(struct target_bdev *b, int rc)
{
	char err[OBJECT_ERR_MAX];

	snprintf(err, sizeof(err), "%s", rc ? b->object.err : "");
	bdev_close(b->desc);
	if (rc == -ESHUTDOWN) /* the next start finds the size that there is now */
		log_warn("bdev \"%s\": %s", b->object.name, err);
	else if (rc)
		log_error("bdev \"%s\": %s", b->object.name, err);
	else
		tell(b);
	object_end(&b->object, OBJECT_LIVES, rc, err);
}

/* --- less of the medium --- */

static int settle(const struct target *t, struct bdev *bdev)
{
	const struct timespec pause = {.tv_nsec = SETTLE_NS};
	unsigned int i;

	for (i = 0; i < SETTLE_ROUNDS; i++) {
		if (bdev_resize_settled(bdev))
			return 0;
		/* Which waits for us. */
		if (atomic_load(&t->stopping))
			return -ESHUTDOWN;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

static void *cut(void *arg)
{
	struct target_bdev *b = arg;
	struct bdev *bdev = bdev_desc_bdev(b->desc);

	b->rc = settle(b->object.target, bdev);
	if (!b->rc)
		b->rc = target_system_error(type_of(b)->cut(bdev, b->object.err));
	else
		snprintf(b->object.err, sizeof(b->object.err),
			 "size: the bdev is smaller, but what it had more is still there: I/O on "
			 "it has not ended %s",
			 b->rc == -ESHUTDOWN ? "before the target is stopped"
					     : "within 5 s; resize it again when its disk answers");
	loop_post(b->object.target->main, &b->object.ended);
	return NULL;
}

static void was_cut(void *arg)
{
	struct target_bdev *b = arg;

	pthread_join(b->thread, NULL);
	end(b, b->rc);
}

/* --- parts of it --- */

/* The first split above it, however many others are between them; NULL: there is none. */
static const struct object *split_above(const struct target_bdev *b)
{
	const struct object *above = target_bdev_above(b);

	while (above && !bdev_type_of(above->type)->count_parts)
		above = target_bdev_above(container_of(above, struct target_bdev, object));
	return above;
}

static int check_parts(const struct target_bdev *b, const struct bdev *bdev, uint64_t bytes,
		       char *err)
{
	const struct object *split = split_above(b);

	if (!bytes || bytes >> bdev->block_shift >= bdev_nblocks(bdev) || !split)
		return 0;
	snprintf(err, OBJECT_ERR_MAX,
		 "size: bdev \"%s\" can't be made smaller while the split \"%s\" has parts of it; "
		 "remove that first",
		 b->object.name, split->name);
	return -EBUSY;
}

/* --- the bdev, and more of the medium --- */

static void show(struct target_bdev *b)
{
	struct bdev *bdev = bdev_desc_bdev(b->desc);
	uint64_t nblocks = b->bytes >> bdev->block_shift;
	bool less = nblocks <= bdev_nblocks(bdev);
	/* A split may have been made while the medium was looked at. */
	int rc = b->size_is_given ? check_parts(b, bdev, b->bytes, b->object.err) : 0;

	if (rc) {
		end(b, rc);
		return;
	}
	rc = bdev_resize(bdev, nblocks);
	/* What follows changes nothing of it. A size that is not given follows from the medium. */
	if (!rc && (b->config->params->size_bytes || b->size_is_given))
		b->config->params->size_bytes = b->bytes;
	/* Parts behind its end are removed. */
	target_drop_disks(b->object.target);
	if (rc)
		snprintf(b->object.err, sizeof(b->object.err), "%s",
			 rc == -EBUSY ? "it is being removed" : strerror(-rc));
	else if (less && type_of(b)->cut)
		rc = target_bdev_apart(b, "bdev-resize", cut, was_cut);
	else
		less = false;
	if (rc || !less)
		end(b, rc);
}

static void *resize(void *arg)
{
	struct target_bdev *b = arg;

	b->rc = target_system_error(
		type_of(b)->resize(bdev_desc_bdev(b->desc), &b->bytes, b->object.err));
	loop_post(b->object.target->main, &b->object.ended);
	return NULL;
}

static void was_resized(void *arg)
{
	struct target_bdev *b = arg;

	pthread_join(b->thread, NULL);
	if (b->rc)
		end(b, b->rc);
	else
		show(b);
}

/* --- */

static int check_type(const struct target_bdev *b, char *err)
{
	const struct bdev_type *type = type_of(b);

	if (type->resize)
		return 0;
	if (type->base)
		snprintf(err, OBJECT_ERR_MAX,
			 "bdev \"%s\" is on \"%s\", and its size follows from that one's; resize "
			 "\"%s\"",
			 b->object.name, *type->base(b->config->params),
			 *type->base(b->config->params));
	else
		snprintf(err, OBJECT_ERR_MAX, "bdevs of type %s have the size they were made with",
			 b->object.type->name);
	return -ENOTSUP;
}

static int check_size(const struct target_bdev *b, uint64_t bytes, char *err)
{
	const struct bdev *bdev = bdev_find(b->object.name);

	if (!bdev) {
		snprintf(err, OBJECT_ERR_MAX, "bdev \"%s\" is being removed", b->object.name);
		return -EBUSY;
	}
	if (bytes % bdev->block_size || bytes > (uint64_t)INT64_MAX) {
		snprintf(err, OBJECT_ERR_MAX,
			 "size: %" PRIu64 " is no size for bdev \"%s\"; allowed: multiples of its "
			 "block_size, %" PRIu32 ", below 2^63",
			 bytes, b->object.name, bdev->block_size);
		return -EINVAL;
	}
	return check_parts(b, bdev, bytes, err);
}

static int check(struct object *o, const char *name, uint64_t bytes, char *err)
{
	int rc = object_check_idle(o, "bdev", name, err);

	if (!rc)
		rc = check_type(target_bdev_of(o), err);
	if (!rc)
		rc = check_size(target_bdev_of(o), bytes, err);
	return rc;
}

void target_resize_bdev(struct target *t, const char *name, uint64_t bytes, target_done_fn done,
			void *arg)
{
	struct object *o = object_find(&t->bdevs, name);
	char err[OBJECT_ERR_MAX];
	struct target_bdev *b;
	int rc;

	rc = check(o, name, bytes, err);
	if (rc) {
		done(arg, rc, err);
		return;
	}
	b = target_bdev_of(o);
	b->bytes = bytes;
	b->size_is_given = bytes != 0;
	b->object.err[0] = 0;
	rc = bdev_open(name, BDEV_READ, NULL, NULL, &b->desc);
	if (rc) {
		done(arg, rc, rc == -ENOMEM ? "out of memory" : "it is being removed");
		return;
	}
	object_begin(o, OBJECT_RESIZES, done, arg);
	rc = target_bdev_apart(b, "bdev-resize", resize, was_resized);
	if (rc)
		end(b, rc);
}
