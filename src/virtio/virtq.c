/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/virtq.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reactor/reactor.h"
#include "util/util.h"
#include "virtio/virtq_inflight.h"

static uint16_t load16(const __virtio16 *p)
{
	return le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED));
}

static uint16_t avail_idx(const struct virtq *vq)
{
	/* Acquire: the entries and descriptors that it announces are read after it. */
	return le16toh(__atomic_load_n((const uint16_t *)&vq->avail->idx, __ATOMIC_ACQUIRE));
}

static int broken(struct virtq *vq, const char *why, uint32_t value)
{
	if (!vq->broken) {
		vq->broken = why;
		vq->broken_value = value;
	}
	return -EPROTO;
}

int virtq_init(struct virtq *vq, const struct virtq_params *p)
{
	*vq = (struct virtq){
		.desc = p->desc,
		.avail = p->avail,
		.used = p->used,
		.mem = p->mem,
		.inflight = p->inflight,
		.size = p->size,
		.event_idx = p->event_idx,
		.call_fd = p->call_fd,
		.last_avail = p->base,
	};
	vq->used_idx = load16(&vq->used->idx);
	vq->published = vq->used_idx;
	return virtq_inflight_init(vq);
}

void virtq_fini(struct virtq *vq)
{
	free(vq->resubmit);
	vq->resubmit = NULL;
}

/* --- chains --- */

static bool grow(struct virtq_chain *c)
{
	unsigned int n = c->nout + c->nin;

	if (c->room == VIRTQ_MAX_IOV)
		return false;
	if (!*c->big)
		*c->big = malloc(VIRTQ_MAX_IOV * sizeof(struct iovec));
	if (!*c->big)
		return false;
	memcpy(*c->big, c->iov, n * sizeof(struct iovec));
	c->iov = *c->big;
	c->room = VIRTQ_MAX_IOV;
	return true;
}

static int add_segment(struct virtq *vq, struct virtq_chain *c, uint8_t *host, uint64_t len,
		       bool write)
{
	unsigned int n = c->nout + c->nin;

	if (unlikely(n == c->room && !grow(c)))
		return broken(vq, "a chain has too many segments", n);
	c->iov[n].iov_base = host;
	c->iov[n].iov_len = len;
	if (write) {
		c->nin++;
		c->in_len += len;
	} else {
		c->nout++;
		c->out_len += len;
	}
	return 0;
}

/* A buffer may lie across neighbouring regions: a segment for each. */
static int add_buffer(struct virtq *vq, struct virtq_chain *c, const struct vring_desc *d)
{
	uint64_t addr = le64toh(d->addr), len = le32toh(d->len), run;
	bool write = le16toh(d->flags) & VRING_DESC_F_WRITE;
	int rc;

	if (unlikely(!write && c->nin))
		return broken(vq, "a readable descriptor stands behind a writable one", c->nin);
	while (len) {
		uint8_t *host = guest_mem_run(vq->mem, addr, &run);

		if (unlikely(!host))
			return broken(vq, "a descriptor is outside guest memory", (uint32_t)len);
		if (run > len)
			run = len;
		rc = add_segment(vq, c, host, run, write);
		if (unlikely(rc))
			return rc;
		addr += run;
		len -= run;
	}
	return 0;
}

/* Walks a table of n descriptors from `at`; *indirect: a table that one of them points to, to go on
 * with. */
static int walk(struct virtq *vq, struct virtq_chain *c, const struct vring_desc *table, uint32_t n,
		uint16_t at, struct vring_desc *indirect)
{
	struct vring_desc d;
	uint32_t seen;
	int rc;

	for (seen = 0;; seen++) {
		if (unlikely(seen == n))
			return broken(vq, "a chain of descriptors is a loop", n);
		/* Also those of no bytes: a table of millions would hold up the reactor. */
		if (unlikely(seen == VIRTQ_MAX_IOV))
			return broken(vq, "a chain has too many descriptors", seen);
		if (unlikely(at >= n))
			return broken(vq, "a descriptor index is out of range", at);
		/* Once: the guest may change its descriptor while we look at it. */
		memcpy(&d, &table[at], sizeof(d));
		if (unlikely(le16toh(d.flags) & VRING_DESC_F_INDIRECT)) {
			if (!indirect || le16toh(d.flags) & VRING_DESC_F_NEXT)
				return broken(vq, "an indirect descriptor where none may be", at);
			*indirect = d;
			return 1;
		}
		rc = add_buffer(vq, c, &d);
		if (unlikely(rc))
			return rc;
		if (!(le16toh(d.flags) & VRING_DESC_F_NEXT))
			return 0;
		at = le16toh(d.next);
	}
}

static int walk_indirect(struct virtq *vq, struct virtq_chain *c, const struct vring_desc *d)
{
	uint32_t len = le32toh(d->len);
	const void *table;

	if (!len || len % sizeof(*d))
		return broken(vq, "an indirect table has a wrong length", len);
	table = guest_mem_ptr(vq->mem, le64toh(d->addr), len);
	if (!table)
		return broken(vq, "an indirect table is outside guest memory", len);
	return walk(vq, c, table, len / (uint32_t)sizeof(*d), 0, NULL);
}

static int read_chain(struct virtq *vq, struct virtq_chain *c)
{
	struct vring_desc indirect = {0};
	int rc = walk(vq, c, vq->desc, vq->size, c->head, &indirect);

	return rc == 1 ? walk_indirect(vq, c, &indirect) : rc;
}

