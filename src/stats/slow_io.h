/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATS_SLOW_IO_H
#define STATS_SLOW_IO_H

/*
 * Commands that have been in flight for long. About once a second, while anything is in flight, the
 * main thread has each group of queues look at what it has: a command is marked by the first look
 * that finds it, and how old it is follows from the number of the look. So the I/O path has no part
 * in this but for a mark that is 0 at first, and ages are whole seconds, and rather too short.
 */

#include <stdbool.h>
#include <stdint.h>

#include <shadowbell/bdev.h>

#include "stats/queue_stats.h"

struct loop;

/* Of commands that are told of, in a group at a time; more are only counted. */
#define SLOW_TOLD 16
/* A look ends with the queue in which it has seen so many requests. */
#define SLOW_REQUESTS 1024u

/* What is told, once when a command is slow and once when it has ended. */
struct slow_report {
	char controller[64];
	unsigned int queue;
	struct bdev_io_place place; /* what it waits for, at the look that found it slow */
	uint64_t age_ms;
	bool ended;
};

struct slow_told {
	const void *req;
	unsigned int queue;
	uint16_t mark;
	bool there; /* by the look that is under way */
	struct bdev_io_place place;
};

/* Of a group of queues, zeroed at first; its reactor's. */
struct slow_watch {
	uint16_t look;	   /* its number, from 1 on */
	unsigned int next; /* the queue that the next one begins with */
	unsigned int ntold;
	struct slow_told told[SLOW_TOLD];
};

/* A queue that is being looked at. */
struct slow_queue {
	struct slow_watch *watch;
	const char *controller;
	unsigned int number;
	struct queue_stats *stats;
};

/* --- on a group's reactor --- */

void slow_begin(struct slow_watch *w);
/* Of each command that is in flight: its mark, and its I/O (NULL: none). */
void slow_see(const struct slow_queue *q, const void *req, uint16_t *mark,
	      const struct bdev_io *io);
/* All of the queue's commands were seen; so far those that were told of and were not have ended. */
void slow_end_of_queue(const struct slow_queue *q);
/* What was told of other queues than those that has() knows has ended. */
void slow_end(struct slow_watch *w, const char *controller,
	      bool (*has)(const void *arg, unsigned int queue), const void *arg);

/* --- main thread --- */

/*
 * From now on reports come to fn, on the loop; commands that are older than `ms`, in whole seconds
 * and rounded up, are slow, with 0 none. While no reactor looks.
 */
typedef void (*slow_report_fn)(void *arg, const struct slow_report *report);
void slow_io_start(struct loop *loop, uint32_t ms, slow_report_fn fn, void *arg);

#endif
