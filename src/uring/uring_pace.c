/* SPDX-License-Identifier: BSD-3-Clause */
#include "uring/uring_pace.h"

#include "util/util.h"

#define MISSES_MAX  8
#define PROBE_FIRST 8
#define PROBE_MAX   64

static void probe_in(struct uring_pace *p, unsigned int interval)
{
	p->probing = false;
	p->probe_interval = interval;
	p->until_probe = interval;
}

static void sample_while_slow(struct uring_pace *p, bool hit)
{
	if (hit) { /* also without a probe: so fast that the sleep did not matter */
		p->slow = false;
		p->probing = false;
		p->misses = MISSES_MAX / 2;
	} else if (p->probing) {
		probe_in(p, min_t(unsigned int, 2 * p->probe_interval, PROBE_MAX));
	} else if (!--p->until_probe) {
		p->probing = true;
	}
}

void uring_pace_sample(struct uring_pace *p, uint64_t took_ns, uint64_t patience_ns)
{
	/* A little longer pays as well: a part of them is found by polling, the rest sleeps late.
	 */
	bool hit = took_ns <= patience_ns || took_ns - patience_ns <= patience_ns / 2;

	if (p->slow) {
		sample_while_slow(p, hit);
	} else if (hit) {
		p->misses -= p->misses > 0;
	} else if (++p->misses == MISSES_MAX) {
		p->slow = true;
		probe_in(p, PROBE_FIRST);
	}
}
