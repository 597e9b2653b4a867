/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O commands: ranges, fields, statuses, and data that arrives where it should. */
#include "fixture.h"
#include "nvme/io.h"

static void ranges(void)
{
	static const struct {
		uint8_t op;
		uint32_t nsid;
		uint64_t lba;
		uint32_t nblocks;
		uint16_t expected;
	} table[] = {
		{nvme_cmd_read, NS_RAM, 0, 1, 0},
		{nvme_cmd_read, NS_RAM, RAM_BLOCKS - 1, 1, 0},
		{nvme_cmd_read, NS_RAM, RAM_BLOCKS, 1, NVME_SC_LBA_RANGE},
		{nvme_cmd_read, NS_RAM, RAM_BLOCKS - 1, 2, NVME_SC_LBA_RANGE},
		{nvme_cmd_write, NS_RAM, RAM_BLOCKS - 8, 8, 0},
		{nvme_cmd_write, NS_RAM, RAM_BLOCKS - 7, 8, NVME_SC_LBA_RANGE},
		{nvme_cmd_read, NS_RAM, UINT64_MAX, 1, NVME_SC_LBA_RANGE},
		{nvme_cmd_read, NS_RAM, UINT64_MAX, 2, NVME_SC_LBA_RANGE}, /* ends at 1 */
		{nvme_cmd_write, NS_RAM, UINT64_MAX - 6, 8, NVME_SC_LBA_RANGE},
		{nvme_cmd_read, NS_RAM, 1ull << 32, 1, NVME_SC_LBA_RANGE},
		{nvme_cmd_read, NS_RAM, 1ull << 55, 1, NVME_SC_LBA_RANGE}, /* << 9 is 0 */
		{nvme_cmd_compare, NS_RAM, RAM_BLOCKS, 1, NVME_SC_LBA_RANGE},
		{nvme_cmd_write_zeroes, NS_RAM, 0, RAM_BLOCKS, 0},
		{nvme_cmd_write_zeroes, NS_RAM, 1, RAM_BLOCKS, NVME_SC_LBA_RANGE},
		{nvme_cmd_write_zeroes, NS_NULL, 0, 65536, 0}, /* larger than MDTS: no data */
		{nvme_cmd_write_zeroes, NS_RAM, UINT64_MAX, 65536, NVME_SC_LBA_RANGE},
		{nvme_cmd_read, NS_NULL, 0, 2049, NVME_SC_INVALID_FIELD}, /* MDTS and a block */
		{nvme_cmd_read, NS_NULL, 0, 65536, NVME_SC_INVALID_FIELD},
		{nvme_cmd_write, NS_RAM, 0, 65536, NVME_SC_INVALID_FIELD},
		{nvme_cmd_read, 0, 0, 1, NVME_SC_INVALID_NS},
		{nvme_cmd_read, NS_SLOW + 1, 0, 1, NVME_SC_INVALID_NS},
		{nvme_cmd_read, UINT32_MAX, 0, 1, NVME_SC_INVALID_NS},
		{nvme_cmd_write, UINT32_MAX, 0, 1, NVME_SC_INVALID_NS},
		{nvme_cmd_write_zeroes, 0, 0, 1, NVME_SC_INVALID_NS},
	};
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, 2 * HOST_PAGE);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct nvme_sqe sqe =
			sqe_rw(table[i].op, table[i].nsid, table[i].lba, table[i].nblocks, buf);
		uint16_t status = host_run(q, sqe);

		if (status != table[i].expected)
			printf("# row %zu: %03x\n", i, status);
		CU_ASSERT_EQUAL(status, table[i].expected);
	}
	host_close(h);
}

