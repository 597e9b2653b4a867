/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_BDEV_BATTERY_H
#define TESTS_UNIT_BDEV_BATTERY_H

/* What every bdev that keeps data must do, checked against a copy in memory. */

#include "bdev_test.h"

#define BATTERY_BYTES (2u << 20) /* of the disk, from its start */

struct battery {
	const struct test_disk *d;
	uint32_t bs, nblocks;
	char *model; /* what the disk must contain */
	char *buf;
	uint64_t random;
};

static inline bool battery_begin(struct battery *b, const struct test_disk *d, uint64_t seed)
{
	b->d = d;
	b->bs = d->bdev->block_size;
	b->nblocks = BATTERY_BYTES / b->bs;
	b->model = test_buffer(BATTERY_BYTES);
	b->buf = test_buffer(BATTERY_BYTES + 4096);
	b->random = seed;
	CU_ASSERT(d->bdev->nblocks >= b->nblocks);
	test_fill(b->model, BATTERY_BYTES, 0, (uint32_t)seed);
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_WRITE, 0, b->nblocks, b->model), BDEV_STATUS_OK);
	return d->bdev->nblocks >= b->nblocks;
}

/* The whole range is read and must be as in the model. */
static inline void battery_verify(struct battery *b)
{
	memset(b->buf, 0xee, BATTERY_BYTES);
	CU_ASSERT_EQUAL(test_io(b->d, BDEV_OP_READ, 0, b->nblocks, b->buf), BDEV_STATUS_OK);
	CU_ASSERT(test_same(b->buf, b->model, BATTERY_BYTES));
}

static inline void battery_end(struct battery *b)
{
	battery_verify(b);
	free(b->model);
	free(b->buf);
}

/* splitmix64 */
static inline uint32_t battery_random(struct battery *b, uint32_t below)
{
	uint64_t z = (b->random += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ (z >> 31)) >> 16) % below;
}

/*
 * Cuts `total` bytes into n segments, the last of which takes the rest. unit: of their lengths; 1
 * makes odd ones, with empty ones among them.
 */
static inline uint16_t battery_cut(struct iovec *iov, uint16_t n, char *buf, size_t total,
				   size_t unit)
{
	size_t at = 0;
	uint16_t i;

	for (i = 0; i < n; i++) {
		size_t len = total / n / unit * unit;

		if (unit == 1)
			len = i % 7 == 3 || len < 2 ? len / 2 : len - 1 + i % 3;
		if (i == n - 1)
			len = total - at;
		iov[i] = (struct iovec){.iov_base = buf + at, .iov_len = len};
		at += len;
	}
	return n;
}

static inline void battery_data(const struct test_disk *d)
{
	struct battery b;
	uint32_t i;

	if (!battery_begin(&b, d, 1))
		return;
	battery_verify(&b);
	for (i = 0; i < 8; i++) {
		uint32_t lba = i * i * 5, n = 1 + i;

		test_fill(b.model + (size_t)lba * b.bs, (size_t)n * b.bs, 77, i);
		CU_ASSERT_EQUAL(test_io_flags(d, BDEV_OP_WRITE, lba, n,
					      b.model + (size_t)lba * b.bs,
					      i & 1 ? BDEV_IO_FUA : 0),
				BDEV_STATUS_OK);
	}
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	battery_end(&b);
}

/* Up to 257 segments, aligned, of odd lengths, and at odd addresses. */
static inline void battery_iov(const struct test_disk *d)
{
	static const uint16_t counts[] = {1, 2, 3, 16, 127, 128, 129, 255, 256, 257};
	static const size_t units[] = {4096, 512, 1}, shifts[] = {0, 1, 512, 2};
	struct iovec iov[257];
	struct battery b;
	uint32_t i, j, total = 257 * 4096, n;

	if (!battery_begin(&b, d, 2))
		return;
	n = total / b.bs;
	for (i = 0; i < 10; i++) {
		for (j = 0; j < 4; j++) {
			char *buf = b.buf + shifts[j], *model = b.model + (size_t)(3 + i) * b.bs;
			size_t unit = j == 3 ? units[i % 3] : units[j % 3];

			test_fill(model, total, 0, i * 4 + j);
			memcpy(buf, model, total);
			battery_cut(iov, counts[i], buf, total, unit);
			CU_ASSERT_EQUAL(test_io_iov(d, BDEV_OP_WRITE, 3 + i, n, iov, counts[i]),
					BDEV_STATUS_OK);
			CU_ASSERT_EQUAL(test_io_iov(d, BDEV_OP_COMPARE, 3 + i, n, iov, counts[i]),
					BDEV_STATUS_OK);
			memset(buf, 0xee, total);
			CU_ASSERT_EQUAL(test_io_iov(d, BDEV_OP_READ, 3 + i, n, iov, counts[i]),
					BDEV_STATUS_OK);
			CU_ASSERT(test_same(buf, model, total));
		}
	}
	battery_end(&b);
}

static inline void battery_zero_range(struct battery *b, enum bdev_op op, uint8_t flags,
				      uint32_t lba, uint32_t n)
{
	char *model = b->model + (size_t)lba * b->bs;

	CU_ASSERT_EQUAL(test_io_flags(b->d, op, lba, n, NULL, flags), BDEV_STATUS_OK);
	memset(model, 0, (size_t)n * b->bs);
	/* A discard may leave anything behind. */
	if (op == BDEV_OP_DISCARD && !b->d->bdev->limits.discard_zeroes)
		CU_ASSERT_EQUAL(test_io(b->d, BDEV_OP_WRITE, lba, n, model), BDEV_STATUS_OK);
}

