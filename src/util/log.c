/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/time.h"

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

static int put_prefix(char *buf, size_t size, enum log_level level)
{
	static const char *const names[] = {"error: ", "warning: ", "", "debug: "};
	struct timespec ts;
	struct tm tm;
	size_t n;

	/* The journal stamps lines itself. */
	if (getenv("JOURNAL_STREAM"))
		return snprintf(buf, size, "%s", names[level]);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, size, "%F %T", &tm);
	return (int)n +
	       snprintf(buf + n, size - n, ".%03ld %s", ts.tv_nsec / 1000000, names[level]);
}

/* One write(2) a line, so that the lines of several threads never mix. */
void log_line(enum log_level level, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n, m;

	if (!log_enabled(level))
		return;
	n = put_prefix(buf, sizeof(buf), level);
	va_start(ap, fmt);
	m = vsnprintf(buf + n, sizeof(buf) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n += m < 0 ? 0 : m;
	if (n > (int)sizeof(buf) - 2)
		n = (int)sizeof(buf) - 2;
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		return; /* nobody is left to tell */
}

bool log_limit_ok(struct log_limit *limit, const char *what)
{
	uint64_t now = time_now_ns();

	if (!limit->window_start_ns ||
	    now - limit->window_start_ns > LOG_LIMIT_SECONDS * NS_PER_SEC) {
		if (limit->dropped)
			log_warn("%s: %u more such lines were dropped", what, limit->dropped);
		*limit = (struct log_limit){.window_start_ns = now};
	}
	if (limit->in_window >= LOG_LIMIT_BURST) {
		limit->dropped++;
		return false;
	}
	limit->in_window++;
	return true;
}
