/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's part: chains in rings, and virtio-blk requests. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fe_util.h"
#include "fe_virtio.h"

int fe_vq_chain(struct fe_vq *q, const struct fe_seg *segs, unsigned int n)
{
	uint16_t head, i;

	if (!n || n > q->nfree)
		return -ENOSPC;
	head = q->free_list[q->nfree - 1];
	for (i = 0; i < n; i++) {
		bool more = i + 1u < n;
		uint16_t at = q->free_list[--q->nfree];

		q->next[at] = more ? q->free_list[q->nfree - 1] : 0;
		q->desc[at] = (struct vring_desc){
			.addr = segs[i].gpa,
			.len = segs[i].len,
			.flags = (uint16_t)((segs[i].write ? VRING_DESC_F_WRITE : 0) |
					    (more ? VRING_DESC_F_NEXT : 0)),
			.next = q->next[at],
		};
	}
	q->length[head] = (uint16_t)n;
	return head;
}

void fe_vq_kick(struct fe_vq *q)
{
	uint64_t one = 1;

	if (write(q->kick_fd, &one, sizeof(one)) < 0)
		return; /* its counter is full: it is signalled */
}

void fe_vq_submit(struct fe_vq *q, uint16_t head)
{
	q->avail[2 + (q->avail_idx & (q->size - 1))] = head;
	__atomic_store_n(&q->avail[1], ++q->avail_idx, __ATOMIC_SEQ_CST);
	fe_vq_kick(q);
}

int fe_vq_poll(struct fe_vq *q, uint32_t *len)
{
	uint16_t idx = __atomic_load_n((uint16_t *)&q->used->idx, __ATOMIC_ACQUIRE);
	const struct vring_used_elem *e;
	uint16_t n, at;

	if (idx == q->last_used)
		return -EAGAIN;
	e = &q->used->ring[q->last_used++ & (q->size - 1)];
	if (len)
		*len = e->len;
	if (e->id >= q->size)
		return -EPROTO;
	at = (uint16_t)e->id;
	/* 0: a head that was submitted without fe_vq_chain(). */
	n = q->length[at];
	q->length[at] = 0;
	for (; n > 0; n--) {
		q->free_list[q->nfree++] = at;
		at = q->next[at];
	}
	return (int)e->id;
}

int fe_vq_wait(struct fe_vq *q, uint32_t *len, int timeout_ms)
{
	uint64_t end = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
	unsigned int spins = 0;
	int head;

	while ((head = fe_vq_poll(q, len)) == -EAGAIN) {
		if (fe_now_ns() > end)
			return -ETIMEDOUT;
		fe_relax(&spins);
	}
	return head;
}

int fe_blk_submit(struct fe_vq *q, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len)
{
	uint16_t id = q->nfree ? q->free_list[q->nfree - 1] : 0;
	struct fe_seg segs[3] = {
		{q->hdrs_gpa + id * sizeof(*q->hdrs), sizeof(*q->hdrs), false},
		{gpa, len, type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID},
	};
	unsigned int n = len ? 2 : 1;
	int head;

	segs[n++] = (struct fe_seg){q->status_gpa + id, 1, true};
	head = fe_vq_chain(q, segs, n);
	if (head < 0)
		return head;
	q->hdrs[id] = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	q->status[id] = 0xff;
	fe_vq_submit(q, (uint16_t)head);
	return head;
}

int fe_blk_exec(struct fe_vq *q, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len)
{
	int head = fe_blk_submit(q, type, sector, gpa, len), done;

	if (head < 0)
		return head;
	done = fe_vq_wait(q, NULL, FE_TIMEOUT_MS);
	if (done < 0)
		return done;
	return done == head ? q->status[head] : -EPROTO;
}

int fe_blk_exec_chain(struct fe_vq *q, const struct fe_seg *segs, unsigned int n,
		      const uint8_t *status, uint32_t *len)
{
	int head = fe_vq_chain(q, segs, n), done;

	if (head < 0)
		return head;
	fe_vq_submit(q, (uint16_t)head);
	done = fe_vq_wait(q, len, FE_TIMEOUT_MS);
	if (done < 0)
		return done;
	return done == head ? *status : -EPROTO;
}

int fe_blk_verify(struct fe_vq *q, uint64_t sector, uint8_t *va, uint64_t gpa, uint32_t len,
		  uint64_t seed)
{
	int status;

	fe_pattern_fill(va, len, seed);
	status = fe_blk_exec(q, VIRTIO_BLK_T_OUT, sector, gpa, len);
	if (status)
		return status;
	memset(va, 0, len);
	status = fe_blk_exec(q, VIRTIO_BLK_T_IN, sector, gpa, len);
	if (status)
		return status;
	return fe_pattern_check(va, len, seed) ? 0 : -EILSEQ;
}
