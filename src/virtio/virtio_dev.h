/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_VIRTIO_DEV_H
#define VIRTIO_VIRTIO_DEV_H

/*
 * What virtio-blk and virtio-scsi have in common: a vhost-user session with virtqueues, dealt out
 * to reactors and polled, requests with their buffers, and block devices. The personality decodes a
 * request and completes it.
 */

#include <shadowbell/bdev.h>

#include "reactor/reactor.h"
#include "stats/queue_stats.h"
#include "stats/slow_io.h"
#include "vhost/vhost.h"
#include "virtio/virtq.h"

#define VIRTIO_INLINE_IOV 6
#define VIRTIO_NOTICE_MAX 16 /* bytes */

#define VIRTIO_F_EVENT_IDX     29 /* VIRTIO_RING_F_EVENT_IDX */
#define VIRTIO_F_INDIRECT      28 /* VIRTIO_RING_F_INDIRECT_DESC */
#define VIRTIO_F_VERSION_1_BIT 32

struct virtio_dev;
struct virtio_vq;

/* A request from pop to push; the first member of the personality's own. Owned by its queue's
 * reactor. */
struct virtio_req {
	struct bdev_io io;
	struct virtio_vq *vq;
	struct queue_stats *stats; /* of its queue */
	struct virtio_req *next;   /* free list; itself: it is active */
	struct iovec *out, *in;	   /* what the device reads, and writes; entries may be used up */
	unsigned int nout, nin;
	uint64_t out_len, in_len; /* bytes, as they came */
	struct {
		uint16_t head;
		uint16_t slow_mark; /* see stats/slow_io.h; 0 when it begins */
	} id;
	struct iovec inline_iov[VIRTIO_INLINE_IOV];
	struct iovec *big; /* a longer list, of its group's; NULL: it did with the one above */
};

/* What the short way of a queue works with. */
struct virtio_now {
	struct virtq *ring;
	struct queue_stats *stats;
	struct reactor_share *share; /* the group's */
	void *arg;		     /* the personality's */
	void *ctx;		     /* what group_start() made */
	struct bdev_channel *disk;   /* the first disk's channel; NULL: there is none */
};

/* What a call of run_now() did, by BDEV_OP_READ and BDEV_OP_WRITE. */
struct virtio_now_done {
	uint64_t ios[2], bytes[2];
};

/* Requests of no more bytes are not looked at one by one whether the share goes so far. */
#define VIRTIO_NOW_SMALL 8192u

/* What run_now() may do, and what it did. */
struct virtio_now_batch {
	unsigned int max; /* requests; 0 when the share is used up */
	struct virtio_now_done done;
};

static inline void virtio_now_did(const struct virtio_now *now, struct virtio_now_batch *b,
				  unsigned int op, uint32_t bytes)
{
	b->done.ios[op]++;
	b->done.bytes[op] += bytes;
	if (unlikely(bytes > VIRTIO_NOW_SMALL) &&
	    (int64_t)(b->done.bytes[BDEV_OP_READ] + b->done.bytes[BDEV_OP_WRITE]) >=
		    now->share->credit)
		b->max = 0;
}

/* Counts the n requests, and the share pays. Returns n. */
static inline unsigned int virtio_now_end(const struct virtio_now *now,
					  const struct virtio_now_batch *b, unsigned int n)
{
	unsigned int op;

	for (op = BDEV_OP_READ; op <= BDEV_OP_WRITE; op++) {
		COUNTER_ADD(now->stats->ios[op], b->done.ios[op]);
		COUNTER_ADD(now->stats->bytes[op], b->done.bytes[op]);
	}
	reactor_share_pay(now->share, (uint64_t)n * REACTOR_REQUEST_UNITS +
					      b->done.bytes[BDEV_OP_READ] +
					      b->done.bytes[BDEV_OP_WRITE]);
	return n;
}

