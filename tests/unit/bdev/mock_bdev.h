/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_MOCK_BDEV_H
#define TESTS_UNIT_MOCK_BDEV_H

/*
 * A backend in memory that records what it gets, and that can hold I/Os back, fail them, or refuse
 * WRITE ZEROES. Its fields are changed while nothing is in flight, or on its one reactor.
 */

#include "bdev_test.h"

#define MOCK_SEEN_MAX 256
#define MOCK_BYTES    (8u << 20)

struct mock {
	struct bdev bdev;
	char *mem;
	/* What submit() saw. */
	struct {
		uint8_t op, flags;
		uint64_t lba;
		uint32_t nblocks;
		uint16_t iovcnt;
	} seen[MOCK_SEEN_MAX];
	unsigned int nseen, ncancels, nchannels;
	bool hold;		 /* keep what comes in `held` */
	bool refuse_zeroes;	 /* by bdev_write_zeroes_by_writing() */
	enum bdev_status answer; /* to all */
	unsigned int fail_after; /* that many are OK before `answer`; 0: none */
	struct bdev_io *held[MOCK_SEEN_MAX];
	unsigned int nheld;
	int *destroyed;
};

static inline void mock_do(struct mock *m, struct bdev_io *io)
{
	char *at = m->mem + (io->lba << m->bdev.block_shift);
	enum bdev_status status = BDEV_STATUS_OK;
	uint16_t i;

	if (m->fail_after)
		m->fail_after--;
	else
		status = m->answer;
	for (i = 0; status == BDEV_STATUS_OK && i < io->iovcnt; i++) {
		if (!io->iov[i].iov_len)
			continue;
		if (io->op == BDEV_OP_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else if (io->op == BDEV_OP_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	if (status == BDEV_STATUS_OK && io->op == BDEV_OP_WRITE_ZEROES)
		memset(at, 0, (size_t)io->nblocks << m->bdev.block_shift);
	bdev_io_complete(io, status);
}

/* On the reactor: completes one I/O, which is not among the held ones any more. */
static inline void mock_do_fn(void *arg)
{
	struct bdev_io *io = arg;

	mock_do(io->channel->bdev->ctx, io);
}

static inline void mock_submit(struct bdev_channel *ch, struct bdev_io *io)
{
	struct mock *m = ch->bdev->ctx;

	if (m->nseen < MOCK_SEEN_MAX) {
		m->seen[m->nseen].op = io->op;
		m->seen[m->nseen].flags = io->flags;
		m->seen[m->nseen].lba = io->lba;
		m->seen[m->nseen].nblocks = io->nblocks;
		m->seen[m->nseen].iovcnt = io->iovcnt;
		m->nseen++;
	}
	if (io->op == BDEV_OP_WRITE_ZEROES && m->refuse_zeroes)
		bdev_write_zeroes_by_writing(io);
	else if (m->hold && m->nheld < MOCK_SEEN_MAX)
		m->held[m->nheld++] = io;
	else
		mock_do(m, io);
}

static inline void mock_cancel(struct bdev_channel *ch, struct bdev_io *io)
{
	struct mock *m = ch->bdev->ctx;
	unsigned int i;

	m->ncancels++;
	for (i = 0; i < m->nheld; i++) {
		if (m->held[i] != io)
			continue;
		memmove(&m->held[i], &m->held[i + 1], (m->nheld - i - 1) * sizeof(m->held[0]));
		m->nheld--;
		bdev_io_complete(io, BDEV_STATUS_ABORTED);
		return;
	}
}

static inline int mock_channel_create(struct bdev *bdev, struct bdev_channel *ch)
{
	__atomic_add_fetch(&((struct mock *)bdev->ctx)->nchannels, 1, __ATOMIC_RELAXED);
	return 0;
}

static inline void mock_channel_destroy(struct bdev *bdev, struct bdev_channel *ch)
{
	__atomic_sub_fetch(&((struct mock *)bdev->ctx)->nchannels, 1, __ATOMIC_RELAXED);
}

static inline void mock_destroy(struct bdev *bdev)
{
	struct mock *m = bdev->ctx;

	if (m->destroyed)
		__atomic_add_fetch(m->destroyed, 1, __ATOMIC_SEQ_CST);
	free(m->mem);
	free(m);
}

static const struct bdev_ops mock_ops = {
	.type = "mock",
	.channel_create = mock_channel_create,
	.channel_destroy = mock_channel_destroy,
	.submit = mock_submit,
	.cancel = mock_cancel,
	.destroy = mock_destroy,
};

/* A disk that can't be told to stop. */
__attribute__((unused)) static const struct bdev_ops no_cancel_ops = {
	.type = "mock",
	.channel_create = mock_channel_create,
	.channel_destroy = mock_channel_destroy,
	.submit = mock_submit,
	.destroy = mock_destroy,
};

/* Not registered yet, so that the test can change it. */
static inline struct mock *mock_new(const char *name)
{
	struct mock *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->mem = calloc(1, MOCK_BYTES);
	snprintf(m->bdev.name, sizeof(m->bdev.name), "%s", name);
	m->bdev.block_size = 512;
	m->bdev.nblocks = MOCK_BYTES / 512;
	m->bdev.ops = &mock_ops;
	m->bdev.ctx = m;
	m->bdev.limits.buffer_align = 1;
	m->bdev.limits.write_cache = true;
	return m;
}

/* On the reactor: completes what is held, with what comes meanwhile held again. */
static inline void mock_release_fn(void *arg)
{
	struct mock *m = arg;
	struct bdev_io *held[MOCK_SEEN_MAX];
	unsigned int i, n = m->nheld;

	memcpy(held, m->held, n * sizeof(held[0]));
	m->nheld = 0;
	for (i = 0; i < n; i++)
		mock_do(m, held[i]);
}

#endif
