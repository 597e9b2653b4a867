/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_UTIL_H
#define TESTS_FRONTEND_FE_UTIL_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* How long to wait for what must happen: a sanitizer build on a loaded machine has to make it. */
#define FE_TIMEOUT_MS 20000
/* How long to wait for what must not happen. */
#define FE_QUIET_MS 30

static inline uint64_t fe_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static inline void fe_sleep_us(unsigned int us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (us % 1000000) * 1000L};

	nanosleep(&ts, NULL);
}

/* Between two looks at shared memory: hot at first, then it leaves the CPU to the daemon. */
static inline void fe_relax(unsigned int *spins)
{
	if (++*spins < 200)
		return;
	if (*spins < 2000)
		sched_yield();
	else
		fe_sleep_us(50);
}

/* Waits until cond is true; the value of the expression is cond at the end. */
#define FE_WAIT_FOR(cond, timeout_ms)                                                              \
	({                                                                                         \
		uint64_t end_ = fe_now_ns() + (uint64_t)(timeout_ms)*1000000ULL;                   \
		bool ok_;                                                                          \
		while (!(ok_ = (cond)) && fe_now_ns() < end_)                                      \
			fe_sleep_us(200);                                                          \
		ok_;                                                                               \
	})

/* A small deterministic generator (splitmix64). */
static inline uint64_t fe_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

#endif