struct virtio_ops {
	/* Of its features: as of struct vhost_ops. */
	const struct vhost_feature_name *feature_names;
	/* Bytes of the personality's request. */
	size_t req_size;
	/* Queues, as a bit mask, that the guest fills in advance: nothing is fetched from them but
	 * for notices. */
	uint64_t idle_queues;
	/* On the queue's reactor: ends in virtio_req_complete(), now or later. */
	void (*handle)(struct virtio_req *req);
	/* Tries to end a request early; it ends in any case, perhaps inside. On its reactor. */
	void (*cancel)(struct virtio_req *req);
	/* The I/O that it waits for; NULL: none. On its reactor. */
	struct bdev_io *(*io_of)(struct virtio_req *req);
	/*
	 * The short way, if there is one: takes and completes chains from the front of those that
	 * the ring has seen, up to `max`, as if each had been a request. Returns how many: it stops
	 * at the first that needs handle(), and when the share has nothing left, which pays
	 * REACTOR_REQUEST_UNITS for each, and its bytes. On the queue's reactor. Optional.
	 */
	unsigned int (*run_now)(const struct virtio_now *now, unsigned int max);
	unsigned int first_now_queue; /* run_now() is for this queue and those behind it */
	/*
	 * On each reactor, when the device is made and destroyed: the personality's own there, if
	 * it has more than the disks' channels. 0 or -errno. Optional, both or none.
	 */
	int (*group_start)(void *arg, void **ctx);
	void (*group_stop)(void *ctx);
	/*
	 * What there is to tell the guest, for its next buffer in a queue of idle_queues: its bytes
	 * in `buf`, VIRTIO_NOTICE_MAX at most, and it need not be told any more. 0: nothing. `buf`
	 * NULL: only whether there is something. notice_lost(): the last one was not told after
	 * all. On the queue's reactor. Optional, both or none.
	 */
	size_t (*notice)(void *arg, uint64_t features, void *buf);
	void (*notice_lost)(void *arg);
	/*
	 * Such a queue starts where none has been used, most likely with a driver that has just
	 * begun and looks for itself; it may be one that was paused before it was told anything. On
	 * the queue's reactor. Optional.
	 */
	void (*notice_renew)(void *arg);
	/* A session begins, or has ended with nothing in flight. control thread. Optional. */
	void (*session)(void *arg, bool begins);
	int (*get_config)(void *arg, uint32_t offset, uint32_t size, void *buf);
	int (*set_config)(void *arg, uint32_t offset, uint32_t size, const void *buf);
};

struct virtio_params {
	const char *name;
	const struct virtio_ops *ops;
	void *arg;	   /* the personality's */
	uint64_t features; /* of the device; the ring's are added */
	unsigned int queues;
	struct bdev_desc *const *disks; /* open; they stay the caller's */
	size_t ndisks;
	struct reactor *const *reactors;
	size_t nreactors;
	uint64_t idle_ns;
	uint64_t request_memory; /* bytes, for lists of segments */
	unsigned int weight;	 /* of its share of a round, 1..REACTOR_WEIGHT_MAX; 0: 1 */
	const struct socket_params *socket; /* NULL: none; a test plays the control thread */
};

/* Main thread. 0 or -errno, having logged the reason. */
int virtio_dev_create(const struct virtio_params *params, struct virtio_dev **out);
/* Ends the session, waiting for its I/O. */
void virtio_dev_destroy(struct virtio_dev *dev);

/* The guest gets a configuration change notification (VIRTIO 1.2, 2.3). Main thread. */
void virtio_dev_config_changed(struct virtio_dev *dev);

/*
 * The disks are no more, as their bdevs were removed: from now on virtio_req_channel() is NULL.
 * What is in flight ends, early if it takes long; then their channels go, and dropped(arg) is
 * called on a reactor, or inside virtio_dev_destroy(). Once at most. Main thread.
 */
void virtio_dev_drop_disks_begin(struct virtio_dev *dev, void (*dropped)(void *arg), void *arg);

/* notice() has something to tell in queue `index`. Any thread, as long as the device is there. */
void virtio_dev_notice(struct virtio_dev *dev, unsigned int index);

/*
 * Lets another of the device's reactors serve a queue. Waits; for I/O in flight while it goes
 * on, 200 ms at most. Returns 0; -EAGAIN: I/O took longer, or the control thread is about to change
 * a queue, and nothing has changed; -EALREADY: it is there; -ENOENT: no such queue is running, or
 * it is none that moves (a control queue); -EINVAL: the reactor is not the device's; -ENOMEM. Any
 * thread but a reactor or the control thread.
 */
