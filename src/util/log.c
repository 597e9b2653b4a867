/* SPDX-License-Identifier: BSD-3-Clause */
/* What a line looks like, and the write. */
#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/log_ring.h"
#include "util/log_thread.h"

static atomic_int max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&max_level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return level <= log_get_level();
}

/*
 * systemd's journal stamps lines itself. What it says in the environment is inherited by all that
 * is started from a service: only if our stderr is the stream meant there it is true of us.
 */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

static int put_prefix(char *buf, size_t size, int level, const struct timespec *when)
{
	static const char *const names[] = {"error: ", "warning: ", "", "debug: "};
	struct tm tm;
	size_t n;

	if (is_journal())
		return snprintf(buf, size, "%s", names[level]);
	localtime_r(&when->tv_sec, &tm);
	n = strftime(buf, size, "%F %T", &tm);
	return (int)n +
	       snprintf(buf + n, size - n, ".%03ld %s", when->tv_nsec / 1000000, names[level]);
}

bool log_put(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EAGAIN) {
			/* Somebody who shares it has made it non-blocking. */
			struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

			poll(&p, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false; /* a full disk, or nobody is left to tell */
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* One write(2) a line, so that it never mixes with those of other processes. */
bool log_put_line(int level, const struct timespec *when, const char *text)
{
	char buf[LOG_TEXT_MAX + 64];
	int n = put_prefix(buf, sizeof(buf), level, when);

	n += snprintf(buf + n, sizeof(buf) - (size_t)n, "%s\n", text);
	return log_put(buf, (size_t)n);
}

static void write_line(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_MAX];
	struct timespec now;

	if (log_thread_line(level, fmt, ap))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	vsnprintf(text, sizeof(text), fmt, ap);
	log_put_line(level, &now, text);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	write_line(level, fmt, ap);
	va_end(ap);
}

static _Thread_local struct log_kept *keeps;

void log_keep_error(struct log_kept *kept)
{
	keeps = kept;
	if (keeps)
		keeps->text[0] = '\0';
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (keeps && level == LOG_LEVEL_ERROR) {
		va_start(ap, fmt);
		vsnprintf(keeps->text, sizeof(keeps->text), fmt, ap);
		va_end(ap);
	}
	if (!log_enabled(level) ||
	    !log_limit_line_ok(level < LOG_LEVEL_DEBUG && log_thread_is_other()))
		return;
	va_start(ap, fmt);
	write_line(level, fmt, ap);
	va_end(ap);
}

void log_text(char *text, size_t len)
{
	if (log_thread_text(text, len))
		return;
	log_put(text, len);
	free(text);
}
