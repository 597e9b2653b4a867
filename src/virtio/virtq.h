/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_VIRTQ_H
#define VIRTIO_VIRTQ_H

/*
 * Split virtqueues, the device's side (VIRTIO 1.2, 2.7): taking chains of descriptors, giving them
 * back, and notifications in both directions. Rings are plain memory here, shared with a guest that
 * may change them at any time. A queue belongs to one reactor, which makes all calls.
 */

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "bdev/iov_pool.h"
#include "guest_mem/guest_mem.h"
#include "vhost/inflight.h"

#define VIRTQ_MAX_SIZE 1024
/*
 * Segments of one chain in host memory: 1024 of data, a header and a status, and some for buffers
 * that lie across memory regions. More make the queue broken.
 */
#define VIRTQ_MAX_IOV 1040
_Static_assert(VIRTQ_MAX_IOV <= IOV_POOL_MAX, "a list for them");

struct virtq {
	/* Constant while it runs. */
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	const struct guest_mem *mem;
	struct inflight_queue *inflight; /* NULL: nobody tracks */
	uint16_t size;
	bool event_idx;
	int call_fd;	   /* -1: the guest is not notified */
	atomic_bool *wary; /* of reactor_signal() */

	uint16_t last_avail;  /* the next available entry to take */
	uint16_t seen_avail;  /* the available index at the last look, checked */
	uint16_t last_region; /* of `mem`, where a buffer was found */
	const void *expected; /* a hint for the caches: where the last chain's header was */
	uint16_t used_idx;    /* the next used entry to write */
	uint16_t published;   /* as the guest sees it */
	bool quiet;	      /* we have asked the guest not to notify */
	uint64_t inflight_counter;
	uint16_t *resubmit; /* heads that were in flight when the last daemon died */
	uint16_t nresubmit, next_resubmit;
	/* Sticky: the guest broke the rules, and what it was. */
	const char *broken;
	uint32_t broken_value;
};

/* A chain of descriptors, translated: first what the device reads, then what it writes. */
struct virtq_chain {
	/* In: room for `room` entries, and where there are longer lists if they are not enough. */
	struct iovec *iov;
	unsigned int room;
	struct iov_pool *pool;
	/* In: NULL. Out, also with an error: the list of the pool's that `iov` is then, or NULL. */
	struct iovec *big;
	/* Out. Not in pairs, which the compiler would keep in a vector register each. */
	unsigned int nout;
	uint16_t head;
	uint64_t out_len; /* bytes, as in_len */
	unsigned int nin;
	unsigned int descs; /* that were looked at, also those of no bytes */
	uint64_t in_len;
};

struct virtq_params {
	void *desc, *avail, *used;
	const struct guest_mem *mem;
	void *inflight;
	uint16_t size, base;
	bool event_idx;
	int call_fd;
	atomic_bool *wary; /* the device's, for reactor_signal() */
};

/* Starts a queue, and finds what was in flight in it. 0 or -ENOMEM. */
int virtq_init(struct virtq *vq, const struct virtq_params *params);
void virtq_fini(struct virtq *vq);

/*
 * A descriptor of a table, which the guest may have at any address: as bytes, for the CPUs that
 * cannot read a word of two cache lines, and for compilers that rely on a type's alignment.
 */
static inline const void *virtq_desc_at(const void *table, uint32_t i)
{
	return (const uint8_t *)table + i * sizeof(struct vring_desc);
}

/* One load, whatever becomes of the value, of memory that the guest may change meanwhile. */
static inline uint64_t virtq_read64(const void *p)
{
	struct __attribute__((packed, may_alias)) word {
		uint64_t v;
	};

	return le64toh(((const volatile struct word *)p)->v);
}

/* A descriptor, copied from the guest's memory, in the order of the CPU's bytes. */
struct virtq_desc {
	uint64_t addr;
	uint64_t rest; /* length, flags and next from the low bits on */
};

#define VIRTQ_DESC_LEN(d)   ((uint32_t)(d).rest)
#define VIRTQ_DESC_FLAGS(d) ((uint16_t)((d).rest >> 32))
#define VIRTQ_DESC_NEXT(d)  ((uint16_t)((d).rest >> 48))

static inline struct virtq_desc virtq_read_desc(const void *table, uint32_t i)
{
	const uint8_t *d = virtq_desc_at(table, i);

	return (struct virtq_desc){virtq_read64(d), virtq_read64(d + sizeof(uint64_t))};
}

static inline uint16_t virtq_avail_idx(const struct virtq *vq)
{
	/* Acquire: the entries and descriptors that it announces are read after it. */
	return le16toh(__atomic_load_n((const uint16_t *)&vq->avail->idx, __ATOMIC_ACQUIRE));
}

/* Looks at the available index: 1: there are entries to take, 0, or -EPROTO. */
int virtq_look(struct virtq *vq);

/*
 * Takes the next chain: 1, 0: there is none, -EPROTO: the queue is broken (now or before), or
 * -EAGAIN: it is left where it is, until the pool has a list for it again.
 */
int virtq_pop(struct virtq *vq, struct virtq_chain *chain);

/*
 * The stores that tell of what is in flight: their order matters, not their visibility to other
 * CPUs, as the reader comes after our death.
 */
#define inflight_order() __asm__ volatile("" ::: "memory")

/* A chain was taken. */
static inline void virtq_inflight_begin(struct virtq *vq, uint16_t head)
{
	if (!vq->inflight)
		return;
	vq->inflight->desc[head].counter = vq->inflight_counter++;
	inflight_order();
	vq->inflight->desc[head].inflight = 1;
}

