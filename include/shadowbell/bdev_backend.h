/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_BDEV_BACKEND_H
#define SHADOWBELL_BDEV_BACKEND_H

/*
 * What provides block devices: a backend's calls, and what it may call. docs/bdev.md walks through
 * one. Units and threads as in bdev.h.
 */

#include <shadowbell/bdev.h>

/* What a backend does. All required unless said otherwise. */
struct bdev_ops {
	const char *type;
	/* On a reactor, at the first bdev_channel_get() there; *ctx is the backend's. 0 or -errno.
	 * Optional. */
	int (*channel_create)(struct bdev *bdev, struct bdev_channel *ch);
	/* On that reactor, with no I/O in flight. Optional. */
	void (*channel_destroy)(struct bdev *bdev, struct bdev_channel *ch);
	/*
	 * On the channel's reactor. The range, the operation and the iov's length have been
	 * checked. Ends in bdev_io_complete(), now or later.
	 */
	void (*submit)(struct bdev_channel *ch, struct bdev_io *io);
	/*
	 * On the channel's reactor: does a READ or WRITE of one segment, `buf`, at once. For
	 * backends in memory: it can't fail, and limits.max_transfer_bytes is 0. The range has been
	 * checked. Optional.
	 */
	void (*now)(struct bdev_channel *ch, enum bdev_op op, uint64_t lba, uint32_t nblocks,
		    void *buf);
	/* On the channel's reactor: try to end this I/O early. It completes in any case. Optional.
	 */
	void (*cancel)(struct bdev_channel *ch, struct bdev_io *io);
	/*
	 * On the channel's reactor: completes this I/O with `status` inside the call if nothing
	 * will touch it or its memory afterwards. What goes on of it behind the scenes holds the
	 * channel, and if it may write, a struct bdev_fence. False: that can't be, and nothing has
	 * happened. Optional: never.
	 */
	bool (*abandon)(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status);
	/*
	 * On the channel's reactor: whether it has I/O, late I/O as well, on blocks from `nblocks`
	 * on, which are no more. Optional: never.
	 */
	bool (*behind)(struct bdev_channel *ch, uint64_t nblocks);
	/*
	 * Whether what it stores on has been taken away for good, as a disk that is unplugged.
	 * Does not wait. Main thread. Optional: never.
	 */
	bool (*medium_gone)(struct bdev *bdev);
	/*
	 * No channel is left: frees the backend's part, and the bdev itself. On the thread that
	 * dropped the last reference: the main thread, or a reactor if late I/O held its channel.
	 */
	void (*destroy)(struct bdev *bdev);
	/*
	 * Of a backend whose destroy() may have to wait: calls fn(arg), which calls destroy(), on a
	 * thread that may. Optional.
	 */
	void (*end_apart)(struct bdev *bdev, void (*fn)(void *arg), void *arg);
};

/*
 * Takes over an initialised bdev (name, block_size, nblocks, ops...) until ops->destroy().
 * 0, -EEXIST, -EINVAL, -ENOMEM, or -ELOOP: levels are above BDEV_LEVELS_MAX; on an error it is
 * still the caller's. Main thread, or the one on which a type that waits makes its bdevs.
 */
int bdev_register(struct bdev *bdev);
/*
 * From now on a registered bdev has so many blocks; its openers are told. Its backend serves
 * already what it has more; what it has less it may still have I/O on, until bdev_resize_settled().
 * 0, also if it has that many; -EINVAL: none, or too many; -EBUSY: it is being removed. Main
 * thread.
 */
int bdev_resize(struct bdev *bdev, uint64_t nblocks);
/*
 * Whether all channels have heard of the last resize, and none had I/O behind the end then. If not,
 * they are asked again, for the next call. The bdev is open. Any thread.
 */
bool bdev_resize_settled(struct bdev *bdev);
/*
 * On the submitting reactor. The requester may put its channel in done(): a backend that goes on
 * using the channel after this call holds it meanwhile.
 */
void bdev_io_complete(struct bdev_io *io, enum bdev_status status);
/* One more reference on a channel; bdev_channel_put() gives it back. Its reactor. */
void bdev_channel_hold(struct bdev_channel *ch);
/* Undoes what a backend has changed in plain_op and plain_blocks. Its reactor. */
void bdev_channel_set_plain(struct bdev_channel *ch);
/* err: an errno, of either sign; 0 is OK. */
enum bdev_status bdev_status_from_errno(int err, enum bdev_op op);
/*
 * For a backend that finds out that it can't do a WRITE_ZEROES, or a DISCARD that must zero: does
 * it by WRITEs to the backend,
 * and completes it. The backend has nothing more to do with the I/O, io->backend included.
 */
void bdev_write_zeroes_by_writing(struct bdev_io *io);

#endif
