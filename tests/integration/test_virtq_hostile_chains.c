/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains and indirect tables that no driver should make, and as many segments as there may be. */
#include <errno.h>

#include "virtq_hostile.h"

#define RAM  (32ULL << 20)
#define HIGH (4ULL << 30)

/* The frame with this middle breaks the queue. */
static void middle_breaks(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next,
			  const char *why)
{
	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 0);
	desc(1, addr, len, flags, next);
	expect_broken(why);
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
};

FE_TEST_MAIN("virtq_hostile_chains", cases, &fe_virtio_hostile_config)
