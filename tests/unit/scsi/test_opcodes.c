/* SPDX-License-Identifier: BSD-3-Clause */
/* REPORT SUPPORTED OPERATION CODES against the commands themselves, and TASK MANAGEMENT FUNCTIONS.
 */
#include "scsi_test.h"

static struct host h;

static void begin(void)
{
	host_malloc("d", 8 * HOST_MIB, 512);
	host_open(&h, "host", NULL, "d");
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

static int report(uint8_t options, uint8_t opcode, uint16_t sa, uint16_t alloc)
{
	return CMD(&h, 0, 4096, 0xa3, 0x0c, options, opcode, (uint8_t)(sa >> 8), (uint8_t)sa, 0, 0,
		   (uint8_t)(alloc >> 8), (uint8_t)alloc, 0, 0);
}

static void one(void)
{
	begin();
	CU_ASSERT_EQUAL(report(1, 0x28, 0, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 4 + 10);
	CU_ASSERT_EQUAL(h.in[1], 3);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 2), 10);
	CU_ASSERT(!memcmp(h.in + 4, "\x28\x18\xff\xff\xff\xff\x00\xff\xff\x00", 10));
	CU_ASSERT_EQUAL(report(0x81, 0x28, 0, 4096), SCSI_STATUS_GOOD); /* RCTD */
	CU_ASSERT_EQUAL(h.got, 4 + 10 + 12);
	CU_ASSERT_EQUAL(h.in[1], 0x83);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 14), 10);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 22), 30);
	CU_ASSERT_EQUAL(report(1, 0x29, 0, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 4);
	CU_ASSERT_EQUAL(h.in[1], 1);
	CU_ASSERT_EQUAL(report(2, 0x9e, 0x10, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[1], 3);
	CU_ASSERT_EQUAL(h.in[5], 0x10); /* the service action itself */
	CU_ASSERT_EQUAL(report(2, 0x5f, 0x07, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[1], 1);
	CU_ASSERT_EQUAL(report(2, 0x9e, 0x0110, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[1], 1);
	CU_ASSERT_EQUAL(report(3, 0x9e, 0x10, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[1], 3);
	CU_ASSERT_EQUAL(report(3, 0x28, 0, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[1], 3);
	CU_ASSERT_EQUAL(report(3, 0x28, 1, 4096), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[1], 1);
	CU_ASSERT_EQUAL(report(1, 0x28, 0, 3), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 3);
	end();
}

static void bad_fields(void)
{
	begin();
	report(1, 0x9e, 0, 64); /* it has service actions */
	EXPECT_BAD_CDB(&h, 2, 2);
	report(2, 0x28, 0, 64); /* it has none */
	EXPECT_BAD_CDB(&h, 2, 2);
	report(4, 0x28, 0, 64);
	EXPECT_BAD_CDB(&h, 2, 2);
	report(0x40, 0, 0, 64);
	EXPECT_BAD_CDB(&h, 2, 6);
	end();
}

/* Whether a command exists, by trying it: with a reserved bit, so that nothing is done. */
static bool exists(uint8_t opcode, uint8_t sa)
{
	uint8_t cdb[16] = {opcode, sa};

	memset(cdb + 9, 0xff, 7);
	cdb[5] = 0xff;
	host_cmd(&h, cdb, 16, 0, 0);
	return h.sense.asc != SCSI_ASC_INVALID_OPCODE &&
	       !(h.sense.asc == SCSI_ASC_INVALID_CDB && h.sense.byte == 1 && h.sense.bit == 4);
}

/* The list has exactly the commands that there are, with and without time-outs. */
static void all(void)
{
	bool listed[256][32] = {{false}};
	uint8_t list[4096];
	unsigned int op, sa, n = 0;
	size_t at, len;

	begin();
	CU_ASSERT_EQUAL(report(0x80, 0, 0, 4096), SCSI_STATUS_GOOD);
	len = h.got;
	CU_ASSERT_EQUAL(scsi_get32(h.in) + 4, len);
	memcpy(list, h.in, len);
	for (at = 4; at < len; at += 20) {
		bool servactv = list[at + 5] & 1;

		n++;
		CU_ASSERT_EQUAL(list[at + 5] & 2, 2);
		CU_ASSERT_EQUAL(scsi_get16(list + at + 8), 10);
		CU_ASSERT(scsi_get32(list + at + 16) > 0);
		CU_ASSERT(servactv || !scsi_get16(list + at + 2));
		listed[list[at]][list[at + 3]] = true;
		report(servactv ? 2 : 1, list[at], scsi_get16(list + at + 2), 64);
		CU_ASSERT_EQUAL(h.in[1], 3);
		CU_ASSERT_EQUAL(scsi_get16(h.in + 2), scsi_get16(list + at + 6));
		CU_ASSERT_EQUAL(h.in[4], list[at]);
	}
	CU_ASSERT_EQUAL(at, len);
	CU_ASSERT_EQUAL(n, 45);
	report(0, 0, 0, 4096);
	CU_ASSERT_EQUAL(h.got, 4 + 8 * n);
	for (op = 0; op < 256; op++) {
		bool has_sa = op == 0x5e || op == 0x5f || op == 0x9e || op == 0xa3;

		for (sa = 0; sa < (has_sa ? 32 : 1); sa++)
			CU_ASSERT_EQUAL(exists((uint8_t)op, (uint8_t)sa), listed[op][sa]);
	}
	end();
}

/* UNMAP is not listed where it doesn't work. */
static void thick(void)
{
	struct mock *m = mock_new("d");

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	report(1, 0x42, 0, 64);
	CU_ASSERT_EQUAL(h.in[1], 1);
	report(0, 0, 0, 4096);
	CU_ASSERT_EQUAL(h.got, 4 + 8 * 44);
	end();
}

static int report_tmfs(uint8_t byte2, uint8_t alloc)
{
	return CMD(&h, 0, 64, 0xa3, 0x0d, byte2, 0, 0, 0, 0, 0, 0, alloc, 0, 0);
}

static void tmfs(void)
{
	begin();
	CU_ASSERT_EQUAL(report_tmfs(0, 64), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 4);
	CU_ASSERT_EQUAL(h.in[0], 0xdc);
	CU_ASSERT_EQUAL(h.in[1], 0x03);
	CU_ASSERT_EQUAL(h.in[3], 0);
	CU_ASSERT_EQUAL(report_tmfs(0x80, 64), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 16);
	CU_ASSERT_EQUAL(h.in[3], 12);
	report_tmfs(0, 3);
	EXPECT_BAD_CDB(&h, 6, 7);
	report_tmfs(0x01, 64);
	EXPECT_BAD_CDB(&h, 2, 0);
	end();
}

static const struct test_case cases[] = {
	{"one", one}, {"bad_fields", bad_fields}, {"all", all}, {"thick", thick}, {"tmfs", tmfs},
};

TEST_MAIN("scsi_opcodes", cases)
