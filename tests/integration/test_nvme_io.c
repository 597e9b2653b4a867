/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVM command set on namespaces of several kinds: data in all shapes of PRPs, and each
 * command's rules (NVMe 1.4, 4.3 and chapter 6).
 */
#include <endian.h>
#include <errno.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 64MiB, block_size: 4096}\n"
		 "  - {name: file0, type: file, path: @/disk, size: 64MiB, block_size: 512,"
		 " direct: false, create: true}\n"
		 "  - {name: null0, type: null, size: 1TiB, block_size: 512}\n",
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 4, namespaces: ["
		       "{bdev: ram0}, {bdev: ram1}, {bdev: file0}, {bdev: null0},"
		       " {bdev: ram0, nsid: 5, read_only: true}, {bdev: ram0, nsid: 9}]}\n",
};

#define MDTS_BYTES (1u << 20)
#define RAM_BYTES  (64u << 20)

static const struct ns {
	const char *name;
	uint32_t nsid;
	uint32_t block_size;
} data_ns[] = {{"malloc, 512", 1, 512}, {"malloc, 4096", 2, 4096}, {"file, 512", 3, 512}};

#define FOR_EACH_NS(ns) for (ns = data_ns; ns < data_ns + 3; ns++)

static struct fe_nvme ctrl;
static struct fe_qpair io;
static struct fe_buf buf, buf2;

static bool setup(void)
{
	if (!fe_fixture_open_io(&ctrl, "nvme0", &io, 64))
		return false;
	fe_buf_alloc(&ctrl, &buf, 2 * MDTS_BYTES);
	fe_buf_alloc(&ctrl, &buf2, 2 * MDTS_BYTES);
	return true;
}

/* The status of one command without data. */
static int run(struct fe_sqe sqe)
{
	return fe_exec(&io.sq, &sqe, NULL);
}

static void test_sizes(void)
{
	const struct ns *ns;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		uint32_t max = MDTS_BYTES / ns->block_size, n;

		for (n = 1; n <= max; n = n < max && n * 3 > max ? max : n * 3) {
			int err = fe_verify(&io.sq, ns->nsid, n, n, ns->block_size, &buf, n);

			if (!CHECK_EQ(err, 0))
				printf("# %s, %u blocks\n", ns->name, n);
			if (n == max)
				break;
		}
	}
}

/* Every offset of the first page that is a multiple of a dword, at a few lengths. */
static void test_prp_offsets(void)
{
	static const uint32_t lens[] = {512, 4096, 8192, 12288};
	size_t off, i;

	REQUIRE(setup());
	for (i = 0; i < 4; i++) {
		for (off = 0; off < FE_PAGE; off += off < 64 || off > 4000 ? 4 : 252) {
			struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, 1, 64, lens[i] / 512);

			fe_pattern_fill(buf.va + off, lens[i], off + i);
			fe_buf_prps(&sqe, &buf, off, lens[i]);
			REQUIRE_EQ(run(sqe), 0);
			memset(buf2.va, 0xee, 5 * FE_PAGE);
			sqe = fe_sqe_rw(nvme_cmd_read, 1, 64, lens[i] / 512);
			fe_buf_prps(&sqe, &buf2, FE_PAGE - 4 - off % FE_PAGE, lens[i]);
			REQUIRE_EQ(run(sqe), 0);
			REQUIRE(fe_pattern_check(buf2.va + FE_PAGE - 4 - off, lens[i], off + i));
			/* Not a byte more than asked for, on either side. */
			CHECK_EQ(buf2.va[FE_PAGE - 4 - off + lens[i]], 0xee);
			if (off < FE_PAGE - 4)
				CHECK_EQ(buf2.va[FE_PAGE - 5 - off], 0xee);
		}
	}
}

