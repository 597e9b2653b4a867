/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bdev without a medium, for measuring and testing: writes are dropped, reads leave the buffer as
 * it is, so what it "contains" is undefined, and a COMPARE has nothing to compare with. With a
 * latency, I/Os wait in a queue; as all wait equally long, it is in the order of their deadlines.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/bdev_type.h"
#include "reactor/reactor.h"
#include "util/time.h"
#include "util/util.h"

struct null_bdev {
	struct bdev bdev;
	uint64_t latency_ns;
	enum bdev_status status; /* with which all ends; TIMEOUT: latency_ns is the time-out */
};

/* In io->backend. */
struct null_io {
	struct null_io *next, **prevp;
	uint64_t deadline_ns;
};

_Static_assert(sizeof(struct null_io) <= sizeof(((struct bdev_io *)0)->backend), "fits");

struct null_channel {
	struct bdev_channel *ch;
	struct timer timer; /* for the first of the queue */
	struct null_io *first, **lastp;
};

static struct null_bdev *of(struct bdev *bdev)
{
	return container_of(bdev, struct null_bdev, bdev);
}

static struct bdev_io *io_of(struct null_io *nio)
{
	return container_of((void *)nio, struct bdev_io, backend);
}

static void unlink_io(struct null_channel *nc, struct null_io *nio)
{
	*nio->prevp = nio->next;
	if (nio->next)
		nio->next->prevp = nio->prevp;
	else
		nc->lastp = nio->prevp;
}

static void start_timer(struct null_channel *nc, const struct null_io *first, uint64_t now_ns)
{
	uint64_t due = first->deadline_ns;

	reactor_timer_start(nc->ch->reactor, &nc->timer, due > now_ns ? due - now_ns : 0);
}

static void timer_fired(void *arg)
{
	struct null_channel *nc = arg;
	struct bdev_channel *ch = nc->ch;
	enum bdev_status status = of(ch->bdev)->status;
	uint64_t now = time_now_ns();
	struct null_io *nio;

	bdev_channel_hold(ch);
	/* New ones that are submitted meanwhile are due later than `now`. */
	while ((nio = nc->first) && nio->deadline_ns <= now) {
		unlink_io(nc, nio);
		bdev_io_complete(io_of(nio), status);
	}
	if (nc->first)
		start_timer(nc, nc->first, now);
	bdev_channel_put(ch);
}

static void __attribute__((noinline))
queue_io(struct null_channel *nc, struct bdev_io *io, uint64_t latency_ns)
{
	struct null_io *nio = (struct null_io *)&io->backend;
	uint64_t now = time_now_ns();
	bool was_empty = !nc->first;

	nio->deadline_ns = now + latency_ns;
	nio->next = NULL;
	nio->prevp = nc->lastp;
	*nc->lastp = nio;
	nc->lastp = &nio->next;
	if (was_empty)
		start_timer(nc, nio, now);
}

static void submit(struct bdev_channel *ch, struct bdev_io *io)
{
	uint64_t latency_ns = of(ch->bdev)->latency_ns;

	if (unlikely(io->op == BDEV_OP_COMPARE))
		bdev_io_complete(io, BDEV_STATUS_UNSUPPORTED);
	else if (likely(!latency_ns))
		bdev_io_complete(io, BDEV_STATUS_OK);
	else
		queue_io(ch->ctx, io, latency_ns);
}

static void now(struct bdev_channel *ch, enum bdev_op op, uint64_t lba, uint32_t nblocks, void *buf)
{
}

static void end_early(struct null_channel *nc, struct bdev_io *io, enum bdev_status status)
{
	unlink_io(nc, (struct null_io *)&io->backend);
	if (!nc->first)
		reactor_timer_cancel(&nc->timer);
	bdev_io_complete(io, status);
}

static void cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	end_early(ch->ctx, io, BDEV_STATUS_ABORTED);
}

/* Nothing is under way but time. */
static bool abandon(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status)
{
	end_early(ch->ctx, io, status);
	return true;
}

static int channel_create(struct bdev *bdev, struct bdev_channel *ch)
{
	struct null_channel *nc = calloc(1, sizeof(*nc));

	if (!nc)
		return -ENOMEM;
	nc->ch = ch;
	nc->lastp = &nc->first;
	nc->timer.fn = timer_fired;
	nc->timer.arg = nc;
	ch->ctx = nc;
	return 0;
}

