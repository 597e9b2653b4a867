/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains and rings that no driver should make: refused for good, or answered if they only are odd.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"
#include "../frontend/fe_virtio_hostile.h"

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define NOWHERE	 0x40000000ULL /* between the two regions */
#define RAM	 (32ULL << 20)
#define HIGH	 (4ULL << 30)
#define SECTOR	 512

static struct fe_vq *q;

static bool open_q(uint16_t size)
{
	if (!fe_vbad_open(size, 0))
		return false;
	q = fe_vbad_q;
	return true;
}

static void desc(uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	q->desc[i] = (struct vring_desc){addr, len, flags, next};
}

/* Descriptors 0 and 2 are a proper header and status; 1 is the case's. */
static void frame(uint32_t type, uint64_t sector)
{
	q->hdrs[0] = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	q->status[0] = 0xff;
	desc(0, q->hdrs_gpa, sizeof(q->hdrs[0]), NEXT, 1);
	desc(2, q->status_gpa, 1, WRITE, 0);
}

static void expect_broken(const char *why)
{
	fe_vq_submit(q, 0);
	fe_vbad_broken(why);
}

/* The frame with this middle breaks the queue. */
static void middle_breaks(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next,
			  const char *why)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 0);
	desc(1, addr, len, flags, next);
	expect_broken(why);
}

/* Head 0 comes back with this status, and the queue goes on. */
static void expect_status(int status)
{
	fe_vq_submit(q, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), 0);
	CHECK_EQ(q->status[0], status);
	CHECK(fe_vbad_works());
}

/* --- chains --- */

VHOSTILE(loop_of_one)
{
	middle_breaks(fe_vbad_gpa, 512, NEXT | WRITE, 1, "loop");
}

VHOSTILE(loop_of_two)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 0);
	desc(1, fe_vbad_gpa, 512, NEXT | WRITE, 2);
	desc(2, fe_vbad_gpa, 512, NEXT | WRITE, 1);
	expect_broken("loop");
}

VHOSTILE(loop_of_the_whole_ring_of_1024)
{
	uint16_t i;

	REQUIRE(open_q(1024));
	for (i = 0; i < 1024; i++)
		desc(i, fe_vbad_gpa + i, 1, NEXT, (i + 1) % 1024);
	expect_broken("loop");
}

VHOSTILE(loop_of_nothing)
{
	REQUIRE(open_q(16));
	desc(0, 0, 0, NEXT, 0);
	expect_broken("loop");
}

VHOSTILE(next_just_out_of_range)
{
	middle_breaks(fe_vbad_gpa, 512, NEXT | WRITE, 16, "out of range");
}

VHOSTILE(next_far_out_of_range)
{
	middle_breaks(fe_vbad_gpa, 512, NEXT | WRITE, 65535, "out of range");
}

VHOSTILE(head_just_out_of_range)
{
	REQUIRE(open_q(16));
	fe_vq_submit(q, 16);
	fe_vbad_broken("out of range");
}

VHOSTILE(head_far_out_of_range)
{
	REQUIRE(open_q(16));
	fe_vq_submit(q, 65535);
	fe_vbad_broken("out of range");
}

VHOSTILE(length_of_4_gib)
{
	middle_breaks(fe_vbad_gpa, UINT32_MAX, NEXT | WRITE, 2, "outside guest memory");
}

VHOSTILE(address_between_regions)
{
	middle_breaks(NOWHERE, 512, NEXT | WRITE, 2, "outside guest memory");
}

VHOSTILE(address_at_the_top)
{
	middle_breaks(UINT64_MAX - 255, 512, NEXT | WRITE, 2, "outside guest memory");
}

VHOSTILE(one_byte_beyond_the_memory)
{
	middle_breaks(RAM - 511, 512, NEXT | WRITE, 2, "outside guest memory");
}

VHOSTILE(one_byte_before_the_memory)
{
	middle_breaks(HIGH - 1, 512, NEXT | WRITE, 2, "outside guest memory");
}

VHOSTILE(header_outside_memory)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, NOWHERE, 16, NEXT, 2);
	expect_broken("outside guest memory");
}

VHOSTILE(status_outside_memory)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->hdrs_gpa, 16, NEXT, 2);
	desc(2, NOWHERE, 1, WRITE, 0);
	expect_broken("outside guest memory");
}

