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
	int rc;

	*vq = (struct virtq){
		.desc = p->desc,
		.avail = p->avail,
		.used = p->used,
		.mem = p->mem,
		.inflight = p->inflight,
		.size = p->size,
		.event_idx = p->event_idx,
		.call_fd = p->call_fd,
		.wary = p->wary,
		.last_avail = p->base,
		.expected = p->used,
	};
	vq->used_idx = load16(&vq->used->idx);
	vq->published = vq->used_idx;
	rc = virtq_inflight_init(vq);
	vq->seen_avail = vq->last_avail; /* what was in flight is behind it */
	return rc;
}

void virtq_fini(struct virtq *vq)
{
	free(vq->resubmit);
	vq->resubmit = NULL;
}

/* --- chains --- */

/*
 * A longer list, for `more` segments: they come in few sizes, so that this is not done often. 0,
 * -EPROTO or -EAGAIN.
 */
static slow_path int grow(struct virtq *vq, struct virtq_chain *c, unsigned int more)
{
	unsigned int n = c->nout + c->nin;
	struct iovec *longer;

	if (n == VIRTQ_MAX_IOV)
		return broken(vq, "a chain has too many segments", n);
	longer = iov_pool_get(c->pool, min_t(unsigned int, n + more, VIRTQ_MAX_IOV));
	if (!longer)
		return -EAGAIN;
	memcpy(longer, c->iov, n * sizeof(struct iovec));
	if (c->big)
		iov_pool_put(c->pool, c->big);
	c->iov = c->big = longer;
	c->room = min_t(unsigned int, iov_pool_room(c->pool, longer), VIRTQ_MAX_IOV);
	return 0;
}

/*
 * The long way for a buffer: one that lies across neighbouring regions makes a segment for each,
 * one of no bytes none, and the array may have to grow.
 */
static slow_path int add_buffer(struct virtq *vq, struct virtq_chain *c, const struct virtq_desc *d)
{
	uint64_t addr = d->addr, len = VIRTQ_DESC_LEN(*d), run;
	bool write = VIRTQ_DESC_FLAGS(*d) & VRING_DESC_F_WRITE;
	int rc;

	if (!write && c->nin)
		return broken(vq, "a readable descriptor stands behind a writable one", c->nin);
	while (len) {
		uint8_t *host = guest_mem_run_near(vq->mem, addr, &run, &vq->last_region);
		unsigned int n = c->nout + c->nin;

		if (!host)
			return broken(vq, "a descriptor is outside guest memory", (uint32_t)len);
		rc = n == c->room ? grow(vq, c, 1) : 0;
		if (rc)
			return rc;
		run = min_t(uint64_t, run, len);
		c->iov[n] = (struct iovec){.iov_base = host, .iov_len = run};
		*(write ? &c->nin : &c->nout) += 1;
		*(write ? &c->in_len : &c->out_len) += run;
		addr += run;
		len -= run;
	}
	return 0;
}

/* Also descriptors of no bytes: a table of millions would hold up the reactor. */
static slow_path int too_long(struct virtq *vq, uint32_t seen, uint32_t n)
{
	return seen == n ? broken(vq, "a chain of descriptors is a loop", n)
			 : broken(vq, "a chain has too many descriptors", seen);
}

/* A place in a table of n descriptors: the next one is `at`, and so many have been seen. */
struct walk {
	const void *table;
	uint32_t n, at, seen, max;
};

/*
 * The usual buffers of one direction (0, or VRING_DESC_F_WRITE): each in the region of the one
 * before, with room for it. True: that was the chain's end. False: the one at w->at is another one,
 * and nothing has been done about it. Not inlined: the loop has all registers.
 */
