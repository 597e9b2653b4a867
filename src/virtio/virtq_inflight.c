/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/virtq_inflight.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

/*
 * The chains of the batch are done: what stands in the used ring is beyond recall. The links were
 * written by us or by a daemon before us, in memory that the front-end shares: each is checked.
 */
static bool end_batch(struct inflight_queue *q, uint16_t size, uint16_t n)
{
	uint16_t head = q->last_batch_head, i;

	for (i = 0; i < n; i++) {
		if (head >= size)
			return false;
		q->desc[head].inflight = 0;
		head = q->desc[head].next;
	}
	return true;
}

/* How many entries the batch has is ours to know: the front-end can write to the region's index. */
void virtq_inflight_flush(struct virtq *vq, uint16_t n)
{
	struct inflight_queue *q = vq->inflight;

	if (!q)
		return;
	inflight_order();
	if (!end_batch(q, vq->size, n))
		return;
	inflight_order();
	q->used_idx = vq->published;
}

static void begin_anew(struct virtq *vq)
{
	struct inflight_queue *q = vq->inflight;

	memset(q, 0, sizeof(*q) + vq->size * sizeof(q->desc[0]));
	q->desc_num = vq->size;
	q->used_idx = vq->used_idx;
	inflight_order();
	q->version = VERSION;
}

struct found {
	uint64_t counter;
	uint16_t head;
};

static int by_counter(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

/* The heads in flight, in the order in which they were taken. */
static int collect(struct virtq *vq)
{
	const struct inflight_queue *q = vq->inflight;
	struct found *found = calloc(vq->size, sizeof(*found));
	uint16_t i, n = 0;

	vq->resubmit = calloc(vq->size, sizeof(*vq->resubmit));
	if (!found || !vq->resubmit) {
		free(found);
		return -ENOMEM;
	}
	for (i = 0; i < vq->size; i++)
		if (q->desc[i].inflight)
			found[n++] = (struct found){q->desc[i].counter, i};
	qsort(found, n, sizeof(*found), by_counter);
	for (i = 0; i < n; i++)
		vq->resubmit[i] = found[i].head;
	vq->nresubmit = n;
	vq->inflight_counter = n ? found[n - 1].counter + 1 : 1;
	free(found);
	return 0;
}

int virtq_inflight_init(struct virtq *vq)
{
	struct inflight_queue *q = vq->inflight;
	uint16_t behind;
	int rc;

	if (!q)
		return 0;
	behind = (uint16_t)(vq->used_idx - q->used_idx);
	/* New memory, or a queue that the guest has begun anew. */
	if (q->version != VERSION || q->desc_num != vq->size || behind > vq->size ||
	    !end_batch(q, vq->size, behind)) {
		begin_anew(vq);
		return 0;
	}
	q->used_idx = vq->used_idx;
	rc = collect(vq);
	if (rc)
		return rc;
	/* Each entry taken from the available ring is used by now, or in flight. */
	vq->last_avail = (uint16_t)(vq->used_idx + vq->nresubmit);
	return 0;
}
