/* SPDX-License-Identifier: BSD-3-Clause */
/* INQUIRY, vital product data, REPORT LUNS, and addressing. */
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

static int inquiry(uint8_t page, uint16_t alloc)
{
	return CMD(&h, 0, alloc, 0x12, 1, page, (uint8_t)(alloc >> 8), (uint8_t)alloc, 0);
}

static void standard(void)
{
	begin();
	CU_ASSERT_EQUAL(CMD(&h, 0, 255, 0x12, 0, 0, 0, 255, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 96);
	CU_ASSERT_EQUAL(h.in[0], 0x00);
	CU_ASSERT_EQUAL(h.in[1], 0x00);
	CU_ASSERT_EQUAL(h.in[2], 0x06);
	CU_ASSERT_EQUAL(h.in[3] & 0xf, 0x02);
	CU_ASSERT_EQUAL(h.in[4], 91);
	CU_ASSERT_EQUAL(h.in[5], 0);
	CU_ASSERT_EQUAL(h.in[7], 0x02);
	CU_ASSERT(!memcmp(h.in + 8, "SHDWBELLshadowbell disk 0.1 ", 28));
	CU_ASSERT_EQUAL(scsi_get16(h.in + 58), 0x00a0);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 60), 0x0460);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 62), 0x04c0);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 64), 0x0600);
	end();
}

/* No allocation length is an error, and not a byte more than it is written. */
static void allocation(void)
{
	unsigned int alloc;

	begin();
	for (alloc = 0; alloc < 100; alloc++) {
		memset(h.in, 0xee, 256);
		CMD(&h, 0, 200, 0x12, 0, 0, 0, (uint8_t)alloc, 0);
		EXPECT_GOOD(&h);
		CU_ASSERT_EQUAL(h.got, alloc < 96 ? alloc : 96);
		CU_ASSERT(test_all(h.in + h.got, 200 - h.got, 0xee));
	}
	/* Less room than allocation length and data. */
	CMD(&h, 0, 36, 0x12, 0, 0, 0, 96, 0);
	EXPECT_OVERRUN(&h);
	CU_ASSERT_EQUAL(h.residual, 0);
	/* Less room than the allocation length, but enough for the data. */
	CMD(&h, 0, 96, 0x12, 0, 0, 0xff, 0xff, 0);
	EXPECT_GOOD(&h);
	CMD(&h, 0, 0, 0x12, 0, 0, 0, 96, 0);
	EXPECT_OVERRUN(&h);
	end();
}

static void bad_fields(void)
{
	begin();
	CMD(&h, 0, 96, 0x12, 0, 0x80, 0, 96, 0); /* a page without EVPD */
	EXPECT_BAD_CDB(&h, 2, 7);
	CMD(&h, 0, 96, 0x12, 2, 0, 0, 96, 0); /* CMDDT */
	EXPECT_BAD_CDB(&h, 1, 1);
	CMD(&h, 0, 96, 0x12, 0, 0, 0, 96, 0x04); /* NACA */
	EXPECT_BAD_CDB(&h, 5, 2);
	CMD(&h, 0, 96, 0x12, 0xe0, 0, 0, 96, 0xc0); /* where SCSI-2 had the LUN; vendor's bits */
	EXPECT_GOOD(&h);
	inquiry(0x01, 96);
	EXPECT_BAD_CDB(&h, 2, 7);
	inquiry(0xff, 96);
	EXPECT_BAD_CDB(&h, 2, 7);
	end();
}

