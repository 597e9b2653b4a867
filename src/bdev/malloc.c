/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bdev in anonymous memory. Pages are taken when they are first written, and given back by
 * DISCARD and WRITE ZEROES; what was not written since then reads as zeroes without a look at it.
 * Everything completes inline; what is large comes in steps.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bdev/bdev_iov.h"
#include "bdev/bdev_type.h"
#include "bdev/malloc_internal.h"
#include "reactor/reactor.h"
#include "util/copy.h"
#include "util/time.h"
#include "util/util.h"

/* Given back at once: what a step of a copy takes, if it is in small pages. */
#define FAR_STEP_BYTES (2u << 20)

/* Below this, zeroing costs less than to give pages back and to fault them in again. */
#define GIVE_BACK_BYTES (64u << 10)

/*
 * Memory is used first in pieces as large as large pages, which the kernel fills with zeroes then,
 * however small the write: that costs as much as copying so much, or far more where the kernel is
 * itself a guest whose memory is used first. Some kernels do the same for a read, so that needs to
 * know what was written: by extent, exactly.
 */
#define EXTENT_UNITS  (REACTOR_UNITS_PER_NS * 150000u)
#define EXTENT_NS_MAX (10 * NS_PER_MS) /* what takes longer did not have the CPU */

/* As much as a step reads at once. */
static const char zeroes[REACTOR_STEP_BYTES] __attribute__((aligned(4096)));

/* The page fault; what is there does not change. */
static uint64_t touch_ns(char *at)
{
	uint64_t start = time_now_ns();

	__atomic_fetch_or(at, 0, __ATOMIC_RELAXED);
	return min_t(uint64_t, time_now_ns() - start, EXTENT_NS_MAX);
}

static inline bool is_written(const struct malloc_bdev *m, size_t offset)
{
	return __atomic_load_n(&m->written[offset >> MALLOC_EXTENT_SHIFT], __ATOMIC_RELAXED);
}

static void set_written(struct malloc_bdev *m, size_t offset, uint8_t written)
{
	__atomic_store_n(&m->written[offset >> MALLOC_EXTENT_SHIFT], written, __ATOMIC_RELAXED);
}

/*
 * The next one comes by submit(), not by the short way, which does not look what a batch costs.
 */
static slow_path void use_first(struct bdev_channel *ch, size_t offset)
{
	struct malloc_bdev *m = malloc_of(ch->bdev);
	uint64_t units = touch_ns(m->mem + offset) * REACTOR_UNITS_PER_NS;

	set_written(m, offset, 1);
	ch->plain_blocks = 0;
	reactor_pay(units > EXTENT_UNITS ? units : EXTENT_UNITS);
}

static void use_short_way(struct bdev_channel *ch)
{
	if (unlikely(!ch->plain_blocks))
		bdev_channel_set_plain(ch);
}

/* Before a write of at most a step: two extents at most. */
static inline void begin_write(struct bdev_channel *ch, size_t offset, size_t len)
{
	const struct malloc_bdev *m = malloc_of(ch->bdev);

	if (unlikely(!is_written(m, offset)))
		use_first(ch, offset);
	if (unlikely(!is_written(m, offset + len - 1)))
		use_first(ch, offset + len - 1);
}

/*
 * After it. Another reactor may have given back the extents meanwhile: see forget(). A copy that
 * the kernel has not thrown away with the page finds here what was stored before that: either the
 * page was there, and its removal waited for this CPU to flush its TLB, or it was faulted in after
 * it, under the same lock.
 */
static inline void end_write(struct malloc_bdev *m, size_t offset, size_t len)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(!is_written(m, offset)))
		set_written(m, offset, 1);
	if (unlikely(!is_written(m, offset + len - 1)))
		set_written(m, offset + len - 1, 1);
}

/* What there is to read at an offset, and how much of `len` at once. */
static inline const char *data_at(const struct malloc_bdev *m, size_t offset, size_t len, size_t *n)
{
	*n = min_t(size_t, len, MALLOC_EXTENT_BYTES - (offset & (MALLOC_EXTENT_BYTES - 1)));
	return likely(is_written(m, offset)) ? m->mem + offset : zeroes;
}