VHOSTILE(readable_behind_writable)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 0);
	desc(1, fe_vbad_gpa, 512, NEXT | WRITE, 2);
	desc(2, q->status_gpa, 1, 0, 0);
	expect_broken("readable");
}

VHOSTILE(header_writable)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->hdrs_gpa, 16, NEXT | WRITE, 2);
	expect_broken("shorter than its header");
}

VHOSTILE(status_readable)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->hdrs_gpa, 16, NEXT, 2);
	desc(2, q->status_gpa, 1, 0, 0);
	expect_broken("no room for its status");
}

VHOSTILE(status_missing)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->hdrs_gpa, 16, 0, 0);
	expect_broken("no room for its status");
}

VHOSTILE(status_of_no_bytes)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->hdrs_gpa, 16, NEXT, 2);
	desc(2, q->status_gpa, 0, WRITE, 0);
	expect_broken("no room for its status");
}

VHOSTILE(status_only)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->status_gpa, 1, WRITE, 0);
	expect_broken("shorter than its header");
}

VHOSTILE(headers_too_short)
{
	uint32_t len;

	for (len = 0; len < 16; len++) {
		REQUIRE(open_q(16));
		frame(VIRTIO_BLK_T_FLUSH, 0);
		desc(0, q->hdrs_gpa, len, NEXT, 2);
		fe_vq_submit(q, 0);
		CHECK(fe_vbad_logged("shorter than its header"));
	}
	CHECK(fe_vbad_recovers());
}

VHOSTILE(chain_of_nothing)
{
	REQUIRE(open_q(16));
	desc(0, 0, 0, 0, 0);
	expect_broken("no room for its status");
}

/* --- indirect tables --- */

static struct vring_desc *table(void)
{
	return (struct vring_desc *)(void *)fe_vbad_buf;
}

/* Descriptor 0 points to a table at the buffer, which holds a whole flush. */
static bool open_indirect(void)
{
	if (!open_q(16))
		return false;
	frame(VIRTIO_BLK_T_FLUSH, 0);
	table()[0] = (struct vring_desc){q->hdrs_gpa, 16, NEXT, 1};
	table()[1] = (struct vring_desc){q->status_gpa, 1, WRITE, 0};
	desc(0, fe_vbad_gpa, 32, INDIRECT, 0);
	return true;
}

static void table_breaks(uint64_t addr, uint32_t len, uint16_t flags, const char *why)
{
	REQUIRE(open_indirect());
	desc(0, addr, len, flags, 1);
	expect_broken(why);
}

VHOSTILE(indirect_in_indirect)
{
	REQUIRE(open_indirect());
	table()[1] = (struct vring_desc){fe_vbad_gpa, 32, INDIRECT, 0};
	expect_broken("indirect descriptor where none");
}

VHOSTILE(indirect_and_next)
{
	table_breaks(fe_vbad_gpa, 32, INDIRECT | NEXT, "indirect descriptor where none");
}

VHOSTILE(table_of_no_bytes)
{
	table_breaks(fe_vbad_gpa, 0, INDIRECT, "wrong length");
}

VHOSTILE(table_of_odd_length)
{
	table_breaks(fe_vbad_gpa, 33, INDIRECT, "wrong length");
}

VHOSTILE(table_of_4_gib)
{
	table_breaks(fe_vbad_gpa, 0xfffffff0u, INDIRECT, "outside guest memory");
}

VHOSTILE(table_between_regions)
{
	table_breaks(NOWHERE, 32, INDIRECT, "outside guest memory");
}

VHOSTILE(table_over_the_end_of_memory)
{
	table_breaks(RAM - 16, 32, INDIRECT, "outside guest memory");
}

VHOSTILE(loop_in_a_table)
{
	REQUIRE(open_indirect());
	table()[1] = (struct vring_desc){q->status_gpa, 1, NEXT, 0};
	expect_broken("loop");
}

VHOSTILE(next_beyond_a_table)
{
	REQUIRE(open_indirect());
	table()[0].next = 2;
	expect_broken("out of range");
}

