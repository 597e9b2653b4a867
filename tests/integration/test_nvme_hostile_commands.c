/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands with bad data pointers, bad ranges, or bytes that change while they are read. */
#include <endian.h>
#include <errno.h>

#include "../frontend/fe_hostile.h"

#define OUTSIDE	    0x7000000000ULL
#define RAM_END	    (32ULL << 20) /* of region 0 */
#define MDTS_BLOCKS 2048

static int run(struct fe_sqe sqe)
{
	return fe_exec(&fe_bad_io.sq, &sqe, NULL);
}

static int admin(struct fe_sqe sqe)
{
	return fe_exec(&fe_bad.admin.sq, &sqe, NULL);
}

/* A read with these PRPs, and a write. Both must end with the status. */
static void expect(uint64_t prp1, uint64_t prp2, uint32_t nblocks, int status)
{
	static const uint8_t opcs[] = {nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare};
	size_t i;

	for (i = 0; i < sizeof(opcs); i++) {
		struct fe_sqe sqe = fe_sqe_rw(opcs[i], FE_NS_RAM, 0, nblocks);

		sqe.prp1 = prp1;
		sqe.prp2 = prp2;
		if (!CHECK_EQ(run(sqe), status | FE_DNR))
			printf("# opcode %u, prp1 %#llx, prp2 %#llx, %u blocks\n", opcs[i],
			       (unsigned long long)prp1, (unsigned long long)prp2, nblocks);
	}
}

/* What a bad command must leave as it was. */
static void still_fine(void)
{
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 4096, 64, 512, &fe_bad_buf, 21), 0);
}

static uint64_t *list(void)
{
	return fe_bad_buf.list;
}

HOSTILE(prp1_outside_memory)
{
	static const uint64_t bad[] = {OUTSIDE, RAM_END, 0xfffffffffffff000ULL,
				       0x8000000000000000ULL, 0xfffffffffffffffcULL};
	size_t i;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i], 0, 1, NVME_SC_DATA_XFER_ERROR);
	still_fine();
}

HOSTILE(prp2_outside_memory)
{
	REQUIRE(fe_bad_open(16));
	expect(fe_bad_buf.gpa, OUTSIDE, 16, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, RAM_END, 16, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, ~0xfffULL, 16, NVME_SC_DATA_XFER_ERROR);
	still_fine();
}

/* The address and the length together pass the end of the region, or of 2^64. */
HOSTILE(data_across_the_end_of_a_region)
{
	uint64_t gpa;

	REQUIRE(fe_bad_open(16));
	/* A region that ends in the middle of a page. */
	REQUIRE(fe_mem_add(&fe_bad.mem, 0x200000000ULL, 4096 + 1024) >= 0);
	gpa = 0x200000000ULL;
	/* The device memory comes last; behind it the table may not go on. */
	{
		struct fe_mem_region last = fe_bad.mem.regions[fe_bad.mem.nregions - 1];

		fe_bad.mem.regions[fe_bad.mem.nregions - 1] =
			fe_bad.mem.regions[fe_bad.mem.nregions - 2];
		fe_bad.mem.regions[fe_bad.mem.nregions - 2] = last;
	}
	REQUIRE_EQ(fe_vhost_set_mem_table(&fe_bad.vhost, &fe_bad.mem), 0);
	expect(gpa + 4096, 0, 4, NVME_SC_DATA_XFER_ERROR);
	expect(gpa + 4096 + 1020, 0, 1, NVME_SC_DATA_XFER_ERROR);
	expect(gpa, gpa + 4096, 16, NVME_SC_DATA_XFER_ERROR);
	CHECK_EQ(run((struct fe_sqe){
			 .opc = nvme_cmd_read, .nsid = 1, .prp1 = gpa + 4096, .cdw12 = 1}),
		 0);
	still_fine();
}

HOSTILE(list_outside_memory)
{
	REQUIRE(fe_bad_open(16));
	expect(fe_bad_buf.gpa, OUTSIDE, 64, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, RAM_END, 64, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, 0xfffffffffffff000ULL, 64, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, 0xfffffffffffffff8ULL, 64, NVME_SC_DATA_XFER_ERROR);
	still_fine();
}

