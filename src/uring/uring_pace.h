/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef URING_URING_PACE_H
#define URING_URING_PACE_H

/*
 * Whether it pays to poll for a disk. It does while the disk mostly answers within the time that a
 * reactor polls on after its last work anyway (poll_idle_us) and half of that: then a sleep would
 * cost more time, and not much less CPU. Behind a slower disk, or a deep queue, polling only burns
 * the CPU.
 *
 * An operation at a time is timed. The judgement is a saturating counter, as of a branch predictor,
 * so that single outliers do not turn it. While it says "slow" the reactor sleeps, which makes what
 * is timed take longer; so it polls for one operation now and then (a probe), and the less often
 * the more of them in a row were slow.
 */

#include <stdbool.h>
#include <stdint.h>

struct uring_pace {
	const void *timed; /* the operation, or NULL */
	uint64_t since_ns;
	bool slow;
	bool probing;
	uint8_t misses;
	unsigned int until_probe, probe_interval; /* in timed operations */
	unsigned int skipped;			  /* submissions without one that was timed */
};

/* Once so many submissions an operation is timed, to save looks at the clock. */
#define URING_PACE_EVERY 8

/* Whether an operation of the next submission is to be timed. */
static inline bool uring_pace_turn(struct uring_pace *p)
{
	if (++p->skipped < URING_PACE_EVERY && !p->probing)
		return false;
	p->skipped = 0;
	return true;
}

/* The timed operation took that long, with a patience of that long. */
void uring_pace_sample(struct uring_pace *p, uint64_t took_ns, uint64_t patience_ns);

/* The reactor should not poll for what is in flight. */
static inline bool uring_pace_slow(const struct uring_pace *p)
{
	return p->slow && !p->probing;
}

#endif