/* 64 heads, each with 32 Mi bytes of descriptors without bytes: a moment, not a minute. */
VHOSTILE(tables_of_nothing)
{
	struct vring_desc *t;
	uint64_t i, n = RAM / sizeof(*t);

	REQUIRE(open_q(64));
	t = (struct vring_desc *)(void *)fe_mem_at(&fe_vbad.mem, HIGH, RAM);
	for (i = 0; i < n; i++)
		t[i] = (struct vring_desc){0, 0, NEXT, (uint16_t)((i + 1) % 65536)};
	for (i = 0; i < 64; i++)
		desc((uint16_t)i, HIGH, (uint32_t)RAM, INDIRECT, 0);
	expect_broken("too many descriptors");
}

VHOSTILE(table_that_is_not_aligned)
{
	REQUIRE(open_indirect());
	memmove(fe_vbad_buf + 3, fe_vbad_buf, 32);
	desc(0, fe_vbad_gpa + 3, 32, INDIRECT, 0);
	expect_status(VIRTIO_BLK_S_OK);
}

VHOSTILE(indirect_that_was_not_negotiated)
{
	REQUIRE(fe_vbad_open(16, FE_VIRTIO_F_VERSION_1));
	q = fe_vbad_q;
	frame(VIRTIO_BLK_T_FLUSH, 0);
	table()[0] = (struct vring_desc){q->hdrs_gpa, 16, NEXT, 1};
	table()[1] = (struct vring_desc){q->status_gpa, 1, WRITE, 0};
	desc(0, fe_vbad_gpa, 32, INDIRECT, 0);
	expect_status(VIRTIO_BLK_S_OK);
}

/* The table lies where the data of its own request goes: it was read before. */
VHOSTILE(table_overwritten_by_its_own_read)
{
	REQUIRE(open_indirect());
	q->hdrs[0].type = VIRTIO_BLK_T_IN;
	table()[1] = (struct vring_desc){fe_vbad_gpa, 4096, NEXT | WRITE, 2};
	table()[2] = (struct vring_desc){q->status_gpa, 1, WRITE, 0};
	desc(0, fe_vbad_gpa, 48, INDIRECT, 0);
	expect_status(VIRTIO_BLK_S_OK);
}

/* --- many segments --- */

/* A write of n sectors in n segments, then a read in as many; table and data in high memory. */
static int segments(uint32_t n)
{
	uint64_t gpa;
	struct vring_desc *t = fe_mem_alloc_in(&fe_vbad.mem, 1, (n + 2) * sizeof(*t), 16, &gpa);
	uint32_t i, pass;

	for (pass = 0; pass < 2; pass++) {
		q->hdrs[0].type = pass ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
		q->status[0] = 0xff;
		t[0] = (struct vring_desc){q->hdrs_gpa, 16, NEXT, 1};
		for (i = 1; i <= n; i++)
			t[i] = (struct vring_desc){fe_vbad_gpa + (n - i) * SECTOR, SECTOR,
						   (uint16_t)(NEXT | (pass ? WRITE : 0)),
						   (uint16_t)(i + 1)};
		t[n + 1] = (struct vring_desc){q->status_gpa, 1, WRITE, 0};
		desc(0, gpa, (n + 2) * 16, INDIRECT, 0);
		if (pass)
			memset(fe_vbad_buf, 0, n * SECTOR);
		else
			fe_pattern_fill(fe_vbad_buf, n * SECTOR, n);
		fe_vq_submit(q, 0);
		if (fe_vq_wait(q, NULL, FE_TIMEOUT_MS))
			return -ETIMEDOUT;
		if (q->status[0])
			return q->status[0];
	}
	return fe_pattern_check(fe_vbad_buf, n * SECTOR, n) ? 0 : -EILSEQ;
}

VHOSTILE(segments_513)
{
	REQUIRE(open_q(16));
	CHECK_EQ(segments(513), 0);
}

VHOSTILE(segments_1024)
{
	REQUIRE(open_q(16));
	CHECK_EQ(segments(1024), 0);
}

