/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef URING_URING_BLOCK_H
#define URING_URING_BLOCK_H

/*
 * Whether submitting blocks, which the kernel promises not to do but does not always keep to. Each
 * io_uring_enter(2) is timed by the CPU's counter. After one that took long, which a reactor that
 * was preempted sees too, operations are submitted one by one for a while, and if one of them makes
 * the thread give up the CPU by itself for so long, it is known whose it is.
 */

#include <stdbool.h>
#include <stdint.h>

#define URING_BLOCK_NS 10000000 /* not shorter, or it is none */

struct uring_block {
	uint64_t begun, limit; /* in the counter's units */
	unsigned int watched;  /* operations that are still to be submitted one by one */
	uint64_t since_ns;
	long switches;
};

#if defined(__x86_64__)
static inline uint64_t uring_block_count(void)
{
	return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
static inline uint64_t uring_block_count(void)
{
	uint64_t count;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
	return count;
}
#else
#include "util/time.h"
static inline uint64_t uring_block_count(void)
{
	return time_now_ns();
}
#endif

void uring_block_init(struct uring_block *b);

static inline void uring_block_begin(struct uring_block *b)
{
	b->begun = uring_block_count();
}

/* It took long; others are to be watched. */
static inline bool uring_block_end(const struct uring_block *b)
{
	return uring_block_count() - b->begun > b->limit;
}

void uring_block_watch(struct uring_block *b);
/* Around the submission of one operation. How long it slept; 0: it did not. */
void uring_block_watch_begin(struct uring_block *b);
uint64_t uring_block_watch_end(struct uring_block *b);

#endif
