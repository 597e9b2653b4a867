/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_SIZE_H
#define SCHEMA_SIZE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a whole number of bytes, or a whole number with one of the units KiB, MiB, GiB, TiB, with
 * or without a blank between. Returns 0, or -EINVAL or -ERANGE with *problem set to a static text
 * that completes "'64MB' ...".
 */
int schema_size_parse(const char *text, uint64_t *bytes, const char **problem);

/* The same syntax, in the largest unit that needs no fraction. */
struct schema_size_text {
	char text[32];
};

const char *schema_size_format(struct schema_size_text *out, uint64_t bytes);

#define SCHEMA_SIZE(bytes) schema_size_format(&(struct schema_size_text){{0}}, (bytes))

/*
 * Reads a decimal number of nothing but digits, without leading zeros. Sets *end behind the last
 * digit. Returns 0, -EINVAL if there is none, or -ERANGE above UINT64_MAX.
 */
int schema_number_parse(const char *text, uint64_t *value, const char **end);

#endif /* SCHEMA_SIZE_H */