VHOSTILE(segments_1025)
{
	REQUIRE(open_q(16));
	CHECK_EQ(segments(1025), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(segments(1024), 0);
}

VHOSTILE(segments_beyond_any_limit)
{
	REQUIRE(open_q(16));
	CHECK_EQ(segments(1030), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(segments(1024), 0);
	table()[0] = (struct vring_desc){0, 0, 0, 0};
	q->hdrs[0].type = VIRTIO_BLK_T_OUT;
	{
		uint64_t gpa;
		struct vring_desc *t =
			fe_mem_alloc_in(&fe_vbad.mem, 1, 1100 * sizeof(*t), 16, &gpa);
		uint16_t i;

		for (i = 0; i < 1100; i++)
			t[i] = (struct vring_desc){fe_vbad_gpa, 1, NEXT, (uint16_t)(i + 1)};
		desc(0, gpa, 1100 * 16, INDIRECT, 0);
	}
	expect_broken("too many");
}

/* --- the available ring --- */

VHOSTILE(available_index_one_too_far)
{
	REQUIRE(open_q(16));
	q->avail_idx = (uint16_t)(q->avail_idx + 16);
	expect_broken("too far ahead");
}

VHOSTILE(available_index_jumps)
{
	REQUIRE(open_q(16));
	q->avail_idx = (uint16_t)(q->avail_idx + 32767);
	expect_broken("too far ahead");
}

VHOSTILE(available_index_goes_back)
{
	REQUIRE(open_q(16));
	q->avail_idx = (uint16_t)(q->avail_idx - 2);
	expect_broken("too far ahead");
}

VHOSTILE(same_head_many_times)
{
	unsigned int i;

	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 8);
	desc(1, fe_vbad_gpa, 4096, NEXT | WRITE, 2);
	for (i = 0; i < 16; i++) {
		q->avail[2 + ((q->avail_idx + i) & 15)] = 0;
	}
	q->avail_idx = (uint16_t)(q->avail_idx + 15);
	fe_vq_submit(q, 0);
	for (i = 0; i < 16; i++)
		CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), 0);
	CHECK(fe_vbad_works());
}

VHOSTILE(garbage_in_flags_and_events)
{
	REQUIRE(open_q(16));
	q->avail[0] = 0xfffe;
	q->avail[2 + 16] = 0x8000;
	CHECK(fe_vbad_works());
	q->avail[0] = 0xffff;
	q->avail[2 + 16] = 0xffff;
	CHECK(fe_vbad_works());
}

/* The used ring is the device's: what the guest writes there is not read. */
VHOSTILE(used_ring_scribbled_over)
{
	unsigned int i;

	REQUIRE(open_q(16));
	for (i = 0; i < 40; i++) {
		memset(q->used->ring, 0xff, 16 * sizeof(q->used->ring[0]));
		q->used->idx = (uint16_t)(q->last_used + 1000);
		fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
		/* It sets its own index. */
		CHECK(FE_WAIT_FOR(__atomic_load_n((uint16_t *)&q->used->idx, __ATOMIC_ACQUIRE) ==
					  (uint16_t)(q->last_used + 1),
				  FE_TIMEOUT_MS));
		CHECK(fe_vq_poll(q, NULL) >= 0);
	}
	CHECK(fe_vbad_works());
}

/* --- odd requests, to be answered --- */

static void header_in_two(uint32_t first)
{
	struct fe_seg segs[] = {{q->hdrs_gpa, first, false},
				{q->hdrs_gpa + first, 16 - first, false},
				{fe_vbad_gpa, 4096, true},
				{q->status_gpa, 1, true}};

	q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = 64};
	q->status[0] = 0xff;
	memset(fe_vbad_buf, 0, 4096);
	CHECK_EQ(fe_blk_exec_chain(q, segs, 4, q->status, NULL), VIRTIO_BLK_S_OK);
	CHECK(fe_pattern_check(fe_vbad_buf, 4096, 11));
}

VHOSTILE(header_split_at_each_byte)
{
	uint32_t first;

	REQUIRE(open_q(32));
	for (first = 0; first <= 16; first++)
		header_in_two(first);
	CHECK(fe_vbad_works());
}

VHOSTILE(header_in_16_pieces)
{
	struct fe_seg segs[18];
	unsigned int i;

	REQUIRE(open_q(32));
	for (i = 0; i < 16; i++)
		segs[i] = (struct fe_seg){q->hdrs_gpa + i, 1, false};
	segs[16] = (struct fe_seg){fe_vbad_gpa, 8192, true};
	segs[17] = (struct fe_seg){q->status_gpa, 1, true};
	q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = 64};
	memset(fe_vbad_buf, 0, 8192);
	CHECK_EQ(fe_blk_exec_chain(q, segs, 18, q->status, NULL), VIRTIO_BLK_S_OK);
	CHECK(fe_pattern_check(fe_vbad_buf, 8192, 11));
}

