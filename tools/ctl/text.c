/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static unsigned int line_number;

static void no_memory(void)
{
	fputs("shadowbellctl: out of memory\n", stderr);
	exit(CTL_REFUSED);
}

void *ctl_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		no_memory();
	return p;
}

void *ctl_resize(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n ? n : 1, size);

	if (!p)
		no_memory();
	return p;
}

char *ctl_copy(const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		no_memory();
	return copy;
}

static char *format(const char *fmt, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		no_memory();
	return text;
}

char *ctl_format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	return text;
}

void ctl_text_line(unsigned int line)
{
	line_number = line;
}

int ctl_fail(enum ctl_status status, const char *fmt, ...)
{
	char *text, *clean;
	va_list args;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	clean = ctl_text_clean(text);
	/* What was printed before comes before it. */
	fflush(stdout);
	if (line_number)
		fprintf(stderr, "shadowbellctl: line %u: %s\n", line_number, clean);
	else
		fprintf(stderr, "shadowbellctl: %s\n", clean);
	free(clean);
	free(text);
	return (int)status;
}

/* C0, DEL, and C1 in UTF-8 (0xc2 0x80 to 0xc2 0x9f): what a terminal may take for a command. */
static size_t control_bytes(const unsigned char *at)
{
	if (*at < 0x20 || *at == 0x7f)
		return 1;
	return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

char *ctl_text_clean(const char *text)
{
	char *clean = ctl_alloc(strlen(text) * 4 + 1, 1), *out = clean;
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t n = control_bytes(at);

		if (!n)
			*out++ = (char)*at++;
		for (; n; n--)
			out += sprintf(out, "\\x%02x", *at++);
	}
	return clean;
}

size_t ctl_text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

char *ctl_text_bytes(unsigned long long bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned long long rest = 0, whole = bytes;
	unsigned int unit = 0;
	uint64_t scale = 1;

	while (whole >= 1024) {
		scale *= 1024;
		rest = bytes % scale;
		whole = bytes / scale;
		unit++;
	}
	if (!rest)
		return ctl_format("%llu%s", whole, units[unit]);
	return ctl_format("%.1f%s", (double)bytes / (double)scale, units[unit]);
}