static void fields(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	struct nvme_sqe sqe;
	unsigned int flags;

	/* FUSE and PSDT: each value but 0. As an SGL the data pointer is a block of no bytes. */
	for (flags = 1; flags < 256; flags++) {
		sqe = sqe_rw(nvme_cmd_read, NS_RAM, 0, 1, buf);
		sqe.flags = (uint8_t)flags;
		CU_ASSERT_EQUAL(host_run(q, sqe), flags & 3 || flags >> 6 == 3
							  ? NVME_SC_INVALID_FIELD
						  : flags >> 6 ? NVME_SC_SGL_INVALID_DATA
							       : NVME_SC_SUCCESS);
	}
	/* A directive; FUA and limited retry, which are fine. */
	sqe = sqe_rw(nvme_cmd_write, NS_RAM, 0, 1, buf);
	sqe.cdw12 |= htole32(1u << 20);
	CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_INVALID_FIELD);
	sqe.cdw12 = htole32(3u << 30);
	CU_ASSERT_EQUAL(host_run(q, sqe), 0);
	/* Memory that is not the guest's. */
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_RAM, 0, 1, 0x1000)),
			NVME_SC_DATA_XFER_ERROR);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write, NS_RAM, 0, 1, buf + 2)),
			NVME_SC_PRP_INVALID_OFFSET);
	host_close(h);
}

/* The block layer's errors, for a read and for a write: type and code, and whether to retry. */
static void status_table(void)
{
	static const struct {
		enum bdev_status status;
		uint16_t read, write;
		bool retry;
	} table[] = {
		{BDEV_STATUS_OK, 0, 0, true},
		{BDEV_STATUS_MEDIUM_ERROR, ST_MEDIA(NVME_SC_READ_ERROR),
		 ST_MEDIA(NVME_SC_WRITE_FAULT), true},
		{BDEV_STATUS_NO_SPACE, NVME_SC_CAP_EXCEEDED, NVME_SC_CAP_EXCEEDED, false},
		{BDEV_STATUS_OUT_OF_RANGE, NVME_SC_LBA_RANGE, NVME_SC_LBA_RANGE, false},
		{BDEV_STATUS_READ_ONLY, NVME_SC_NS_WRITE_PROTECTED, NVME_SC_NS_WRITE_PROTECTED,
		 false},
		{BDEV_STATUS_UNSUPPORTED, NVME_SC_INVALID_OPCODE, NVME_SC_INVALID_OPCODE, false},
		{BDEV_STATUS_MISCOMPARE, ST_MEDIA(NVME_SC_COMPARE_FAILED),
		 ST_MEDIA(NVME_SC_COMPARE_FAILED), false},
		{BDEV_STATUS_CONFLICT, NVME_SC_RESERVATION_CONFLICT, NVME_SC_RESERVATION_CONFLICT,
		 false},
		{BDEV_STATUS_NO_MEMORY, NVME_SC_CMD_INTERRUPTED, NVME_SC_CMD_INTERRUPTED, true},
		{BDEV_STATUS_BAD_BUFFER, NVME_SC_DATA_XFER_ERROR, NVME_SC_DATA_XFER_ERROR, false},
		{BDEV_STATUS_ABORTED, NVME_SC_ABORT_REQ, NVME_SC_ABORT_REQ, true},
		{BDEV_STATUS_GONE, NVME_SC_NS_NOT_READY, NVME_SC_NS_NOT_READY, false},
		{BDEV_STATUS_TIMEOUT, NVME_SC_INTERNAL, NVME_SC_INTERNAL, true},
		{BDEV_STATUS_COUNT, NVME_SC_INTERNAL, NVME_SC_INTERNAL, true},
	};
	size_t i;

	CU_ASSERT_EQUAL(ARRAY_SIZE(table), BDEV_STATUS_COUNT + 1);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint16_t read = vnvme_status_of(table[i].status, BDEV_OP_READ);
		uint16_t write = vnvme_status_of(table[i].status, BDEV_OP_WRITE);

		CU_ASSERT_EQUAL(read & ST_MASK, table[i].read);
		CU_ASSERT_EQUAL(write & ST_MASK, table[i].write);
		CU_ASSERT_EQUAL(!(read & NVME_SC_DNR), table[i].retry);
		CU_ASSERT_EQUAL(vnvme_status_of(table[i].status, BDEV_OP_COMPARE) & ST_MASK,
				table[i].read);
	}
}

/* --- data --- */

static void fill(uint8_t *p, size_t len, uint64_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)test_random(&seed);
}

