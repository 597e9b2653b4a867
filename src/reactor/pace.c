/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/pace.h"

/* A measurement ends when it knows enough, or has taken too long. */
#define DEPTH_MAX      (2 * PACE_BATCH_MAX)
#define MEASURE_MAX_NS (2 * PACE_GAP_MAX_NS)
#define GAP_MIN_NS     32 /* a shorter one is none */
/* Of a guest that seemed to have one in flight: it may have many, which is worth a measurement. */
#define SOME 4

static void look_all_the_time(struct pace *p, uint32_t looks)
{
	p->batch = 0;
	p->gap_ns = 0;
	p->looks = p->looks_left = looks;
	p->more = 0;
}

/* --- measuring --- */

/* From a look on that leaves in the ring what it found. */
static bool begin(struct pace *p, unsigned int pending, uint64_t now_ns)
{
	p->measuring = true;
	p->pending = pending;
	p->last_ns = p->since_ns = now_ns;
	p->gap_ns = PACE_SETTLED_NS;
	return false;
}

/* Half of `depth`, which came within so many ns; fewer of a guest that is slow. */
static void space(struct pace *p, uint64_t depth, uint64_t ns)
{
	uint64_t batch = min_t(uint64_t, depth / 2, PACE_BATCH_MAX), gap_ns = ns * batch / depth;

	if (gap_ns > PACE_GAP_MAX_NS) {
		batch = batch * PACE_GAP_MAX_NS / gap_ns;
		gap_ns = PACE_GAP_MAX_NS;
	}
	if (batch < PACE_DEPTH_MIN / 2)
		return;
	p->batch = (uint32_t)batch;
	p->gap_ns = (uint32_t)gap_ns;
	p->looks_left = PACE_LOOKS_SPACED;
	p->missed = false;
	p->next_looks = PACE_LOOKS_MIN;
}

/* The last of those that are pending had come at p->last_ns. */
static void end(struct pace *p, unsigned int pending, uint64_t now_ns)
{
	p->measuring = false;
	p->known = pending > 1 ? UINT32_MAX : 1;
	look_all_the_time(p, p->next_looks);
	p->next_looks = min_t(uint32_t, 2 * p->next_looks, PACE_LOOKS_MAX);
	if (pending >= PACE_DEPTH_MIN)
		space(p, pending, p->last_ns - p->since_ns + PACE_SETTLED_NS / 2);
	p->last_ns = now_ns;
}

static bool measure(struct pace *p, unsigned int pending, uint64_t now_ns)
{
	if (pending > p->pending && pending < DEPTH_MAX && now_ns - p->since_ns < MEASURE_MAX_NS) {
		p->pending = pending;
		p->last_ns = now_ns;
		return false;
	}
	end(p, pending, now_ns);
	return true;
}

/* --- looks that take what they find --- */

static bool take_unspaced(struct pace *p, unsigned int pending, uint64_t now_ns)
{
	if (!p->looks_left) {
		if (p->looks && p->more < (PACE_ENOUGH - 1) * p->looks)
			return begin(p, pending, now_ns);
		look_all_the_time(p, PACE_LOOKS_MIN);
		p->next_looks = PACE_LOOKS_MIN;
		return true;
	}
	p->looks_left--;
	p->more += pending - 1;
	p->known = pending > 1 ? UINT32_MAX : 1;
	if (pending >= SOME) {
		look_all_the_time(p, min_t(uint32_t, p->looks_left, PACE_LOOKS_MIN));
		p->next_looks = PACE_LOOKS_MIN;
	}
	return true;
}

static bool take_spaced(struct pace *p, unsigned int pending, uint64_t now_ns)
{
	bool few = 2 * pending < p->batch;

	/* Two in a row: fewer are in flight now, or they come more slowly. */
	if (unlikely(!p->looks_left || (few && p->missed))) {
		look_all_the_time(p, PACE_LOOKS_MIN);
		return true;
	}
	p->looks_left--;
	p->missed = few;
	p->last_ns = now_ns;
	if (pending < p->batch)
		p->gap_ns =
			min_t(uint32_t, p->gap_ns + p->gap_ns / 8 + GAP_MIN_NS, PACE_GAP_MAX_NS);
	else if (pending > p->batch)
		p->gap_ns -= p->gap_ns / 8;
	if (p->gap_ns < GAP_MIN_NS)
		p->gap_ns = 0;
	return true;
}

bool pace_take_at(struct pace *p, unsigned int pending, uint64_t now_ns)
{
	if (p->measuring)
		return measure(p, pending, now_ns);
	return p->batch ? take_spaced(p, pending, now_ns) : take_unspaced(p, pending, now_ns);
}