/* Pages in reverse order, in two regions, and a list that begins late in its page and chains. */
static void test_scattered_pages(void)
{
	static const size_t starts[] = {0, 1, 255, 500, 509, 510, 511};
	uint64_t pages[257], high_gpa;
	uint8_t *va[257];
	uint8_t *high;
	size_t i, k;

	REQUIRE(setup());
	high = fe_mem_alloc_in(&ctrl.mem, 1, 257 * FE_PAGE, FE_PAGE, &high_gpa);
	REQUIRE(high != NULL);
	for (i = 0; i < 257; i++) {
		pages[i] = i % 2 ? high_gpa + (256 - i) * FE_PAGE : buf.gpa + (256 - i) * FE_PAGE;
		va[i] = i % 2 ? high + (256 - i) * FE_PAGE : buf.va + (256 - i) * FE_PAGE;
	}
	for (k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, 1, 2048, MDTS_BYTES / 512);

		for (i = 0; i < 256; i++)
			fe_pattern_fill(va[i], FE_PAGE, k << 32 | i << 12);
		fe_prp_build(&sqe, pages, 256, 0, buf2.list, buf2.list_gpa, starts[k]);
		REQUIRE_EQ(run(sqe), 0);
		memset(buf2.va, 0, MDTS_BYTES);
		REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_read, 1, 2048, 2048, 512, &buf2), 0);
		for (i = 0; i < 256; i++)
			CHECK(fe_pattern_check(buf2.va + i * FE_PAGE, FE_PAGE, k << 32 | i << 12));
		/* And read back into the scattered pages, 1 MiB at an offset: 257 of them. */
		for (i = 0; i < 257; i++)
			memset(va[i], 0x11, FE_PAGE);
		sqe = fe_sqe_rw(nvme_cmd_read, 1, 2048, MDTS_BYTES / 512);
		fe_prp_build(&sqe, pages, 257, 2048, buf2.list, buf2.list_gpa, starts[k]);
		REQUIRE_EQ(run(sqe), 0);
		CHECK(memcmp(va[0] + 2048, buf2.va, 2048) == 0);
		for (i = 1; i < 256; i++)
			CHECK(memcmp(va[i], buf2.va + i * FE_PAGE - 2048, FE_PAGE) == 0);
		CHECK(memcmp(va[256], buf2.va + MDTS_BYTES - 2048, 2048) == 0);
		CHECK_EQ(va[256][2048], 0x11);
		CHECK_EQ(va[0][2047], 0x11);
	}
}

static void test_more_than_mdts(void)
{
	static const uint8_t opcs[] = {nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare};
	size_t i;

	REQUIRE(setup());
	for (i = 0; i < 3; i++) {
		struct fe_sqe sqe = fe_sqe_rw(opcs[i], 1, 0, MDTS_BYTES / 512 + 1);

		fe_buf_prps(&sqe, &buf, 0, MDTS_BYTES + 512);
		CHECK_EQ(run(sqe), NVME_SC_INVALID_FIELD | FE_DNR);
		sqe = fe_sqe_rw(opcs[i], 2, 0, 65536);
		fe_buf_prps(&sqe, &buf, 0, MDTS_BYTES);
		CHECK_EQ(run(sqe), NVME_SC_INVALID_FIELD | FE_DNR);
	}
}

static void test_write_reaches_the_other_namespace(void)
{
	REQUIRE(setup());
	fe_pattern_fill(buf.va, 4096, 3);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_write, 1, 0, 8, 512, &buf), 0);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 9, 0, 8, 512, &buf2), 0);
	CHECK(fe_pattern_check(buf2.va, 4096, 3));
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 5, 0, 8, 512, &buf2), 0);
	CHECK(fe_pattern_check(buf2.va, 4096, 3));
}

static void test_last_block(void)
{
	const struct ns *ns;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		uint64_t last = RAM_BYTES / ns->block_size - 1;
		uint32_t bs = ns->block_size;

		CHECK_EQ(fe_verify(&io.sq, ns->nsid, last, 1, bs, &buf, 5), 0);
		CHECK_EQ(fe_verify(&io.sq, ns->nsid, last - 7, 8, bs, &buf, 6), 0);
		CHECK_EQ(fe_verify(&io.sq, ns->nsid, 0, 1, bs, &buf, 7), 0);
	}
}