static void page_list(void)
{
	static const uint8_t pages[] = {0x00, 0x80, 0x83, 0x86, 0x87, 0xb0, 0xb1, 0xb2};
	unsigned int i;

	begin();
	CU_ASSERT_EQUAL(inquiry(0, 255), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 4 + sizeof(pages));
	CU_ASSERT_EQUAL(scsi_get16(h.in + 2), sizeof(pages));
	CU_ASSERT(!memcmp(h.in + 4, pages, sizeof(pages)));
	for (i = 0; i < sizeof(pages); i++) {
		CU_ASSERT_EQUAL(inquiry(pages[i], 255), SCSI_STATUS_GOOD);
		CU_ASSERT_EQUAL(h.in[0], 0);
		CU_ASSERT_EQUAL(h.in[1], pages[i]);
		CU_ASSERT_EQUAL(scsi_get16(h.in + 2) + 4u, h.got);
	}
	end();
}

/* The designators of page 83h that are about the unit, or about the port. */
static const uint8_t *find_designator(uint8_t assoc_type, size_t *len)
{
	size_t at, end = 4u + scsi_get16(h.in + 2);

	for (at = 4; at < end; at += 4u + h.in[at + 3]) {
		if ((h.in[at + 1] & 0x3f) != assoc_type)
			continue;
		*len = h.in[at + 3];
		return h.in + at + 4;
	}
	*len = 0;
	return NULL;
}

static void identification(void)
{
	const uint8_t *p;
	uint8_t naa[8] = {0};
	size_t len;

	begin();
	CU_ASSERT_EQUAL(inquiry(0x80, 255), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 4 + 32); /* "d" and 5a... in hexadecimal */
	CU_ASSERT(!memcmp(h.in + 4, "645a5a5a5a5a5a5a", 16));
	CU_ASSERT_EQUAL(inquiry(0x83, 255), SCSI_STATUS_GOOD);
	p = find_designator(0x03, &len);
	CU_ASSERT(p && len == 8 && p[0] >> 4 == 3);
	if (p)
		memcpy(naa, p, 8);
	p = find_designator(0x01, &len);
	CU_ASSERT(p && len == 40 && !memcmp(p, "SHDWBELL645a", 12));
	p = find_designator(0x0a, &len);
	CU_ASSERT(p && len == 18 && p[0] == 0x10 && p[2] == 'd' && p[3] == 0x5a);
	p = find_designator(0x14, &len);
	CU_ASSERT(p && len == 4 && scsi_get32(p) == 1);
	end();
	/* The same again: an identity must last. */
	begin();
	inquiry(0x83, 255);
	p = find_designator(0x03, &len);
	CU_ASSERT(p && !memcmp(p, naa, 8));
	end();
}

static void given_identity(void)
{
	static const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	struct scsi_lu_params p = {.bdev = "d", .serial = "vm7-root", .uuid = uuid};
	char err[SCSI_ERR_MAX];
	const uint8_t *at;
	size_t len;

	host_malloc("d", 8 * HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	CU_ASSERT_EQUAL(scsi_device_add_lu(h.dev, &p, err), 0);
	host_start(&h);
	CU_ASSERT_EQUAL(inquiry(0x80, 255), SCSI_STATUS_GOOD);
	CU_ASSERT(h.got == 12 && !memcmp(h.in + 4, "vm7-root", 8));
	inquiry(0x83, 255);
	at = find_designator(0x0a, &len);
	CU_ASSERT(at && !memcmp(at + 2, uuid, 16));
	end();
}

static void bad_units(void)
{
	struct scsi_lu_params p = {.bdev = "none"};
	char err[SCSI_ERR_MAX], name[100];
	struct scsi_device *dev;

	memset(name, 'x', sizeof(name));
	name[SCSI_NAME_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(scsi_device_create("", &dev), -EINVAL);
	CU_ASSERT_EQUAL(scsi_device_create(name, &dev), -EINVAL);
	begin();
	CU_ASSERT_EQUAL(scsi_device_add_lu(h.dev, &p, err), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "target 0"));
	p.lun = 1;
	CU_ASSERT_EQUAL(scsi_device_add_lu(h.dev, &p, err), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "none"));
	p.bdev = "d";
	p.serial = name;
	CU_ASSERT_EQUAL(scsi_device_add_lu(h.dev, &p, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "serial"));
	p.serial = NULL;
	p.lun = SCSI_MAX_LUNS;
	CU_ASSERT_EQUAL(scsi_device_add_lu(h.dev, &p, err), -EINVAL);
	p.lun = 0;
	p.target = SCSI_MAX_TARGETS;
	CU_ASSERT_EQUAL(scsi_device_add_lu(h.dev, &p, err), -EINVAL);
	end();
}