static bool __attribute__((noinline))
add_plain(const struct virtq *vq, struct virtq_chain *c, struct walk *w, unsigned int direction)
{
	const struct guest_mem_region near = vq->mem->regions[vq->last_region];
	const unsigned int segments = c->nout + c->nin;
	struct iovec *const first = c->iov + segments, *iov = first;
	struct iovec *const end = first + min_t(uint32_t, c->room - segments, w->max - w->seen);
	const void *const table = w->table;
	const uint32_t n = w->n;
	uint32_t at = w->at;
	uint64_t bytes = 0;
	bool last = false;

	while (likely(iov < end)) {
		struct virtq_desc d;
		uint64_t from, len;

		if (unlikely(at >= n))
			break;
		/* Once: the guest may change its descriptor while we look at it. */
		d = virtq_read_desc(table, at);
		from = d.addr - near.gpa;
		len = VIRTQ_DESC_LEN(d);
		if (unlikely((VIRTQ_DESC_FLAGS(d) & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)) !=
			     direction))
			break;
		/* One of no bytes is too long as well. */
		if (unlikely(from >= near.size) || unlikely(len - 1 >= near.size - from))
			break;
		iov->iov_base = near.host + from;
		iov->iov_len = len;
		iov++;
		bytes += len;
		at = VIRTQ_DESC_NEXT(d);
		last = !(VIRTQ_DESC_FLAGS(d) & VRING_DESC_F_NEXT);
		if (last)
			break;
	}
	*(direction ? &c->nin : &c->nout) += (unsigned int)(iov - first);
	*(direction ? &c->in_len : &c->out_len) += bytes;
	w->seen += (uint32_t)(iov - first);
	w->at = at;
	return last;
}

/* Walks a table, of which none or some has been seen; *indirect: a table that one of them points
 * to, to go on with. */
static int walk(struct virtq *vq, struct virtq_chain *c, struct walk *w,
		struct virtq_desc *indirect)
{
	unsigned int direction = c->nin ? VRING_DESC_F_WRITE : 0;

	while (!add_plain(vq, c, w, direction)) {
		struct virtq_desc d;
		unsigned int flags;
		int rc;

		if (unlikely(w->seen == w->max))
			return too_long(vq, w->seen, w->n);
		if (unlikely(w->at >= w->n))
			return broken(vq, "a descriptor index is out of range", w->at);
		/* Anew: it counts as it is now. */
		d = virtq_read_desc(w->table, w->at);
		flags = VIRTQ_DESC_FLAGS(d);
		if (flags & VRING_DESC_F_WRITE && !direction && !(flags & VRING_DESC_F_INDIRECT)) {
			direction = VRING_DESC_F_WRITE;
			continue;
		}
		w->seen++;
		if (flags & VRING_DESC_F_INDIRECT) {
			if (!indirect || flags & VRING_DESC_F_NEXT)
				return broken(vq, "an indirect descriptor where none may be",
					      w->at);
			*indirect = d;
			return 1;
		}
		rc = add_buffer(vq, c, &d);
		if (rc || !(flags & VRING_DESC_F_NEXT))
			return rc;
		w->at = VIRTQ_DESC_NEXT(d);
	}
	return 0;
}

static int walk_table(struct virtq *vq, struct virtq_chain *c, const void *table, uint32_t n,
		      uint16_t at, struct virtq_desc *indirect)
{
	struct walk w = {
		.table = table,
		.n = n,
		.at = at,
		.max = min_t(uint32_t, n, VIRTQ_MAX_IOV),
	};
	int rc = walk(vq, c, &w, indirect);

	c->descs += w.seen;
	return rc;
}

static int walk_indirect(struct virtq *vq, struct virtq_chain *c, const struct virtq_desc *d)
{
	uint32_t len = VIRTQ_DESC_LEN(*d), n = len / (uint32_t)sizeof(struct vring_desc);
	const void *table;
	int rc;

	if (!len || len % sizeof(struct vring_desc))
		return broken(vq, "an indirect table has a wrong length", len);
	table = guest_mem_ptr_near(vq->mem, d->addr, len, &vq->last_region);
	if (!table)
		return broken(vq, "an indirect table is outside guest memory", len);
	/* Drivers use all of a table: a list for it, at once. */
	if (n > c->room - (c->nout + c->nin) && n <= VIRTQ_MAX_IOV) {
		rc = grow(vq, c, n);
		if (rc)
			return rc;
	}
	return walk_table(vq, c, table, n, 0, NULL);
}

