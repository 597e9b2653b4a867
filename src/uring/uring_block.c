/* SPDX-License-Identifier: BSD-3-Clause */
#include "uring/uring_block.h"

#include <sys/resource.h>

#include "util/time.h"

#define WATCHED 256 /* operations, after one that took long */

/* Of a counter whose frequency nobody tells it is enough to know the order of magnitude. */
static uint64_t units_of_limit(void)
{
#if defined(__x86_64__)
	return 2 * (uint64_t)URING_BLOCK_NS; /* 2 GHz */
#elif defined(__aarch64__)
	uint64_t hz;

	__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz * URING_BLOCK_NS / NS_PER_SEC;
#else
	return URING_BLOCK_NS;
#endif
}

void uring_block_init(struct uring_block *b)
{
	*b = (struct uring_block){.limit = units_of_limit()};
}

/* How often the thread has slept. */
static long switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nvcsw;
}

void uring_block_watch(struct uring_block *b)
{
	b->watched = WATCHED;
}

void uring_block_watch_begin(struct uring_block *b)
{
	b->watched--;
	b->switches = switches();
	b->since_ns = time_now_ns();
}

uint64_t uring_block_watch_end(struct uring_block *b)
{
	uint64_t took = time_now_ns() - b->since_ns;

	return took >= URING_BLOCK_NS && switches() > b->switches ? took : 0;
}