/* Each entry in turn is the bad one. */
HOSTILE(list_entry_outside_memory)
{
	static const uint64_t bad[] = {OUTSIDE, RAM_END, 0xfffffffffffff000ULL};
	unsigned int i, k;

	REQUIRE(fe_bad_open(16));
	for (k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		for (i = 0; i < 7; i++) {
			unsigned int j;

			for (j = 0; j < 7; j++)
				list()[j] = fe_bad_buf.gpa + (j + 1) * FE_PAGE;
			list()[i] = bad[k];
			expect(fe_bad_buf.gpa, fe_bad_buf.list_gpa, 64, NVME_SC_DATA_XFER_ERROR);
		}
	}
	still_fine();
}

HOSTILE(prp_offsets_where_none_may_be)
{
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	/* Second of two pages; an entry of a list; the list itself, not on 8 bytes. */
	expect(fe_bad_buf.gpa, fe_bad_buf.gpa + FE_PAGE + 8, 16, NVME_SC_PRP_INVALID_OFFSET);
	for (i = 0; i < 7; i++)
		list()[i] = fe_bad_buf.gpa + (i + 1) * FE_PAGE;
	list()[3] |= 0x200;
	expect(fe_bad_buf.gpa, fe_bad_buf.list_gpa, 64, NVME_SC_PRP_INVALID_OFFSET);
	list()[3] &= ~0x200ULL;
	for (i = 1; i < 8; i++)
		expect(fe_bad_buf.gpa, fe_bad_buf.list_gpa + i, 64, NVME_SC_PRP_INVALID_OFFSET);
	/* Data not on a dword. */
	for (i = 1; i < 4; i++)
		expect(fe_bad_buf.gpa + i, 0, 1, NVME_SC_PRP_INVALID_OFFSET);
	still_fine();
}

/* A list whose last entry leads back to itself: read again and again, but not for ever. */
HOSTILE(list_that_leads_to_itself)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_RAM, 0, MDTS_BLOCKS);
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < 512; i++)
		list()[i] = fe_bad_buf.list_gpa;
	sqe.prp1 = fe_bad_buf.gpa;
	/* From the last slot at once, and through all of the page. */
	for (i = 0; i < 512; i += i < 500 ? 100 : 1) {
		int status;

		sqe.prp2 = fe_bad_buf.list_gpa + i * 8;
		status = run(sqe);
		CHECK(status >= 0);
		/* The data that was read has overwritten the list: make it anew. */
		memset(list(), 0, FE_PAGE);
		for (unsigned int k = 0; k < 512; k++)
			list()[k] = fe_bad_buf.list_gpa;
	}
	still_fine();
}

/* Two lists that lead to each other, where each has one slot and no data. */
HOSTILE(lists_in_a_circle)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, FE_NS_RAM, 0, MDTS_BLOCKS);
	uint64_t other_gpa, *other;

	REQUIRE(fe_bad_open(16));
	other = fe_mem_alloc(&fe_bad.mem, FE_PAGE, &other_gpa);
	list()[511] = other_gpa + 511 * 8;
	other[511] = fe_bad_buf.list_gpa + 511 * 8;
	sqe.prp1 = fe_bad_buf.gpa;
	sqe.prp2 = fe_bad_buf.list_gpa + 511 * 8;
	/* A list in a chain begins at the start of its page (4.3). */
	CHECK_EQ(run(sqe), NVME_SC_PRP_INVALID_OFFSET | FE_DNR);
	still_fine();
}

/* The saved state and the doorbells are no guest memory. */
HOSTILE(data_in_the_device_memory)
{
	const uint64_t devmem = VHOST_USER_NVME_DEVMEM_GPA;
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	expect(devmem, 0, 1, NVME_SC_DATA_XFER_ERROR);
	expect(devmem + FE_PAGE, 0, 1, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, devmem, 16, NVME_SC_DATA_XFER_ERROR);
	expect(fe_bad_buf.gpa, devmem, 64, NVME_SC_DATA_XFER_ERROR);
	for (i = 0; i < 7; i++)
		list()[i] = devmem;
	expect(fe_bad_buf.gpa, fe_bad_buf.list_gpa, 64, NVME_SC_DATA_XFER_ERROR);
	still_fine();
}

