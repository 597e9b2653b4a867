/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

/* Messages to the user, on stderr. Any thread. */

/* "shadowbell-bench: ...": what went wrong. Returns -1, which functions of this program return
 * then. */
int bench_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for an option that is wrong, also if only the device shows it. */
int bench_option_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The program's exit status after an error: 2 if bench_option_error() was called, else 1. */
int bench_error_status(void);
/* "shadowbell-bench: note: ...": what the user should know of. */
void bench_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
