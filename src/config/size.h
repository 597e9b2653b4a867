/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_SIZE_H
#define SHADOWBELL_CONFIG_SIZE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a whole number of bytes, or a whole number with one of the units KiB, MiB, GiB, TiB, with
 * or without a blank between. Returns 0, or -EINVAL or -ERANGE with *problem set to a static text
 * that completes "'64MB' ...".
 */
int config_size_parse(const char *text, uint64_t *bytes, const char **problem);

/* The same syntax, in the largest unit that needs no fraction. */
struct config_size_text {
	char text[32];
};

const char *config_size_format(struct config_size_text *out, uint64_t bytes);

#define CONFIG_SIZE(bytes) config_size_format(&(struct config_size_text){{0}}, (bytes))

/*
 * Reads a decimal number of nothing but digits, without leading zeros. Sets *end behind the last
 * digit. Returns 0, -EINVAL if there is none, or -ERANGE above UINT64_MAX.
 */
int config_number_parse(const char *text, uint64_t *value, const char **end);

#endif /* SHADOWBELL_CONFIG_SIZE_H */
