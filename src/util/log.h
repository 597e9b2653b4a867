/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

/*
 * Messages for people, on stderr, one line each. Callable from any thread, but never on the I/O
 * path. Between log_start() and log_stop() no call waits: a thread of its own writes what the
 * others put into a bounded ring, and what finds no room there, because nobody reads stderr, is
 * lost and counted. Outside of that a line is written by who says it.
 *
 * What a guest or its VMM can provoke goes through log_limited(): see util/log_limit.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/log_limit.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Any thread. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);
/* Without a limit other than the ring's: of the budgets, which have looked at it already. */
__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *fmt, ...);

/*
 * The last error that this thread logs goes into `kept`, too, until NULL is given: for whoever
 * asked for what failed, where the reason is only logged.
 */
struct log_kept {
	char text[256]; /* "": there was none */
};
void log_keep_error(struct log_kept *kept);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_enabled(LOG_LEVEL_DEBUG))                                                  \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

#define log_limited(limit, level, what, ...)                                                       \
	do {                                                                                       \
		if (log_enabled(level) && log_limit_ok(limit, what))                               \
			log_write(level, __VA_ARGS__);                                             \
	} while (0)

/* A text of many lines, from malloc(): it is freed here. It is lost if others wait already. */
void log_text(char *text, size_t len);

/*
 * Main thread, with all signals blocked that it waits for. Starts the thread; at exit(), and before
 * the process dies of a fault or an abort, it is given a moment to write what is in the ring.
 * Returns 0 or -errno.
 */
int log_start(void);
/* As long as log_stop() waits while nothing is read of stderr; five times that in all. */
#define LOG_STOP_MS 1000
/* Writes what is in the ring and ends the thread. Does nothing if there is none. */
void log_stop(void);

struct log_stats {
	uint64_t lines;	   /* written */
	uint64_t lost;	   /* nobody read them */
	uint64_t left_out; /* beyond a budget */
};
void log_get_stats(struct log_stats *out);

#endif