/* A list of pages in any order, with an offset in the first. */
static struct nvme_sqe scattered(struct host *h, uint8_t op, uint64_t lba, uint32_t nblocks,
				 uint64_t area, uint64_t list, unsigned int offset,
				 unsigned int turn)
{
	uint32_t len = nblocks * 512, first = HOST_PAGE - offset;
	unsigned int pages = len > first ? (len - first + HOST_PAGE - 1) / HOST_PAGE : 0, i;
	struct nvme_sqe sqe = sqe_rw(op, NS_RAM, lba, nblocks, area + offset);
	uint64_t *entries = host_ptr(h, list);

	/* Every `turn`-th page, and round; 257 is a prime, so that each comes once. */
	for (i = 0; i < pages; i++)
		entries[i] = htole64(area + (1 + (i + 1) * turn % 257) * (uint64_t)HOST_PAGE);
	if (pages == 1)
		sqe.prp2 = entries[0];
	else if (pages)
		sqe.prp2 = htole64(list);
	return sqe;
}

static void gather(struct host *h, const struct nvme_sqe *sqe, uint64_t list, uint32_t len,
		   uint8_t *out)
{
	uint64_t prp1 = le64toh(sqe->prp1);
	uint32_t part = HOST_PAGE - (prp1 & (HOST_PAGE - 1));
	const uint64_t *entries = host_ptr(h, list);

	part = len < part ? len : part;
	memcpy(out, host_ptr(h, prp1), part);
	for (out += part, len -= part; len; out += part, len -= part, entries++) {
		part = len < HOST_PAGE ? len : HOST_PAGE;
		memcpy(out, host_ptr(h, le64toh(*entries)), part);
	}
}

/* Written from one set of pages, read into another, compared with a third command. */
static void round_trip(void)
{
	static const struct {
		uint32_t nblocks;
		unsigned int offset;
	} table[] = {{1, 0},	{1, 512},  {1, 4},	 {8, 0},     {8, 512}, {9, 0},
		     {16, 4},	{24, 0},   {25, 512},	 {32, 0},    {33, 4},  {256, 2048},
		     {2047, 0}, {2048, 0}, {2048, 4092}, {2048, 512}};
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t area = host_alloc(h, 258 * HOST_PAGE), list = host_alloc(h, HOST_PAGE);
	uint8_t *ram = host_ptr(h, area), *sent = malloc(1 << 20), *got = malloc(1 << 20);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		uint32_t n = table[i].nblocks, len = n * 512;
		uint64_t lba = i * 100;
		struct nvme_sqe sqe;

		fill(ram, 258 * HOST_PAGE, i);
		sqe = scattered(h, nvme_cmd_write, lba, n, area, list, table[i].offset, 7);
		gather(h, &sqe, list, len, sent);
		CU_ASSERT_EQUAL(host_run(q, sqe), 0);
		sqe.opcode = nvme_cmd_compare;
		CU_ASSERT_EQUAL(host_run(q, sqe), 0);
		memset(ram, 0, 258 * HOST_PAGE);
		sqe = scattered(h, nvme_cmd_read, lba, n, area, list, table[i].offset, 13);
		CU_ASSERT_EQUAL(host_run(q, sqe), 0);
		gather(h, &sqe, list, len, got);
		CU_ASSERT_EQUAL(memcmp(sent, got, len), 0);
		ram[table[i].offset] ^= 1;
		sqe.opcode = nvme_cmd_compare;
		CU_ASSERT_EQUAL(host_run(q, sqe), ST_MEDIA(NVME_SC_COMPARE_FAILED));
	}
	free(sent);
	free(got);
	host_close(h);
}

/* A command whose data is in one piece, named by a PRP list or by a Data Block. */
static struct nvme_sqe piece(struct host *h, uint8_t op, uint32_t nsid, uint32_t nblocks,
			     uint64_t gpa, uint64_t list, bool sgl)
{
	struct nvme_sqe sqe = sqe_rw(op, nsid, 8, nblocks, gpa);
	uint64_t *entries = host_ptr(h, list), page = gpa & ~(HOST_PAGE - 1ull);
	unsigned int i;

	for (i = 0; i < HOST_PAGE / 8; i++)
		entries[i] = htole64(page + (i + 1) * (uint64_t)HOST_PAGE);
	sqe.prp2 = htole64(list);
	if (sgl) {
		sqe.flags = 1 << 6;
		sqe.prp2 = htole64(nblocks * 512u);
	}
	return sqe;
}

