/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

/* What I/O comes next: cheap enough to be asked for each of millions a second. */

#include "job.h"

/* Marsaglia's xorshift with 64 bits; x is never 0. */
static inline uint64_t xorshift64(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

/* 0 to n - 1 without a division; the error is below n / 2^64. */
static inline uint64_t scale64(uint64_t random, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random * n >> 64);
}

static inline enum io_op workload_op(struct workload *w)
{
	if (!w->mixed)
		return w->op;
	w->rng = xorshift64(w->rng);
	return (uint32_t)w->rng < w->read_below ? OP_READ : OP_WRITE;
}

static inline uint64_t workload_block(struct workload *w)
{
	uint64_t block;

	if (w->random) {
		w->rng = xorshift64(w->rng);
		return scale64(w->rng, w->nblocks);
	}
	block = w->next;
	w->next = block + 1 == w->nblocks ? 0 : block + 1;
	return block;
}

#endif
