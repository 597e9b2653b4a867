/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEMA_UUID_H
#define SCHEMA_UUID_H

#include <stddef.h>
#include <stdint.h>

/* Thin names over libuuid. UUIDs are 16 bytes in the order of RFC 4122, section 4.1.2. */

/* 36 characters with dashes, either case. Returns 0 or -EINVAL. */
int schema_uuid_parse(const char *text, uint8_t uuid[16]);

void schema_uuid_format(const uint8_t uuid[16], char text[37]);

/*
 * The UUID of a name, always the same: version 5 (RFC 4122, section 4.3) in the namespace
 * d4b1a4e5-52b1-4c8c-9c5f-3f1c9a6ad7b2, which is this project's own.
 */
void schema_uuid_from_name(const char *name, uint8_t uuid[16]);

#endif /* SCHEMA_UUID_H */
