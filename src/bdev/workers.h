/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_WORKERS_H
#define BDEV_WORKERS_H

/*
 * Threads for calls that may block: each user (a file bdev on a reactor) has its own, so that a
 * disk that hangs holds nobody's but its own. They are made when there is work for them, up to a
 * limit, and go when they have had none for a while. Work above the limit waits.
 *
 * A reactor makes no thread itself, which could block it: it asks a thread that does only that.
 *
 * All functions: the reactor, unless they say otherwise.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "reactor/reactor.h"

struct worker;
struct workers;

struct work {
	/* On a worker; `done` later, on the reactor. */
	void (*run)(struct work *work);
	void (*done)(struct work *work);
	/* Private. */
	struct workers *workers;
	struct worker *worker; /* NULL: it waits, or isn't started */
	struct work *next, **prevp;
	bool waited; /* run() slept */
	struct reactor_msg msg;
};

struct workers_owner {
	/* There is no thread, nor was one to be had: what waits can't go on, and must be stopped.
	 */
	void (*none)(struct workers *workers);
	/* A thread is being made, and `workers` must live until put(). */
	void (*hold)(struct workers *workers);
	void (*put)(struct workers *workers);
};

struct workers {
	struct reactor *reactor;
	unsigned int max;
	const struct workers_owner *owner;
	/* Private. */
	unsigned int n, nidle;
	unsigned int spare;  /* the fewest that were idle since the last workers_trim() */
	unsigned int nquick; /* of the last works, that waited for nothing; no more than count */
	bool ended;	     /* one has, since the last workers_look() */
	struct worker *idle;
	struct work *first, **last; /* wait */
	bool asked;		    /* for one more */
	struct worker *made;
	atomic_bool sending;
	struct reactor_msg made_msg;
	struct workers *next_asking;
};

/* Makes the thread that makes them, once. Main thread. 0 or -errno. */
int workers_start_maker(void);

/* What a thread of its own does, made when it is asked for; it may free this. */
struct workers_apart {
	void (*fn)(void *arg);
	void *arg;
	struct workers_apart *next;
};
/* Any thread, reactors as well; there is a maker. */
void workers_run_apart(struct workers_apart *a, void (*fn)(void *arg), void *arg);

void workers_init(struct workers *workers, struct reactor *r, unsigned int max,
		  const struct workers_owner *owner);
/* With no work. */
void workers_fini(struct workers *workers);

/* Fills run() and done() beforehand. */
void work_start(struct workers *workers, struct work *work);
/* It was waiting, and never was started. False: it runs. */
bool work_stop(struct work *work);
static inline bool work_runs(const struct work *work)
{
	return work->worker;
}

static inline unsigned int workers_busy(const struct workers *workers)
{
	return workers->n - workers->nidle;
}

static inline bool workers_any(const struct workers *workers)
{
	return workers->n;
}

/* What waits for a worker, or NULL. */
static inline struct work *workers_first_waiting(const struct workers *workers)
{
	return workers->first;
}

/*
 * A few times a second: work that had not been expected to wait, and does, is not to keep other
 * work waiting.
 */
void workers_look(struct workers *workers);

/* Ends the threads that there was no work for since the last call. */
void workers_trim(struct workers *workers);

#endif
