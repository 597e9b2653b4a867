/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_LISTENER_H
#define MSGSOCK_LISTENER_H

/*
 * A listening Unix socket for one session at a time: it belongs to a controller. Made and destroyed
 * by the main thread; its callbacks are on the loop.
 */

#include <stdbool.h>

#include "loop/loop.h"
#include "msgsock/rate.h"
#include "msgsock/session_fds.h"
#include "msgsock/session_info.h"
#include "msgsock/session_stats.h"
#include "util/fd_closer.h"
#include "util/log.h"
#include "util/socket_file.h"

struct listener_ops {
	/* A peer has connected: takes over the non-blocking descriptor. */
	void (*accepted)(void *arg, int fd);
	/* The session's socket, or -1: there is none. */
	int (*session_fd)(void *arg);
	/* Whether there is a session, or what is left of one. */
	bool (*busy)(void *arg);
	/* Begins to end the session, if there is one. */
	void (*end)(void *arg);
	/* There is a session: says what only its owner knows. */
	void (*describe)(void *arg, struct session_info *info);
};

/* What whoever looks for changes has seen already. */
struct session_seen {
	uint64_t sessions;
	bool connected;
};

struct listener {
	struct loop *loop;
	const struct listener_ops *ops;
	void *arg;
	char name[64];
	struct socket_file file;
	bool passed; /* by the service manager, whose file it is */
	struct loop_source source;
	struct timer pause;
	struct rate rate;
	struct log_limit limit;
	bool waits_for_end; /* the next peer is accepted when the session is over */
	bool stopped;	    /* and there is no session */
	/* Whom to tell when the last session is over, and where; of the loop, once that has begun.
	 */
	struct loop_work *over;
	/* listener_end_begin()'s */
	struct loop_work end, *end_over;
	struct loop *end_on;
	uint64_t told_ns; /* when there last was no descriptor for a peer */
	struct session_stats stats;
	struct session_peer peer; /* of the session */
	struct session_fds fds;	  /* of the session; its owner counts them */
	struct fd_closer *closer; /* of what came from the controller's front-ends */
	/* Main thread: */
	struct session_seen seen;
	struct listener *next, **prevp; /* in the list of all */
};

/* 0, or -errno having logged the reason. */
int listener_open(struct listener *l, const struct socket_params *p, const struct listener_ops *ops,
		  void *arg);
/* Nobody is accepted any more. On the loop. */
void listener_stop(struct listener *l);
/* The session is over: whoever waits may come. On the loop. */
void listener_session_over(struct listener *l);
/*
 * Stops all of them and begins to end their sessions, side by side; those with l->stopped have
 * nothing more to wait for. Main thread.
 */
void listeners_stop(struct loop *loop);
/* The one of that name, or NULL. Main thread. */
struct listener *listener_find(const char *name);
/* Whether it has a session now. Main thread. */
bool listener_is_connected(const char *name);
/*
 * Stops it and begins to end its session. When that is over, l->stopped is set and over->fn is run
 * on the loop `on`. Main thread.
 */
void listener_end_begin(struct listener *l, struct loop *on, struct loop_work *over);
/*
 * The same, unless there is a front-end, even one that has only just connected: then nothing
 * changes but that over->fn is run, and l->stopped is not set.
 */
void listener_end_idle_begin(struct listener *l, struct loop *on, struct loop_work *over);
/* When it has stopped, or was never watched. Main thread. */
void listener_close(struct listener *l);
/*
 * fn(arg) is called on the loop whenever a session has begun or ended; NULL: not any more. Main
 * thread, while no listener is watched.
 */
void listeners_watch(void (*fn)(void *arg), void *arg);
/*
 * Calls fn for each listener that had a session begin or end since the last call: what its counters
 * say now, and what they said then. Main thread.
 */
void listener_changes_visit(void (*fn)(void *arg, const char *name, const struct session_stats *s,
				       const struct session_seen *seen),
			    void *arg);
/*
 * Calls fn for each session that there is, in the order in which their listeners were opened. The
 * loop, on which all of that happens, is waited for; it waits for nobody. Main thread.
 */
void listener_sessions_visit(struct loop *loop,
			     void (*fn)(void *arg, const char *name, const struct session_info *s),
			     void *arg);
/* Of all listeners, in the order in which they were opened. Main thread. */
void listener_visit(void (*fn)(void *arg, const char *name, const struct session_stats *s),
		    void *arg);

#endif