/* Header and data in one descriptor, and then data and status in one. */
VHOSTILE(no_framing_at_all)
{
	struct fe_seg segs[2];
	struct virtio_blk_outhdr hdr = {.type = VIRTIO_BLK_T_OUT, .sector = 200};
	uint32_t len;

	REQUIRE(open_q(16));
	memcpy(fe_vbad_buf, &hdr, 16);
	fe_pattern_fill(fe_vbad_buf + 16, 1024, 77);
	segs[0] = (struct fe_seg){fe_vbad_gpa, 16 + 1024, false};
	segs[1] = (struct fe_seg){q->status_gpa, 1, true};
	CHECK_EQ(fe_blk_exec_chain(q, segs, 2, q->status, &len), VIRTIO_BLK_S_OK);
	CHECK_EQ(len, 1);
	hdr.type = VIRTIO_BLK_T_IN;
	memcpy(fe_vbad_buf, &hdr, 16);
	segs[0].len = 16;
	segs[1] = (struct fe_seg){fe_vbad_gpa + 8192, 1025, true};
	fe_vbad_buf[8192 + 1024] = 0xff;
	CHECK_EQ(fe_blk_exec_chain(q, segs, 2, fe_vbad_buf + 8192 + 1024, &len), VIRTIO_BLK_S_OK);
	CHECK_EQ(len, 1025);
	CHECK(fe_pattern_check(fe_vbad_buf + 8192, 1024, 77));
}

VHOSTILE(zero_length_buffers_between)
{
	struct fe_seg segs[8] = {{.gpa = 0}, {.len = 16}, {.gpa = NOWHERE}};

	REQUIRE(open_q(16));
	segs[1].gpa = q->hdrs_gpa;
	segs[3] = (struct fe_seg){fe_vbad_gpa, 4096, true};
	segs[4] = (struct fe_seg){UINT64_MAX, 0, true};
	segs[5] = (struct fe_seg){fe_vbad_gpa + 4096, 4096, true};
	segs[6] = (struct fe_seg){q->status_gpa, 1, true};
	segs[7] = (struct fe_seg){0, 0, true};
	q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = 64};
	memset(fe_vbad_buf, 0, 8192);
	CHECK_EQ(fe_blk_exec_chain(q, segs, 8, q->status, NULL), VIRTIO_BLK_S_OK);
	CHECK(fe_pattern_check(fe_vbad_buf, 8192, 11));
}

VHOSTILE(all_data_at_one_address)
{
	struct fe_seg segs[18];
	unsigned int i;

	REQUIRE(open_q(32));
	segs[0] = (struct fe_seg){q->hdrs_gpa, 16, false};
	for (i = 1; i < 17; i++)
		segs[i] = (struct fe_seg){fe_vbad_gpa, 512, true};
	segs[17] = (struct fe_seg){q->status_gpa, 1, true};
	q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = 64};
	CHECK_EQ(fe_blk_exec_chain(q, segs, 18, q->status, NULL), VIRTIO_BLK_S_OK);
	CHECK(fe_vbad_works());
}

VHOSTILE(header_is_the_status)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, q->hdrs_gpa, 16, NEXT, 2);
	desc(2, q->hdrs_gpa, 16, WRITE, 0);
	fe_vq_submit(q, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), 0);
	CHECK(fe_vbad_works());
}

/* Data from the disk goes into the rings: the guest has itself to blame, nobody else suffers. */
VHOSTILE(read_into_the_rings)
{
	static const uint64_t sectors[] = {0, 64, 8};
	size_t i;

	for (i = 0; i < 3; i++) {
		REQUIRE(open_q(16));
		frame(VIRTIO_BLK_T_IN, sectors[i]);
		desc(1,
		     i == 0   ? q->desc_gpa
		     : i == 1 ? q->avail_gpa
			      : q->used_gpa,
		     512, NEXT | WRITE, 2);
		fe_vq_submit(q, 0);
		fe_sleep_us(FE_QUIET_MS * 1000);
		CHECK(fe_vbad_recovers());
	}
}