HOSTILE(queues_in_the_device_memory)
{
	REQUIRE(fe_bad_open(16));
	CHECK(FE_SC(admin(fe_sqe_create_cq(2, 16, VHOST_USER_NVME_DEVMEM_GPA, 2, true))) != 0);
	CHECK(FE_SC(admin(fe_sqe_create_sq(2, 16, VHOST_USER_NVME_DEVMEM_GPA, 1))) != 0);
	fe_bad.admin.sq.gpa = VHOST_USER_NVME_DEVMEM_GPA;
	REQUIRE_EQ(fe_nvme_disable(&fe_bad), 0);
	CHECK_EQ(fe_nvme_enable(&fe_bad), -EIO);
	CHECK(fe_bad_logged(NULL));
}

/* The disk's data lands on the rings and lists that describe the transfer. */
HOSTILE(read_over_ones_own_rings)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_RAM, 0, 8);

		REQUIRE(fe_bad_open(64));
		sqe.prp1 = i == 0   ? fe_bad_io.sq.gpa
			   : i == 1 ? fe_bad_io.cq.gpa
			   : i == 2 ? fe_bad.admin.sq.gpa
			   : i == 3 ? fe_bad.admin.cq.gpa
				    : fe_bad_buf.list_gpa;
		if (i == 5) {
			fe_buf_prps(&sqe, &fe_bad_buf, 0, 1 << 20);
			sqe.cdw12 = MDTS_BLOCKS - 1;
			list()[0] = fe_bad_buf.list_gpa;
		}
		fe_submit(&fe_bad_io.sq, &sqe);
		fe_submit(&fe_bad_io.sq, &sqe);
		fe_sleep_us(5000);
		fe_nvme_close(&fe_bad);
		REQUIRE(fe_bad_open(16));
		still_fine();
	}
}

/* --- ranges --- */

HOSTILE(lba_overflow)
{
	static const uint64_t lbas[] = {UINT64_MAX, UINT64_MAX - 1,   UINT64_MAX - 65535,
					1ULL << 63, UINT64_MAX / 512, (UINT64_MAX / 512) + 1,
					64ULL << 11};
	static const uint8_t opcs[] = {nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare,
				       nvme_cmd_write_zeroes};
	static const uint32_t nsids[] = {FE_NS_RAM, FE_NS_NULL, FE_NS_FILE, FE_NS_SLOW};
	size_t i, k, m;

	REQUIRE(fe_bad_open(16));
	for (m = 0; m < 4; m++) {
		for (i = 0; i < sizeof(lbas) / sizeof(lbas[0]); i++) {
			for (k = 0; k < 4; k++) {
				struct fe_sqe sqe = fe_sqe_rw(opcs[k], nsids[m], lbas[i], 16);

				/* The last one lies on the big null bdev and on the 1 GiB one. */
				if (i == 6 && m != 0 && m != 2)
					continue;
				fe_buf_prps(&sqe, &fe_bad_buf, 0, 8192);
				CHECK_EQ(run(sqe), NVME_SC_LBA_RANGE | FE_DNR);
			}
		}
	}
	still_fine();
}

HOSTILE(more_blocks_than_mdts)
{
	REQUIRE(fe_bad_open(16));
	expect(fe_bad_buf.gpa, fe_bad_buf.list_gpa, MDTS_BLOCKS + 1, NVME_SC_INVALID_FIELD);
	expect(fe_bad_buf.gpa, fe_bad_buf.list_gpa, 65536, NVME_SC_INVALID_FIELD);
	expect(fe_bad_buf.gpa, 0, 65536, NVME_SC_INVALID_FIELD);
	still_fine();
}

