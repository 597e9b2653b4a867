/* SPDX-License-Identifier: BSD-3-Clause */
/* Vital product data: SPC-4, 7.8, and SBC-4, 6.6. */
#include <stdio.h>

#include "scsi/scsi_internal.h"

/* Fill what follows the header of 4 bytes, which is zeroed; their length. */
struct vpd_page {
	uint8_t code;
	size_t (*fill)(const struct scsi_lu *lu, uint8_t *p);
};

static size_t fill_list(const struct scsi_lu *lu, uint8_t *p);

static size_t fill_serial(const struct scsi_lu *lu, uint8_t *p)
{
	size_t len = strlen(lu->serial);

	memcpy(p, lu->serial, len);
	return len;
}

/* --- 83h: SPC-4, 7.8.6 --- */

enum { CODE_BINARY = 1, CODE_ASCII = 2 };
enum { ASSOC_LU = 0 << 4, ASSOC_PORT = 1 << 4 };
enum { TYPE_T10 = 1, TYPE_NAA = 3, TYPE_REL_PORT = 4, TYPE_UUID = 0xa };

static uint8_t *add_designator(uint8_t *p, uint8_t code_set, uint8_t assoc_type, const void *data,
			       size_t len)
{
	p[0] = code_set;
	p[1] = assoc_type;
	p[3] = (uint8_t)len;
	memcpy(p + 4, data, len);
	return p + 4 + len;
}

/* NAA 3h, locally assigned: no company id is ours. FNV-1a of the UUID. */
static uint64_t naa_of(const struct scsi_lu *lu)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	unsigned int i;

	for (i = 0; i < sizeof(lu->uuid); i++)
		hash = (hash ^ lu->uuid[i]) * 0x100000001b3ULL;
	return (hash ^ hash >> 60) << 4 >> 4 | 3ULL << 60;
}

static size_t fill_identification(const struct scsi_lu *lu, uint8_t *p)
{
	uint8_t naa[8], port[4] = {0}, uuid[18] = {0x10}, *at = p;
	char t10[8 + 32 + 1];
	unsigned int i;

	scsi_put64(naa, naa_of(lu));
	scsi_put16(port + 2, lu->rel_port);
	memcpy(uuid + 2, lu->uuid, 16);
	memcpy(t10, scsi_vendor, sizeof(scsi_vendor));
	for (i = 0; i < 16; i++)
		snprintf(t10 + 8 + (size_t)2 * i, 3, "%02x", lu->uuid[i]);
	at = add_designator(at, CODE_BINARY, ASSOC_LU | TYPE_NAA, naa, sizeof(naa));
	at = add_designator(at, CODE_ASCII, ASSOC_LU | TYPE_T10, t10, sizeof(t10) - 1);
	at = add_designator(at, CODE_BINARY, ASSOC_LU | TYPE_UUID, uuid, sizeof(uuid));
	at = add_designator(at, CODE_BINARY, ASSOC_PORT | TYPE_REL_PORT, port, sizeof(port));
	return (size_t)(at - p);
}

/* --- 86h: SPC-4, 7.8.7; 87h: 7.8.9 --- */

static size_t fill_extended(const struct scsi_lu *lu, uint8_t *p)
{
	p[1] = 0x01;					/* SIMPSUP */
	p[2] = lu->bdev->limits.write_cache ? 0x01 : 0; /* V_SUP */
	return 0x3c;
}

/* Each target port has mode pages of its own: those of other devices are not affected. */
static size_t fill_mode_policy(const struct scsi_lu *lu, uint8_t *p)
{
	p[0] = 0x3f; /* all pages... */
	p[1] = 0xff; /* ... and subpages */
	p[2] = 0x01; /* per target port */
	return 4;
}

/* --- B0h to B2h --- */

static uint32_t blocks_of(const struct bdev *bdev, uint64_t bytes)
{
	return (uint32_t)min_t(uint64_t, bytes >> bdev->block_shift, UINT32_MAX);
}

/* p[n] is byte n + 4 of SBC-4, table 254. */
static size_t fill_limits(const struct scsi_lu *lu, uint8_t *p)
{
	const struct bdev *bdev = lu->bdev;
	uint32_t granularity = blocks_of(bdev, bdev->limits.discard_granularity_bytes);

	p[0] = 0x01; /* WSNZ: no WRITE SAME of zero blocks */
	p[1] = (uint8_t)SCSI_MAX_CAW_BLOCKS;
	scsi_put16(p + 2, (uint16_t)(1u << scsi_physical_exponent(bdev)));
	scsi_put32(p + 4, scsi_max_transfer_blocks(bdev));
	if (bdev->limits.discard_granularity_bytes) {
		scsi_put32(p + 16, SCSI_MAX_UNMAP_BLOCKS);
		scsi_put32(p + 20, SCSI_MAX_UNMAP_DESCS);
		scsi_put32(p + 24, granularity);
		scsi_put32(p + 28, 1u << 31); /* UGAVALID, alignment 0 */
	}
	scsi_put64(p + 32, blocks_of(bdev, SCSI_MAX_WRITE_SAME_BYTES));
	return 0x3c;
}

static size_t fill_characteristics(const struct scsi_lu *lu, uint8_t *p)
{
	scsi_put16(p, 0x0001); /* non-rotating */
	return 0x3c;
}

static size_t fill_provisioning(const struct scsi_lu *lu, uint8_t *p)
{
	const struct bdev_limits *limits = &lu->bdev->limits;

	if (!limits->discard_granularity_bytes)
		return 4;
	p[1] = 0xe0; /* LBPU, LBPWS, LBPWS10 */
	if (limits->discard_zeroes)
		p[1] |= 0x04; /* LBPRZ 001b */
	p[2] = 0x02;	      /* thin */
	return 4;
}

/* In ascending order: SPC-4, 7.8.1. */
static const struct vpd_page pages[] = {
	{0x00, fill_list},
	{0x80, fill_serial},
	{0x83, fill_identification},
	{0x86, fill_extended},
	{0x87, fill_mode_policy},
	{0xb0, fill_limits},
	{0xb1, fill_characteristics},
	{0xb2, fill_provisioning},
};

static size_t fill_list(const struct scsi_lu *lu, uint8_t *p)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		p[i] = pages[i].code;
	return i;
}

size_t scsi_vpd_page(const struct scsi_lu *lu, uint8_t page, uint8_t buf[SCSI_VPD_MAX])
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		if (pages[i].code != page)
			continue;
		memset(buf, 0, SCSI_VPD_MAX);
		buf[1] = page;
		len = pages[i].fill(lu, buf + 4);
		scsi_put16(buf + 2, (uint16_t)len);
		return 4 + len;
	}
	return 0;
}