VHOSTILE(unknown_request_types)
{
	static const uint32_t types[] = {2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 16, 255, 0x80000000u};
	size_t i;

	REQUIRE(open_q(16));
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		CHECK_EQ(fe_blk_exec(q, types[i], 0, fe_vbad_gpa, 512), VIRTIO_BLK_S_UNSUPP);
	CHECK(fe_vbad_works());
}

VHOSTILE(sectors_out_of_range)
{
	static const uint64_t last = (64ULL << 20) / SECTOR;
	const uint64_t bad[] = {last,	    last - 1,	    1ULL << 40, 1ULL << 55,
				1ULL << 63, UINT64_MAX - 1, UINT64_MAX, (1ULL << 55) - 1};
	size_t i;

	REQUIRE(open_q(16));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, bad[i], fe_vbad_gpa, 1024),
			 VIRTIO_BLK_S_IOERR);
		CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_OUT, bad[i], fe_vbad_gpa, 1024),
			 VIRTIO_BLK_S_IOERR);
	}
	CHECK(fe_vbad_works());
}

VHOSTILE(lengths_that_are_no_sectors)
{
	static const uint32_t bad[] = {1, 511, 513, 1023, 65535};
	size_t i;

	REQUIRE(open_q(16));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, fe_vbad_gpa, bad[i]),
			 VIRTIO_BLK_S_IOERR);
		CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_OUT, 0, fe_vbad_gpa, bad[i]),
			 VIRTIO_BLK_S_IOERR);
	}
	CHECK(fe_vbad_works());
}

VHOSTILE(direction_of_data_reversed)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 0);
	desc(1, fe_vbad_gpa, 512, NEXT, 2);
	expect_status(VIRTIO_BLK_S_IOERR);
	frame(VIRTIO_BLK_T_OUT, 0);
	desc(1, fe_vbad_gpa, 512, NEXT | WRITE, 2);
	expect_status(VIRTIO_BLK_S_IOERR);
}

/* --- at the same time --- */

static void scribble(void *arg, uint64_t *random)
{
	uint64_t r = fe_random(random);
	uint8_t *at;

	switch (r & 3) {
	case 0:
		at = (uint8_t *)q->desc + (r >> 8) % (q->size * sizeof(*q->desc));
		break;
	case 1:
		at = (uint8_t *)q->avail + (r >> 8) % (6 + 2u * q->size);
		break;
	case 2:
		at = (uint8_t *)q->used + (r >> 8) % (6 + 8u * q->size);
		break;
	default:
		at = (uint8_t *)q->hdrs + (r >> 8) % (q->size * sizeof(*q->hdrs));
	}
	__atomic_store_n(at, (uint8_t)(r >> 56), __ATOMIC_RELAXED);
	if (!(r >> 20 & 15))
		fe_vq_kick(q);
}

VHOSTILE(rings_scribbled_over_under_load)
{
	struct fe_pest pest = {0};
	int round;

	for (round = 0; round < 8; round++) {
		uint16_t i;

		REQUIRE(open_q(64));
		for (i = 0; i < 15; i++)
			fe_blk_submit(q, i & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i * 8u,
				      fe_vbad_gpa + i * 4096u, 4096);
		REQUIRE(fe_pest_start(&pest, scribble, NULL) == 0);
		fe_sleep_us(20000);
		fe_pest_stop(&pest);
	}
	CHECK(fe_vbad_recovers());
}

static void kick(void *arg, uint64_t *random)
{
	fe_vq_kick(q);
}

VHOSTILE(kicks_for_nothing)
{
	struct fe_pest pest = {0};
	unsigned int i;

	REQUIRE(open_q(16));
	REQUIRE(fe_pest_start(&pest, kick, NULL) == 0);
	for (i = 0; i < 20; i++)
		CHECK(fe_vbad_works());
	fe_pest_stop(&pest);
}

/* Nobody takes the notifications: the counter is full, and a write would wait. */
VHOSTILE(notification_counter_full)
{
	uint64_t full = UINT64_MAX - 1;
	unsigned int i;

	REQUIRE(open_q(16));
	REQUIRE(write(q->call_fd, &full, 8) == 8 || errno == EAGAIN);
	for (i = 0; i < 20; i++)
		CHECK(fe_vbad_works());
}