/* Extents of which nothing is left: before they are given back, or, not `empty`, that failed. */
static void forget(struct malloc_bdev *m, size_t offset, size_t len, bool empty)
{
	size_t at = (offset + MALLOC_EXTENT_BYTES - 1) & ~(MALLOC_EXTENT_BYTES - 1);

	for (; at + MALLOC_EXTENT_BYTES <= offset + len; at += MALLOC_EXTENT_BYTES)
		set_written(m, at, !empty);
}

/* What is zeroes already is left alone, as that would use it first. */
static void zero(struct malloc_bdev *m, size_t offset, size_t len)
{
	size_t n;

	for (; len; offset += n, len -= n)
		if (data_at(m, offset, len, &n) != zeroes)
			memset(m->mem + offset, 0, n);
}

void malloc_give_back(struct malloc_bdev *m, size_t offset, size_t len)
{
	size_t first = (offset + m->page - 1) & ~(m->page - 1);
	size_t end = (offset + len) & ~(m->page - 1);

	if (len < GIVE_BACK_BYTES) {
		zero(m, offset, len);
		return;
	}
	forget(m, offset, len, true);
	/* It fails for locked memory (mlockall()). */
	if (madvise(m->mem + first, end - first, MADV_DONTNEED)) {
		forget(m, offset, len, false);
		zero(m, offset, len);
		return;
	}
	zero(m, offset, first - offset);
	zero(m, end, offset + len - end);
}

static void copy_now(struct bdev_channel *ch, enum bdev_op op, uint64_t lba, uint32_t nblocks,
		     void *buf)
{
	struct malloc_bdev *m = malloc_of(ch->bdev);
	size_t offset = lba << ch->bdev->block_shift, n, rest;
	size_t len = (size_t)nblocks << ch->bdev->block_shift;
	const char *from;

	if (op != BDEV_OP_READ) {
		begin_write(ch, offset, len);
		copy_bytes(m->mem + offset, buf, len);
		end_write(m, offset, len);
		return;
	}
	from = data_at(m, offset, len, &n);
	copy_bytes(buf, from, n);
	if (likely(n == len))
		return;
	from = data_at(m, offset + n, len - n, &rest);
	copy_bytes((char *)buf + n, from, rest);
}

static void read_step(const struct malloc_bdev *m, const struct bdev_io *io, size_t offset,
		      size_t len)
{
	struct bdev_iov_pos pos = {0};
	size_t n;

	for (; len; offset += n, len -= n) {
		const char *from = data_at(m, offset, len, &n);

		bdev_iov_copy(io->iov, io->iovcnt, &pos, (void *)(uintptr_t)from, n,
			      BDEV_IOV_FROM_BUF);
	}
}

static bool is_equal(const struct malloc_bdev *m, const struct bdev_io *io, size_t offset,
		     size_t len)
{
	struct bdev_iov_pos pos = {0};
	bool equal = true;
	size_t n;

	for (; len && equal; offset += n, len -= n) {
		const char *data = data_at(m, offset, len, &n);

		equal = bdev_iov_equal(io->iov, io->iovcnt, &pos, data, n);
	}
	return equal;
}

static void write_step(struct bdev_channel *ch, const struct bdev_io *io, size_t offset, size_t len)
{
	struct malloc_bdev *m = malloc_of(ch->bdev);
	struct bdev_iov_pos pos = {0};

	begin_write(ch, offset, len);
	bdev_iov_copy(io->iov, io->iovcnt, &pos, m->mem + offset, len, BDEV_IOV_TO_BUF);
	end_write(m, offset, len);
}