/* Of all sizes, below and above what is done in steps, with an offset and without. */
static void pieces(void)
{
	static const uint32_t nblocks[] = {9, 16, 24, 25, 64, 127, 128, 129, 256, 2047, 2048};
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t area = host_alloc(h, 258 * HOST_PAGE), list = host_alloc(h, HOST_PAGE);
	uint8_t *ram = host_ptr(h, area), *sent = malloc(1 << 20);
	unsigned int sgl, offset;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nblocks) * 4; i++) {
		uint32_t n = nblocks[i / 4], len = n * 512;
		struct nvme_sqe sqe;

		sgl = i & 1;
		offset = i & 2 ? 512 : 0;
		if (!sgl && len <= 2 * HOST_PAGE)
			continue;
		fill(ram, 258 * HOST_PAGE, i);
		memcpy(sent, ram + offset, len);
		sqe = piece(h, nvme_cmd_write, NS_RAM, n, area + offset, list, sgl);
		CU_ASSERT_EQUAL(host_run(q, sqe), 0);
		memset(ram, 0xee, 258 * HOST_PAGE);
		sqe = piece(h, nvme_cmd_read, NS_RAM, n, area + 512 - offset, list, sgl);
		CU_ASSERT_EQUAL(host_run(q, sqe), 0);
		CU_ASSERT_EQUAL(memcmp(sent, ram + 512 - offset, len), 0);
		CU_ASSERT_EQUAL(ram[512 - offset + len], 0xee);
	}
	free(sent);
	host_close(h);
}

/* Where nothing is copied, addresses are checked all the same. */
static void wrong_pieces(void)
{
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t area = host_alloc(h, 258 * HOST_PAGE), list = host_alloc(h, HOST_PAGE);
	uint64_t *entries = host_ptr(h, list);
	uint32_t nsid;
	unsigned int i, end = HOST_GPA + HOST_RAM;
	struct nvme_sqe sqe;

	for (nsid = NS_RAM; nsid <= NS_NULL; nsid++) {
		for (i = 0; i < 15; i++) {
			sqe = piece(h, nvme_cmd_read, nsid, 128, area, list, false);
			entries[i] = htole64(end);
			CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_DATA_XFER_ERROR);
			entries[i] = htole64(area + 4);
			CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_PRP_INVALID_OFFSET);
			entries[i] = htole64(area);
			CU_ASSERT_EQUAL(host_run(q, sqe), 0);
		}
		sqe = piece(h, nvme_cmd_read, nsid, 128, end - 15 * HOST_PAGE, list, false);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_DATA_XFER_ERROR);
		sqe = piece(h, nvme_cmd_read, nsid, 128, area + 2, list, false);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_PRP_INVALID_OFFSET);
		sqe = piece(h, nvme_cmd_read, nsid, 128, end - 65536 + 512, list, true);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_DATA_XFER_ERROR);
		sqe = piece(h, nvme_cmd_read, nsid, 128, area + 2, list, true);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_SGL_INVALID_GRANULARITY);
		sqe = piece(h, nvme_cmd_read, nsid, 128, area, list, true);
		sqe.prp2 = htole64(65536 + 4);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_SGL_INVALID_DATA);
		sqe.prp2 = htole64(65536 - 4);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_SGL_INVALID_DATA);
		sqe.prp2 = htole64(65536 | 1ull << 56);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_SGL_INVALID_TYPE);
		/* MDTS and a block. */
		sqe = piece(h, nvme_cmd_read, nsid, 2049, area, list, true);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_INVALID_FIELD);
		sqe = piece(h, nvme_cmd_read, nsid, 2049, area, list, false);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_INVALID_FIELD);
		/* Beyond the end of the medium, and a directive. */
		sqe = piece(h, nvme_cmd_read, nsid, 128, area, list, true);
		sqe.cdw10 = htole32((nsid == NS_RAM ? RAM_BLOCKS : NULL_BLOCKS) - 127);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_LBA_RANGE);
		sqe = piece(h, nvme_cmd_write, nsid, 128, area, list, true);
		sqe.cdw12 |= htole32(1u << 20);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_INVALID_FIELD);
	}
	host_close(h);
}

