/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/uuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Never change it: every disk without a UUID of its own would get a new one. */
static const uint8_t name_space[16] = {0xd4, 0xb1, 0xa4, 0xe5, 0x52, 0xb1, 0x4c, 0x8c,
				       0x9c, 0x5f, 0x3f, 0x1c, 0x9a, 0x6a, 0xd7, 0xb2};

enum { NAME_BYTES_MAX = 256 };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_dash_place(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

int config_uuid_parse(const char *text, uint8_t uuid[16])
{
	uint8_t out[16];
	size_t n = 0;

	if (strlen(text) != 36)
		return -EINVAL;
	for (size_t i = 0; i < 36;) {
		int high, low;

		if (is_dash_place(i)) {
			if (text[i++] != '-')
				return -EINVAL;
			continue;
		}
		high = digit(text[i]);
		low = digit(text[i + 1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		out[n++] = high << 4 | low;
		i += 2;
	}
	memcpy(uuid, out, sizeof(out));
	return 0;
}

void config_uuid_format(const uint8_t uuid[16], char text[37])
{
	char *p = text;

	for (size_t i = 0; i < 16; i++) {
		if (is_dash_place(p - text))
			*p++ = '-';
		p += sprintf(p, "%02x", uuid[i]);
	}
}

void config_uuid_from_name(const char *name, uint8_t uuid[16])
{
	uint8_t input[sizeof(name_space) + NAME_BYTES_MAX];
	size_t len = strnlen(name, NAME_BYTES_MAX);
	uint8_t digest[20];

	memcpy(input, name_space, sizeof(name_space));
	memcpy(input + sizeof(name_space), name, len);
	config_sha1(input, sizeof(name_space) + len, digest);
	memcpy(uuid, digest, 16);
	uuid[6] = (uuid[6] & 0x0f) | 0x50;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}
