/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 65536

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){.max = t->max};
}

static bool has_room(struct text *t, size_t len)
{
	size_t size = t->size ? t->size : FIRST_SIZE;
	char *data;

	if (t->failed || len > t->max - t->len) {
		t->failed = true;
		return false;
	}
	while (size - t->len < len)
		size *= 2;
	if (size == t->size)
		return true;
	data = realloc(t->data, size);
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->size = size;
	return true;
}

void text_add(struct text *t, const char *data, size_t len)
{
	if (!has_room(t, len))
		return;
	memcpy(t->data + t->len, data, len);
	t->len += len;
}

void text_print(struct text *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int len;

	if (t->failed)
		return;
	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(line))
		t->failed = true;
	else
		text_add(t, line, (size_t)len);
}

void text_label(struct text *t, bool first, const char *name, const char *value)
{
	text_print(t, "%s%s=\"", first ? "" : ",", name);
	for (; *value; value++) {
		if (*value == '\n')
			text_add(t, "\\n", 2);
		else if (*value == '"' || *value == '\\')
			text_add(t, (const char[]){'\\', *value}, 2);
		else
			text_add(t, value, 1);
	}
	text_add(t, "\"", 1);
}

void text_number(struct text *t, uint64_t n, enum unit unit)
{
	static const struct {
		uint64_t per_second;
		int digits;
	} units[] = {
		[UNIT_ONE] = {1, 0},
		[UNIT_NS] = {1000000000, 9},
		[UNIT_US] = {1000000, 6},
		[UNIT_MS] = {1000, 3},
	};
	uint64_t part = n % units[unit].per_second;
	int digits = units[unit].digits;

	text_print(t, "%" PRIu64, n / units[unit].per_second);
	if (!part)
		return;
	for (; part % 10 == 0; digits--)
		part /= 10;
	text_print(t, ".%0*" PRIu64, digits, part);
}
