/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/uuid.h"

#include "tests/unit/test.h"

static void parse_and_format(void)
{
	static const char text[] = "6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10";
	static const uint8_t bytes[16] = {0x6f, 0x1c, 0x2a, 0x52, 0x8d, 0x0e, 0x4b, 0x0c,
					  0xa3, 0xf4, 0x5e, 0x1f, 0x7a, 0x9b, 0x3c, 0x10};
	uint8_t uuid[16];
	char again[37];

	CU_ASSERT_EQUAL(schema_uuid_parse(text, uuid), 0);
	CU_ASSERT_EQUAL(memcmp(uuid, bytes, sizeof(uuid)), 0);
	schema_uuid_format(uuid, again);
	CU_ASSERT_STRING_EQUAL(again, text);
	CU_ASSERT_EQUAL(schema_uuid_parse("6F1C2A52-8D0E-4B0C-A3F4-5E1F7A9B3C10", uuid), 0);
	CU_ASSERT_EQUAL(memcmp(uuid, bytes, sizeof(uuid)), 0);
}

static void refused(void)
{
	static const char *const rows[] = {
		"",
		"6f1c2a52",
		"6f1c2a528d0e4b0ca3f45e1f7a9b3c10",
		"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c1",
		"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c100",
		"6f1c2a52-8d0e-4b0c-a3f45-e1f7a9b3c10",
		"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c1g",
		"{6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c}",
		"6f1c2a52 8d0e-4b0c-a3f4-5e1f7a9b3c10",
		"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c-0",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t uuid[16] = {42};

		CU_ASSERT(schema_uuid_parse(rows[i], uuid) < 0);
		CU_ASSERT_EQUAL(uuid[0], 42);
	}
}

/* As "uuidgen --sha1 --namespace d4b1a4e5-52b1-4c8c-9c5f-3f1c9a6ad7b2 --name NAME" prints them. */
static void from_name(void)
{
	static const struct {
		const char *name;
		const char *uuid;
	} rows[] = {
		{"ram0", "35b9ebd1-dba5-5fa1-83ad-c9ec8c63fbc5"},
		{"disk0", "54084628-961b-5efc-943b-75e0d983a8f6"},
		{"a", "3bc0fac3-788f-5695-87d4-a4a86b210fc3"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t uuid[16];
		char text[37];

		schema_uuid_from_name(rows[i].name, uuid);
		schema_uuid_format(uuid, text);
		CU_ASSERT_STRING_EQUAL(text, rows[i].uuid);
	}
}

static const struct test_case cases[] = {
	{"parse_and_format", parse_and_format},
	{"refused", refused},
	{"from_name", from_name},
};

TEST_MAIN("schema_uuid", cases)
