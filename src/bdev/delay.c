/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bdev on another one that begins each I/O later: a slow disk for tests, with data. An I/O waits
 * in a queue, of reads or of writes, in the order of the deadlines, as all there wait equally long.
 * Then a job of who submitted it passes it to the bdev below, as a child with its own completion.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/bdev_child.h"
#include "bdev/bdev_type.h"
#include "reactor/reactor.h"
#include "util/time.h"
#include "util/util.h"

#define DELAY_US_MAX 60000000

struct delay_params {
	struct bdev_params common; /* but for the sizes, which are the base's */
	const char *base;
	uint32_t read_us, write_us;
};

struct delay {
	struct bdev bdev;
	struct bdev_desc *base;
	uint64_t read_ns, write_ns;
};

/* In io->backend, of a parent. In a queue, or its job waits, or it has a child. */
struct delay_io {
	struct delay_io *next, **prevp; /* in a queue, if prevp */
	struct delay_queue *queue;
	uint64_t deadline_ns;
	struct reactor_job job;
	struct bdev_child *child;
	uint32_t status; /* with which it ends if it is abandoned; OK: with its child's */
};

_Static_assert(sizeof(struct delay_io) <= sizeof(((struct bdev_io *)0)->backend), "fits");

struct delay_queue {
	struct delay_io *first, **last;
	struct timer timer; /* for the first; not of `starved` */
	struct delay_channel *dc;
};

struct delay_channel {
	struct bdev_channel *ch, *base;
	struct delay_queue reads, writes;
	struct delay_queue starved; /* until a child is free */
	struct bdev_child_pool children;
};

static struct delay *of(struct bdev *bdev)
{
	return container_of(bdev, struct delay, bdev);
}

static struct delay_io *delay_io_of(struct bdev_io *io)
{
	return (struct delay_io *)&io->backend;
}

static struct bdev_io *io_of(struct delay_io *dio)
{
	return container_of((void *)dio, struct bdev_io, backend);
}

/* --- queues --- */

static void append(struct delay_queue *q, struct delay_io *dio)
{
	dio->queue = q;
	dio->next = NULL;
	dio->prevp = q->last;
	*q->last = dio;
	q->last = &dio->next;
}

static void unlink_io(struct delay_io *dio)
{
	*dio->prevp = dio->next;
	if (dio->next)
		dio->next->prevp = dio->prevp;
	else
		dio->queue->last = dio->prevp;
	dio->prevp = NULL;
}

static void start_timer(struct delay_queue *q, uint64_t now_ns)
{
	uint64_t due = q->first->deadline_ns;

	reactor_timer_start(q->dc->ch->reactor, &q->timer, due > now_ns ? due - now_ns : 0);
}

static void timer_fired(void *arg)
{
	struct delay_queue *q = arg;
	uint64_t now = time_now_ns();
	struct delay_io *dio;

	/* What a bdev in memory does at once has its turn in its user's share of the rounds. */
	while ((dio = q->first) && dio->deadline_ns <= now) {
		unlink_io(dio);
		reactor_job_start(q->dc->ch->reactor, &dio->job);
	}
	if (q->first)
		start_timer(q, now);
}

/* --- an I/O --- */

/* For a child that is free, or will be, as who was to have it does not need it. */
static void wake_starved(struct delay_channel *dc)
{
	struct delay_io *dio = dc->starved.first;

	if (!dio || !dc->children.free)
		return;
	unlink_io(dio);
	reactor_job_start(dc->ch->reactor, &dio->job);
}

static void child_done(struct bdev_io *io)
{
	struct bdev_child *child = bdev_child_of(io);
	struct bdev_io *parent = child->parent;
	struct delay_io *dio = delay_io_of(parent);
	struct delay_channel *dc = parent->channel->ctx;
	enum bdev_status status = io->status;

	bdev_child_give(&dc->children, child);
	wake_starved(dc);
	/* The user may put the channel. */
	bdev_io_complete(parent, dio->status ? dio->status : status);
}

