/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_LOG_THREAD_H
#define UTIL_LOG_THREAD_H

/* Between the files of the log. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* log.c: writes to stderr, waiting as long as that takes. Returns whether all of it was written. */
bool log_put_line(int level, const struct timespec *when, const char *text);
bool log_put(const char *text, size_t len);

/* Whether the line was taken over, or counted as lost: there is a thread. */
bool log_thread_line(int level, const char *fmt, va_list ap);
bool log_thread_text(char *text, size_t len);
/* Whether the calling thread is another one than log_start()'s. */
bool log_thread_is_other(void);
/* There is something to tell later. */
void log_thread_wake(void);

#endif