static void block_limits(void)
{
	begin();
	CU_ASSERT_EQUAL(inquiry(0xb0, 255), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 64);
	CU_ASSERT_EQUAL(h.in[4], 1);				     /* WSNZ */
	CU_ASSERT_EQUAL(h.in[5], 64);				     /* COMPARE AND WRITE */
	CU_ASSERT_EQUAL(scsi_get16(h.in + 6), 1);		     /* granularity */
	CU_ASSERT_EQUAL(scsi_get32(h.in + 8), 32768);		     /* 16 MiB */
	CU_ASSERT_EQUAL(scsi_get32(h.in + 20), 1u << 20);	     /* UNMAP: blocks... */
	CU_ASSERT_EQUAL(scsi_get32(h.in + 24), 256);		     /* ... and descriptors */
	CU_ASSERT_EQUAL(scsi_get32(h.in + 28), 1);		     /* granularity... */
	CU_ASSERT_EQUAL(scsi_get32(h.in + 32), 0x80000000u);	     /* ... from 0 on */
	CU_ASSERT_EQUAL(scsi_get64(h.in + 36), (256u << 20) / 512u); /* WRITE SAME */
	CU_ASSERT_EQUAL(inquiry(0xb1, 255), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 64);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 4), 1);
	CU_ASSERT_EQUAL(inquiry(0xb2, 255), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 8);
	CU_ASSERT_EQUAL(h.in[5], 0xe4); /* LBPU, LBPWS, LBPWS10, LBPRZ */
	CU_ASSERT_EQUAL(h.in[6], 2);
	end();
}

/* A bdev that can't discard, with other limits. */
static void thick(void)
{
	struct mock *m = mock_new("d");

	m->bdev.limits.max_transfer_bytes = 65536;
	m->bdev.limits.preferred_bytes = 4096;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	inquiry(0xb0, 255);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 6), 8);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 8), 128);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 20), 0);
	CU_ASSERT_EQUAL(scsi_get32(h.in + 24), 0);
	inquiry(0xb2, 255);
	CU_ASSERT_EQUAL(h.in[5], 0);
	CU_ASSERT_EQUAL(h.in[6], 0);
	inquiry(0x86, 255);
	CU_ASSERT_EQUAL(h.in[6], 1); /* V_SUP: it has a cache */
	end();
}

/* --- targets and LUNs --- */

static void begin_many(void)
{
	host_malloc("d", 8 * HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 3, "d", false);
	host_add(&h, 0, 255, "d", false);
	host_add(&h, 7, 0, "d", true);
	host_start(&h);
}

static void report_luns(void)
{
	begin_many();
	CU_ASSERT_EQUAL(CMD(&h, 0, 256, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 24);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 16);
	CU_ASSERT_EQUAL(scsi_get64(h.in + 8), 3ULL << 48);
	CU_ASSERT_EQUAL(scsi_get64(h.in + 16), 255ULL << 48);
	CMD(&h, 0, 256, 0xa0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0); /* all */
	CU_ASSERT_EQUAL(scsi_get32(h.in), 16);
	CMD(&h, 0, 256, 0xa0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0); /* the well-known ones */
	CU_ASSERT_EQUAL(scsi_get32(h.in), 0);
	CU_ASSERT_EQUAL(h.got, 8);
	CMD(&h, 0, 256, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0); /* room for one */
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.got, 16);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 16);
	CMD(&h, 0, 256, 0xa0, 0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0);
	EXPECT_BAD_CDB(&h, 2, 7);
	CMD(&h, 0, 256, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0);
	EXPECT_BAD_CDB(&h, 6, 7);
	host_lun(&h, 7, 0);
	CMD(&h, 0, 256, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 8);
	CU_ASSERT_EQUAL(scsi_get64(h.in + 8), 0);
	end();
}

