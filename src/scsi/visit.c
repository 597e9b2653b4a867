/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going through the tasks of a unit on all reactors. A visit is an operation (reactor_op.h) that
 * goes from channel to channel, each on its own reactor, so that no task is ever looked at from
 * another thread; a tour goes from unit to unit. Only tasks that are older than the visit's arrival
 * count: more may come meanwhile.
 */
#include "bdev/drain.h"
#include "scsi/scsi_internal.h"
#include "util/time.h"

/* What the tasks in flight are is the guest's choice, and a list of them may be long. */
#define LOOK_UNITS 512u
#define END_UNITS  8192u
#define STEP_UNITS (32 * END_UNITS)
/* Of a step; and of each of the visits that a task's end concerns, before that is a job. */
#define STEP_LOOKS 512u
#define FEW_LOOKS  16u

/* --- on a channel's reactor --- */

static bool matches(const struct scsi_visit *v, const struct scsi_task *task)
{
	if (task == v->except && task->seq == v->except_seq)
		return false;
	switch ((enum scsi_visit_what)v->what) {
	case SCSI_VISIT_CANCEL:
	case SCSI_VISIT_FIND:
		return true;
	case SCSI_VISIT_CANCEL_TAG:
	case SCSI_VISIT_FIND_TAG:
		return task->tag == v->tag;
	case SCSI_VISIT_WRITES:
		return !task->queued && scsi_medium_overlap(task, v->lba, v->nblocks);
	}
	return false;
}

enum scan { SCAN_NONE, SCAN_FOUND, SCAN_MORE };

/* The next task from v->at on that the visit looks for. */
static enum scan scan(struct scsi_visit *v, unsigned int max)
{
	enum scan result = SCAN_MORE;
	unsigned int looks = 0;
	/* task->queued changes with the lock only; nothing else is another thread's. */
	bool locked = v->what == SCSI_VISIT_WRITES;

	if (locked)
		pthread_mutex_lock(&v->lu->disk->lock);
	while (result == SCAN_MORE && looks++ < max) {
		if (!v->at || v->at->seq >= v->upto_seq)
			result = SCAN_NONE;
		else if (matches(v, v->at))
			result = SCAN_FOUND;
		else
			v->at = v->at->next;
	}
	if (locked)
		pthread_mutex_unlock(&v->lu->disk->lock);
	reactor_pay((uint64_t)looks * LOOK_UNITS);
	return result;
}

static void cancel_task(const struct scsi_visit *v, struct scsi_task *task)
{
	scsi_task_cancel(task, v->abort);
}

static void abandon_task(const struct scsi_visit *v, struct scsi_task *task)
{
	struct bdev_io *io = scsi_task_io(task);

	if (io)
		bdev_io_abandon(io);
}

static void look_again(void *arg);
static void start_patience(struct scsi_visit *v);

/* Not while the visit arrives, which says so by its result. */
static void leave(struct scsi_visit *v)
{
	v->over = true;
	reactor_op_poll(&v->part);
}

static void go_on_later(struct scsi_visit *v, void (*fn)(void *arg))
{
	v->job.fn = fn;
	v->job.arg = v;
	v->job.share = reactor_payer();
	reactor_job_start(v->ch->reactor, &v->job);
}

/* --- ending tasks, in steps --- */

/* Its tasks' guest, as all that address a unit are of one device. */
static void let_guest_pay(const struct scsi_channel *ch)
{
	if (ch->tasks)
		reactor_set_payer(ch->tasks->job.share);
}

/* The first one that does not end inside is where it will wait. */
static void end_task(struct scsi_visit *v, struct scsi_task *task)
{
	struct scsi_channel *ch = v->ch;

	ch->ending = task;
	v->end(v, task);
	if (ch->ending && !v->at)
		v->at = task;
}

/* False: there are more. Tasks that end meanwhile, or between two steps, move the cursor. */
static bool end_some(struct scsi_visit *v)
{
	struct scsi_channel *ch = v->ch;
	uint64_t units = 0;
	struct scsi_task *task;

	while ((task = ch->cursor) && task->seq < v->upto_seq && units < STEP_UNITS) {
		ch->cursor = task->next;
		units += LOOK_UNITS;
		if (!matches(v, task))
			continue;
		units += END_UNITS;
		end_task(v, task);
	}
	ch->ending = NULL;
	reactor_pay(units);
	return !ch->cursor || ch->cursor->seq >= v->upto_seq;
}