HOSTILE(dsm_ranges_beyond_everything)
{
	struct nvme_dsm_range *r;
	struct fe_sqe sqe;
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	r = (void *)fe_bad_buf.va;
	for (i = 0; i < 256; i++)
		r[i] = (struct nvme_dsm_range){.slba = htole64(UINT64_MAX - i),
					       .nlb = htole32(UINT32_MAX)};
	CHECK_EQ(run(fe_sqe_dsm(1, 256, NVME_DSMGMT_AD, fe_bad_buf.gpa)),
		 NVME_SC_LBA_RANGE | FE_DNR);
	CHECK_EQ(run(fe_sqe_dsm(1, 256, NVME_DSMGMT_AD, OUTSIDE)),
		 NVME_SC_DATA_XFER_ERROR | FE_DNR);
	/* The second half is at PRP2. */
	sqe = fe_sqe_dsm(1, 256, NVME_DSMGMT_AD, RAM_END - 2048);
	sqe.prp2 = RAM_END;
	CHECK_EQ(run(sqe), NVME_SC_DATA_XFER_ERROR | FE_DNR);
	CHECK_EQ(run(fe_sqe_dsm(5, 1, NVME_DSMGMT_AD, VHOST_USER_NVME_DEVMEM_GPA)),
		 NVME_SC_DATA_XFER_ERROR | FE_DNR);
	still_fine();
}

static void flip_ranges(void *arg, uint64_t *random)
{
	struct nvme_dsm_range *r = arg;
	uint64_t v = fe_random(random);

	__atomic_store_n(&r[v % 256].slba, v >> (v % 64), __ATOMIC_RELAXED);
	__atomic_store_n(&r[v % 256].nlb, (uint32_t)(v >> 32 >> (v % 32)), __ATOMIC_RELAXED);
}

/* Ranges that are good when they are checked and bad when they are used. */
HOSTILE(dsm_ranges_that_change)
{
	struct fe_pest pest;
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	REQUIRE_EQ(fe_pest_start(&pest, flip_ranges, fe_bad_buf.va), 0);
	for (i = 0; i < 2000; i++) {
		int status =
			run(fe_sqe_dsm(FE_NS_RAM, 1 + i % 256, NVME_DSMGMT_AD, fe_bad_buf.gpa));

		CHECK(status == 0 || status == (NVME_SC_LBA_RANGE | FE_DNR));
	}
	fe_pest_stop(&pest);
	still_fine();
}

/* --- bytes that change --- */

static void flip_sqes(void *arg, uint64_t *random)
{
	struct fe_sq *sq = arg;
	uint64_t v = fe_random(random);
	struct fe_sqe *sqe = &sq->ring[v % sq->entries];

	switch (v >> 8 & 7) {
	case 0:
		__atomic_store_n(&sqe->opc, (uint8_t)(v >> 16 & 1 ? 2 : v >> 20), __ATOMIC_RELAXED);
		break;
	case 1:
		__atomic_store_n(&sqe->nsid, v >> 16 & 1 ? 1 : (uint32_t)(v >> 20) % 8,
				 __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n(&sqe->prp1, v >> 16 & 1 ? fe_bad_buf.gpa : v, __ATOMIC_RELAXED);
		break;
	case 3:
		__atomic_store_n(&sqe->prp2, v >> 16 & 1 ? fe_bad_buf.list_gpa : v,
				 __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n(&sqe->cdw12, v >> 16 & 1 ? 7 : (uint32_t)(v >> 20) % 4096,
				 __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n(&sqe->cdw10, v >> 16 & 1 ? 0 : (uint32_t)(v >> 20),
				 __ATOMIC_RELAXED);
		break;
	}
}

/* Submits and takes completions, whatever they say, while `fn` is at work on `arg`. */
static void run_with_pest(void (*fn)(void *, uint64_t *), void *arg, struct fe_sqe sqe,
			  unsigned int rounds)
{
	struct fe_pest pest;
	struct fe_cqe cqe;
	unsigned int i, k;

	REQUIRE_EQ(fe_pest_start(&pest, fn, arg), 0);
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < 15; k++)
			fe_sq_push(&fe_bad_io.sq, &sqe);
		fe_sq_ring(&fe_bad_io.sq);
		for (k = 0; k < 15; k++) {
			if (CHECK_EQ(fe_cq_wait(&fe_bad_io.cq, &cqe, FE_TIMEOUT_MS), 0))
				continue;
			fe_pest_stop(&pest);
			return;
		}
	}
	fe_pest_stop(&pest);
}

/* Each entry completes exactly once, as some mixture of what it was and what it became. */
HOSTILE(sqe_that_changes)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_RAM, 0, 8);

	REQUIRE(fe_bad_open(16));
	sqe.prp1 = fe_bad_buf.gpa;
	run_with_pest(flip_sqes, &fe_bad_io.sq, sqe, 500);
	CHECK(fe_bad_recovers());
}

