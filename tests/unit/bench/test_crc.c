/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC-32C against the examples of RFC 3720, B.4. */
#include "../test.h"
#include "tools/bench/crc.h"

static void rfc3720(void)
{
	_Alignas(8) uint8_t buf[32];
	int i;

	memset(buf, 0, sizeof(buf));
	CU_ASSERT_EQUAL(crc32c(buf, 32), 0x8a9136aa);
	memset(buf, 0xff, sizeof(buf));
	CU_ASSERT_EQUAL(crc32c(buf, 32), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		buf[i] = (uint8_t)i;
	CU_ASSERT_EQUAL(crc32c(buf, 32), 0x46dd794e);
	memcpy(buf, "123456789", 9);
	CU_ASSERT_EQUAL(crc32c(buf, 9), 0xe3069283);
	CU_ASSERT_EQUAL(crc32c(buf, 0), 0);
}

static const struct test_case cases[] = {{"rfc3720", rfc3720}};

TEST_MAIN("bench/crc", cases)
