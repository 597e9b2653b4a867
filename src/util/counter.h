/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_COUNTER_H
#define UTIL_COUNTER_H

/*
 * Counters that one thread writes and any may read: a plain store that readers may see late, never
 * torn. No atomic read-modify-write, no lock.
 */

#include <stdint.h>

#define COUNTER_ADD(counter, n) __atomic_store_n(&(counter), (counter) + (n), __ATOMIC_RELAXED)
#define COUNTER_SET(counter, n) __atomic_store_n(&(counter), (n), __ATOMIC_RELAXED)
#define COUNTER_READ(counter)	__atomic_load_n(&(counter), __ATOMIC_RELAXED)

/* Bucket i counts times from 2^i ns up to below 2^(i + 1); 0 also 0 ns, the last all that is more.
 */
#define LATENCY_BUCKETS 40

static inline void latency_add(uint64_t buckets[LATENCY_BUCKETS], uint64_t *sum_ns, uint64_t ns)
{
	unsigned int i = 63 - (unsigned int)__builtin_clzll(ns | 1);

	if (i >= LATENCY_BUCKETS)
		i = LATENCY_BUCKETS - 1;
	COUNTER_ADD(buckets[i], 1);
	COUNTER_ADD(*sum_ns, ns);
}

#endif