static void test_lba_out_of_range(void)
{
	static const uint8_t opcs[] = {nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare,
				       nvme_cmd_write_zeroes};
	const uint64_t blocks = RAM_BYTES / 512;
	const struct {
		uint64_t lba;
		uint32_t n;
	} bad[] = {
		{blocks, 1},	   {blocks - 1, 2},	      {blocks - 7, 8 + 1}, {UINT64_MAX, 1},
		{UINT64_MAX, 16},  {UINT64_MAX - 7, 8},	      {UINT64_MAX - 6, 8}, {1ULL << 63, 8},
		{blocks * 512, 1}, {UINT64_MAX / 512 + 1, 8}, {blocks - 1, 1024},
	};
	size_t i, k;

	REQUIRE(setup());
	for (k = 0; k < 4; k++) {
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			struct fe_sqe sqe = fe_sqe_rw(opcs[k], 1, bad[i].lba, bad[i].n);

			fe_buf_prps(&sqe, &buf, 0, bad[i].n * 512);
			if (!CHECK_EQ(run(sqe), NVME_SC_LBA_RANGE | FE_DNR))
				printf("# opcode %u, lba %#llx, %u blocks\n", opcs[k],
				       (unsigned long long)bad[i].lba, bad[i].n);
		}
	}
}

static void test_flush(void)
{
	uint32_t nsid;
	int status;

	REQUIRE(setup());
	for (nsid = 1; nsid <= 5; nsid++)
		CHECK_EQ(run(fe_sqe_flush(nsid)), 0);
	/* What the identify data promise about FFFFFFFFh (VWC 2:1). */
	REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_CTRL, 0, &buf), 0);
	status = run(fe_sqe_flush(NVME_NSID_ALL));
	if ((buf.va[offsetof(struct nvme_id_ctrl, vwc)] >> 1 & 3) == 3)
		CHECK_EQ(status, 0);
	else
		CHECK_EQ(status, NVME_SC_INVALID_NS | FE_DNR);
}

static void test_force_unit_access(void)
{
	const struct ns *ns;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		uint32_t n = 16384 / ns->block_size;
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, ns->nsid, 32, n);

		fe_pattern_fill(buf.va, 16384, ns->nsid);
		fe_buf_prps(&sqe, &buf, 0, 16384);
		sqe.cdw12 |= (uint32_t)NVME_IO_FUA << 16;
		CHECK_EQ(run(sqe), 0);
		sqe = fe_sqe_rw(nvme_cmd_read, ns->nsid, 32, n);
		sqe.cdw12 |= (uint32_t)NVME_IO_FUA << 16;
		fe_buf_prps(&sqe, &buf2, 0, 16384);
		CHECK_EQ(run(sqe), 0);
		CHECK(fe_pattern_check(buf2.va, 16384, ns->nsid));
	}
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void write_zeroes(const struct ns *ns, bool deallocate)
{
	uint32_t n = MDTS_BYTES / ns->block_size, bs = ns->block_size;
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write_zeroes, ns->nsid, 3, n - 5);

	if (deallocate)
		sqe.cdw12 |= (uint32_t)NVME_IO_DEAC << 16;
	memset(buf.va, 0xff, MDTS_BYTES);
	REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_write, ns->nsid, 0, n, bs, &buf), 0);
	CHECK_EQ(run(sqe), 0);
	REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_read, ns->nsid, 0, n, bs, &buf2), 0);
	CHECK(memcmp(buf.va, buf2.va, 3 * bs) == 0);
	CHECK(all_zero(buf2.va + 3 * bs, (n - 5) * bs));
	CHECK(memcmp(buf.va, buf2.va + (n - 2) * bs, 2 * bs) == 0);
	/* No data transfer, so MDTS is no limit: the most that the field can say. */
	sqe = fe_sqe_rw(nvme_cmd_write_zeroes, ns->nsid, 0,
			RAM_BYTES / bs < 65536 ? RAM_BYTES / bs : 65536);
	CHECK_EQ(run(sqe), 0);
	REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_read, ns->nsid, 0, n, bs, &buf2), 0);
	CHECK(all_zero(buf2.va, MDTS_BYTES));
}

static void test_write_zeroes(void)
{
	const struct ns *ns;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		write_zeroes(ns, false);
		write_zeroes(ns, true);
	}
}

