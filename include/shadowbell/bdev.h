/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_BDEV_H
#define SHADOWBELL_BDEV_H

/*
 * Block devices: the interface for those who export them (NVMe, virtio-blk, virtio-scsi). That for
 * those who provide them (one backend per file in src/bdev/) is bdev_backend.h.
 *
 * Units: an LBA and a count are in blocks of the bdev's block size unless a name says bytes.
 * Threads: bdevs are created and destroyed, and descriptors opened and closed, on the main thread
 * or the vhost thread (a lock guards the registry); channels and I/O belong to one reactor each.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct bdev;
struct bdev_desc;
struct bdev_channel;
struct bdev_io;
struct reactor;

#define BDEV_NAME_MAX	63
#define BDEV_LEVELS_MAX 16 /* that a bdev may stand on, one on another */

enum bdev_op {
	BDEV_OP_READ,
	BDEV_OP_WRITE,
	BDEV_OP_FLUSH,	      /* all writes completed before it are on stable media; no range */
	BDEV_OP_DISCARD,      /* a hint; what is read afterwards is unspecified unless limits say */
	BDEV_OP_WRITE_ZEROES, /* afterwards the range reads as zeroes */
	BDEV_OP_COMPARE,      /* the iov against the medium: OK or MISCOMPARE */
	BDEV_OP_COUNT
};

/* Flags of a bdev_io. */
#define BDEV_IO_FUA   (1u << 0) /* WRITE, WRITE_ZEROES: on stable media when it completes */
#define BDEV_IO_UNMAP (1u << 1) /* WRITE_ZEROES: may deallocate */

/*
 * The one error domain between backends and guests. errno becomes one of these in the backend
 * (bdev_status_from_errno()), and each personality has one table from here to its own.
 */
enum bdev_status {
	BDEV_STATUS_OK = 0,
	BDEV_STATUS_MEDIUM_ERROR, /* EIO, short file: data is lost or could not be stored */
	BDEV_STATUS_NO_SPACE,	  /* ENOSPC, EDQUOT, EFBIG */
	BDEV_STATUS_OUT_OF_RANGE, /* beyond the last block */
	BDEV_STATUS_READ_ONLY,	  /* EROFS, EPERM on write, or the bdev is read-only */
	BDEV_STATUS_UNSUPPORTED,  /* the backend can't do this operation */
	BDEV_STATUS_MISCOMPARE,
	BDEV_STATUS_CONFLICT,	/* a reservation of another host */
	BDEV_STATUS_NO_MEMORY,	/* a resource is short: worth a retry */
	BDEV_STATUS_BAD_BUFFER, /* EFAULT: the guest's memory went away */
	BDEV_STATUS_ABORTED,	/* by bdev_io_cancel() or bdev_io_abandon() */
	BDEV_STATUS_GONE,	/* the bdev was removed */
	BDEV_STATUS_TIMEOUT,	/* the disk hangs: not done within the bdev's io_timeout */
	BDEV_STATUS_COUNT
};

/*
 * One I/O, embedded in the requester's own request: submitting allocates nothing. The requester
 * fills the first part, and leaves all of it alone until done() is called, once.
 */
struct bdev_io {
	/*
	 * Called on the submitting reactor, possibly inside bdev_submit(): it must not submit more
	 * I/O from there without bound (set a flag and let the poller do it).
	 */
	void (*done)(struct bdev_io *io);
	/*
	 * Guest memory or any other. The backend may not change the array; the layer may, and then
	 * it is as before again when done() is called.
	 */
	struct iovec *iov;
	uint64_t lba;
	uint32_t nblocks;
	uint16_t iovcnt;
	uint8_t op;	/* enum bdev_op */
	uint8_t flags;	/* BDEV_IO_* */
	uint8_t status; /* out: enum bdev_status */

	/* Set by the bdev layer. */
	uint8_t state;
	struct bdev_channel *channel;
	struct bdev_channel *part; /* whose I/O this is while `channel` is that of a bdev below */
	/* The backend's own, valid from submit() to done(). */
	union {
		uint64_t words[12];
		void *ptrs[12];
	} backend;
};