static void submit(struct bdev_channel *ch, struct bdev_io *io)
{
	struct malloc_bdev *m = malloc_of(ch->bdev);
	size_t offset = io->lba << ch->bdev->block_shift;
	size_t len = (size_t)io->nblocks << ch->bdev->block_shift;
	enum bdev_status status = BDEV_STATUS_OK;

	switch ((enum bdev_op)io->op) {
	case BDEV_OP_READ:
		use_short_way(ch);
		read_step(m, io, offset, len);
		break;
	case BDEV_OP_WRITE:
		use_short_way(ch);
		write_step(ch, io, offset, len);
		break;
	case BDEV_OP_COMPARE:
		if (!is_equal(m, io, offset, len))
			status = BDEV_STATUS_MISCOMPARE;
		break;
	case BDEV_OP_DISCARD:
	case BDEV_OP_WRITE_ZEROES:
		malloc_give_back(m, offset, len);
		break;
	case BDEV_OP_FLUSH:
		break;
	default:
		status = BDEV_STATUS_UNSUPPORTED;
	}
	bdev_io_complete(io, status);
}

static void destroy(struct bdev *bdev)
{
	struct malloc_bdev *m = malloc_of(bdev);

	malloc_free_memory(m);
	free(m);
}

static const struct bdev_ops malloc_ops = {
	.type = "malloc",
	.submit = submit,
	.now = copy_now,
	.destroy = destroy,
};

static void set_properties(struct bdev *bdev, const struct bdev_params *p)
{
	snprintf(bdev->name, sizeof(bdev->name), "%s", p->name);
	memcpy(bdev->uuid, p->uuid, sizeof(bdev->uuid));
	bdev->block_size = p->block_size;
	bdev->nblocks = p->size_bytes / p->block_size;
	bdev->limits = (struct bdev_limits){
		.buffer_align = 1,
		.step_bytes = REACTOR_STEP_BYTES,
		.far_step_bytes = FAR_STEP_BYTES,
		.discard_granularity_bytes = p->block_size,
		.discard_zeroes = true,
		.write_zeroes = true,
		.compare = true,
	};
	bdev->ops = &malloc_ops;
}

int bdev_malloc_create(const struct bdev_malloc_params *p, char err[BDEV_ERR_MAX])
{
	struct malloc_bdev *m;
	int rc;

	rc = bdev_params_check(&p->common, true, err);
	if (rc)
		return rc;
	copy_init();
	m = calloc(1, sizeof(*m));
	if (!m) {
		snprintf(err, BDEV_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	m->len = p->common.size_bytes;
	m->page = (size_t)sysconf(_SC_PAGESIZE);
	set_properties(&m->bdev, &p->common);
	rc = malloc_get_memory(m, p->numa_node, err);
	if (rc)
		goto free_bdev;
	rc = bdev_register(&m->bdev);
	if (!rc)
		return 0;
	bdev_register_error(&m->bdev, rc, err);
	malloc_free_memory(m);
free_bdev:
	free(m);
	return rc;
}

/* --- the type --- */

#define MALLOC_BYTES_MAX (UINT64_C(64) << 40) /* what an address space has room for */
#define NUMA_NODE_MAX	 1023

static int create(const void *params, char err[BDEV_ERR_MAX])
{
	return bdev_malloc_create(params, err);
}

static void needs(const void *params, struct object_needs *needs)
{
	needs->memory += ((const struct bdev_params *)params)->size_bytes;
}

#define FIELD(member) .offset = offsetof(struct bdev_malloc_params, member)

static const struct schema_key keys[] = {
	{"size", &schema_size, FIELD(common.size_bytes), .required = true, .min = BDEV_BYTES_MIN,
	 .max = MALLOC_BYTES_MAX, .doc = "The size of the disk.",
	 .allowed_doc = "a multiple of `block_size`"},
	{"numa_node", &schema_numa_node, FIELD(numa_node), .dflt = "any", .max = NUMA_NODE_MAX,
	 .doc = "Where the memory is taken from; `any` leaves it to the kernel.",
	 .allowed_doc = "a node of this machine"},
	{0},
};

const struct bdev_type bdev_malloc_type = {
	.object = {.name = "malloc",
		   .doc = "Memory of the daemon.",
		   .keys = keys,
		   .params_size = sizeof(struct bdev_malloc_params),
		   .needs = needs},
	.create = create,
	.resize = malloc_resize,
	.cut = malloc_cut,
};
