/* SPDX-License-Identifier: BSD-3-Clause */
#include "tsc.h"

#include <stdint.h>

/* Both counters at one time: of some tries the one that was interrupted least. */
static void sample(struct tsc_calibration *c)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < 20; i++) {
		uint64_t before = tsc_now(), ns = tsc_clock_ns(), after = tsc_now();

		if (after - before < best) {
			best = after - before;
			c->tsc = before + best / 2;
			c->ns = ns;
		}
	}
}

void tsc_calibrate_begin(struct tsc_calibration *c)
{
	sample(c);
}

double tsc_calibrate_end(const struct tsc_calibration *c)
{
	struct tsc_calibration now;

	do {
		sample(&now);
	} while (now.ns - c->ns < 10000000);
	return (double)(now.tsc - c->tsc) / (double)(now.ns - c->ns);
}