/* Data in the pages of PRP1 and PRP2, which may be neighbours, in any order, or the same. */
static void two_pages(void)
{
	static const unsigned int offsets[] = {0, 512, 2048, 3584, 4, 4092};
	static const unsigned int seconds[] = {2, 1, 3}; /* the first page is page 1 of the area */
	struct host *h = host_open(&(struct host_params){.idle_ns = 0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t area = host_alloc(h, 4 * HOST_PAGE), from = area + HOST_PAGE;
	uint8_t *ram = host_ptr(h, area), sent[2 * HOST_PAGE], got[2 * HOST_PAGE];
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint32_t first = HOST_PAGE - offsets[i], len;

		for (len = first / 512 * 512 + 512; len <= first + HOST_PAGE; len += 512) {
			for (k = 0; k < ARRAY_SIZE(seconds); k++) {
				uint64_t to = area + seconds[k] * (uint64_t)HOST_PAGE;
				struct nvme_sqe sqe = sqe_rw(nvme_cmd_write, NS_RAM, 64, len / 512,
							     area + offsets[i]);

				fill(ram, 4 * HOST_PAGE, len + k);
				sqe.prp2 = htole64(from);
				memcpy(sent, ram + offsets[i], len);
				CU_ASSERT_EQUAL(host_run(q, sqe), 0);
				memset(ram, 0xee, 4 * HOST_PAGE);
				sqe = sqe_rw(nvme_cmd_read, NS_RAM, 64, len / 512,
					     from + offsets[i]);
				sqe.prp2 = htole64(to);
				CU_ASSERT_EQUAL(host_run(q, sqe), 0);
				if (to == from) /* the second part overwrites the first */
					continue;
				memcpy(got, host_ptr(h, from + offsets[i]), first);
				memcpy(got + first, host_ptr(h, to), len - first);
				CU_ASSERT_EQUAL(memcmp(sent, got, len), 0);
				CU_ASSERT(len - first == HOST_PAGE ||
					  *(uint8_t *)host_ptr(h, to + len - first) == 0xee);
			}
		}
	}
	/* What the second entry may not be. */
	for (i = 0; i < 2; i++) {
		struct nvme_sqe sqe =
			sqe_rw(i ? nvme_cmd_write : nvme_cmd_read, NS_RAM, 0, 16, area);

		sqe.prp2 = htole64(from + 4);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_PRP_INVALID_OFFSET);
		sqe.prp2 = htole64(HOST_GPA + HOST_RAM);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_DATA_XFER_ERROR);
		sqe.prp2 = htole64(from);
		sqe.cdw10 = htole32(RAM_BLOCKS - 15);
		CU_ASSERT_EQUAL(host_run(q, sqe), NVME_SC_LBA_RANGE);
	}
	host_close(h);
}

static void zeroes(void)
{
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t buf = host_alloc(h, HOST_PAGE);
	uint8_t *p = host_ptr(h, buf);
	int i, wrong = 0;

	memset(p, 0x77, HOST_PAGE);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write, NS_RAM, 10, 8, buf)), 0);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write_zeroes, NS_RAM, 12, 3, 0)), 0);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_RAM, 10, 8, buf)), 0);
	for (i = 0; i < 4096; i++)
		wrong += p[i] != (i / 512 >= 2 && i / 512 < 5 ? 0 : 0x77);
	CU_ASSERT_EQUAL(wrong, 0);
	host_close(h);
}

/* --- Dataset Management --- */

static struct nvme_sqe sqe_dsm(uint32_t nsid, unsigned int n, uint32_t attributes, uint64_t gpa)
{
	return (struct nvme_sqe){
		.opcode = nvme_cmd_dsm,
		.nsid = htole32(nsid),
		.prp1 = htole64(gpa),
		.cdw10 = htole32(n - 1),
		.cdw11 = htole32(attributes),
	};
}