static void channel_destroy(struct bdev *bdev, struct bdev_channel *ch)
{
	struct null_channel *nc = ch->ctx;

	reactor_timer_cancel(&nc->timer);
	free(nc);
}

static void destroy(struct bdev *bdev)
{
	free(of(bdev));
}

static const struct bdev_ops null_ops = {
	.type = "null",
	.channel_create = channel_create,
	.channel_destroy = channel_destroy,
	.submit = submit,
	.now = now,
	.cancel = cancel,
	.abandon = abandon,
	.destroy = destroy,
};

/* With a latency nothing is done at once. */
static const struct bdev_ops late_ops = {
	.type = "null",
	.channel_create = channel_create,
	.channel_destroy = channel_destroy,
	.submit = submit,
	.cancel = cancel,
	.abandon = abandon,
	.destroy = destroy,
};

static int check_params(const struct bdev_null_params *p, char err[BDEV_ERR_MAX])
{
	int rc = bdev_params_check(&p->common, true, err);

	if (rc)
		return rc;
	if (p->latency_us > BDEV_NULL_LATENCY_US_MAX) {
		snprintf(err, BDEV_ERR_MAX, "latency_us: %" PRIu32 " is above the limit of %d",
			 p->latency_us, BDEV_NULL_LATENCY_US_MAX);
		return -EINVAL;
	}
	return 0;
}

int bdev_null_create(const struct bdev_null_params *p, char err[BDEV_ERR_MAX])
{
	struct null_bdev *n;
	int rc;

	rc = check_params(p, err);
	if (rc)
		return rc;
	n = calloc(1, sizeof(*n));
	if (!n) {
		snprintf(err, BDEV_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	snprintf(n->bdev.name, sizeof(n->bdev.name), "%s", p->common.name);
	memcpy(n->bdev.uuid, p->common.uuid, sizeof(n->bdev.uuid));
	n->bdev.block_size = p->common.block_size;
	n->bdev.nblocks = p->common.size_bytes / p->common.block_size;
	n->latency_ns = p->latency_us * NS_PER_US;
	n->bdev.io_timeout_ns = p->common.io_timeout_s * NS_PER_SEC;
	if (n->bdev.io_timeout_ns && n->latency_ns > n->bdev.io_timeout_ns) {
		n->latency_ns = n->bdev.io_timeout_ns;
		n->status = BDEV_STATUS_TIMEOUT;
	}
	n->bdev.limits = (struct bdev_limits){
		.buffer_align = 1,
		.discard_granularity_bytes = p->common.block_size,
		.write_zeroes = true,
		.compare = true, /* to refuse it */
	};
	n->bdev.ops = p->latency_us ? &late_ops : &null_ops;
	rc = bdev_register(&n->bdev);
	if (rc) {
		bdev_register_error(&n->bdev, rc, err);
		free(n);
	}
	return rc;
}

/* --- the type --- */

static int create(const void *params, char err[BDEV_ERR_MAX])
{
	return bdev_null_create(params, err);
}

static int resize(struct bdev *bdev, uint64_t *bytes, char err[BDEV_ERR_MAX])
{
	if (!*bytes)
		*bytes = bdev_nblocks(bdev) << bdev->block_shift;
	return 0;
}

#define FIELD(member) .offset = offsetof(struct bdev_null_params, member)

static const struct schema_key keys[] = {
	{"size", &schema_size, FIELD(common.size_bytes), .required = true, .min = BDEV_BYTES_MIN,
	 .max = BDEV_BYTES_MAX, .doc = "The size of the disk.",
	 .allowed_doc = "a multiple of `block_size`"},
	{"latency_us", &schema_uint32, FIELD(latency_us), .dflt = "0",
	 .max = BDEV_NULL_LATENCY_US_MAX, .unit = "microseconds",
	 .doc = "Each I/O completes that much later, as on a slow disk."},
	{"io_timeout_s", &schema_uint32, FIELD(common.io_timeout_s), .dflt = "0",
	 .max = BDEV_IO_TIMEOUT_MAX, .unit = "seconds",
	 .doc = "I/O that would take longer ends then, with an error; 0: none does."},
	{0},
};

const struct bdev_type bdev_null_type = {
	.object = {.name = "null",
		   .doc = "No storage: reads leave the buffer as it is, writes are thrown away.",
		   .keys = keys,
		   .params_size = sizeof(struct bdev_null_params)},
	.create = create,
	.resize = resize,
};
