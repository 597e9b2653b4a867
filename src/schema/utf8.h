/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_UTF8_H
#define SCHEMA_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the first character of text (RFC 3629: no overlong forms, no surrogates). Returns its
 * length in bytes, or 0 if it is malformed or cut off; len is not 0.
 */
size_t schema_utf8_decode(const char *text, size_t len, uint32_t *code);

/* Neither a control character nor one that only moves or reorders text on a terminal. */
bool schema_utf8_printable(uint32_t code);

/* What YAML 1.1 (5.1, c-printable) allows in a file. */
bool schema_utf8_yaml(uint32_t code);

#endif /* SCHEMA_UTF8_H */
