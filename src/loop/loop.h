/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

/*
 * An event loop: descriptors that it watches, timers, and work that other threads give it. It has a
 * thread of its own (loop_start()), or is run by its maker's (loop_create()).
 *
 * The control path of all controllers is on one of the first kind ("control thread"), so nothing on
 * it may wait for anybody: what takes time is begun, and its end is posted. The main thread has one
 * of the other kind: signals, what is done once a second, and the ends of what it has begun.
 *
 * Calling thread: the loop's own, unless said otherwise. Before the first descriptor is watched any
 * thread will do.
 */

#include <stdint.h>

#include "util/timers.h"

struct loop;

/* What is run on the loop; embedded in the sender's object, free again when fn is called. */
struct loop_work {
	void (*fn)(void *arg);
	void *arg;
	struct loop_work *next; /* private */
};

/* A file descriptor that is watched, embedded in its owner. */
struct loop_source {
	void (*ready)(void *arg);
	void *arg;
	int fd;
	uint32_t events; /* private; 0: not watched */
};

/* Starts the thread. Main thread. Returns 0 or -errno, having logged the reason. */
int loop_start(const char *name, struct loop **out);
/* Ends it when the work posted so far has run; nothing is watched any more. NULL is fine. Main
 * thread. */
void loop_stop(struct loop *loop);

/* A loop without a thread. 0 or -errno, having logged the reason. */
int loop_create(const char *name, struct loop **out);
/*
 * Runs it on the calling thread, which is the loop's, until loop_quit(); it can be run again. What
 * is posted while nobody runs it is run then.
 */
void loop_run(struct loop *loop);
/* loop_run() returns when what calls this has. */
void loop_quit(struct loop *loop);
/* Nothing is watched and no timer armed any more. NULL is fine. */
void loop_destroy(struct loop *loop);

/* Runs work->fn(work->arg) on the loop, in the order of posting. Any thread, reactors too. */
void loop_post(struct loop *loop, struct loop_work *work);
/* Runs fn(arg) on the loop and waits for it. Any thread but a reactor or the loop's. */
void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);

/*
 * `events` of epoll(7), level-triggered; 0 ends the watch, which is done before the descriptor is
 * closed. Returns 0 or -errno.
 */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);

/* Arms, or arms again. Cancelling one that isn't armed is harmless. */
void loop_timer_start(struct loop *loop, struct timer *t, uint64_t delay_ns);
void loop_timer_cancel(struct timer *t);

#endif