static int read_chain(struct virtq *vq, struct virtq_chain *c)
{
	struct virtq_desc indirect = {0};
	int rc = walk_table(vq, c, vq->desc, vq->size, c->head, &indirect);

	return rc == 1 ? walk_indirect(vq, c, &indirect) : rc;
}

int virtq_look(struct virtq *vq)
{
	uint16_t idx = virtq_avail_idx(vq), pending = (uint16_t)(idx - vq->last_avail);

	if (unlikely(pending > vq->size))
		return broken(vq, "the available index is too far ahead", pending);
	vq->seen_avail = idx;
	return pending != 0;
}

static inline uint16_t avail_entry(const struct virtq *vq, uint16_t at)
{
	return load16(&vq->avail->ring[at & (vq->size - 1)]);
}

/*
 * Hints only: nothing that is read here is used for anything else. Asks for what the first
 * descriptor of a chain, or of a table, names; returns the address if there is a descriptor.
 */
static inline const void *prefetch_buffer(const struct guest_mem_region *near, const void *d)
{
	uint64_t at = virtq_read64(d) - near->gpa;

	if (unlikely(at >= near->size || near->size - at < sizeof(struct vring_desc)))
		return NULL;
	__builtin_prefetch(near->host + at);
	return near->host + at;
}

/* Each step for all chains, so that the caches work on all of them at the same time. */
void virtq_prefetch_chains(const struct virtq *vq, unsigned int n)
{
	const uint16_t first = vq->last_avail, mask = (uint16_t)(vq->size - 1);
	const struct guest_mem_region near = vq->mem->regions[vq->last_region];
	const void *tables[VIRTQ_PREFETCH_MAX];
	const struct vring_avail *avail = vq->avail;
	const struct vring_desc *desc = vq->desc;
	unsigned int i, ntables = 0;

	for (i = first; i < first + n; i++)
		__builtin_prefetch(&desc[load16(&avail->ring[i & mask]) & mask]);
	for (i = first; i < first + n; i++) {
		const struct vring_desc *d = &desc[load16(&avail->ring[i & mask]) & mask];
		const void *table = prefetch_buffer(&near, d);

		if (load16(&d->flags) & VRING_DESC_F_INDIRECT && table)
			tables[ntables++] = table;
	}
	for (i = 0; i < ntables; i++)
		prefetch_buffer(&near, tables[i]);
}

/* One that was in flight when the last daemon died: it has its mark. */
static slow_path int pop_resubmitted(struct virtq *vq, struct virtq_chain *c)
{
	int rc;

	c->head = vq->resubmit[vq->next_resubmit];
	rc = read_chain(vq, c);
	if (rc != -EAGAIN)
		vq->next_resubmit++;
	return rc ? rc : 1;
}

int virtq_pop(struct virtq *vq, struct virtq_chain *c)
{
	int rc;

	if (unlikely(vq->broken))
		return -EPROTO;
	c->nout = c->nin = c->descs = 0;
	c->out_len = c->in_len = 0;
	if (unlikely(vq->next_resubmit < vq->nresubmit))
		return pop_resubmitted(vq, c);
	if (vq->last_avail == vq->seen_avail) {
		rc = virtq_look(vq);
		if (rc <= 0)
			return rc;
	}
	c->head = avail_entry(vq, vq->last_avail);
	if (unlikely(c->head >= vq->size))
		return broken(vq, "an available entry is out of range", c->head);
	rc = read_chain(vq, c);
	if (unlikely(rc == -EAGAIN))
		return rc;
	vq->last_avail++;
	virtq_inflight_begin(vq, c->head);
	return rc ? rc : 1;
}