static void test_compare(void)
{
	const struct ns *ns;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		uint32_t n = 65536 / ns->block_size, bs = ns->block_size;

		fe_pattern_fill(buf.va, 65536, 9);
		REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_write, ns->nsid, 64, n, bs, &buf), 0);
		CHECK_EQ(fe_rw(&io.sq, nvme_cmd_compare, ns->nsid, 64, n, bs, &buf), 0);
		buf.va[65535] ^= 1;
		CHECK_EQ(FE_SC(fe_rw(&io.sq, nvme_cmd_compare, ns->nsid, 64, n, bs, &buf)),
			 FE_MEDIA(NVME_SC_COMPARE_FAILED & 0xff));
		buf.va[65535] ^= 1;
		buf.va[0] ^= 0x80;
		CHECK_EQ(FE_SC(fe_rw(&io.sq, nvme_cmd_compare, ns->nsid, 64, n, bs, &buf)),
			 FE_MEDIA(NVME_SC_COMPARE_FAILED & 0xff));
		/* Compare does not write. */
		buf.va[0] ^= 0x80;
		CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, ns->nsid, 64, n, bs, &buf2), 0);
		CHECK(memcmp(buf.va, buf2.va, 65536) == 0);
	}
}

static void put_range(unsigned int i, uint64_t lba, uint32_t n)
{
	struct nvme_dsm_range *r = (void *)(buf2.va + i * sizeof(*r));

	*r = (struct nvme_dsm_range){.slba = htole64(lba), .nlb = htole32(n)};
}

/* All 256 ranges, each a block of 16 apart from the next: what is between them stays. */
static void test_dsm_256_ranges(void)
{
	const struct ns *ns;
	unsigned int i;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		struct fe_sqe sqe = fe_sqe_dsm(ns->nsid, 256, NVME_DSMGMT_AD, buf2.gpa);
		uint32_t bs = ns->block_size, n = MDTS_BYTES / bs;
		bool zeroes;

		/* What deallocated blocks read as is for the namespace to say. */
		REQUIRE_EQ(fe_identify(&ctrl, NVME_IDENTIFY_CNS_NS, ns->nsid, &buf), 0);
		zeroes = (buf.va[offsetof(struct nvme_id_ns, dlfeat)] & 7) == 1;
		fe_pattern_fill(buf.va, MDTS_BYTES, 44);
		REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_write, ns->nsid, 0, n, bs, &buf), 0);
		for (i = 0; i < 256; i++)
			put_range(i, i * (n / 256), 1);
		CHECK_EQ(run(sqe), 0);
		REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_read, ns->nsid, 0, n, bs, &buf2), 0);
		for (i = 0; i < 256; i++) {
			size_t at = i * (n / 256) * bs, rest = (n / 256 - 1) * bs;

			CHECK(!zeroes || all_zero(buf2.va + at, bs));
			CHECK(memcmp(buf.va + at + bs, buf2.va + at + bs, rest) == 0);
		}
		CHECK_EQ(fe_verify(&io.sq, ns->nsid, 0, n, bs, &buf, 45), 0);
	}
}

static void test_dsm_rules(void)
{
	const uint64_t blocks = RAM_BYTES / 512;
	struct fe_sqe sqe;
	unsigned int i;

	REQUIRE(setup());
	/* One bad range among good ones, at each place. */
	for (i = 0; i < 4; i++) {
		unsigned int k;

		for (k = 0; k < 4; k++)
			put_range(k, k == i ? blocks - 1 : 0, k == i ? 2 : 1);
		CHECK_EQ(run(fe_sqe_dsm(1, 4, NVME_DSMGMT_AD, buf2.gpa)),
			 NVME_SC_LBA_RANGE | FE_DNR);
	}
	put_range(0, UINT64_MAX, UINT32_MAX);
	CHECK_EQ(run(fe_sqe_dsm(1, 1, NVME_DSMGMT_AD, buf2.gpa)), NVME_SC_LBA_RANGE | FE_DNR);
	/* A range of 0 blocks does nothing; hints for reading and writing may be ignored. */
	put_range(0, 0, 0);
	CHECK_EQ(run(fe_sqe_dsm(1, 1, NVME_DSMGMT_AD, buf2.gpa)), 0);
	put_range(0, 0, 8);
	CHECK_EQ(run(fe_sqe_dsm(1, 1, NVME_DSMGMT_IDR | NVME_DSMGMT_IDW, buf2.gpa)), 0);
	CHECK_EQ(run(fe_sqe_dsm(1, 1, 0, buf2.gpa)), 0);
	/* The list in two pages. */
	for (i = 0; i < 256; i++)
		put_range(i, i, 1);
	memmove(buf2.va + 2048, buf2.va, 4096);
	sqe = fe_sqe_dsm(1, 256, NVME_DSMGMT_AD, buf2.gpa + 2048);
	sqe.prp2 = buf2.gpa + FE_PAGE;
	CHECK_EQ(run(sqe), 0);
	CHECK_EQ(run(fe_sqe_dsm(5, 1, NVME_DSMGMT_AD, buf2.gpa)),
		 NVME_SC_NS_WRITE_PROTECTED | FE_DNR);
}

