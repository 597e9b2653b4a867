/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_TSC_H
#define BENCH_TSC_H

/* The CPU's time stamp counter, which is cheaper to read than any clock. */

#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t tsc_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Ticks since some time. Elsewhere than on x86-64 a tick is a nanosecond of the monotonic clock. */
static inline uint64_t tsc_now(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return tsc_clock_ns();
#endif
}

/*
 * Ticks per nanosecond, measured against the monotonic clock: from tsc_calibrate_begin() to the
 * call. The longer between, the better; 10 ms give 1 in 10000.
 */
struct tsc_calibration {
	uint64_t tsc, ns;
};

void tsc_calibrate_begin(struct tsc_calibration *c);
double tsc_calibrate_end(const struct tsc_calibration *c);

#endif