/* Until the visits before it are through. */
static void queue_up(struct scsi_visit *v)
{
	struct scsi_visit **at;

	for (at = &v->ch->arriving; *at; at = &(*at)->next_waiting)
		;
	v->next_waiting = NULL;
	*at = v;
}

/* The next one that is to end tasks here has its turn. */
static void stop_cancelling(struct scsi_channel *ch)
{
	struct scsi_visit *next = ch->arriving;

	ch->cursor = NULL;
	ch->cancelling = false;
	if (!next)
		return;
	ch->arriving = next->next_waiting;
	go_on_later(next, look_again);
}

/* From its arrival on, so that v->at moves with the tasks that end. */
static void stay(struct scsi_visit *v)
{
	v->at = NULL;
	v->waits = v->moved = false;
	v->next_waiting = v->ch->waiting;
	v->ch->waiting = v;
}

static void stop_staying(struct scsi_visit *v)
{
	struct scsi_visit **at;

	for (at = &v->ch->waiting; *at != v; at = &(*at)->next_waiting)
		;
	*at = v->next_waiting;
}

static bool finds(const struct scsi_visit *v)
{
	return v->what == SCSI_VISIT_FIND || v->what == SCSI_VISIT_FIND_TAG;
}

static void look_later(void *arg);

/* From v->at on. True: it is over here; else it waits for that task, or looks on. */
static bool look_on(struct scsi_visit *v, unsigned int max)
{
	enum scan result = scan(v, max);

	v->moved = false;
	v->waits = result == SCAN_FOUND && !finds(v);
	if (v->waits)
		return false;
	if (result == SCAN_MORE) {
		go_on_later(v, look_later);
		return false;
	}
	v->found |= result == SCAN_FOUND;
	stop_staying(v);
	return true;
}

static void look_later(void *arg)
{
	struct scsi_visit *v = arg;

	if (look_on(v, STEP_LOOKS))
		leave(v);
}

/* All were looked at. True: none is left. */
static bool ended_all(struct scsi_visit *v)
{
	stop_cancelling(v->ch);
	if (look_on(v, STEP_LOOKS))
		return true;
	start_patience(v);
	return false;
}

static void next_step(void *arg)
{
	struct scsi_visit *v = arg;

	if (!end_some(v))
		go_on_later(v, next_step);
	else if (ended_all(v))
		leave(v);
}

/* False: it isn't over yet. */
static bool end_tasks(struct scsi_visit *v,
		      void (*end)(const struct scsi_visit *v, struct scsi_task *task))
{
	struct scsi_channel *ch = v->ch;

	let_guest_pay(ch);
	ch->cancelling = true;
	ch->cursor = ch->tasks;
	v->end = end;
	v->at = NULL;
	v->waits = false;
	if (end_some(v))
		return ended_all(v);
	go_on_later(v, next_step);
	return false;
}

/* --- */

/* Who asked for the tasks' end shall not wait for a disk that hangs. */
static void patience_over(void *arg)
{
	struct scsi_visit *v = arg;
	struct scsi_channel *ch = v->ch;

	if (ch->cancelling) { /* another one: it is through soon */
		reactor_timer_start(ch->reactor, &v->timer, NS_PER_MS);
		return;
	}
	reactor_job_cancel(&v->job);
	if (end_tasks(v, abandon_task))
		leave(v);
}

static void start_patience(struct scsi_visit *v)
{
	v->timer.fn = patience_over;
	v->timer.arg = v;
	reactor_timer_start(v->ch->reactor, &v->timer, drain_times.cancel_ns);
}

/* True: it is over here. */
static bool look(struct scsi_visit *v)
{
	struct scsi_channel *ch = v->ch;
	bool cancels = v->what == SCSI_VISIT_CANCEL || v->what == SCSI_VISIT_CANCEL_TAG;

	/* Another one is between two steps, or it is one that is being cancelled that calls us. */
	if (cancels && ch->cancelling) {
		queue_up(v);
		return false;
	}
	v->upto_seq = ch->next_seq;
	stay(v);
	if (cancels)
		return end_tasks(v, cancel_task);
	let_guest_pay(ch);
	v->at = ch->tasks;
	return look_on(v, STEP_LOOKS);
}

/* --- from channel to channel --- */

/* The next channel, held. */
static struct scsi_channel *next_channel(struct scsi_visit *v)
{
	struct scsi_channel *ch = NULL;