/* Limits and properties; fixed while the bdev lives, except as noted. */
struct bdev_limits {
	uint32_t max_transfer_bytes;	    /* of one READ/WRITE/COMPARE; 0: any */
	uint16_t max_segments;		    /* of an iov; 0: any */
	uint32_t buffer_align;		    /* what needs no bounce buffer, in bytes; 1: any */
	uint32_t preferred_bytes;	    /* the optimal I/O size and alignment; 0: a block */
	uint32_t discard_granularity_bytes; /* 0: no discard */
	/*
	 * What the backend does at once, in submit(): the layer cuts longer READs, WRITEs and
	 * COMPAREs, and DISCARDs and WRITE_ZEROES, so that a reactor's others have turns in
	 * between. 0: any. Nobody else has to respect these.
	 */
	uint32_t step_bytes, far_step_bytes;
	uint64_t max_discard_bytes;	 /* of one DISCARD; 0: any */
	uint64_t max_write_zeroes_bytes; /* 0: any */
	bool discard_zeroes;		 /* a discarded block reads as zeroes */
	bool write_zeroes;		 /* the backend does it better than by writing */
	bool write_cache;		 /* FLUSH does something */
	bool compare;			 /* the backend sees COMPARE; else the layer reads */
};

/* What a backend does: bdev_backend.h. */
struct bdev_ops;

struct bdev {
	char name[BDEV_NAME_MAX + 1];
	uint8_t uuid[16];
	uint32_t block_size; /* bytes: 512 or 4096 */
	uint8_t block_shift; /* log2(block_size), set by bdev_register() */
	bool read_only;
	uint8_t levels;		/* bdevs below it, one on another; 0: it stands on none */
	uint64_t nblocks;	/* another one by bdev_resize(): see bdev_nblocks() */
	uint64_t io_timeout_ns; /* an I/O that takes longer ends in TIMEOUT; 0: none does */
	struct bdev_limits limits;
	const struct bdev_ops *ops;
	void *ctx;		   /* the backend's */
	struct bdev_private *priv; /* the bdev layer's */
};

#define BDEV_LATENCY_BUCKETS 40

/* What a channel has done, or all of a bdev together. */
struct bdev_stats {
	uint64_t ios[BDEV_OP_COUNT], blocks[BDEV_OP_COUNT], errors;
	uint64_t timeouts; /* of the errors, those with TIMEOUT */
	uint64_t bounced;  /* I/Os that the backend copied */
	/* Parts of abandoned I/Os that went on, and those of them that have ended. */
	uint64_t late, late_ended;
	/* How often it began to hang, on a reactor, and how often that ended. */
	uint64_t hangs, hangs_ended;
	/* Of some I/Os: bucket i counts those that took at least 2^i ns, below 2^(i + 1); and how
	 * long they took together. */
	uint64_t latency_ns[BDEV_OP_COUNT][BDEV_LATENCY_BUCKETS], latency_sum_ns[BDEV_OP_COUNT];
};

/* A backend's per-reactor state. */
struct bdev_channel {
	struct bdev *bdev;
	struct reactor *reactor;
	void *ctx; /* the backend's */
	uint32_t refs;
	struct bdev_channel *next;
	struct bdev_channel_private *priv; /* the bdev layer's */
	bool read_only;			   /* the bdev is, or its opener didn't ask to write */
	void (*now)(struct bdev_channel *ch, enum bdev_op op, uint64_t lba, uint32_t nblocks,
		    void *buf); /* ops->now */
	/*
	 * The highest enum bdev_op that a READ or WRITE may have here, its most blocks, and where
	 * it ends at most. A backend with now() may lower the first two, so that the next WRITE
	 * comes by submit(). The end is the bdev's size, or for a moment the one before a resize.
	 */
	uint8_t plain_op;
	uint32_t plain_blocks;
	uint64_t plain_end;
	/* Written by the reactor; read by others as an approximation. */
	uint32_t inflight;
	uint64_t timed_since_ns;
	const struct bdev_io *timed; /* the one whose latency is being taken, or NULL */
	struct bdev_stats stats;
} __attribute__((aligned(64))); /* of two reactors', none share a cache line */

/* How many blocks it has now. Any thread. */
static inline uint64_t bdev_nblocks(const struct bdev *bdev)
{
	return __atomic_load_n(&bdev->nblocks, __ATOMIC_RELAXED);
}

/* Whether it has all of these blocks now. Any thread. */
static inline bool bdev_has_range(const struct bdev *bdev, uint64_t lba, uint64_t n)
{
	uint64_t nblocks = bdev_nblocks(bdev);

	return n <= nblocks && lba <= nblocks - n;
}

/* NULL: no such bdev, or it is being removed. Valid until it is removed. */
struct bdev *bdev_find(const char *name);

enum bdev_event {
	/* Once, the last: close the descriptor soon; new I/O gets GONE. */
	BDEV_EVENT_REMOVED,
	/* It has more blocks, or fewer: bdev_nblocks() of them. */
	BDEV_EVENT_RESIZED,
};

/*
 * Called for each open descriptor on the thread that removes or resizes the bdev, after it has. It
 * may close this descriptor at once. A bdev_close() by another thread waits until it has returned.
 */
typedef void (*bdev_event_fn)(struct bdev_desc *desc, enum bdev_event event, void *arg);