/* All 256 ranges, in steps that complete inline (RAM) and late (the slow one, if not cancelled). */
static void dsm(void)
{
	struct host *h = host_open(&(struct host_params){.latency_us = 100});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t list = host_alloc(h, HOST_PAGE), buf = host_alloc(h, HOST_PAGE);
	struct nvme_dsm_range *r = host_ptr(h, list);
	uint32_t *word = host_ptr(h, buf);
	uint64_t i;

	for (i = 0; i < 256; i++) {
		memset(word, 0x11, 512);
		CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write, NS_RAM, 2 * i, 1, buf)), 0);
		/* Some are empty: nothing to do. */
		r[i] = (struct nvme_dsm_range){.slba = htole64(2 * i), .nlb = htole32(i % 5 != 3)};
	}
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_RAM, 256, 4, list)), 0);
	for (i = 0; i < 256; i++) {
		CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_RAM, 2 * i, 1, buf)), 0);
		CU_ASSERT_EQUAL(word[0], i % 5 != 3 ? 0 : 0x11111111);
	}
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_SLOW, 256, 4, list)), 0);
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_NULL, 256, 4, list)), 0);
	for (i = 0; i < 256; i++)
		r[i].nlb = 0;
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_RAM, 256, 4, list)), 0);
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_RAM, 1, 4, list)), 0);
	host_close(h);
}

/* One bad range of many: nothing is deallocated. */
static void dsm_refused(void)
{
	static const struct {
		uint64_t slba;
		uint32_t nlb;
	} bad[] = {
		{RAM_BLOCKS, 1},	  {RAM_BLOCKS - 1, 2}, {0, RAM_BLOCKS + 1}, {UINT64_MAX, 1},
		{UINT64_MAX, UINT32_MAX}, {1, UINT32_MAX},     {RAM_BLOCKS + 1, 0},
	};
	struct host *h = host_open(&(struct host_params){0});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	uint64_t list = host_alloc(h, HOST_PAGE), buf = host_alloc(h, HOST_PAGE);
	struct nvme_dsm_range *r = host_ptr(h, list);
	uint32_t *word = host_ptr(h, buf);
	size_t i;

	memset(word, 0x11, 512);
	CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_write, NS_RAM, 0, 1, buf)), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		r[0] = (struct nvme_dsm_range){.slba = 0, .nlb = htole32(1)};
		r[1] = (struct nvme_dsm_range){
			.slba = htole64(bad[i].slba),
			.nlb = htole32(bad[i].nlb),
		};
		CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_RAM, 2, 4, list)), NVME_SC_LBA_RANGE);
		word[0] = 0;
		CU_ASSERT_EQUAL(host_run(q, sqe_rw(nvme_cmd_read, NS_RAM, 0, 1, buf)), 0);
		CU_ASSERT_EQUAL(word[0], 0x11111111);
	}
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(NS_RAM, 1, 4, 0x1000)), NVME_SC_DATA_XFER_ERROR);
	CU_ASSERT_EQUAL(host_run(q, sqe_dsm(0, 1, 4, list)), NVME_SC_INVALID_NS);
	host_close(h);
}

/* Flush of one, of all, of none. */
static void flush(void)
{
	static const struct {
		uint32_t nsid;
		uint16_t expected;
	} table[] = {
		{NS_RAM, 0},
		{NS_SLOW, 0},
		{NVME_NSID_ALL, 0},
		{0, NVME_SC_INVALID_NS},
		{NS_SLOW + 1, NVME_SC_INVALID_NS},
		{NVME_NSID_ALL - 1, NVME_SC_INVALID_NS},
	};
	struct host *h = host_open(&(struct host_params){.latency_us = 1000});
	struct host_queue *q = host_add_queue(h, 1, 16, 16);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		CU_ASSERT_EQUAL(host_run(q, sqe_flush(table[i].nsid)), table[i].expected);
	host_close(h);
}

static const struct test_case cases[] = {
	{"ranges", ranges},	      {"fields", fields}, {"status_table", status_table},
	{"round_trip", round_trip},   {"pieces", pieces}, {"wrong_pieces", wrong_pieces},
	{"two_pages", two_pages},     {"zeroes", zeroes}, {"dsm", dsm},
	{"dsm_refused", dsm_refused}, {"flush", flush},
};

TEST_MAIN("io", cases)
