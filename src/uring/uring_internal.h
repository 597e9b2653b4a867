/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef URING_URING_INTERNAL_H
#define URING_URING_INTERNAL_H

/* Between the files of the ring; who uses it needs only uring/uring.h. */

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>

#include "reactor/reactor.h"
#include "uring/uring.h"
#include "uring/uring_block.h"
#include "uring/uring_pace.h"
#include "util/log.h"
#include "util/util.h"

#define URING_FILES_MAX 256 /* registered; less than a common RLIMIT_NOFILE */

/* uring_op.state */
enum op_state { OP_IDLE, OP_WAITS_FOR_SQE, OP_WAITS_FOR_BUF, OP_SUBMITTED };

/*
 * The most operations that are in flight, and a user's reserve, which it has even then. The
 * completion queue has room for both.
 */
#define URING_INFLIGHT_MAX 4096
#define URING_RESERVE	   16

struct uring_turns {
	struct uring_user *first, **lastp;
};

struct free_buf;

struct uring {
	struct io_uring ring;
	struct reactor *reactor;
	struct reactor_poller poller;
	/* What wakes the reactor: the ring, or, with deferred task work, which the ring's own
	 * readiness does not show, an eventfd that is signalled only while we sleep. */
	int wake_fd;
	bool deferred;
	unsigned int refs;
	unsigned int inflight; /* have an SQE, cancel requests among them */
	struct uring_turns turns, buf_turns;
	struct free_buf *free_bufs;
	unsigned int nbufs, nfree_bufs;
	bool giving_bufs;
	unsigned int nfiles; /* slots of the kernel's table of files; 0: there is none */
	bool files[URING_FILES_MAX];
	const struct uring_op *newest; /* of those that are to be submitted */
	struct uring_pace pace;
	struct uring_block block;
	struct log_limit limit;
};

/* The ring alone, with the best flags that this kernel knows; uring_setup.c. 0 or -errno. */
int uring_setup_ring(struct io_uring *ring, unsigned int sq_entries, unsigned int cq_entries);
/* Completions wake the ring's reactor from here on, and no more. 0 or -errno. */
int uring_watch(struct uring *u);
void uring_unwatch(struct uring *u);

/* The table behind uring_file_add(), if the kernel has one; uring_file.c. */
void uring_make_file_table(struct uring *u);
/* Those that were given back, which are all; uring_buf.c. */
void uring_free_bufs(struct uring *u);

/* uring_share.c. */
/* Takes what waits to the submission queue, while there is room for it. How many. */
unsigned int uring_feed(struct uring *u);
/* Whether something waits that uring_feed() would take. */
bool uring_is_hungry(const struct uring *u);
void uring_wait_for_sqe(struct uring_user *user, struct uring_op *op);
/* uring.c: gives the op an SQE. False: there is none now. */
bool uring_submit(struct uring_user *user, struct uring_op *op);

static inline bool uring_has_room(const struct uring *u, const struct uring_user *user)
{
	return likely(user->inflight + u->inflight < URING_INFLIGHT_MAX) ||
	       user->inflight < URING_RESERVE;
}

static inline void op_list_init(struct uring_op_list *list)
{
	list->first = NULL;
	list->lastp = &list->first;
}

static inline void op_list_append(struct uring_op_list *list, struct uring_op *op)
{
	op->next = NULL;
	op->prevp = list->lastp;
	*list->lastp = op;
	list->lastp = &op->next;
}

static inline void op_list_remove(struct uring_op_list *list, struct uring_op *op)
{
	*op->prevp = op->next;
	if (op->next)
		op->next->prevp = op->prevp;
	else
		list->lastp = op->prevp;
}

/* The same for users; `which` is the member that is their turn of this kind. */
#define TURNS_INIT(turns)                                                                          \
	do {                                                                                       \
		(turns)->first = NULL;                                                             \
		(turns)->lastp = &(turns)->first;                                                  \
	} while (0)
#define TURNS_APPEND(turns, user, which)                                                           \
	do {                                                                                       \
		(user)->which.next = NULL;                                                         \
		(user)->which.prevp = (turns)->lastp;                                              \
		*(turns)->lastp = (user);                                                          \
		(turns)->lastp = &(user)->which.next;                                              \
	} while (0)
#define TURNS_REMOVE(turns, user, which)                                                           \
	do {                                                                                       \
		*(user)->which.prevp = (user)->which.next;                                         \
		if ((user)->which.next)                                                            \
			(user)->which.next->which.prevp = (user)->which.prevp;                     \
		else                                                                               \
			(turns)->lastp = (user)->which.prevp;                                      \
		(user)->which.prevp = NULL;                                                        \
	} while (0)

#endif