static void flip_list(void *arg, uint64_t *random)
{
	static const uint64_t bad[] = {OUTSIDE, RAM_END, 0xfffffffffffff000ULL, 0x123, 0x1001};
	uint64_t v = fe_random(random);
	uint64_t *entries = arg;
	uint64_t value = v & 1 ? bad[(v >> 32) % 5] : fe_bad_buf.gpa + (v >> 32) % 256 * FE_PAGE;

	__atomic_store_n(&entries[(v >> 1) % 256], value, __ATOMIC_RELAXED);
}

HOSTILE(list_that_changes)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_write, FE_NS_RAM, 0, 256);

	REQUIRE(fe_bad_open(16));
	sqe.prp1 = fe_bad_buf.gpa;
	sqe.prp2 = fe_bad_buf.list_gpa;
	run_with_pest(flip_list, list(), sqe, 300);
	still_fine();
}

static void flip_data(void *arg, uint64_t *random)
{
	uint8_t *data = arg;
	uint64_t v = fe_random(random);

	__atomic_store_n((uint64_t *)(void *)(data + v % 512 * 8), v, __ATOMIC_RELAXED);
}

HOSTILE(compare_data_that_changes)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_compare, FE_NS_RAM, 0, 8);

	REQUIRE(fe_bad_open(16));
	sqe.prp1 = fe_bad_buf.gpa;
	run_with_pest(flip_data, fe_bad_buf.va, sqe, 300);
	still_fine();
}

/* --- admin commands --- */

HOSTILE(identify_across_the_end_of_memory)
{
	struct fe_sqe sqe;

	REQUIRE(fe_bad_open(16));
	sqe = fe_sqe_identify(1, 0, RAM_END - 1024);
	sqe.prp2 = RAM_END;
	CHECK_EQ(admin(sqe), NVME_SC_DATA_XFER_ERROR | FE_DNR);
	sqe.prp2 = OUTSIDE;
	CHECK_EQ(admin(sqe), NVME_SC_DATA_XFER_ERROR | FE_DNR);
	CHECK_EQ(admin(fe_sqe_identify(1, 0, ~0ULL - 3)), NVME_SC_DATA_XFER_ERROR | FE_DNR);
	/* No half of it may have been written where the other half could not. */
	still_fine();
}

HOSTILE(log_page_of_sixteen_gigabytes)
{
	static const uint8_t lids[] = {1, 2, 3, 5};
	int status;
	size_t i;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < sizeof(lids); i++) {
		struct fe_sqe sqe = fe_sqe_get_log(lids[i], NVME_NSID_ALL, 0, 512, fe_bad_buf.gpa);

		sqe.cdw10 |= 0xffff0000;
		sqe.cdw11 |= 0xffff;
		sqe.prp2 = fe_bad_buf.list_gpa;
		/* Cut off at the page's end, or refused. */
		status = admin(sqe);
		CHECK(status == 0 || status == (NVME_SC_INVALID_FIELD | FE_DNR));
		sqe.cdw12 = 0xfffffffc;
		sqe.cdw13 = 0xffffffff;
		CHECK(FE_SC(admin(sqe)) != 0);
	}
	still_fine();
}

/* Thousands of admin commands without a pause; the queue is always full. */
HOSTILE(admin_flood)
{
	struct fe_cqe cqe;
	unsigned int i, got = 0;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < 20000; i++) {
		struct fe_sqe sqe = i & 1 ? fe_sqe_identify((uint8_t)(i % 5), i % 7, fe_bad_buf.gpa)
					  : fe_sqe_get_features((uint8_t)i, 0, 0);

		while (fe_sq_full(&fe_bad.admin.sq)) {
			REQUIRE_EQ(fe_cq_wait(&fe_bad.admin.cq, &cqe, FE_TIMEOUT_MS), 0);
			fe_bad.admin.sq.head = cqe.sqhd;
			got++;
		}
		fe_submit(&fe_bad.admin.sq, &sqe);
	}
	while (got++ < i)
		REQUIRE_EQ(fe_cq_wait(&fe_bad.admin.cq, &cqe, FE_TIMEOUT_MS), 0);
	still_fine();
}