enum bdev_access {
	BDEV_READ,
	BDEV_WRITE,
	BDEV_WRITE_IF_ABLE, /* BDEV_READ if the bdev is read-only */
};

/*
 * Opens a bdev. -ENOENT: no such name; -EBUSY: it is claimed, or being removed; -EROFS: BDEV_WRITE,
 * but it is read-only. The bdev lives at least until bdev_close(). `event` may be NULL: for who
 * closes it before anybody could remove it.
 */
int bdev_open(const char *name, enum bdev_access access, bdev_event_fn event, void *arg,
	      struct bdev_desc **out);
/* All channels got through the descriptor have been put. */
void bdev_close(struct bdev_desc *desc);
struct bdev *bdev_desc_bdev(const struct bdev_desc *desc);

#define BDEV_HOLDER_MAX 96 /* bytes of a holder's name, with the final NUL */
/*
 * Keeps others from opening the bdev for writing until this descriptor is closed; reading stays
 * possible. `holder` says who it is, for messages. -EBUSY: it is claimed, or somebody else has it
 * open for writing.
 */
int bdev_claim(struct bdev_desc *desc, const char *holder);
/* Whether there is such a bdev and it is claimed; by whom. */
bool bdev_claimed(const char *name, char holder[BDEV_HOLDER_MAX]);

/*
 * The channel of the calling reactor, made at the first get; counted. NULL: out of memory or no
 * ring. Through a descriptor opened without `write`, writing ends in READ_ONLY.
 */
struct bdev_channel *bdev_channel_get(struct bdev_desc *desc);
/* Same reactor, when the caller's I/O on it has completed: from within the last done() will do. */
void bdev_channel_put(struct bdev_channel *ch);

/*
 * Submits an I/O on the calling reactor's channel. Checks the operation, the range, the iov's
 * length and whether the bdev is writable, so that each end is a status in done(), never a return
 * value.
 */
void bdev_submit(struct bdev_channel *ch, struct bdev_io *io);
/*
 * Tries to end an I/O early: done() is still called, possibly inside this call, with ABORTED or
 * with what it came to. Harmless for an I/O that was submitted and is done. Its reactor.
 */
void bdev_io_cancel(struct bdev_io *io);
/*
 * For who has to give an answer now and can't wait for a disk. True: the I/O has ended, done() was
 * called inside this call (with ABORTED) or before, and neither the I/O nor its memory will be
 * touched again. The disk may still be at work on it, in memory of the bdev's own; what it may yet
 * write is fenced: newer I/O on the same blocks waits until that has ended. False: a device may
 * have the memory, and will until done() is called; bdev_io_cancel() may help. Its reactor.
 */
bool bdev_io_abandon(struct bdev_io *io);
/*
 * Calls fn for each bdev with what it has done since it was registered; `inflight` I/Os are under
 * way. fn may not use the registry. `bdev` is NULL of one that is being destroyed. Any thread.
 */
typedef void (*bdev_stats_fn)(void *arg, const struct bdev *bdev, const struct bdev_stats *stats,
			      uint32_t inflight);
void bdev_stats_visit(bdev_stats_fn fn, void *arg);
/*
 * Calls fn for each bdev whose I/O has failed since the last call: how often since then, and in
 * all. fn may not use the registry. Main thread.
 */
typedef void (*bdev_errors_fn)(void *arg, const char *name, uint64_t more, uint64_t total);
void bdev_errors_visit(bdev_errors_fn fn, void *arg);
/*
 * Of the bdevs whose media are gone and that nobody has removed yet, the name of the one behind
 * `skip` others; false: there is none. Main thread.
 */
bool bdev_find_gone(unsigned int skip, char name[BDEV_NAME_MAX + 1]);
/* Whether any bdev has an I/O under way; approximate. Any thread. */
bool bdev_any_in_flight(void);
/* What an I/O under way wants, as its requester has said it. */
struct bdev_io_place {
	bool known;
	uint8_t op; /* enum bdev_op */
	uint64_t lba;
	uint32_t nblocks;
	char bdev[BDEV_NAME_MAX + 1];
};
/* Of an I/O that is not under way, or NULL: !out->known. Its reactor. */
void bdev_io_find(const struct bdev_io *io, struct bdev_io_place *out);
const char *bdev_status_str(enum bdev_status status);
const char *bdev_op_str(enum bdev_op op);

/*
 * Removal, in order: no new I/O, open users told, outstanding I/O completes, then the backend
 * closes. Asynchronous: done(arg) is called when the bdev is gone (at once if nobody has it open),
 * on the thread that dropped the last reference, or one of the backend's own. `done` may be NULL.
 * Once per bdev. Main thread.
 */
void bdev_remove(struct bdev *bdev, void (*done)(void *arg), void *arg);

#endif