static void test_read_only_namespace(void)
{
	REQUIRE(setup());
	fe_pattern_fill(buf.va, 4096, 8);
	REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_write, 1, 0, 8, 512, &buf), 0);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_write, 5, 0, 8, 512, &buf2),
		 NVME_SC_NS_WRITE_PROTECTED | FE_DNR);
	CHECK_EQ(run(fe_sqe_rw(nvme_cmd_write_zeroes, 5, 0, 8)),
		 NVME_SC_NS_WRITE_PROTECTED | FE_DNR);
	CHECK_EQ(run(fe_sqe_flush(5)), 0);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_compare, 5, 0, 8, 512, &buf), 0);
	REQUIRE_EQ(fe_rw(&io.sq, nvme_cmd_read, 5, 0, 8, 512, &buf2), 0);
	CHECK(fe_pattern_check(buf2.va, 4096, 8));
}

/* {entry, expected status}: what each field may not be. */
static void test_invalid_commands(void)
{
	struct fe_sqe good = fe_sqe_rw(nvme_cmd_read, 1, 0, 8);
	const struct {
		const char *what;
		uint8_t opc, flags;
		uint32_t nsid;
		int status;
	} bad[] = {
		{"opcode 03h", 0x03, 0, 1, NVME_SC_INVALID_OPCODE},
		{"write uncorrectable, not offered", nvme_cmd_write_uncor, 0, 1,
		 NVME_SC_INVALID_OPCODE},
		{"reservation register, not offered", nvme_cmd_resv_register, 0, 1,
		 NVME_SC_INVALID_OPCODE},
		{"vendor specific opcode", 0x80, 0, 1, NVME_SC_INVALID_OPCODE},
		{"opcode ffh", 0xff, 0, 1, NVME_SC_INVALID_OPCODE},
		{"namespace 0", nvme_cmd_read, 0, 0, NVME_SC_INVALID_NS},
		{"namespace beyond NN", nvme_cmd_read, 0, 0x10000, NVME_SC_INVALID_NS},
		{"namespace fffffffeh", nvme_cmd_read, 0, 0xfffffffe, NVME_SC_INVALID_NS},
		{"all namespaces", nvme_cmd_read, 0, NVME_NSID_ALL, NVME_SC_INVALID_NS},
		{"inactive namespace", nvme_cmd_read, 0, 7, NVME_SC_INVALID_FIELD},
		{"flush of namespace 0", nvme_cmd_flush, 0, 0, NVME_SC_INVALID_NS},
		{"fused, first", nvme_cmd_read, 1, 1, NVME_SC_INVALID_FIELD},
		{"fused, second", nvme_cmd_read, 2, 1, NVME_SC_INVALID_FIELD},
		{"fused, reserved", nvme_cmd_read, 3, 1, NVME_SC_INVALID_FIELD},
		{"SGL of no bytes", nvme_cmd_read, 1 << 6, 1, NVME_SC_SGL_INVALID_DATA},
		{"the same with a metadata SGL", nvme_cmd_read, 2 << 6, 1,
		 NVME_SC_SGL_INVALID_DATA},
		{"PSDT 11b", nvme_cmd_read, 3 << 6, 1, NVME_SC_INVALID_FIELD},
	};
	size_t i;

	REQUIRE(setup());
	fe_buf_prps(&good, &buf, 0, 4096);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fe_sqe sqe = good;

		sqe.opc = bad[i].opc;
		sqe.flags = bad[i].flags;
		sqe.nsid = bad[i].nsid;
		if (!CHECK_EQ(run(sqe), bad[i].status | FE_DNR))
			printf("# %s\n", bad[i].what);
	}
	CHECK_EQ(run(good), 0);
}

static void put_descriptor(uint8_t *at, uint64_t gpa, uint32_t len, uint8_t type)
{
	memcpy(at, &gpa, 8);
	memcpy(at + 8, &len, 4);
	memset(at + 12, 0, 3);
	at[15] = (uint8_t)(type << 4);
}