/* The front-end makes it blocking again behind the daemon's back. */
VHOSTILE(notification_counter_full_and_blocking)
{
	uint64_t full = UINT64_MAX - 1;
	int flags;

	REQUIRE(open_q(16));
	flags = fcntl(q->call_fd, F_GETFL);
	REQUIRE(write(q->call_fd, &full, 8) == 8 || errno == EAGAIN);
	REQUIRE(fcntl(q->call_fd, F_SETFL, flags & ~O_NONBLOCK) == 0);
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	fe_sleep_us(FE_QUIET_MS * 1000);
}

static const struct test_case cases[] = {
	VHOSTILE_CASE(loop_of_one),
	VHOSTILE_CASE(loop_of_two),
	VHOSTILE_CASE(loop_of_the_whole_ring_of_1024),
	VHOSTILE_CASE(loop_of_nothing),
	VHOSTILE_CASE(next_just_out_of_range),
	VHOSTILE_CASE(next_far_out_of_range),
	VHOSTILE_CASE(head_just_out_of_range),
	VHOSTILE_CASE(head_far_out_of_range),
	VHOSTILE_CASE(length_of_4_gib),
	VHOSTILE_CASE(address_between_regions),
	VHOSTILE_CASE(address_at_the_top),
	VHOSTILE_CASE(one_byte_beyond_the_memory),
	VHOSTILE_CASE(one_byte_before_the_memory),
	VHOSTILE_CASE(header_outside_memory),
	VHOSTILE_CASE(status_outside_memory),
	VHOSTILE_CASE(readable_behind_writable),
	VHOSTILE_CASE(header_writable),
	VHOSTILE_CASE(status_readable),
	VHOSTILE_CASE(status_missing),
	VHOSTILE_CASE(status_of_no_bytes),
	VHOSTILE_CASE(status_only),
	VHOSTILE_CASE(headers_too_short),
	VHOSTILE_CASE(chain_of_nothing),
	VHOSTILE_CASE(indirect_in_indirect),
	VHOSTILE_CASE(indirect_and_next),
	VHOSTILE_CASE(table_of_no_bytes),
	VHOSTILE_CASE(table_of_odd_length),
	VHOSTILE_CASE(table_of_4_gib),
	VHOSTILE_CASE(table_between_regions),
	VHOSTILE_CASE(table_over_the_end_of_memory),
	VHOSTILE_CASE(loop_in_a_table),
	VHOSTILE_CASE(next_beyond_a_table),
	VHOSTILE_CASE(tables_of_nothing),
	VHOSTILE_CASE(table_that_is_not_aligned),
	VHOSTILE_CASE(indirect_that_was_not_negotiated),
	VHOSTILE_CASE(table_overwritten_by_its_own_read),
	VHOSTILE_CASE(segments_513),
	VHOSTILE_CASE(segments_1024),
	VHOSTILE_CASE(segments_1025),
	VHOSTILE_CASE(segments_beyond_any_limit),
	VHOSTILE_CASE(available_index_one_too_far),
	VHOSTILE_CASE(available_index_jumps),
	VHOSTILE_CASE(available_index_goes_back),
	VHOSTILE_CASE(same_head_many_times),
	VHOSTILE_CASE(garbage_in_flags_and_events),
	VHOSTILE_CASE(used_ring_scribbled_over),
	VHOSTILE_CASE(header_split_at_each_byte),
	VHOSTILE_CASE(header_in_16_pieces),
	VHOSTILE_CASE(no_framing_at_all),
	VHOSTILE_CASE(zero_length_buffers_between),
	VHOSTILE_CASE(all_data_at_one_address),
	VHOSTILE_CASE(header_is_the_status),
	VHOSTILE_CASE(read_into_the_rings),
	VHOSTILE_CASE(unknown_request_types),
	VHOSTILE_CASE(sectors_out_of_range),
	VHOSTILE_CASE(lengths_that_are_no_sectors),
	VHOSTILE_CASE(direction_of_data_reversed),
	VHOSTILE_CASE(rings_scribbled_over_under_load),
	VHOSTILE_CASE(kicks_for_nothing),
	VHOSTILE_CASE(notification_counter_full),
	VHOSTILE_CASE(notification_counter_full_and_blocking),
};

FE_TEST_MAIN("virtq_hostile", cases, &fe_virtio_hostile_config)