HOSTILE(async_event_flood)
{
	struct fe_sqe aer = fe_sqe_aer();
	unsigned int i, refused = 0, kept = 0;
	struct fe_cqe cqe;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < 5000; i++) {
		fe_submit(&fe_bad.admin.sq, &aer);
		if (fe_cq_wait(&fe_bad.admin.cq, &cqe, kept < 16 ? 5 : FE_TIMEOUT_MS))
			kept++;
		else if (CHECK_EQ(FE_SC(fe_status(&cqe)), FE_CMD_SPEC(NVME_SC_ASYNC_LIMIT)))
			refused++;
		REQUIRE(kept < 20);
	}
	CHECK(kept >= 1);
	CHECK_EQ(kept + refused, 5000);
	/* Doorbell errors for all of them, and more. */
	for (i = 0; i < 100; i++)
		fe_doorbell(&fe_bad, 1, false, 0, 100 + i);
	fe_sleep_us(10000);
	CHECK(fe_bad_recovers());
}

/* Everything is aborted, several times, more at once than allowed. */
HOSTILE(abort_of_everything)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 8), sqe;
	unsigned int i, k, aborted = 0;
	struct fe_cqe cqe;

	REQUIRE(fe_bad_open(64));
	slow.prp1 = fe_bad_buf.gpa;
	for (i = 0; i < 60; i++)
		fe_submit(&fe_bad_io.sq, &slow);
	for (i = 0; i < 120; i += 30) {
		for (k = 0; k < 30; k++) {
			sqe = fe_sqe_abort(1, (uint16_t)((i + k) % 60));
			fe_submit(&fe_bad.admin.sq, &sqe);
		}
		for (k = 0; k < 30; k++) {
			REQUIRE_EQ(fe_cq_wait(&fe_bad.admin.cq, &cqe, FE_TIMEOUT_MS), 0);
			CHECK(fe_status(&cqe) == 0 ||
			      FE_SC(fe_status(&cqe)) == FE_CMD_SPEC(NVME_SC_ABORT_LIMIT));
			fe_bad.admin.sq.head = cqe.sqhd;
		}
	}
	for (i = 0; i < 60; i++) {
		REQUIRE_EQ(fe_cq_wait(&fe_bad_io.cq, &cqe, FE_TIMEOUT_MS), 0);
		aborted += FE_SC(fe_status(&cqe)) == NVME_SC_ABORT_REQ;
	}
	CHECK(aborted > 0);
	still_fine();
}

static const struct test_case cases[] = {
	HOSTILE_CASE(prp1_outside_memory),
	HOSTILE_CASE(prp2_outside_memory),
	HOSTILE_CASE(data_across_the_end_of_a_region),
	HOSTILE_CASE(list_outside_memory),
	HOSTILE_CASE(list_entry_outside_memory),
	HOSTILE_CASE(prp_offsets_where_none_may_be),
	HOSTILE_CASE(list_that_leads_to_itself),
	HOSTILE_CASE(lists_in_a_circle),
	HOSTILE_CASE(data_in_the_device_memory),
	HOSTILE_CASE(queues_in_the_device_memory),
	HOSTILE_CASE(read_over_ones_own_rings),
	HOSTILE_CASE(lba_overflow),
	HOSTILE_CASE(more_blocks_than_mdts),
	HOSTILE_CASE(dsm_ranges_beyond_everything),
	HOSTILE_CASE(dsm_ranges_that_change),
	HOSTILE_CASE(sqe_that_changes),
	HOSTILE_CASE(list_that_changes),
	HOSTILE_CASE(compare_data_that_changes),
	HOSTILE_CASE(identify_across_the_end_of_memory),
	HOSTILE_CASE(log_page_of_sixteen_gigabytes),
	HOSTILE_CASE(admin_flood),
	HOSTILE_CASE(async_event_flood),
	HOSTILE_CASE(abort_of_everything),
};

FE_TEST_MAIN("nvme_hostile_commands", cases, &fe_hostile_config)
