/* SPDX-License-Identifier: BSD-3-Clause */
/* The same with a disk that stands on the one that takes 60 s, by way of a delay and of a part. */
#define SLOW_NAME "deadlines_stacked"
#define SLOW_BDEVS                                                                                 \
	"  - {name: slow, type: delay, base: half1, read_us: 10}\n"                                \
	"  - {name: half, type: split, base: disk, count: 2}\n"                                    \
	"  - {name: disk, type: null, size: 1GiB, block_size: 512, latency_us: 60000000}\n"

#include "test_deadlines.c" /* NOLINT(bugprone-suspicious-include) */