int virtio_dev_move_queue(struct virtio_dev *dev, unsigned int index, const struct reactor *to);

/* Has its reactors look for requests that are in flight for long: stats/slow_io.h. Main thread. */
void virtio_dev_look(struct virtio_dev *dev);

/*
 * --- the session's control thread ---
 *
 * Each begins something; ended(arg) is called on a reactor when it is done, perhaps before the
 * return, and must not block. One at a time for each queue; those of different queues go on side by
 * side.
 */

/*
 * Starts a queue that does not run. -ENOMEM: nothing was begun. Else 0, and *rc becomes 0 or
 * -errno: the queue does not run.
 */
int virtio_vring_start_begin(struct virtio_dev *dev, unsigned int index,
			     const struct vhost_vring *vring, int *rc, void (*ended)(void *arg),
			     void *arg);
/*
 * Stops a running queue: no use of the vring, and no I/O of it in flight, from ended() on; *base
 * has become the available index to go on from. What does not end in time is ended early; see
 * docs/virtio.md.
 */
void virtio_vring_stop_begin(struct virtio_dev *dev, unsigned int index, enum vhost_stop how,
			     uint16_t *base, void (*ended)(void *arg), void *arg);
/* Another eventfd for a running queue; the old one is not used from ended() on. */
void virtio_vring_call_begin(struct virtio_dev *dev, unsigned int index, int fd,
			     void (*ended)(void *arg), void *arg);

/* --- on the request's reactor --- */

/* Gives the chain back with `written` bytes written to its buffers; the request is gone. */
void virtio_req_complete(struct virtio_req *req, uint32_t written);
/*
 * Before a request is answered with an error: true: it was ended early because its queue stops, and
 * will be taken again; nothing is written, and it is gone.
 */
bool virtio_req_leave(struct virtio_req *req);
/* Between the steps of a long request: its queue stops, and waits for it no longer. */
bool virtio_req_must_end(const struct virtio_req *req);
/* It has moved data, in the way of an enum bdev_op. */
static inline void virtio_req_count(const struct virtio_req *req, unsigned int op, uint64_t bytes)
{
	COUNTER_ADD(req->stats->ios[op], 1);
	COUNTER_ADD(req->stats->bytes[op], bytes);
}

/* The channel of disks[i]; NULL: virtio_dev_drop_disks_begin(). */
struct bdev_channel *virtio_req_channel(const struct virtio_req *req, size_t i);
/* What group_start() made. */
void *virtio_req_group_ctx(const struct virtio_req *req);
unsigned int virtio_req_queue(const struct virtio_req *req);
void *virtio_req_arg(const struct virtio_req *req);
/* The features that were negotiated when its queue started. */
uint64_t virtio_req_features(const struct virtio_req *req);
#define VIRTIO_FENCE_QUEUES 128
/* What a request waits for in other queues of the device; it is outstanding meanwhile. */
struct virtio_fence {
	/* private */
	struct virtio_dev *dev;
	struct reactor *home;
	void (*visit)(struct virtio_fence *f, struct virtio_vq *vq);
	void (*passed)(struct virtio_fence *f);
	struct reactor_msg msg;
	struct timer timer;
	size_t group; /* which is visited next */
	unsigned int first_queue, looks;
	bool behind;
	uint64_t known[VIRTIO_FENCE_QUEUES / 64]; /* queues that ran when it came */
	uint16_t upto[VIRTIO_FENCE_QUEUES];	  /* their available indices then */
};
/*
 * Calls passed() when all that lies in the queues from `first_queue` on has been handed to
 * handle(), or 200 ms later; on the request's reactor, possibly inside this call.
 */
void virtio_fence_fetched(struct virtio_fence *f, struct virtio_req *req, unsigned int first_queue,
			  void (*passed)(struct virtio_fence *f));
/* The same when all that has been completed is shown to the guest. */
void virtio_fence_shown(struct virtio_fence *f, struct virtio_req *req,
			void (*passed)(struct virtio_fence *f));
/* The guest broke the device's rules in a way that the request can't be answered: the queue stops.
 */
void virtio_req_break(struct virtio_req *req, const char *why);

#endif
