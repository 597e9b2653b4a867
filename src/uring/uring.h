/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef URING_URING_H
#define URING_URING_H

/*
 * One io_uring per reactor, for all file bdevs there. Operations that are started in a poll round
 * are submitted together in the next call of the ring's poller, and their completions are reaped by
 * it. More operations than the ring has room for wait in lists: starting one never fails.
 *
 * Who starts operations is a user of the ring (a bdev's channel). Whatever is bounded is shared so
 * that none of them can take it from the others: a user has as much as it likes while it has no
 * more than is left free, and a small reserve in any case. Each waits in a list of its own, and
 * they take turns.
 *
 * All functions: the reactor on which the ring was got, except uring_probe().
 */

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uring;
struct uring_op;
struct uring_user;

struct uring_op_list {
	struct uring_op *first, **lastp;
};

/* A place in the order in which users that wait take their turns. */
struct uring_turn {
	struct uring_user *next, **prevp; /* prevp NULL: it isn't waiting */
};

/* Embedded in its owner; all but blocked() private. */
struct uring_user {
	struct uring *ring;
	/*
	 * Submitting its operations has made the reactor sleep in the kernel, which it must not. To
	 * be called again if that goes on. May be NULL.
	 */
	void (*blocked)(struct uring_user *user, uint64_t ns);
	unsigned int inflight; /* its operations that have an SQE */
	unsigned int bufs;     /* its bounce buffers */
	struct uring_op_list waiting, buf_waiting;
	struct uring_turn turn, buf_turn;
};

struct uring_op_type {
	/* Fills an SQE, all but its user_data. Called when the op gets one, maybe again if the op
	 * is started again. */
	void (*prep)(struct uring_op *op, struct io_uring_sqe *sqe);
	/* The op has ended with the CQE's res, or with -ECANCELED; it may be started again. */
	void (*done)(struct uring_op *op, int res);
	/* The buffer that uring_buf_get() could not give at once. */
	void (*got_buf)(struct uring_op *op, void *buf);
};

/* Embedded in a request; its owner sets the type, the rest is private. */
struct uring_op {
	const struct uring_op_type *type;
	struct uring_user *user;
	struct uring_op *next, **prevp;
	uint8_t state;
};

/* All that has to be set before its first start, or before a wait for a buffer. */
static inline void uring_op_init(struct uring_op *op, const struct uring_op_type *type)
{
	op->type = type;
	op->state = 0;
}

#define URING_BUF_BYTES (256u << 10)
#define URING_BUF_ALIGN 4096u

/* Whether rings can be had: 0 or -errno. Any thread. */
int uring_probe(void);
/* The calling reactor's ring, made at the first get; counted. 0 or -errno. */
int uring_get(struct uring **out);
/* With none of the caller's operations in flight. */
void uring_put(struct uring *u);

/*
 * Makes a file known to the ring, which saves looking it up for each operation: a number for
 * IOSQE_FIXED_FILE in place of the fd; -1 if the kernel can't, or has enough of them. The ring
 * holds the file open until it is removed.
 */
int uring_file_add(struct uring *u, int fd);
void uring_file_remove(struct uring *u, int index);

/* `user` is filled, but for blocked(). Before its first operation, and after its last. */
void uring_user_init(struct uring_user *user, struct uring *u);
void uring_user_fini(struct uring_user *user);

void uring_start(struct uring_user *user, struct uring_op *op);
/* Tries to end a started op early, or its wait for a buffer. done() may be called inside. */
void uring_cancel(struct uring_op *op);
/* An op that waits ends without done(), and has never been started. False: it doesn't wait. */
bool uring_forget(struct uring_op *op);

/* It has an SQE, and its done() follows. */
bool uring_runs(const struct uring_op *op);

/*
 * Bounce buffers of URING_BUF_BYTES, aligned to URING_BUF_ALIGN: a bounded pool per ring that grows
 * on demand. 0; -EBUSY: got_buf() follows; -ENOMEM.
 */
int uring_buf_get(struct uring_user *user, struct uring_op *op, void **buf);
void uring_buf_put(struct uring_user *user, void *buf);

#endif