int virtq_pop(struct virtq *vq, struct virtq_chain *c)
{
	uint16_t pending;
	int rc;

	if (unlikely(vq->broken))
		return -EPROTO;
	if (unlikely(vq->next_resubmit < vq->nresubmit)) {
		c->head = vq->resubmit[vq->next_resubmit++];
	} else {
		pending = (uint16_t)(avail_idx(vq) - vq->last_avail);
		if (!pending)
			return 0;
		if (unlikely(pending > vq->size))
			return broken(vq, "the available index is too far ahead", pending);
		c->head = load16(&vq->avail->ring[vq->last_avail & (vq->size - 1)]);
		if (unlikely(c->head >= vq->size))
			return broken(vq, "an available entry is out of range", c->head);
		vq->last_avail++;
		virtq_inflight_begin(vq, c->head);
	}
	c->nout = c->nin = 0;
	c->out_len = c->in_len = 0;
	rc = read_chain(vq, c);
	return rc ? rc : 1;
}

/* --- used entries and notifications --- */

void virtq_push(struct virtq *vq, uint16_t head, uint32_t written)
{
	struct vring_used_elem *elem = &vq->used->ring[vq->used_idx & (vq->size - 1)];

	elem->id = htole32(head);
	elem->len = htole32(written);
	vq->used_idx++;
	virtq_inflight_push(vq, head);
}

/* Whether the guest wants to hear of the entries since `old` (VIRTIO 1.2, 2.7.7.1, 2.7.10). */
static bool wants_notification(const struct virtq *vq, uint16_t old)
{
	/*
	 * Between the store of the used index and the look at what the guest wants. Its partner is
	 * the driver's barrier between asking and looking at the used index again: without, both
	 * miss each other and the guest hangs.
	 */
	full_barrier();
	if (vq->event_idx)
		return vring_need_event(load16(&vq->avail->ring[vq->size]), vq->used_idx, old);
	return !(load16(&vq->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

void virtq_flush(struct virtq *vq)
{
	uint16_t old = vq->published;

	if (vq->used_idx == old)
		return;
	__atomic_store_n((uint16_t *)&vq->used->idx, htole16(vq->used_idx), __ATOMIC_RELEASE);
	vq->published = vq->used_idx;
	virtq_inflight_flush(vq);
	if (wants_notification(vq, old)) {
		vq->notified++;
		virtq_kick_guest(vq);
	} else {
		vq->suppressed++;
	}
}

void virtq_kick_guest(struct virtq *vq)
{
	if (vq->call_fd >= 0 && reactor_signal(reactor_self(), vq->call_fd) == -EINTR)
		broken(vq, "its notification eventfd blocks, as its counter is full", 0);
}

/* A broken queue is not written to: its ring may have been firmware's, and be other memory now. */
bool virtq_arm(struct virtq *vq)
{
	if (unlikely(vq->broken))
		return false;
	vq->quiet = false;
	if (vq->event_idx)
		__atomic_store_n((uint16_t *)&vq->used->ring[vq->size], htole16(vq->last_avail),
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n((uint16_t *)&vq->used->flags, 0, __ATOMIC_RELAXED);
	/* Partner: the driver's barrier between its available index and its look at our wish. */
	full_barrier();
	return avail_idx(vq) != vq->last_avail || vq->next_resubmit < vq->nresubmit;
}

/* With the event index our wish was met and is behind: the guest comes past it again in 65536
 * chains. */
void virtq_disarm(struct virtq *vq)
{
	if (vq->quiet || vq->broken)
		return;
	vq->quiet = true;
	if (!vq->event_idx)
		__atomic_store_n((uint16_t *)&vq->used->flags, htole16(VRING_USED_F_NO_NOTIFY),
				 __ATOMIC_RELAXED);
}

/* --- segments --- */

/* Uses up `len` bytes at the front, which are all in the first segment. */
static void *advance(struct iovec **iov, unsigned int *n, size_t len)
{
	void *at = (*iov)->iov_base;

	(*iov)->iov_base = (uint8_t *)at + len;
	(*iov)->iov_len -= len;
	if (!(*iov)->iov_len) {
		(*iov)++;
		(*n)--;
	}
	return at;
}

bool virtq_iov_take(struct iovec **iov, unsigned int *n, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len && *n) {
		size_t part = min_t(size_t, len, (*iov)->iov_len);

		memcpy(to, advance(iov, n, part), part);
		to += part;
		len -= part;
	}
	return !len;
}

bool virtq_iov_put(struct iovec **iov, unsigned int *n, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	while (len && *n) {
		size_t part = min_t(size_t, len, (*iov)->iov_len);

		memcpy(advance(iov, n, part), from, part);
		from += part;
		len -= part;
	}
	return !len;
}

unsigned int virtq_iov_cut(struct iovec **iov, unsigned int *n, size_t len, struct iovec *pieces,
			   unsigned int max)
{
	unsigned int i;

	for (i = 0; len && *n && i < max; i++) {
		size_t part = min_t(size_t, len, (*iov)->iov_len);

		pieces[i].iov_len = part;
		pieces[i].iov_base = advance(iov, n, part);
		len -= part;
	}
	return len ? 0 : i;
}

bool virtq_iov_take_tail(struct iovec *iov, unsigned int *n, uint8_t **byte)
{
	struct iovec *last;

	if (!*n)
		return false;
	last = &iov[*n - 1];
	last->iov_len--;
	*byte = (uint8_t *)last->iov_base + last->iov_len;
	if (!last->iov_len)
		(*n)--;
	return true;
}