/* Its used entry was written, but not shown yet: it belongs to the batch. */
static inline void virtq_inflight_push(struct virtq *vq, uint16_t head)
{
	if (!vq->inflight)
		return;
	vq->inflight->desc[head].next = vq->inflight->last_batch_head;
	inflight_order();
	vq->inflight->last_batch_head = head;
}

/* Gives a chain back with `written` bytes written; the guest sees it after virtq_flush(). */
static inline void virtq_push(struct virtq *vq, uint16_t head, uint32_t written)
{
	uint64_t elem = htole64((uint64_t)written << 32 | head);

	memcpy(&vq->used->ring[vq->used_idx & (vq->size - 1)], &elem, sizeof(elem));
	vq->used_idx++;
	virtq_inflight_push(vq, head);
}

/* Whether there are chains to take without a new look at the available index. */
static inline bool virtq_left(const struct virtq *vq)
{
	return vq->last_avail != vq->seen_avail || vq->next_resubmit < vq->nresubmit;
}

/* Whether the guest has made more available; it may be too much. */
static inline bool virtq_moved(const struct virtq *vq)
{
	return virtq_avail_idx(vq) != vq->last_avail;
}

/* While there is none: the next available entry comes together with the available index then. */
static inline void virtq_prefetch_entry(const struct virtq *vq)
{
	__builtin_prefetch(&vq->avail->ring[vq->last_avail & (vq->size - 1)]);
}

#define VIRTQ_PREFETCH_MAX 64
void virtq_prefetch_chains(const struct virtq *vq, unsigned int n);
/*
 * Asks the caches for the chains that virtq_pop() will take next, up to VIRTQ_PREFETCH_MAX. For a
 * single one it is a guess: a guest with one I/O at a time mostly uses the same memory for all. One
 * with more is about to write where that was: its lines would be taken away.
 */
static inline void virtq_prefetch(const struct virtq *vq, bool one_by_one)
{
	unsigned int n = (uint16_t)(vq->seen_avail - vq->last_avail);

	if (n != 1) {
		virtq_prefetch_chains(vq, min_t(unsigned int, n, VIRTQ_PREFETCH_MAX));
		return;
	}
	if (!one_by_one)
		return;
	/* Drivers have a request's status in the cache line of its header. */
	prefetch_write(vq->expected);
	prefetch_write(&vq->used->ring[vq->used_idx & (vq->size - 1)]);
}

/* Shows what was pushed, and notifies the guest if it wants that. */
enum virtq_flushed { VIRTQ_NOTHING, VIRTQ_NOTIFIED, VIRTQ_SUPPRESSED };
enum virtq_flushed virtq_flush(struct virtq *vq);
/* Notifies the guest in any case. */
void virtq_kick_guest(struct virtq *vq);
static inline bool virtq_unflushed(const struct virtq *vq)
{
	return vq->used_idx != vq->published;
}

/* Asks to be notified of the next chain. True: there is one already. */
bool virtq_arm(struct virtq *vq);
/* Asks not to be notified. */
void virtq_disarm(struct virtq *vq);

/* Uses up `len` bytes at the front, which are all in the first segment. */
static inline void *virtq_iov_advance(struct iovec **iov, unsigned int *n, size_t len)
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

bool virtq_iov_take_pieces(struct iovec **iov, unsigned int *n, void *buf, size_t len);

/* Bytes from the front or the back of segments that are used up by it. False: there are not as
 * many. */
static inline bool virtq_iov_take(struct iovec **iov, unsigned int *n, void *buf, size_t len)
{
	if (unlikely(!*n || (*iov)->iov_len < len))
		return virtq_iov_take_pieces(iov, n, buf, len);
	memcpy(buf, virtq_iov_advance(iov, n, len), len);
	return true;
}

static inline bool virtq_iov_take_tail(struct iovec *iov, unsigned int *n, uint8_t **byte)
{
	struct iovec *last;

	if (unlikely(!*n))
		return false;
	last = &iov[*n - 1];
	last->iov_len--;
	*byte = (uint8_t *)last->iov_base + last->iov_len;
	if (!last->iov_len)
		(*n)--;
	return true;
}

unsigned int virtq_iov_cut_pieces(struct iovec **iov, unsigned int *n, size_t len,
				  struct iovec *pieces, unsigned int max);
bool virtq_iov_put_pieces(struct iovec **iov, unsigned int *n, const void *buf, size_t len);

/*
 * Cuts the first `len` bytes off into `pieces` (room for max), to be written later. Returns how
 * many pieces that makes; 0: there are not as many bytes, or too many pieces.
 */
static inline unsigned int virtq_iov_cut(struct iovec **iov, unsigned int *n, size_t len,
					 struct iovec *pieces, unsigned int max)
{
	if (unlikely(!*n || !max || (*iov)->iov_len < len))
		return virtq_iov_cut_pieces(iov, n, len, pieces, max);
	pieces[0].iov_len = len;
	pieces[0].iov_base = virtq_iov_advance(iov, n, len);
	return 1;
}

/* Writes to the front, and uses it up. */
static inline bool virtq_iov_put(struct iovec **iov, unsigned int *n, const void *buf, size_t len)
{
	if (unlikely(!*n || (*iov)->iov_len < len))
		return virtq_iov_put_pieces(iov, n, buf, len);
	memcpy(virtq_iov_advance(iov, n, len), buf, len);
	return true;
}

#endif
