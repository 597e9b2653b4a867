/* SPDX-License-Identifier: BSD-3-Clause */
#include "message.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

static _Atomic bool option_is_wrong;

static void say(const char *kind, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "shadowbell-bench: %s%s\n", kind, text);
}

int bench_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
	return -1;
}

int bench_option_error(const char *fmt, ...)
{
	va_list ap;

	option_is_wrong = true;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
	return -1;
}

int bench_error_status(void)
{
	return option_is_wrong ? 2 : 1;
}

void bench_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("note: ", fmt, ap);
	va_end(ap);
}