/* A target that has no LUN 0 still answers what a host asks first. */
static void no_such_lun(void)
{
	begin_many();
	CU_ASSERT_EQUAL(CMD(&h, 0, 96, 0x12, 0, 0, 0, 96, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[0], 0x7f);
	CMD(&h, 0, 96, 0x12, 1, 0, 0, 96, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	CMD(&h, 0, 0, 0xff, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	CU_ASSERT_EQUAL(CMD(&h, 0, 18, 0x03, 0, 0, 0, 18, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.in[2], SCSI_KEY_ILLEGAL_REQUEST);
	CU_ASSERT_EQUAL(h.in[12], 0x25);
	CMD(&h, 0, 18, 0x03, 0x02, 0, 0, 18, 0);
	EXPECT_BAD_CDB(&h, 1, 1);
	host_lun(&h, 0, 3);
	CMD(&h, 0, 96, 0x12, 0, 0, 0, 96, 0);
	CU_ASSERT_EQUAL(h.in[0], 0x00);
	end();
}

static void addresses(void)
{
	static const struct {
		uint8_t lun[8];
		int device_type; /* INQUIRY's first byte; -1: no such target */
	} cases[] = {
		{{1, 0, 0x40, 3}, 0x00},
		{{1, 0, 0x00, 3}, 0x00},
		{{1, 0, 0x40, 255}, 0x00},
		{{1, 7, 0x40, 0}, 0x00},
		{{1, 7}, 0x00},
		{{1, 0, 0x41, 3}, 0x7f}, /* LUN 259 */
		{{1, 0, 0x01, 3}, 0x7f}, /* bus 1 */
		{{1, 0, 0x80, 3}, 0x7f}, /* logical unit addressing */
		{{1, 0, 0xc1, 1}, 0x7f}, /* extended */
		{{1, 0, 0x40, 3, 0, 0, 0, 1}, 0x7f},
		{{1, 1, 0x40, 0}, -1},
		{{1, 255, 0x40, 0}, -1},
		{{0, 0, 0x40, 3}, -1},
		{{0xc1, 1}, -1}, /* the REPORT LUNS well-known unit */
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -1},
	};
	unsigned int i;

	begin_many();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(h.lun, cases[i].lun, 8);
		h.in[0] = 0xee;
		CMD(&h, 0, 96, 0x12, 0, 0, 0, 96, 0);
		CU_ASSERT_EQUAL(h.in[0], cases[i].device_type < 0 ? 0xee : cases[i].device_type);
	}
	end();
}

/* Units on one bdev have the same identity and different ports. */
static void common_identity(void)
{
	uint8_t naa[8], port = 0;
	const uint8_t *p;
	unsigned int i;
	size_t len;

	begin_many();
	for (i = 0; i < 2; i++) {
		host_lun(&h, i ? 7 : 0, i ? 0 : 3);
		inquiry(0x83, 255);
		p = find_designator(0x03, &len);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		if (i)
			CU_ASSERT(!memcmp(p, naa, 8));
		memcpy(naa, p, 8);
		p = find_designator(0x14, &len);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_NOT_EQUAL(p[3], port);
		port = p[3];
	}
	end();
}

static const struct test_case cases[] = {
	{"standard", standard},
	{"allocation", allocation},
	{"bad_fields", bad_fields},
	{"page_list", page_list},
	{"identification", identification},
	{"given_identity", given_identity},
	{"bad_units", bad_units},
	{"block_limits", block_limits},
	{"thick", thick},
	{"report_luns", report_luns},
	{"no_such_lun", no_such_lun},
	{"addresses", addresses},
	{"common_identity", common_identity},
};

TEST_MAIN("scsi_inquiry", cases)