/* It is passed on. */
static void begin(void *arg)
{
	struct delay_io *dio = arg;
	struct bdev_io *io = io_of(dio);
	struct delay_channel *dc = io->channel->ctx;

	dio->child = bdev_child_take(&dc->children);
	if (!dio->child) {
		/* All are in use, unless there is no memory for the first. */
		if (dc->children.made)
			append(&dc->starved, dio);
		else
			bdev_io_complete(io, BDEV_STATUS_NO_MEMORY);
		return;
	}
	bdev_child_like(dio->child, io);
	dio->child->io.done = child_done;
	bdev_submit(dc->base, &dio->child->io);
}

static void submit(struct bdev_channel *ch, struct bdev_io *io)
{
	bool reads = io->op == BDEV_OP_READ || io->op == BDEV_OP_COMPARE;
	const struct delay *d = of(ch->bdev);
	uint64_t delay_ns = reads ? d->read_ns : d->write_ns;
	struct delay_io *dio = delay_io_of(io);
	struct delay_channel *dc = ch->ctx;
	struct delay_queue *q = reads ? &dc->reads : &dc->writes;
	uint64_t now;

	*dio = (struct delay_io){
		.job = {.fn = begin, .arg = dio, .share = reactor_payer()},
	};
	if (!delay_ns) {
		if (dc->starved.first)
			append(&dc->starved, dio);
		else
			begin(dio);
		return;
	}
	now = time_now_ns();
	dio->deadline_ns = now + delay_ns;
	append(q, dio);
	if (q->first == dio)
		start_timer(q, now);
}

/* False: the bdev below has it. */
static bool end_waiting(struct delay_io *dio, enum bdev_status status)
{
	struct delay_channel *dc = io_of(dio)->channel->ctx;

	if (dio->child)
		return false;
	if (dio->prevp) {
		unlink_io(dio);
		if (!dio->queue->first)
			reactor_timer_cancel(&dio->queue->timer);
	} else {
		reactor_job_cancel(&dio->job);
		wake_starved(dc);
	}
	bdev_io_complete(io_of(dio), status);
	return true;
}

static void cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	struct delay_io *dio = delay_io_of(io);

	if (!end_waiting(dio, BDEV_STATUS_ABORTED))
		bdev_io_cancel(&dio->child->io);
}

/* What goes on below is fenced there, where all newer I/O comes by. */
static bool abandon(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status)
{
	struct delay_io *dio = delay_io_of(io);

	if (end_waiting(dio, status))
		return true;
	dio->status = status;
	if (bdev_io_abandon(&dio->child->io))
		return true;
	dio->status = BDEV_STATUS_OK;
	return false;
}

/* --- channels --- */

static void init_queue(struct delay_queue *q, struct delay_channel *dc)
{
	q->last = &q->first;
	q->timer.fn = timer_fired;
	q->timer.arg = q;
	q->dc = dc;
}

static int channel_create(struct bdev *bdev, struct bdev_channel *ch)
{
	struct delay_channel *dc = calloc(1, sizeof(*dc));

	if (!dc)
		return -ENOMEM;
	dc->base = bdev_channel_get(of(bdev)->base);
	if (!dc->base) {
		free(dc);
		return -EIO;
	}
	dc->ch = ch;
	init_queue(&dc->reads, dc);
	init_queue(&dc->writes, dc);
	init_queue(&dc->starved, dc);
	ch->ctx = dc;
	return 0;
}

static void channel_destroy(struct bdev *bdev, struct bdev_channel *ch)
{
	struct delay_channel *dc = ch->ctx;

	reactor_timer_cancel(&dc->reads.timer);
	reactor_timer_cancel(&dc->writes.timer);
	bdev_child_pool_fini(&dc->children);
	bdev_channel_put(dc->base);
	free(dc);
}

static void destroy(struct bdev *bdev)
{
	struct delay *d = of(bdev);

	bdev_close(d->base);
	free(d);
}

static const struct bdev_ops delay_ops = {
	.type = "delay",
	.channel_create = channel_create,
	.channel_destroy = channel_destroy,
	.submit = submit,
	.cancel = cancel,
	.abandon = abandon,
	.destroy = destroy,
};

/* --- making one --- */

