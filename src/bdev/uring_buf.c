/* SPDX-License-Identifier: BSD-3-Clause */
/* The bounce buffers of a ring. */
#include <errno.h>
#include <stdlib.h>

#include "bdev/uring.h"
#include "bdev/uring_internal.h"

#define BUFS_MAX 32

struct free_buf {
	struct free_buf *next;
};

static void *buf_make(struct uring *u)
{
	void *buf;

	if (u->nbufs == BUFS_MAX)
		return NULL;
	buf = aligned_alloc(URING_BUF_ALIGN, URING_BUF_BYTES);
	if (buf)
		u->nbufs++;
	return buf;
}

int uring_buf_get(struct uring *u, struct uring_op *op, void **buf)
{
	*buf = u->free_bufs;
	if (*buf)
		u->free_bufs = u->free_bufs->next;
	else
		*buf = buf_make(u);
	if (*buf)
		return 0;
	if (!u->nbufs)
		return -ENOMEM;
	op->state = OP_WAITS_FOR_BUF;
	op_list_append(&u->buf_waiting, op);
	return -EBUSY;
}

void uring_buf_put(struct uring *u, void *buf)
{
	struct uring_op *op = u->buf_waiting.first;
	struct free_buf *free_buf = buf;

	if (op) {
		op_list_remove(&u->buf_waiting, op);
		op->state = OP_IDLE;
		op->type->got_buf(op, buf);
		return;
	}
	free_buf->next = u->free_bufs;
	u->free_bufs = free_buf;
}

void uring_free_bufs(struct uring *u)
{
	struct free_buf *buf;

	while ((buf = u->free_bufs)) {
		u->free_bufs = buf->next;
		free(buf);
	}
}
