/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

/*
 * Messages for people, on stderr, one line each. Callable from any thread. Never on the I/O path;
 * what a guest can provoke goes through log_limited(), which drops a flood and says how much.
 */

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Set before threads start. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_enabled(LOG_LEVEL_DEBUG))                                                  \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

/* A bucket of lines: at most LOG_LIMIT_BURST in LOG_LIMIT_SECONDS. One per object that can flood.
 */
#define LOG_LIMIT_BURST	  500
#define LOG_LIMIT_SECONDS 10
struct log_limit {
	uint64_t window_start_ns;
	uint32_t in_window;
	uint32_t dropped;
};
/* Whether a line may be written now. Owned by one thread. */
bool log_limit_ok(struct log_limit *limit, const char *what);

#define log_limited(limit, level, what, ...)                                                       \
	do {                                                                                       \
		if (log_enabled(level) && log_limit_ok(limit, what))                               \
			log_line(level, __VA_ARGS__);                                              \
	} while (0)

#endif
