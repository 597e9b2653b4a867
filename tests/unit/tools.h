/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_TOOLS_H
#define TESTS_UNIT_TOOLS_H

/* What tests of threads need besides checks: a watchdog, pauses, and numbers of rounds. */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <unistd.h>

#include "test.h"
#include "util/time.h"

/* A sanitizer makes each round much slower: the long tests do fewer of them. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TEST_SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TEST_SLOW 1
#endif
#endif
#ifdef TEST_SLOW
#define TEST_ROUNDS(n) ((n) / 10 ? (n) / 10 : 1)
#else
#define TEST_SLOW      0
#define TEST_ROUNDS(n) (n)
#endif

#define TEST_WATCHDOG_SECONDS 60

/* What the case that runs now waits for, if anything. */
static const char *volatile test_watched __attribute__((unused));

static inline void test_watchdog_bites(int sig)
{
	static const char head[] = "not ok watchdog - hung: ";
	const char *what = test_watched ? test_watched : "?";

	(void)sig;
	if (write(STDOUT_FILENO, head, sizeof(head) - 1) < 0 ||
	    write(STDOUT_FILENO, what, strlen(what)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

/* From now on `what` must end, by the next call, within TEST_WATCHDOG_SECONDS. NULL: no watch. */
static inline void test_watch(const char *what)
{
	signal(SIGALRM, test_watchdog_bites);
	test_watched = what;
	alarm(what ? TEST_WATCHDOG_SECONDS : 0);
}

static inline void test_sleep_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_SEC),
			      .tv_nsec = (long)(ns % NS_PER_SEC)};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Waits, at most `ms`, until fn(arg) is true; returns whether it became so. */
static inline bool test_until(bool (*fn)(void *arg), void *arg, unsigned int ms)
{
	uint64_t end = time_now_ns() + ms * NS_PER_MS;

	while (!fn(arg)) {
		if (time_now_ns() > end)
			return fn(arg);
		test_sleep_ns(50 * NS_PER_US);
	}
	return true;
}

/* Skips a case: to be called alone in it, before any check. */
__attribute__((format(printf, 1, 2))) static inline void test_skip_case(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(test_skip_reason, sizeof(test_skip_reason), fmt, ap);
	va_end(ap);
}

/* A small generator, the same everywhere. */
static inline uint32_t test_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

/* The index-th CPU that this process may use, counted round. */
static inline int test_cpu(int index)
{
	cpu_set_t set;
	int cpu, n;

	sched_getaffinity(0, sizeof(set), &set);
	n = index % CPU_COUNT(&set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && n-- == 0)
			return cpu;
	return 0;
}

#endif