/* The data backwards in blocks of 1 KiB, over two segments: what is written so is read by PRPs. */
static void test_sgls(void)
{
	const struct ns *ns;

	REQUIRE(setup());
	FOR_EACH_NS(ns)
	{
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, ns->nsid, 8, 32768 / ns->block_size);
		uint8_t *pointer = (uint8_t *)&sqe + offsetof(struct fe_sqe, prp1);
		uint8_t *list = buf2.va + 65536;
		uint64_t list_gpa = buf2.gpa + 65536;
		unsigned int i;

		fe_pattern_fill(buf.va, 32768, ns->nsid);
		for (i = 0; i < 32; i++) {
			memcpy(buf2.va + (31 - i) * 1024, buf.va + i * 1024, 1024);
			put_descriptor(list + 16 * (i + (i >= 20)), buf2.gpa + (31 - i) * 1024,
				       1024, 0);
		}
		put_descriptor(list + 16 * 20, list_gpa + 16 * 21, 16 * 12, 3);
		sqe.flags = 1 << 6;
		put_descriptor(pointer, list_gpa, 16 * 21, 2);
		CHECK_EQ(run(sqe), 0);
		memset(buf.va, 0, 32768);
		CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, ns->nsid, 8, 32768 / ns->block_size,
			       ns->block_size, &buf),
			 0);
		CHECK(fe_pattern_check(buf.va, 32768, ns->nsid));
		/* And a read by one block. */
		memset(buf2.va, 0, 32768);
		sqe.opc = nvme_cmd_read;
		put_descriptor(pointer, buf2.gpa, 32768, 0);
		CHECK_EQ(run(sqe), 0);
		CHECK(fe_pattern_check(buf2.va, 32768, ns->nsid));
	}
}

/* As deep as the queue allows, all sizes mixed, checked at the end. */
static void test_deep_queue(void)
{
	static struct fe_load loads[3];
	struct fe_qpair qps[3];
	unsigned int i;

	REQUIRE(setup());
	for (i = 0; i < 3; i++) {
		REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &qps[i], (uint16_t)(i + 2), 256), 0);
		loads[i] = (struct fe_load){
			.qp = &qps[i],
			.nsid = data_ns[i].nsid,
			.nblocks = 4096 / data_ns[i].block_size,
			.block_size = data_ns[i].block_size,
			.depth = 128,
			.verify = true,
		};
		REQUIRE_EQ(fe_load_start(&loads[i]), 0);
	}
	for (i = 0; i < 3; i++)
		CHECK_EQ(fe_load_wait(&loads[i], 3000), 0);
	for (i = 0; i < 3; i++) {
		fe_load_stop(&loads[i]);
		CHECK_EQ(loads[i].failed, 0);
		CHECK_EQ(loads[i].corrupted, 0);
		CHECK(!loads[i].stalled);
	}
}

static void test_null_bdev(void)
{
	REQUIRE(setup());
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_write, 4, (1ULL << 40) / 512 - 8, 8, 512, &buf), 0);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 4, 0, 2048, 512, &buf), 0);
	CHECK_EQ(fe_rw(&io.sq, nvme_cmd_read, 4, (1ULL << 40) / 512, 1, 512, &buf),
		 NVME_SC_LBA_RANGE | FE_DNR);
}

static const struct test_case cases[] = {
	{"sizes", test_sizes},
	{"prp_offsets", test_prp_offsets},
	{"scattered_pages", test_scattered_pages},
	{"more_than_mdts", test_more_than_mdts},
	{"write_reaches_the_other_namespace", test_write_reaches_the_other_namespace},
	{"last_block", test_last_block},
	{"lba_out_of_range", test_lba_out_of_range},
	{"flush", test_flush},
	{"force_unit_access", test_force_unit_access},
	{"write_zeroes", test_write_zeroes},
	{"compare", test_compare},
	{"dsm_256_ranges", test_dsm_256_ranges},
	{"dsm_rules", test_dsm_rules},
	{"read_only_namespace", test_read_only_namespace},
	{"invalid_commands", test_invalid_commands},
	{"sgls", test_sgls},
	{"deep_queue", test_deep_queue},
	{"null_bdev", test_null_bdev},
};

FE_TEST_MAIN("nvme_io", cases, &config)