	pthread_mutex_lock(&v->lu->disk->lock);
	while (!ch && v->next_reactor < REACTOR_MAX)
		ch = v->lu->channels[v->next_reactor++];
	if (ch)
		ch->refs++;
	pthread_mutex_unlock(&v->lu->disk->lock);
	return ch;
}

static struct scsi_visit *visit_of(struct reactor_part *part)
{
	return container_of(part, struct scsi_visit, part);
}

static void arrive(struct reactor_part *part, struct reactor_op *op)
{
	struct scsi_visit *v = visit_of(part);

	v->over = look(v);
}

/* After others that were to end tasks here first. */
static void look_again(void *arg)
{
	struct scsi_visit *v = arg;

	if (look(v))
		leave(v);
}

static bool over(struct reactor_part *part, struct reactor_op *op)
{
	struct scsi_visit *v = visit_of(part);

	if (!v->over)
		return false;
	reactor_timer_cancel(&v->timer);
	scsi_channel_put(v->ch);
	v->ch = next_channel(v);
	if (v->ch) {
		part->reactor = v->ch->reactor;
		op->then = part;
	}
	return true;
}

void scsi_visit_task_goes(struct scsi_channel *ch, const struct scsi_task *task)
{
	struct scsi_visit *v;

	if (ch->cursor == task)
		ch->cursor = task->next;
	if (ch->ending == task)
		ch->ending = NULL;
	for (v = ch->waiting; v; v = v->next_waiting) {
		if (v->at != task)
			continue;
		v->at = task->next;
		v->moved = v->waits;
	}
}

/* One that can go. The list may be another one after that. */
static struct scsi_visit *take_ready(struct scsi_channel *ch)
{
	struct scsi_visit *v, *next;

	for (v = ch->waiting; v; v = next) {
		next = v->next_waiting;
		if (v->moved && look_on(v, FEW_LOOKS))
			return v;
	}
	return NULL;
}

void scsi_visit_recheck(struct scsi_channel *ch)
{
	struct scsi_visit *v;

	while ((v = take_ready(ch)))
		leave(v);
}

/* --- from unit to unit --- */

/* The next unit, held, and its first channel. False: there is none any more. */
static bool next_unit(struct scsi_tour *tour)
{
	struct scsi_visit *v = &tour->visit;
	struct scsi_lu *before = v->lu;

	do {
		v->lu = tour->next(tour);
		if (before)
			scsi_lu_put(before);
		before = v->lu;
		v->next_reactor = 0;
		v->ch = v->lu ? next_channel(v) : NULL;
	} while (v->lu && !v->ch);
	return v->lu;
}

static void go_on(struct scsi_tour *tour);

static void visit_done(struct reactor_op *op)
{
	go_on(container_of(op, struct scsi_tour, visit.op));
}

static void go_on(struct scsi_tour *tour)
{
	struct scsi_visit *v = &tour->visit;

	if (!next_unit(tour)) {
		tour->done(tour);
		return;
	}
	v->op = (struct reactor_op){.start = arrive, .ready = over, .done = visit_done};
	v->part = (struct reactor_part){.reactor = v->ch->reactor};
	reactor_op_send(&v->op, &v->part, reactor_self());
}

void scsi_tour_start(struct scsi_tour *tour)
{
	tour->visit.timer = (struct timer){0};
	tour->visit.job = (struct reactor_job){0};
	tour->visit.lu = NULL;
	tour->visit.found = false;
	go_on(tour);
}

#define LONE_MAX 64 /* of a disk */

bool scsi_tour_leave(struct scsi_disk *disk)
{
	bool may;

	pthread_mutex_lock(&disk->lock);
	may = disk->lone < LONE_MAX;
	if (may)
		disk->lone++;
	pthread_mutex_unlock(&disk->lock);
	return may;
}

void scsi_tour_left_ends(struct scsi_disk *disk)
{
	disk->lone--;
}

struct scsi_lu *scsi_tour_next_on_disk(struct scsi_tour *tour, struct scsi_disk *disk)
{
	struct scsi_lu *lu;

	pthread_mutex_lock(&disk->lock);
	lu = tour->visit.lu ? tour->visit.lu->next : disk->lus;
	if (lu)
		scsi_lu_hold_locked(lu);
	pthread_mutex_unlock(&disk->lock);
	return lu;
}
