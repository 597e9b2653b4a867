/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_TEXT_H
#define EXPORTER_TEXT_H

/* Text that grows, and how Prometheus' text format 0.0.4 writes values. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins as zeroes. Once it has failed (no memory, or above `max` bytes) nothing more is added. */
struct text {
	char *data;
	size_t len, size;
	size_t max;
	bool failed;
};

void text_free(struct text *t);
void text_add(struct text *t, const char *data, size_t len);
void text_print(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* , name="value" with what has to be escaped; the comma unless it is the first one. */
void text_label(struct text *t, bool first, const char *name, const char *value);

/* What a number counts, so that it is printed as seconds where it is a time. */
enum unit { UNIT_ONE, UNIT_NS, UNIT_US, UNIT_MS };
/* Exactly, as decimal digits. */
void text_number(struct text *t, uint64_t n, enum unit unit);

#endif
