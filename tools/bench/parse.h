/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_PARSE_H
#define BENCH_PARSE_H

/* Values of options as fio writes them. All return 0, or -1 when it is none; *out is set only then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits and nothing else. */
int parse_number(const char *text, uint64_t *out);
/*
 * Bytes: a number and perhaps k, m, g, t or p, "b" or "ib" after it, in either case: always powers
 * of 1024, as in fio (kb_base=1024).
 */
int parse_size(const char *text, uint64_t *out);
/* A time in nanoseconds: a number of seconds, also with a fraction, or with us, ms, s, m, h behind
 * it. */
int parse_time(const char *text, uint64_t *out);
/* CPUs as in "0,2-4": up to max of them in the order given, and their number in *n. */
int parse_cpus(const char *text, int *cpus, unsigned int max, unsigned int *n);

#endif