/* Ranges below and above a page and a granule; the blocks beside them must stay as they are. */
static inline void battery_zeroes(const struct test_disk *d)
{
	static const struct {
		enum bdev_op op;
		uint8_t flags;
	} how[] = {{BDEV_OP_WRITE_ZEROES, 0},
		   {BDEV_OP_WRITE_ZEROES, BDEV_IO_UNMAP},
		   {BDEV_OP_WRITE_ZEROES, BDEV_IO_FUA},
		   {BDEV_OP_WRITE_ZEROES, BDEV_IO_UNMAP | BDEV_IO_FUA},
		   {BDEV_OP_DISCARD, 0}};
	struct battery b;
	uint32_t i;

	for (i = 0; i < 5; i++) {
		if (!battery_begin(&b, d, 3 + i))
			return;
		battery_zero_range(&b, how[i].op, how[i].flags, 0, 1);
		battery_zero_range(&b, how[i].op, how[i].flags, 3, 2);
		battery_zero_range(&b, how[i].op, how[i].flags, 8, 8);
		battery_zero_range(&b, how[i].op, how[i].flags, 35, 200);
		battery_zero_range(&b, how[i].op, how[i].flags, 250, 1);
		battery_zero_range(&b, how[i].op, how[i].flags, 255, 250);
		battery_zero_range(&b, how[i].op, how[i].flags, b.nblocks - 1, 1);
		battery_zero_range(&b, how[i].op, how[i].flags, 5, 0);
		battery_verify(&b);
		battery_zero_range(&b, how[i].op, how[i].flags, 0, b.nblocks);
		battery_end(&b);
	}
}

static inline void battery_compare(const struct test_disk *d)
{
	struct battery b;
	uint32_t i, all;

	if (!battery_begin(&b, d, 20))
		return;
	all = b.nblocks;
	memcpy(b.buf, b.model, BATTERY_BYTES);
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_COMPARE, 0, all, b.buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_COMPARE, 9, 1, b.buf + 9 * b.bs), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_COMPARE, 9, 0, NULL), BDEV_STATUS_OK);
	/* One bit in the first byte, in the last one, and around the layer's buffer size. */
	for (i = 0; i < 4; i++) {
		uint32_t at[] = {0, BATTERY_BYTES - 1, 131071, 131072};

		b.buf[at[i]] ^= 0x10;
		CU_ASSERT_EQUAL(test_io(d, BDEV_OP_COMPARE, 0, all, b.buf), BDEV_STATUS_MISCOMPARE);
		b.buf[at[i]] ^= 0x10;
	}
	CU_ASSERT_EQUAL(test_io(d, BDEV_OP_COMPARE, 0, all, b.buf), BDEV_STATUS_OK);
	battery_end(&b);
}

static inline void battery_random_step(struct battery *b)
{
	static const size_t shifts[] = {0, 0, 512, 4, 1};
	uint32_t lba = battery_random(b, b->nblocks), n, op = battery_random(b, 10);
	char *buf = b->buf + shifts[battery_random(b, 5)], *model;
	struct iovec iov[64];
	uint16_t cnt = (uint16_t)(1 + battery_random(b, 64));
	uint8_t flags = (uint8_t)battery_random(b, 4);
	size_t len;

	n = 1 + battery_random(b, 300);
	n = n > b->nblocks - lba ? b->nblocks - lba : n;
	len = (size_t)n * b->bs;
	model = b->model + (size_t)lba * b->bs;
	battery_cut(iov, cnt, buf, len, battery_random(b, 2) ? 512 : 1);
	if (op < 4) {
		test_fill(buf, len, lba, battery_random(b, 1000000));
		memcpy(model, buf, len);
		CU_ASSERT_EQUAL(test_io_iov(b->d, BDEV_OP_WRITE, lba, n, iov, cnt), BDEV_STATUS_OK);
	} else if (op < 7) {
		memset(buf, 0xee, len);
		CU_ASSERT_EQUAL(test_io_iov(b->d, BDEV_OP_READ, lba, n, iov, cnt), BDEV_STATUS_OK);
		CU_ASSERT(test_same(buf, model, len));
	} else if (op < 8) {
		battery_zero_range(b, BDEV_OP_WRITE_ZEROES, flags, lba, n);
	} else if (op < 9) {
		battery_zero_range(b, BDEV_OP_DISCARD, 0, lba, n);
	} else {
		memcpy(buf, model, len);
		CU_ASSERT_EQUAL(test_io_iov(b->d, BDEV_OP_COMPARE, lba, n, iov, cnt),
				BDEV_STATUS_OK);
	}
}

static inline void battery_mix(const struct test_disk *d, uint32_t steps)
{
	struct battery b;
	uint32_t i;

	if (!battery_begin(&b, d, 30))
		return;
	for (i = 0; i < steps; i++)
		battery_random_step(&b);
	battery_end(&b);
}

static inline void battery_all(const struct test_disk *d)
{
	battery_data(d);
	battery_iov(d);
	battery_zeroes(d);
	battery_compare(d);
	battery_mix(d, 300);
}

#endif