/* --- used entries and notifications --- */

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

static enum virtq_flushed show(struct virtq *vq)
{
	uint16_t old = vq->published;

	__atomic_store_n((uint16_t *)&vq->used->idx, htole16(vq->used_idx), __ATOMIC_RELEASE);
	vq->published = vq->used_idx;
	virtq_inflight_flush(vq, (uint16_t)(vq->published - old));
	if (!wants_notification(vq, old))
		return VIRTQ_SUPPRESSED;
	virtq_kick_guest(vq);
	return VIRTQ_NOTIFIED;
}

enum virtq_flushed virtq_flush(struct virtq *vq)
{
	return vq->used_idx == vq->published ? VIRTQ_NOTHING : show(vq);
}

void virtq_kick_guest(struct virtq *vq)
{
	if (vq->call_fd >= 0 && reactor_signal(reactor_self(), vq->call_fd, vq->wary) == -EINTR)
		broken(vq, "its notification eventfd blocks, as its counter is full", 0);
}

/* After which available entry the guest is to notify us (VIRTIO 1.2, 2.7.10). */
static void set_avail_event(struct virtq *vq, uint16_t event)
{
	__atomic_store_n((uint16_t *)&vq->used->ring[vq->size], htole16(event), __ATOMIC_RELAXED);
}

/* A broken queue is not written to: its ring may have been firmware's, and be other memory now. */
bool virtq_arm(struct virtq *vq)
{
	if (unlikely(vq->broken))
		return false;
	vq->quiet = false;
	if (vq->event_idx)
		set_avail_event(vq, vq->last_avail);
	else
		__atomic_store_n((uint16_t *)&vq->used->flags, 0, __ATOMIC_RELAXED);
	/* Partner: the driver's barrier between its available index and its look at our wish. */
	full_barrier();
	return virtq_avail_idx(vq) != vq->last_avail || vq->next_resubmit < vq->nresubmit;
}

/*
 * We may have been woken by something else than the guest: with the event index the wish to hear of
 * its next chain would stand, so it is moved behind everything that the guest may be about to
 * publish. It comes past it again in 65536 chains, and notifies us for nothing.
 */
void virtq_disarm(struct virtq *vq)
{
	if (vq->quiet || vq->broken)
		return;
	vq->quiet = true;
	if (vq->event_idx)
		set_avail_event(vq, (uint16_t)(vq->last_avail - vq->size - 1));
	else
		__atomic_store_n((uint16_t *)&vq->used->flags, htole16(VRING_USED_F_NO_NOTIFY),
				 __ATOMIC_RELAXED);
}

/* --- segments --- */

bool virtq_iov_take_pieces(struct iovec **iov, unsigned int *n, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len && *n) {
		size_t part = min_t(size_t, len, (*iov)->iov_len);

		memcpy(to, virtq_iov_advance(iov, n, part), part);
		to += part;
		len -= part;
	}
	return !len;
}

bool virtq_iov_put_pieces(struct iovec **iov, unsigned int *n, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	while (len && *n) {
		size_t part = min_t(size_t, len, (*iov)->iov_len);

		memcpy(virtq_iov_advance(iov, n, part), from, part);
		from += part;
		len -= part;
	}
	return !len;
}

unsigned int virtq_iov_cut_pieces(struct iovec **iov, unsigned int *n, size_t len,
				  struct iovec *pieces, unsigned int max)
{
	unsigned int i;

	for (i = 0; len && *n && i < max; i++) {
		size_t part = min_t(size_t, len, (*iov)->iov_len);

		pieces[i].iov_len = part;
		pieces[i].iov_base = virtq_iov_advance(iov, n, part);
		len -= part;
	}
	return len ? 0 : i;
}
