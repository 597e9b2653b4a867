/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "message.h"
#include "workload.h"

#define SLACK (1ULL << 20)

static uint64_t stride(const struct options *o)
{
	return (o->bs + MEMORY_PAGE - 1) & ~(uint64_t)(MEMORY_PAGE - 1);
}

int device_make_memory(struct device *d, uint64_t per_queue, uint64_t per_slot)
{
	const struct options *o = d->o;

	return memory_create(&d->mem,
			     SLACK + options_queues(o) *
					     (per_queue + o->iodepth * (stride(o) + per_slot)),
			     o->mem);
}

int device_init_queue(struct device *d, unsigned int index, struct queue *q)
{
	const struct options *o = d->o;
	uint64_t i, x = 0x9e3779b97f4a7c15ULL + index;

	q->depth = o->iodepth;
	q->index = index;
	q->prefetch = o->prefetch;
	q->preformat = o->preformat;
	q->ring_each = o->batch_submit == 1;
	q->stride = stride(o);
	q->data = memory_alloc(&d->mem, q->depth * q->stride, MEMORY_PAGE);
	if (!q->data)
		return -1;
	for (i = 0; i < q->depth * q->stride; i += sizeof(x)) {
		x = xorshift64(x);
		memcpy(q->data + i, &x, sizeof(x));
	}
	q->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->call_fd < 0)
		return bench_error("an eventfd for queue %u: %s", index, strerror(errno));
	return 0;
}

void device_fini_queue(struct queue *q)
{
	/* 0: never made. */
	if (q->call_fd > 0)
		close(q->call_fd);
	q->call_fd = -1;
}
