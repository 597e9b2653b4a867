/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_UTIL_H
#define UTIL_UTIL_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#ifndef container_of /* DPDK has one, too */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#endif
#define CACHE_LINE 64
/* Of a function: it is called rarely, and what calls it shall not pay for it. */
#define slow_path __attribute__((noinline, cold))

#define min_t(type, a, b)                                                                          \
	({                                                                                         \
		type a_ = (a), b_ = (b);                                                           \
		a_ < b_ ? a_ : b_;                                                                 \
	})

/* Zeroed memory that shares no cache line with other; free() gives it back. NULL: there is none. */
static inline void *zalloc_aligned(size_t size)
{
	size_t rounded = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *p = rounded < size ? NULL : aligned_alloc(CACHE_LINE, rounded);

	return p ? memset(p, 0, rounded) : NULL;
}

/*
 * Zeroed memory that goes back to the system as soon as it is freed, whatever else was allocated
 * meanwhile; what of it is never touched takes up none. NULL: there is none.
 */
static inline void *pages_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* NULL is fine. */
static inline void pages_free(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

/* Orders stores before it against loads after it. ThreadSanitizer knows it, unlike C11's fences. */
static inline void full_barrier(void)
{
	__sync_synchronize();
}

/* Asks the caches for a line that will be written. A hint; `p` need not be valid. */
static inline void prefetch_write(const void *p)
{
#if defined(__x86_64__)
	/* What the built-in makes of it depends on -march; where it is unknown it does nothing. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

#endif
