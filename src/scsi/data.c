/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data between commands and the guest's buffers, whose lengths are the guest's word. A command that
 * wants more than there are buffers for is an overrun (virtio 1.1, 5.6.6.1.1).
 */
#include <stdlib.h>

#include "bdev/bdev_iov.h"
#include "scsi/scsi_internal.h"

#define BUF_ALIGN 4096 /* the strictest that a bdev wants */

enum scsi_result scsi_overrun(struct scsi_task *task)
{
	task->response = SCSI_RESPONSE_OVERRUN;
	return SCSI_DONE;
}

enum scsi_result scsi_busy(struct scsi_task *task)
{
	task->response = SCSI_RESPONSE_BUSY;
	return SCSI_DONE;
}

enum scsi_result scsi_data_in(struct scsi_task *task, const void *data, size_t len, uint64_t alloc)
{
	struct bdev_iov_pos pos = {0};
	size_t n = alloc < len ? (size_t)alloc : len;

	if (n > task->in_len) {
		n = (size_t)task->in_len;
		scsi_overrun(task);
	}
	bdev_iov_copy(task->in_iov, task->in_cnt, &pos, (void *)(uintptr_t)data, n,
		      BDEV_IOV_FROM_BUF);
	task->xferred = n;
	return SCSI_DONE;
}

bool scsi_data_out(struct scsi_task *task, void *buf, size_t len)
{
	struct bdev_iov_pos pos = {0};

	if (len > task->out_len) {
		scsi_overrun(task);
		return false;
	}
	if (len > REACTOR_STEP_BYTES) /* so much was paid when it was fetched */
		reactor_pay(len - REACTOR_STEP_BYTES);
	bdev_iov_copy(task->out_iov, task->out_cnt, &pos, buf, len, BDEV_IOV_TO_BUF);
	task->xferred = len;
	return true;
}

/*
 * Buffers of large steps: they are so large that malloc() has them from the kernel one by one, and
 * gives them back one by one, each time with the lock of the whole daemon's addresses. A few stay
 * here, for whoever needs the next one on this reactor.
 */
#define LARGE_MIN   (64u << 10)
#define LARGE_BYTES (SCSI_STEP_BYTES + BUF_ALIGN)
#define SPARES	    8

static struct spares {
	void *bufs[SPARES];
	unsigned int n;
	unsigned int users;				    /* groups on the reactor */
} __attribute__((aligned(CACHE_LINE))) spares[REACTOR_MAX]; /* each is its reactor's */

static struct spares *own_spares(void)
{
	return &spares[reactor_id(reactor_self())];
}

void scsi_spares_get(void)
{
	own_spares()->users++;
}

void scsi_spares_put(void)
{
	struct spares *s = own_spares();

	if (--s->users)
		return;
	while (s->n)
		free(s->bufs[--s->n]);
}

static void *take_buffer(size_t bytes)
{
	struct spares *s = own_spares();

	if (bytes == LARGE_BYTES && s->n)
		return s->bufs[--s->n];
	return aligned_alloc(BUF_ALIGN, bytes);
}

static void give_buffer(void *buf, size_t bytes)
{
	struct spares *s = own_spares();

	if (bytes == LARGE_BYTES && s->n < SPARES)
		s->bufs[s->n++] = buf;
	else
		free(buf);
}

/* How much there is at a time is the guest's choice, up to the limit; one task always may. */
static bool take_memory(struct scsi_device *dev, uint64_t bytes)
{
	unsigned long long used = atomic_load(&dev->memory);

	do {
		if (used && dev->max_memory && used + bytes > dev->max_memory)
			return false;
	} while (!atomic_compare_exchange_weak(&dev->memory, &used, used + bytes));
	return true;
}

bool scsi_task_alloc(struct scsi_task *task, size_t len)
{
	size_t bytes = (len + BUF_ALIGN - 1) & ~(size_t)(BUF_ALIGN - 1);

	if (bytes > LARGE_MIN && bytes < LARGE_BYTES)
		bytes = LARGE_BYTES;
	if (!take_memory(task->target->dev, bytes)) {
		task->status = SCSI_STATUS_TASK_SET_FULL;
		return false;
	}
	reactor_pay(len / 4); /* pages that are new, and what they are filled with */
	task->buf = take_buffer(bytes);
	task->buf_bytes = (uint32_t)bytes;
	if (task->buf)
		return true;
	atomic_fetch_sub(&task->target->dev->memory, bytes);
	scsi_busy(task);
	return false;
}

void scsi_task_free(struct scsi_task *task)
{
	give_buffer(task->buf, task->buf_bytes);
	task->buf = NULL;
	atomic_fetch_sub(&task->target->dev->memory, task->buf_bytes);
}

/* The first `bytes` of an array that has as many: how many elements, the last shortened. */
static uint32_t cut(struct iovec *iov, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; bytes; i++) {
		if (iov[i].iov_len > bytes)
			iov[i].iov_len = (size_t)bytes;
		bytes -= iov[i].iov_len;
	}
	return i;
}

static bool use(struct scsi_task *task, struct iovec *iov, uint32_t cnt, uint64_t len,
		uint64_t bytes)
{
	if (unlikely(bytes > len)) {
		scsi_overrun(task);
		return false;
	}
	if (unlikely(bytes < len))
		cnt = cut(iov, bytes);
	if (unlikely(cnt > UINT16_MAX)) {
		scsi_fail_io(task, BDEV_STATUS_BAD_BUFFER);
		return false;
	}
	task->io.iov = iov;
	task->io.iovcnt = (uint16_t)cnt;
	task->xferred = bytes;
	return true;
}

bool scsi_use_out(struct scsi_task *task, uint64_t bytes)
{
	return use(task, task->out_iov, task->out_cnt, task->out_len, bytes);
}

bool scsi_use_in(struct scsi_task *task, uint64_t bytes)
{
	return use(task, task->in_iov, task->in_cnt, task->in_len, bytes);
}
