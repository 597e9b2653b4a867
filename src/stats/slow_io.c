/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats/slow_io.h"

#include <stdatomic.h>
#include <stdio.h>

#include "loop/loop.h"
#include "util/util.h"

/* A mark is the number of the look, and whether the command has been found slow. */
#define MARK_SLOW 0x8000u
#define MARK_MAX  0x7fffu
#define LOOK_MS	  1000u
#define REPORTS	  64 /* under way to the main thread; more are not told */

/* From a reactor to the main thread. */
struct sent {
	atomic_bool taken;
	struct loop_work work;
	struct slow_report report;
};

static struct sent sent[REPORTS];
static struct loop *sink;
static slow_report_fn sink_fn;
static void *sink_arg;
static uint32_t slow_looks; /* 0: nothing is slow */

void slow_io_start(struct loop *loop, uint32_t ms, slow_report_fn fn, void *arg)
{
	size_t i;

	/* What another target's loop never came to. */
	for (i = 0; i < REPORTS; i++)
		atomic_store(&sent[i].taken, false);
	sink = loop;
	sink_fn = fn;
	sink_arg = arg;
	slow_looks = ms / LOOK_MS + (ms % LOOK_MS != 0);
}

/* Main thread. */
static void arrive(void *arg)
{
	struct sent *s = arg;

	sink_fn(sink_arg, &s->report);
	atomic_store(&s->taken, false);
}

static void report(const char *controller, const struct slow_told *t, uint16_t looks, bool ended)
{
	size_t i;

	for (i = 0; i < REPORTS && atomic_exchange(&sent[i].taken, true); i++)
		;
	if (i == REPORTS)
		return;
	sent[i].report = (struct slow_report){
		.queue = t->queue,
		.place = t->place,
		.age_ms = (uint64_t)looks * LOOK_MS,
		.ended = ended,
	};
	snprintf(sent[i].report.controller, sizeof(sent[i].report.controller), "%s", controller);
	sent[i].work = (struct loop_work){.fn = arrive, .arg = &sent[i]};
	loop_post(sink, &sent[i].work);
}

static uint16_t looks_since(const struct slow_watch *w, uint16_t mark)
{
	unsigned int first = mark & MARK_MAX, now = w->look;

	/* There is no look 0. */
	return (uint16_t)(now >= first ? now - first : MARK_MAX - first + now);
}

void slow_begin(struct slow_watch *w)
{
	unsigned int i;

	w->look = (uint16_t)(w->look % MARK_MAX + 1);
	for (i = 0; i < w->ntold; i++)
		w->told[i].there = false;
}

static void found_slow(const struct slow_queue *q, const void *req, uint16_t mark,
		       const struct bdev_io *io)
{
	struct slow_watch *w = q->watch;
	struct slow_told *t;

	COUNTER_ADD(q->stats->slow, 1);
	if (w->ntold == SLOW_TOLD)
		return;
	t = &w->told[w->ntold++];
	*t = (struct slow_told){.req = req, .queue = q->number, .mark = mark, .there = true};
	bdev_io_find(io, &t->place);
	report(q->controller, t, looks_since(w, mark), false);
}

static void still_there(struct slow_watch *w, const void *req, uint16_t mark)
{
	unsigned int i;

	for (i = 0; i < w->ntold; i++)
		if (w->told[i].req == req && w->told[i].mark == mark)
			w->told[i].there = true;
}

void slow_see(const struct slow_queue *q, const void *req, uint16_t *mark, const struct bdev_io *io)
{
	struct slow_watch *w = q->watch;

	if (!*mark) {
		*mark = w->look;
	} else if (*mark & MARK_SLOW) {
		still_there(w, req, *mark);
	} else if (slow_looks && looks_since(w, *mark) >= slow_looks) {
		*mark |= MARK_SLOW;
		found_slow(q, req, *mark, io);
	}
}

/* The last one takes its place. */
static void told_ended(struct slow_watch *w, unsigned int i, const char *controller)
{
	report(controller, &w->told[i], looks_since(w, w->told[i].mark), true);
	w->told[i] = w->told[--w->ntold];
}

void slow_end_of_queue(const struct slow_queue *q)
{
	struct slow_watch *w = q->watch;
	unsigned int i;

	for (i = 0; i < w->ntold;) {
		if (w->told[i].queue == q->number && !w->told[i].there)
			told_ended(w, i, q->controller);
		else
			i++;
	}
}

void slow_end(struct slow_watch *w, const char *controller,
	      bool (*has)(const void *arg, unsigned int queue), const void *arg)
{
	unsigned int i;

	for (i = 0; i < w->ntold;) {
		if (has(arg, w->told[i].queue))
			i++;
		else
			told_ended(w, i, controller);
	}
}
