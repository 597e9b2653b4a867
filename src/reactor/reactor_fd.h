/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REACTOR_FD_H
#define REACTOR_FD_H

/*
 * Callbacks for file descriptors, as network backends need them: sockets, pipes, eventfds, timers,
 * but no regular files, which are always ready.
 *
 * Level-triggered: fn() is called again in each look as long as the descriptor is ready, so that it
 * may leave some of the work for the next one. A reactor that polls looks once in REACTOR_FD_ROUNDS
 * rounds, with one system call for all descriptors (a few 100 ns); one that has work looks as
 * often, and a round takes about REACTOR_ROUND_NS at most; one that sleeps is woken. A reactor
 * without descriptors pays nothing.
 *
 * All calls are the reactor's, fn() too. What it does is paid by nobody in particular, until it
 * says otherwise by reactor_set_payer().
 */

#include "reactor/reactor.h"

#define REACTOR_FD_ROUNDS 16

enum {
	REACTOR_FD_READ = 1 << 0,
	REACTOR_FD_WRITE = 1 << 1,
	/* An error or a hang-up: told whenever anything is watched for. */
	REACTOR_FD_ERROR = 1 << 2,
};

/* Embedded in its owner, who keeps the descriptor open and this in place until it is removed. */
struct reactor_fd {
	/* `events`: those of REACTOR_FD_* that it is ready for. It may add, change and remove any.
	 */
	void (*fn)(struct reactor_fd *f, unsigned int events);
	/* private */
	int fd;
	unsigned int events;
};

/*
 * Calls f->fn, which is set, when `fd` is ready for any of `events`; 0: not now. 0, -EPERM (it is a
 * file that cannot be watched), -EEXIST (it is, by somebody else), or another -errno.
 */
int reactor_fd_add(struct reactor *r, struct reactor_fd *f, int fd, unsigned int events);
/* From now on for these. 0: not at all, not even for errors. 0 or -errno: nothing has changed. */
int reactor_fd_change(struct reactor *r, struct reactor_fd *f, unsigned int events);
/* fn() is not called any more. Before the descriptor is closed. */
void reactor_fd_remove(struct reactor *r, struct reactor_fd *f);

#endif
