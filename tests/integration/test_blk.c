/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk as a driver sees it: requests by their data, configuration, queues. */
#include <errno.h>
#include <unistd.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define SECTORS_RAM (64u << 11) /* 64 MiB */

static const struct fe_daemon_config config = {
	.cpus = "[0, 1]",
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram4k, type: malloc, size: 16MiB, block_size: 4096}\n"
		 "  - {name: slow0, type: null, size: 1GiB, block_size: 512, latency_us: 300000}\n",
	.controllers = "  - {name: blk0, type: blk, bdev: ram0, queues: 4, serial: \"vm7-root\"}\n"
		       "  - {name: blk4k, type: blk, bdev: ram4k, queues: 1, write_cache: false}\n"
		       "  - {name: ro, type: blk, bdev: ram0, read_only: true}\n"
		       "  - {name: slow, type: blk, bdev: slow0, queues: 4}\n",
};

static struct fe_virtio dev;
static struct fe_vq *q;
static uint8_t *buf;
static uint64_t gpa;

static bool open_dev(const char *controller, uint64_t features)
{
	if (!fe_fixture_daemon() ||
	    fe_virtio_open(&dev, fe_daemon_socket(&fe_daemon, controller), features))
		return false;
	buf = fe_mem_alloc(&dev.mem, 1 << 20, &gpa);
	return true;
}

static bool open_q(const char *controller, uint16_t size, uint64_t features)
{
	if (!open_dev(controller, features))
		return false;
	q = fe_vq_make(&dev, 0, size);
	return fe_vq_start(q, 0) == 0;
}

static int rd(uint64_t sector, uint32_t len)
{
	return fe_blk_exec(q, VIRTIO_BLK_T_IN, sector, gpa, len);
}

static int wr(uint64_t sector, uint32_t len)
{
	return fe_blk_exec(q, VIRTIO_BLK_T_OUT, sector, gpa, len);
}

static bool all_bytes(const uint8_t *p, size_t len, uint8_t value)
{
	while (len--)
		if (*p++ != value)
			return false;
	return true;
}

/* --- requests --- */

