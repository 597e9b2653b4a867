/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O that takes long. While a channel has I/O a timer looks at the oldest, a few times a second:
 * no I/O has a timer of its own, nor a look at the clock.
 *
 * The file hangs when some I/O of it is a second old. Then, if `bounce` is auto, all new I/O goes
 * through memory of our own, so that it can be abandoned. What is as old as the bdev's io_timeout
 * ends.
 */
#include <inttypes.h>

#include "bdev/file_io.h"
#include "bdev/file_watch.h"
#include "util/counter.h"
#include "util/time.h"

#define TICK_NS	   (250 * NS_PER_MS)
#define HANG_TICKS 4
#define TELL_TICKS 20  /* slow disks are no news */
#define TRIM_TICKS 40  /* workers without work */
#define EXPIRE_MAX 256 /* in one tick */

static uint32_t age_of(const struct file_channel *fc, uint32_t tick)
{
	return fc->tick - tick;
}

static uint32_t oldest(const struct file_channel *fc)
{
	uint32_t age = fc->first ? age_of(fc, fc->first->tick) : 0;
	const struct file_job *job;

	for (job = fc->late; job; job = job->next)
		if (age_of(fc, job->tick) > age)
			age = age_of(fc, job->tick);
	return age;
}

/* --- hanging --- */

static void set_special(struct file_channel *fc)
{
	struct file_bdev *f = file_of(fc->ch->bdev);

	if (fc->hangs) {
		COUNTER_ADD(fc->ch->stats.hangs, 1);
		atomic_fetch_add(&f->nhang, 1);
	} else {
		COUNTER_ADD(fc->ch->stats.hangs_ended, 1);
		atomic_fetch_sub(&f->nhang, 1);
	}
	if (f->bounce != BDEV_BOUNCE_AUTO)
		return;
	/* Of two reactors that do this at once, one may be wrong until the next tick of either. */
	if (atomic_load(&f->nhang))
		atomic_fetch_or(&f->special, FILE_HANGS);
	else
		atomic_fetch_and(&f->special, ~FILE_HANGS);
}

static void tell(struct file_channel *fc, uint32_t age)
{
	const struct bdev *bdev = fc->ch->bdev;

	if (!fc->told && age >= TELL_TICKS) {
		fc->told = true;
		log_limited(&fc->limit, LOG_LEVEL_WARN, bdev->name,
			    "bdev %s: \"%s\" hangs: there is I/O that it has not answered for %u s",
			    bdev->name, file_of(fc->ch->bdev)->path,
			    age * (unsigned int)(TICK_NS / NS_PER_MS) / 1000);
	} else if (fc->told && age < HANG_TICKS) {
		fc->told = false;
		log_limited(&fc->limit, LOG_LEVEL_INFO, bdev->name, "bdev %s: \"%s\" answers again",
			    bdev->name, file_of(fc->ch->bdev)->path);
	}
}

static void judge(struct file_channel *fc)
{
	uint32_t age = oldest(fc);
	bool hangs = age >= HANG_TICKS;

	if (hangs != fc->hangs) {
		fc->hangs = hangs;
		set_special(fc);
	}
	tell(fc, age);
}

/* --- io_timeout --- */

static struct file_io *next_expired(struct file_channel *fc)
{
	uint64_t limit = fc->ch->bdev->io_timeout_ns / TICK_NS;
	struct file_io *fio;

	for (fio = fc->first; fio && age_of(fc, fio->tick) > limit; fio = fio->next)
		if (!fio->timed_out)
			return fio;
	return NULL;
}

/* Each from the beginning: who is told may end others, and submit new ones. */
static void expire(struct file_channel *fc)
{
	struct file_io *fio;
	unsigned int n;

	for (n = 0; n < EXPIRE_MAX && (fio = next_expired(fc)); n++) {
		fio->timed_out = true;
		if (!file_io_abandon(fc->ch, file_io_io(fio), BDEV_STATUS_TIMEOUT))
			file_io_cancel(fc->ch, file_io_io(fio));
	}
}

/* --- */

static void tick(void *arg)
{
	struct file_channel *fc = arg;

	bdev_channel_hold(fc->ch);
	fc->tick++;
	if (fc->ch->bdev->io_timeout_ns)
		expire(fc);
	judge(fc);
	workers_look(&fc->workers);
	if (fc->tick % TRIM_TICKS == 0)
		workers_trim(&fc->workers);
	fc->watching = fc->first || fc->late || fc->hangs || workers_any(&fc->workers);
	if (fc->watching)
		reactor_timer_start(fc->ch->reactor, &fc->timer, TICK_NS);
	bdev_channel_put(fc->ch);
}

void file_watch_init(struct file_channel *fc)
{
	fc->timer = (struct timer){.fn = tick, .arg = fc};
}

void file_watch_fini(struct file_channel *fc)
{
	reactor_timer_cancel(&fc->timer);
	if (!fc->hangs)
		return;
	fc->hangs = false;
	set_special(fc);
}

void file_watch_begin(struct file_channel *fc)
{
	fc->watching = true;
	reactor_timer_start(fc->ch->reactor, &fc->timer, TICK_NS);
}

void file_watch_blocked(struct file_channel *fc, const char *why)
{
	struct file_bdev *f = file_of(fc->ch->bdev);

	if (!(atomic_fetch_or(&f->special, FILE_BY_WORKER) & FILE_BY_WORKER))
		log_info("bdev %s: the I/O of \"%s\" is done by threads that may block: %s",
			 f->bdev.name, f->path, why);
}
