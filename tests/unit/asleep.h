/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_ASLEEP_H
#define TESTS_UNIT_ASLEEP_H

#include "reactor/reactor.h"
#include "tools.h"

/*
 * Whether a reactor with nothing to do makes no round in so many milliseconds. It gets ten times to
 * show it: a machine that held it up may have left it a last look at what is done already.
 */
static inline bool stays_asleep(const struct reactor *r, unsigned int ms)
{
	struct reactor_stats before, after;
	int i;

	for (i = 0; i < 10; i++) {
		reactor_get_stats(r, &before);
		test_sleep_ns(ms * NS_PER_MS);
		reactor_get_stats(r, &after);
		if (after.rounds == before.rounds)
			return true;
	}
	return false;
}

#endif
