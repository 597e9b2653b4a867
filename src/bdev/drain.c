/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/drain.h"

#include <stdatomic.h>

#include "util/log.h"
#include "util/util.h"

/* Once more now and then: what could not be abandoned may be so in its next step. */
#define AGAIN_NS NS_PER_SEC
/* At the end of the daemon. */
#define HURRY_NS (50 * NS_PER_MS)

struct drain_times drain_times = {
	.grace_ns = 2 * NS_PER_SEC,
	.cancel_ns = 500 * NS_PER_MS,
	.abandon_ns = 500 * NS_PER_MS,
};

static atomic_bool hurried;

void drain_hurry(void)
{
	atomic_store(&hurried, true);
}

uint64_t drain_wait_ns(uint64_t ns)
{
	return atomic_load_explicit(&hurried, memory_order_relaxed) ? min_t(uint64_t, ns, HURRY_NS)
								    : ns;
}

static uint64_t waited_ms(const struct drain *d)
{
	return (time_now_ns() - d->since_ns) / NS_PER_MS;
}

static void log_wait(struct drain *d)
{
	const struct bdev_io *io = NULL;
	unsigned int left = d->ops->left(d, &io);

	if (!left || d->logged)
		return;
	d->logged = true;
	if (io)
		log_warn("%s: an answer to the VMM waits for %u requests that can't be ended "
			 "early, for %llu ms until now: %s of %u blocks at LBA %llu of bdev %s; a "
			 "device may have the guest's memory",
			 d->name, left, (unsigned long long)waited_ms(d),
			 bdev_op_str((enum bdev_op)io->op), io->nblocks,
			 (unsigned long long)io->lba, io->channel->bdev->name);
	else
		log_warn("%s: an answer to the VMM waits for %u requests that wait for others, for "
			 "%llu ms until now",
			 d->name, left, (unsigned long long)waited_ms(d));
}

/* --- ending requests; a guest may have very many in flight --- */

static void end_some(void *arg)
{
	struct drain *d = arg;
	bool more = d->cancels ? d->ops->cancel(d, &d->at) : d->ops->abandon(d, &d->at);

	if (!more) {
		d->at = 0;
		*(d->cancels ? &d->cancels : &d->abandons) = false;
	}
	if (d->cancels || d->abandons)
		reactor_job_start(d->reactor, &d->job);
}

static void end_requests(struct drain *d, bool cancels, bool abandons)
{
	d->cancels = cancels;
	d->abandons = abandons;
	d->at = 0;
	reactor_job_cancel(&d->job);
	d->job = (struct reactor_job){.fn = end_some, .arg = d, .share = reactor_payer()};
	reactor_job_start(d->reactor, &d->job);
}

/* --- the clock --- */

static void advance(void *arg);

static void next(struct drain *d, enum drain_stage stage, uint64_t after_ns)
{
	d->stage = stage;
	d->timer.fn = advance;
	d->timer.arg = d;
	reactor_timer_start(d->reactor, &d->timer, drain_wait_ns(after_ns));
}

static void advance(void *arg)
{
	struct drain *d = arg;

	switch (d->stage) {
	case DRAIN_OFF:
		return;
	case DRAIN_GRACE:
		next(d, DRAIN_CANCELLED, drain_times.cancel_ns);
		end_requests(d, true, false);
		return;
	case DRAIN_CANCELLED:
		next(d, DRAIN_ABANDONED, drain_times.abandon_ns);
		end_requests(d, d->cancels, true);
		return;
	case DRAIN_ABANDONED:
		next(d, DRAIN_ABANDONED, AGAIN_NS);
		log_wait(d);
		end_requests(d, true, true);
		return;
	}
}

void drain_start(struct drain *d, uint64_t grace_ns)
{
	d->since_ns = time_now_ns();
	d->logged = false;
	if (grace_ns && !atomic_load_explicit(&hurried, memory_order_relaxed)) {
		next(d, DRAIN_GRACE, grace_ns);
		return;
	}
	d->stage = DRAIN_GRACE;
	advance(d);
}

void drain_end(struct drain *d)
{
	if (d->stage == DRAIN_OFF)
		return;
	d->stage = DRAIN_OFF;
	reactor_timer_cancel(&d->timer);
	reactor_job_cancel(&d->job);
	if (d->logged)
		log_warn("%s: the requests that an answer to the VMM waited for have ended, after "
			 "%llu ms",
			 d->name, (unsigned long long)waited_ms(d));
}
