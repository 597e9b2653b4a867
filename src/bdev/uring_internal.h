/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_URING_INTERNAL_H
#define BDEV_URING_INTERNAL_H

/* Between the files of the ring; who uses it needs only bdev/uring.h. */

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>

#include "bdev/uring.h"
#include "bdev/uring_pace.h"
#include "reactor/reactor.h"
#include "util/log.h"

#define URING_FILES_MAX 256 /* registered; less than a common RLIMIT_NOFILE */

/* uring_op.state */
enum op_state { OP_IDLE, OP_WAITS_FOR_SQE, OP_WAITS_FOR_BUF, OP_SUBMITTED };

struct op_list {
	struct uring_op *first, **lastp;
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
	struct op_list waiting;
	struct op_list buf_waiting;
	struct free_buf *free_bufs;
	unsigned int nbufs;
	unsigned int nfiles; /* slots of the kernel's table of files; 0: there is none */
	bool files[URING_FILES_MAX];
	const struct uring_op *newest; /* of those that are to be submitted */
	struct uring_pace pace;
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

static inline void op_list_init(struct op_list *list)
{
	list->first = NULL;
	list->lastp = &list->first;
}

static inline void op_list_append(struct op_list *list, struct uring_op *op)
{
	op->next = NULL;
	op->prevp = list->lastp;
	*list->lastp = op;
	list->lastp = &op->next;
}

static inline void op_list_remove(struct op_list *list, struct uring_op *op)
{
	*op->prevp = op->next;
	if (op->next)
		op->next->prevp = op->prevp;
	else
		list->lastp = op->prevp;
}

#endif
