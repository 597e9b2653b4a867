/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/uuid.h"

#include <errno.h>
#include <string.h>
#include <uuid/uuid.h>

/* Never change it: every disk without a UUID of its own would get a new one. */
static const uuid_t name_space = {0xd4, 0xb1, 0xa4, 0xe5, 0x52, 0xb1, 0x4c, 0x8c,
				  0x9c, 0x5f, 0x3f, 0x1c, 0x9a, 0x6a, 0xd7, 0xb2};

int schema_uuid_parse(const char *text, uint8_t uuid[16])
{
	return uuid_parse(text, uuid) ? -EINVAL : 0;
}

void schema_uuid_format(const uint8_t uuid[16], char text[37])
{
	uuid_unparse_lower(uuid, text);
}

void schema_uuid_from_name(const char *name, uint8_t uuid[16])
{
	uuid_generate_sha1(uuid, name_space, name, strlen(name));
}