/* Main thread, which is the only one that removes bdevs. It may have been removed before. */
static void base_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct delay *d = arg;

	if (bdev_find(d->bdev.name) != &d->bdev)
		return;
	if (event == BDEV_EVENT_RESIZED)
		bdev_resize(&d->bdev, bdev_nblocks(bdev_desc_bdev(desc)));
	else
		bdev_remove(&d->bdev, NULL, NULL);
}

static int open_base(struct delay *d, const struct delay_params *p, char err[BDEV_ERR_MAX])
{
	char holder[BDEV_HOLDER_MAX];
	int rc;

	rc = bdev_open(p->base, BDEV_WRITE_IF_ABLE, base_event, d, &d->base);
	if (rc) {
		snprintf(err, BDEV_ERR_MAX, "base: bdev \"%s\" can't be opened: %s", p->base,
			 rc == -EBUSY ? "it is in use" : strerror(-rc));
		return rc;
	}
	snprintf(holder, sizeof(holder), "delay \"%s\"", p->common.name);
	rc = bdev_claim(d->base, holder);
	if (rc) {
		snprintf(err, BDEV_ERR_MAX, "base: bdev \"%s\" is in use by somebody else",
			 p->base);
		bdev_close(d->base);
	}
	return rc;
}

/* The base's; all that it does for its backend, it does for us. */
static void set_properties(struct bdev *bdev, const struct bdev *base)
{
	bdev->block_size = base->block_size;
	bdev->nblocks = base->nblocks;
	bdev->read_only = base->read_only;
	bdev->io_timeout_ns = base->io_timeout_ns;
	bdev->levels = (uint8_t)(base->levels + 1);
	bdev->limits = base->limits;
	bdev->limits.step_bytes = bdev->limits.far_step_bytes = 0;
	bdev->limits.max_discard_bytes = bdev->limits.max_write_zeroes_bytes = 0;
	bdev->limits.write_zeroes = true;
	bdev->limits.compare = true;
}

static int create(const void *params, char err[BDEV_ERR_MAX])
{
	const struct delay_params *p = params;
	struct delay *d = calloc(1, sizeof(*d));
	int rc;

	if (!d) {
		snprintf(err, BDEV_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	snprintf(d->bdev.name, sizeof(d->bdev.name), "%s", p->common.name);
	memcpy(d->bdev.uuid, p->common.uuid, sizeof(d->bdev.uuid));
	d->bdev.ops = &delay_ops;
	d->read_ns = p->read_us * NS_PER_US;
	d->write_ns = p->write_us * NS_PER_US;
	rc = open_base(d, p, err);
	if (rc)
		goto free_it;
	set_properties(&d->bdev, bdev_desc_bdev(d->base));
	rc = bdev_register(&d->bdev);
	if (!rc)
		return 0;
	bdev_register_error(&d->bdev, rc, err);
	bdev_close(d->base);
free_it:
	free(d);
	return rc;
}

/* --- the type --- */

static const char *const *base(const void *params)
{
	return &((const struct delay_params *)params)->base;
}

static void check(struct object_check *c, void *params)
{
	const struct delay_params *p = params;

	if (object_gives(c, &p->common.block_size))
		object_error(c, &p->common.block_size,
			     "block_size: it is that of the base; allowed: leave block_size out");
}

#define FIELD(member) .offset = offsetof(struct delay_params, member)

static const struct schema_key keys[] = {
	{"base", &schema_name, FIELD(base), .required = true,
	 .doc = "The bdev that has the data; nobody else uses it.",
	 .allowed_doc = "a bdev of this file or a part of a split"},
	{"read_us", &schema_uint32, FIELD(read_us), .dflt = "0", .max = DELAY_US_MAX,
	 .unit = "microseconds", .doc = "How much later reads and comparisons begin."},
	{"write_us", &schema_uint32, FIELD(write_us), .dflt = "0", .max = DELAY_US_MAX,
	 .unit = "microseconds",
	 .doc = "How much later all else begins: writes, flushes, discards, zeroes."},
	{0},
};

const struct bdev_type bdev_delay_type = {
	.object = {.name = "delay",
		   .doc = "Another bdev, made slower.",
		   .keys = keys,
		   .params_size = sizeof(struct delay_params),
		   .check = check},
	.create = create,
	.base = base,
};