static void read_and_write(void)
{
	uint32_t len;

	REQUIRE(open_q("blk0", 128, 0));
	for (len = 512; len <= 1 << 20; len *= 2)
		CHECK_EQ(fe_blk_verify(q, 1000 + len / 512, buf, gpa, len, len), 0);
	CHECK_EQ(fe_blk_verify(q, SECTORS_RAM - 2, buf, gpa, 1024, 5), 0);
	CHECK_EQ(rd(SECTORS_RAM - 1, 1024), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(wr(SECTORS_RAM, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
}

/* Whole blocks, if only none (VIRTIO 1.2, 5.2.6.1: a multiple of 512 bytes). */
static void without_data(void)
{
	REQUIRE(open_q("blk0", 16, 0));
	CHECK_EQ(rd(0, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(wr(SECTORS_RAM, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(rd(SECTORS_RAM + 1, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(wr(UINT64_MAX, 0), VIRTIO_BLK_S_IOERR);
	REQUIRE(open_q("blk4k", 16, 0));
	CHECK_EQ(rd(8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(rd(1, 0), VIRTIO_BLK_S_IOERR);
	REQUIRE(open_q("ro", 16, 0));
	CHECK_EQ(rd(8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(wr(8, 0), VIRTIO_BLK_S_IOERR);
}

static void used_lengths(void)
{
	uint32_t len = 0;

	REQUIRE(open_q("blk0", 16, 0));
	fe_blk_submit(q, VIRTIO_BLK_T_IN, 0, gpa, 4096);
	CHECK(fe_vq_wait(q, &len, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(len, 4097);
	fe_blk_submit(q, VIRTIO_BLK_T_OUT, 0, gpa, 4096);
	CHECK(fe_vq_wait(q, &len, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(len, 1);
	fe_blk_submit(q, VIRTIO_BLK_T_IN, SECTORS_RAM, gpa, 4096);
	CHECK(fe_vq_wait(q, &len, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(len, 1);
}

static void get_id(void)
{
	REQUIRE(open_q("blk0", 16, 0));
	memset(buf, 0xee, 64);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_GET_ID, 0, gpa, 20), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(buf, "vm7-root\0\0\0\0\0\0\0\0\0\0\0\0\xee", 21));
	memset(buf, 0xee, 64);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_GET_ID, 0, gpa, 5), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(buf, "vm7-r\xee", 6));
}

/* Ranges in guest memory at the end of the buffer. */
static int ranges(uint32_t type, const struct virtio_blk_discard_write_zeroes *r, unsigned int n)
{
	const uint32_t at = 512u << 10;

	memcpy(buf + at, r, n * sizeof(*r));
	return fe_blk_exec(q, type, 0, gpa + at, n * (uint32_t)sizeof(*r));
}

static void zeroes_in_segments(uint32_t type, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r[3] = {
		{2048, 8, flags}, {2072, 8, flags}, {2064, 8, flags}};

	REQUIRE(open_q("blk0", 16, 0));
	fe_pattern_fill(buf, 40 * 512, 3);
	CHECK_EQ(wr(2048, 40 * 512), 0);
	CHECK_EQ(ranges(type, r, 3), VIRTIO_BLK_S_OK);
	CHECK_EQ(rd(2048, 40 * 512), 0);
	CHECK(all_bytes(buf, 8 * 512, 0));
	CHECK(all_bytes(buf + 16 * 512, 16 * 512, 0));
	CHECK(!all_bytes(buf + 8 * 512, 512, 0));
	/* The untouched sectors are as they were. */
	fe_pattern_fill(buf + (256 << 10), 40 * 512, 3);
	CHECK(!memcmp(buf + 8 * 512, buf + (256 << 10) + 8 * 512, 8 * 512));
	CHECK(!memcmp(buf + 32 * 512, buf + (256 << 10) + 32 * 512, 8 * 512));
}

static void write_zeroes(void)
{
	zeroes_in_segments(VIRTIO_BLK_T_WRITE_ZEROES, 0);
}

static void write_zeroes_unmapping(void)
{
	zeroes_in_segments(VIRTIO_BLK_T_WRITE_ZEROES, 1);
}

static void discard(void)
{
	zeroes_in_segments(VIRTIO_BLK_T_DISCARD, 0);
}

/* As many as there may be: every other pair of sectors. */
static void many_ranges(void)
{
	struct virtio_blk_discard_write_zeroes r[64];
	unsigned int i;

	REQUIRE(open_q("blk0", 16, 0));
	fe_pattern_fill(buf, 256 * 512, 3);
	CHECK_EQ(wr(0, 256 * 512), VIRTIO_BLK_S_OK);
	for (i = 0; i < 64; i++)
		r[i] = (struct virtio_blk_discard_write_zeroes){4ull * i, 2, 0};
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 64), VIRTIO_BLK_S_OK);
	CHECK_EQ(rd(0, 256 * 512), VIRTIO_BLK_S_OK);
	for (i = 0; i < 64; i++) {
		CHECK(all_bytes(buf + 2048 * i, 1024, 0));
		CHECK(!all_bytes(buf + 2048 * i + 1024, 512, 0));
	}
	/* Nothing is done if the last one is wrong. */
	CHECK_EQ(wr(0, 256 * 512), VIRTIO_BLK_S_OK);
	for (i = 0; i < 64; i++)
		r[i].sector += 2;
	r[63].num_sectors = UINT32_MAX;
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 64), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rd(0, 256 * 512), VIRTIO_BLK_S_OK);
	CHECK(!all_bytes(buf + 1024, 1024, 0));
}

static void ranges_refused(void)
{
	struct virtio_blk_discard_write_zeroes r[65] = {{8, 8, 0}, {SECTORS_RAM - 4, 8, 0}};

	REQUIRE(open_q("blk0", 16, 0));
	fe_pattern_fill(buf, 8192, 4);
	CHECK_EQ(wr(8, 4096), 0);
	/* All or nothing. */
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 2), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges(VIRTIO_BLK_T_DISCARD, r, 2), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges(VIRTIO_BLK_T_DISCARD, r, 65), VIRTIO_BLK_S_IOERR);
	r[0].flags = 1;
	CHECK_EQ(ranges(VIRTIO_BLK_T_DISCARD, r, 1), VIRTIO_BLK_S_UNSUPP);
	r[0].flags = 2;
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 1), VIRTIO_BLK_S_UNSUPP);
	r[0] = (struct virtio_blk_discard_write_zeroes){UINT64_MAX, 8, 0};
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 1), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_DISCARD, 0, gpa, 17), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rd(8, 4096), 0);
	CHECK(fe_pattern_check(buf, 4096, 4));
}

static void read_only(void)
{
	struct virtio_blk_discard_write_zeroes r = {8, 8, 0};

	REQUIRE(open_q("blk0", 16, 0));
	CHECK_EQ(fe_blk_verify(q, 8, buf, gpa, 4096, 6), 0);
	REQUIRE(open_q("ro", 16, 0));
	CHECK(dev.offered & 1u << VIRTIO_BLK_F_RO);
	CHECK(!(dev.offered & (1u << VIRTIO_BLK_F_DISCARD | 1u << VIRTIO_BLK_F_WRITE_ZEROES)));
	CHECK_EQ(wr(8, 4096), VIRTIO_BLK_S_IOERR);
	CHECK(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &r, 1) != VIRTIO_BLK_S_OK);
	CHECK(ranges(VIRTIO_BLK_T_DISCARD, &r, 1) != VIRTIO_BLK_S_OK);
	CHECK_EQ(rd(8, 4096), VIRTIO_BLK_S_OK);
	CHECK(fe_pattern_check(buf, 4096, 6));
}

static void blocks_of_4096(void)
{
	struct virtio_blk_discard_write_zeroes part = {4, 8, 0}, whole = {80, 8, 0};
	struct virtio_blk_config c;

	REQUIRE(open_q("blk4k", 16, 0));
	CHECK_EQ(fe_virtio_get_config(&dev, 0, sizeof(c), &c), 0);
	CHECK_EQ(c.blk_size, 4096);
	CHECK_EQ(c.capacity, 16u << 11);
	CHECK_EQ(c.wce, 0);
	CHECK_EQ(fe_blk_verify(q, 80, buf, gpa, 16384, 8), 0);
	CHECK_EQ(rd(1, 4096), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rd(8, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(wr(9, 4096), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &part, 1), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &whole, 1), VIRTIO_BLK_S_OK);
	CHECK_EQ(rd(80, 16384), 0);
	CHECK(all_bytes(buf, 4096, 0));
	CHECK(!all_bytes(buf + 4096, 4096, 0));
}

/* Buffers at odd addresses, and in odd pieces. */
static void unaligned_buffers(void)
{
	uint32_t off, cut;

	REQUIRE(open_q("blk0", 16, 0));
	for (off = 1; off < 4096; off += 409)
		CHECK_EQ(fe_blk_verify(q, 16, buf + off, gpa + off, 8192, off), 0);
	for (cut = 1; cut < 8192; cut += 745) {
		struct fe_seg segs[] = {{q->hdrs_gpa, 16, false},
					{gpa + 3, cut, true},
					{gpa + 20001, 8192 - cut, true},
					{q->status_gpa, 1, true}};

		q->hdrs[0] = (struct virtio_blk_outhdr){.sector = 16};
		fe_pattern_fill(buf + 65536, 8192, 1 + 409 * 10);
		CHECK_EQ(fe_blk_exec_chain(q, segs, 4, q->status, NULL), 0);
		CHECK(!memcmp(buf + 3, buf + 65536, cut));
		CHECK(!memcmp(buf + 20001, buf + 65536 + cut, 8192 - cut));
	}
}

/* --- configuration space --- */

static void config_space(void)
{
	struct virtio_blk_config c;
	uint8_t bytes[256], one;
	uint32_t i;

	REQUIRE(open_dev("blk0", 0));
	CHECK_EQ(dev.nqueues, 4);
	CHECK_EQ(fe_virtio_get_config(&dev, 0, sizeof(c), &c), 0);
	CHECK_EQ(c.capacity, SECTORS_RAM);
	CHECK_EQ(c.blk_size, 512);
	CHECK_EQ(c.num_queues, 4);
	CHECK_EQ(c.wce, 1);
	CHECK_EQ(c.seg_max, 126);
	/* SeaBIOS 1.16.2 does not boot from a disk that says 1 GiB. */
	CHECK(!(dev.offered >> VIRTIO_BLK_F_SIZE_MAX & 1));
	CHECK_EQ(c.size_max, 0);
	CHECK(c.max_discard_seg >= 1 && c.max_write_zeroes_seg >= 1);
	CHECK_EQ(c.write_zeroes_may_unmap, 1);
	CHECK_EQ(fe_virtio_get_config(&dev, 0, 256, bytes), 0);
	CHECK(!memcmp(bytes, &c, sizeof(c)));
	for (i = 0; i < 256; i++) {
		CHECK_EQ(fe_virtio_get_config(&dev, i, 1, &one), 0);
		CHECK_EQ(one, bytes[i]);
	}
	CHECK_EQ(fe_virtio_get_config(&dev, 256, 1, &one), -EINVAL);
}

static void cache_mode(void)
{
	const uint32_t at = offsetof(struct virtio_blk_config, wce);
	uint8_t wce = 0;

	REQUIRE(open_q("blk0", 16, 0));
	CHECK_EQ(fe_virtio_set_config(&dev, at, 1, &wce), 0);
	wce = 7;
	CHECK_EQ(fe_virtio_get_config(&dev, at, 1, &wce), 0);
	CHECK_EQ(wce, 0);
	CHECK_EQ(fe_blk_verify(q, 0, buf, gpa, 4096, 1), 0);
	wce = 1;
	CHECK_EQ(fe_virtio_set_config(&dev, at, 1, &wce), 0);
	CHECK_EQ(fe_blk_verify(q, 0, buf, gpa, 4096, 2), 0);
	wce = 0;
	CHECK_EQ(fe_virtio_set_config(&dev, at, 1, &wce), 0);
	/* Each session finds it as it is configured. */
	REQUIRE(open_dev("blk0", 0));
	CHECK_EQ(fe_virtio_get_config(&dev, at, 1, &wce), 0);
	CHECK_EQ(wce, 1);
}

/* --- queues --- */

static void queue_sizes(void)
{
	uint32_t size;

	for (size = 4; size <= 1024; size *= 2) {
		unsigned int n, i;

		REQUIRE(open_q("blk0", (uint16_t)size, 0));
		CHECK_EQ(fe_blk_verify(q, size, buf, gpa, 4096, size), 0);
		/* As much as there is room for, three times round. */
		for (i = 0; i < 3; i++) {
			for (n = 0; fe_blk_submit(q, VIRTIO_BLK_T_IN, size, gpa, 4096) >= 0; n++)
				;
			CHECK_EQ(n, size / 3);
			while (n-- > 0)
				CHECK(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
		}
		CHECK(fe_pattern_check(buf, 4096, size));
	}
	/* 2 are enough for a request without data. */
	REQUIRE(open_q("blk0", 2, 0));
	for (size = 0; size < 10; size++)
		CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
}

/* Firmware sets up one queue of many, and any. */
static void one_queue_of_many(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		REQUIRE(open_dev("blk0", 0));
		q = fe_vq_make(&dev, i, 16);
		REQUIRE_EQ(fe_vq_start(q, 0), 0);
		CHECK_EQ(fe_blk_verify(q, 8 * i, buf, gpa, 4096, i + 1), 0);
	}
}

static void queues_at_the_same_time(void)
{
	unsigned int i, round;

	REQUIRE(open_dev("blk0", 0));
	for (i = 0; i < 4; i++)
		REQUIRE_EQ(fe_vq_start(fe_vq_make(&dev, i, 64), 0), 0);
	for (round = 0; round < 200; round++)
		for (i = 0; i < 4; i++)
			CHECK_EQ(fe_blk_verify(&dev.q[i], 64 * i, buf + 8192 * i, gpa + 8192 * i,
					       8192, round * 4 + i),
				 0);
}

static void legacy_and_indirect_and_events(void)
{
	static const uint64_t features[] = {FE_VHOST_FEATURE_PROTOCOL, FE_VIRTIO_F_VERSION_1,
					    FE_VIRTIO_F_EVENT_IDX, FE_VIRTIO_F_INDIRECT};
	size_t i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		REQUIRE(open_q("blk0", 16, features[i]));
		CHECK_EQ(dev.features, features[i] | FE_VHOST_FEATURE_PROTOCOL);
		CHECK_EQ(fe_blk_verify(q, 8, buf, gpa, 4096, i), 0);
	}
}

static void interrupts(void)
{
	uint64_t n;

	REQUIRE(open_q("blk0", 16, FE_VIRTIO_F_VERSION_1));
	while (read(q->call_fd, &n, 8) == 8)
		;
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	CHECK(FE_WAIT_FOR(read(q->call_fd, &n, 8) == 8, FE_TIMEOUT_MS));
	q->avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	fe_sleep_us(FE_QUIET_MS * 1000);
	CHECK(read(q->call_fd, &n, 8) < 0);
}

/*
 * A guest that was interrupted between two eventfds, or that a daemon died before it interrupted,
 * must not wait for ever: a queue begins with an interrupt, and so does each eventfd of it.
 */
static void interrupt_at_start(void)
{
	uint16_t base;
	uint64_t n;

	REQUIRE(open_q("blk0", 16, FE_VIRTIO_F_VERSION_1));
	CHECK(FE_WAIT_FOR(read(q->call_fd, &n, 8) == 8, FE_TIMEOUT_MS));
	q->avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	q->avail[0] = 0;
	REQUIRE_EQ(fe_vq_stop(q, &base), 0);
	while (read(q->call_fd, &n, 8) == 8)
		;
	REQUIRE_EQ(fe_vq_start(q, base), 0);
	CHECK(FE_WAIT_FOR(read(q->call_fd, &n, 8) == 8, FE_TIMEOUT_MS));
	/* And while it runs. */
	REQUIRE_EQ(fe_vhost_set_vring_call(&dev.vhost, 0, q->call_fd), 0);
	CHECK(FE_WAIT_FOR(read(q->call_fd, &n, 8) == 8, FE_TIMEOUT_MS));
}

static void stop_and_go_on(void)
{
	uint16_t base;
	unsigned int i;

	REQUIRE(open_q("blk0", 16, 0));
	for (i = 0; i < 20; i++) {
		CHECK_EQ(fe_blk_verify(q, 8, buf, gpa, 4096, i), 0);
		REQUIRE_EQ(fe_vq_stop(q, &base), 0);
		CHECK_EQ(base, q->avail_idx);
		/* Nothing is taken while it is stopped, and nothing is lost. */
		fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
		if (!i)
			CHECK_EQ(fe_vq_wait(q, NULL, FE_QUIET_MS), -ETIMEDOUT);
		REQUIRE_EQ(fe_vq_start(q, base), 0);
		CHECK(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	}
}

static void stop_waits_for_io(void)
{
	uint16_t base;
	unsigned int i;

	REQUIRE(open_q("slow", 16, 0));
	for (i = 0; i < 5; i++)
		CHECK(fe_blk_submit(q, VIRTIO_BLK_T_IN, i, gpa, 512) >= 0);
	fe_sleep_us(FE_QUIET_MS * 1000);
	CHECK_EQ(fe_vq_poll(q, NULL), -EAGAIN);
	REQUIRE_EQ(fe_vq_stop(q, &base), 0);
	CHECK_EQ(base, 5);
	for (i = 0; i < 5; i++)
		CHECK(fe_vq_poll(q, NULL) >= 0);
	CHECK_EQ(fe_vq_poll(q, NULL), -EAGAIN);
}

/* The table is sent again while requests are in flight: each is answered once. */
static void memory_table_under_load(void)
{
	unsigned int i, k;

	REQUIRE(open_q("blk0", 64, 0));
	fe_pattern_fill(buf, 4096, 9);
	CHECK_EQ(wr(8, 4096), 0);
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 16; k++)
			CHECK(fe_blk_submit(q, VIRTIO_BLK_T_IN, 8, gpa + 4096 * k, 4096) >= 0);
		dev.mem.regions[1].gpa ^= 1ULL << 36; /* else it might be taken for the same */
		REQUIRE_EQ(fe_vhost_set_mem_table(&dev.vhost, &dev.mem), 0);
		for (k = 0; k < 16; k++) {
			int head = fe_vq_wait(q, NULL, FE_TIMEOUT_MS);

			REQUIRE(head >= 0);
			CHECK_EQ(q->status[head], 0);
		}
		for (k = 0; k < 16; k++)
			CHECK(fe_pattern_check(buf + 4096 * k, 4096, 9));
		CHECK_EQ(fe_vq_poll(q, NULL), -EAGAIN);
	}
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test_case cases[] = {
	CASE(read_and_write),
	CASE(without_data),
	CASE(used_lengths),
	CASE(get_id),
	CASE(write_zeroes),
	CASE(write_zeroes_unmapping),
	CASE(discard),
	CASE(many_ranges),
	CASE(ranges_refused),
	CASE(read_only),
	CASE(blocks_of_4096),
	CASE(unaligned_buffers),
	CASE(config_space),
	CASE(cache_mode),
	CASE(queue_sizes),
	CASE(one_queue_of_many),
	CASE(queues_at_the_same_time),
	CASE(legacy_and_indirect_and_events),
	CASE(interrupts),
	CASE(interrupt_at_start),
	CASE(stop_and_go_on),
	CASE(stop_waits_for_io),
	CASE(memory_table_under_load),
};

FE_TEST_MAIN("blk", cases, &config)
