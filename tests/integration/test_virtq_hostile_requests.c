/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that no driver makes like that: right all the same, or an error, or the guest's loss. */
#include "virtq_hostile.h"

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

static const struct test_case cases[] = {
	VHOSTILE_CASE(header_split_at_each_byte),  VHOSTILE_CASE(header_in_16_pieces),
	VHOSTILE_CASE(no_framing_at_all),	   VHOSTILE_CASE(zero_length_buffers_between),
	VHOSTILE_CASE(all_data_at_one_address),	   VHOSTILE_CASE(header_is_the_status),
	VHOSTILE_CASE(read_into_the_rings),	   VHOSTILE_CASE(unknown_request_types),
	VHOSTILE_CASE(sectors_out_of_range),	   VHOSTILE_CASE(lengths_that_are_no_sectors),
	VHOSTILE_CASE(direction_of_data_reversed),
};

FE_TEST_MAIN("virtq_hostile_requests", cases, &fe_virtio_hostile_config)
