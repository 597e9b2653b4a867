/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O of parts: bounds and places, what the base gets and when. */
#include "bdev_battery.h"
#include "split_test.h"

/* --- I/O --- */

static void bounds(void)
{
	static const struct {
		enum bdev_op op;
		uint64_t lba;
		uint32_t nblocks;
		int status;
	} rows[] = {
		{BDEV_OP_READ, 0, 1, BDEV_STATUS_OK},
		{BDEV_OP_READ, 511, 1, BDEV_STATUS_OK},
		{BDEV_OP_READ, 0, 512, BDEV_STATUS_OK},
		{BDEV_OP_READ, 512, 0, BDEV_STATUS_OK},
		{BDEV_OP_READ, 512, 1, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_READ, 511, 2, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_WRITE, 512, 1, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_WRITE, 1, 512, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_WRITE, UINT64_MAX, 1, BDEV_STATUS_OUT_OF_RANGE},
		/* With the part's own place added these would be somewhere. */
		{BDEV_OP_WRITE, UINT64_MAX - 511, 1, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_WRITE, UINT64_MAX - 1023, 512, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_WRITE_ZEROES, 511, 2, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_WRITE_ZEROES, UINT64_MAX - 511, 4, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_DISCARD, 0, 513, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_DISCARD, 1, UINT32_MAX, BDEV_STATUS_OUT_OF_RANGE},
		{BDEV_OP_COMPARE, 512, 1, BDEV_STATUS_OUT_OF_RANGE},
	};
	struct reactor *r = test_reactor(0);
	char *buf = test_buffer(MIB);
	struct test_disk d;

	memset(buf, 0, MIB);
	make_ram("r", MIB, 512);
	if (split_ok("p", "r", 4, 0)) {
		for (unsigned int part = 0; part < 4; part++) {
			char name[] = {'p', (char)('0' + part), '\0'};

			CU_ASSERT_FATAL(test_disk_open(&d, r, name, true));
			for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
				bool data = rows[i].op == BDEV_OP_READ ||
					    rows[i].op == BDEV_OP_WRITE ||
					    rows[i].op == BDEV_OP_COMPARE;

				CU_ASSERT_EQUAL(test_io(&d, rows[i].op, rows[i].lba,
							rows[i].nblocks, data ? buf : NULL),
						rows[i].status);
			}
			test_disk_close(&d);
		}
	}
	test_remove("r");
	free(buf);
	reactor_destroy(r);
}

/* Each block of each part, written through the parts, read through the base. */
static void places(uint32_t block_size)
{
	struct reactor *r = test_reactor(0);
	char *buf = test_buffer(MIB), *want = test_buffer(MIB);
	struct test_disk d;
	unsigned int i;

	make_ram("r", MIB, block_size);
	test_fill(want, MIB, 0, 7);
	if (split_ok("p", "r", 2, 512 * 1024)) {
		for (i = 0; i < 2; i++) {
			CU_ASSERT_FATAL(test_disk_open(&d, r, i ? "p1" : "p0", true));
			CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, (uint32_t)d.bdev->nblocks,
						want + (size_t)i * 512 * 1024),
					BDEV_STATUS_OK);
			test_disk_close(&d);
		}
		CU_ASSERT_FATAL(test_disk_open(&d, r, "r", false));
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 0, MIB / block_size, buf),
				BDEV_STATUS_OK);
		CU_ASSERT(test_same(buf, want, MIB));
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_READ_ONLY);
		test_disk_close(&d);
	}
	test_remove("r");
	free(buf);
	free(want);
	reactor_destroy(r);
}

static void places_512(void)
{
	places(512);
}

static void places_4096(void)
{
	places(4096);
}

/* All that a disk must do, in the middle part, while the others keep what they have. */
static void battery_on(const char *base, uint64_t part_bytes)
{
	struct reactor *r = test_reactor(0);
	char *want = test_buffer(part_bytes), *buf = test_buffer(part_bytes);
	struct test_disk d[3];
	uint32_t n = 0;

	if (split_ok("p", base, 3, part_bytes)) {
		test_fill(want, part_bytes, 0, 99);
		for (int i = 0; i < 3; i++) {
			char name[] = {'p', (char)('0' + i), '\0'};

			CU_ASSERT_FATAL(test_disk_open(&d[i], r, name, true));
			n = (uint32_t)d[i].bdev->nblocks;
			CU_ASSERT_EQUAL(test_io(&d[i], BDEV_OP_WRITE, 0, n, want), BDEV_STATUS_OK);
		}
		battery_all(&d[1]);
		for (int i = 0; i < 3; i += 2) {
			CU_ASSERT_EQUAL(test_io(&d[i], BDEV_OP_READ, 0, n, buf), BDEV_STATUS_OK);
			CU_ASSERT(test_same(buf, want, part_bytes));
		}
		for (int i = 0; i < 3; i++)
			test_disk_close(&d[i]);
	}
	test_remove(base);
	free(want);
	free(buf);
	reactor_destroy(r);
}

static void battery_ram(void)
{
	make_ram("r", 9 * MIB, 512);
	battery_on("r", BATTERY_BYTES);
	make_ram("r", 9 * MIB, 4096);
	battery_on("r", BATTERY_BYTES + 4096);
}

static void battery_file(void)
{
	char path[] = "/tmp/test_split.XXXXXX", err[BDEV_ERR_MAX];
	int fd = mkstemp(path);
	struct bdev_file_params p = {
		.common = {.name = "f", .block_size = 512}, .path = path, .direct = false};

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, 9 * MIB), 0);
	close(fd);
	if (bdev_file_create(&p, err)) {
		test_skip("%s", err);
	} else {
		battery_on("f", BATTERY_BYTES + 512);
	}
	unlink(path);
}

/* --- what a base gets --- */

#define P1_LBA 4096

static const struct bdev_channel *base_channel(const struct setup *s)
{
	return s->d.ch->priv->base;
}

static void passed_on(void)
{
	char buf[8 * 512];
	const struct bdev_channel *base;
	struct setup s;

	if (!setup(&s, NULL))
		return;
	base = base_channel(&s);
	CU_ASSERT_EQUAL(test_io_flags(&s.d, BDEV_OP_WRITE, 5, 8, buf, BDEV_IO_FUA), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_READ, 4095, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(s.m->nseen, 3);
	CU_ASSERT_EQUAL(s.m->seen[0].op, BDEV_OP_WRITE);
	CU_ASSERT_EQUAL(s.m->seen[0].lba, P1_LBA + 5);
	CU_ASSERT_EQUAL(s.m->seen[0].nblocks, 8);
	CU_ASSERT_EQUAL(s.m->seen[0].flags, BDEV_IO_FUA);
	CU_ASSERT_EQUAL(s.m->seen[1].lba, P1_LBA + 4095);
	CU_ASSERT_EQUAL(s.m->seen[2].op, BDEV_OP_FLUSH);
	/* Counted by both, in flight nowhere. */
	for (int i = 0; i < 2; i++) {
		const struct bdev_channel *ch = i ? base : s.d.ch;

		CU_ASSERT_EQUAL(ch->stats.ios[BDEV_OP_WRITE], 1);
		CU_ASSERT_EQUAL(ch->stats.blocks[BDEV_OP_WRITE], 8);
		CU_ASSERT_EQUAL(ch->stats.ios[BDEV_OP_READ], 1);
		CU_ASSERT_EQUAL(ch->stats.ios[BDEV_OP_FLUSH], 1);
		CU_ASSERT_EQUAL(ch->stats.errors, 0);
		CU_ASSERT_EQUAL(ch->inflight, 0);
	}
	/* What the part refuses, the base does not see. */
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_READ, 4096, 1, buf), BDEV_STATUS_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(s.m->nseen, 3);
	CU_ASSERT_EQUAL(s.d.ch->stats.errors, 1);
	CU_ASSERT_EQUAL(base->stats.errors, 0);
	/* What the base refuses, both have. */
	s.m->answer = BDEV_STATUS_NO_SPACE;
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_NO_SPACE);
	CU_ASSERT_EQUAL(s.d.ch->stats.errors, 2);
	CU_ASSERT_EQUAL(base->stats.errors, 1);
	teardown(&s);
}

static void cancel_fn(void *arg)
{
	bdev_io_cancel(&((struct test_req *)arg)->io);
}

/* While the base has it, and when it is back. */
static void held_and_cancelled(void)
{
	struct test_req reqs[2];
	char buf[512];
	struct setup s;
	unsigned int i;

	if (!setup(&s, NULL))
		return;
	s.m->hold = true;
	for (i = 0; i < 2; i++) {
		test_req_init(&reqs[i], &s.d, BDEV_OP_READ, 9 + i, 1, buf);
		test_req_submit(&reqs[i], &s.d);
	}
	CU_ASSERT_EQUAL(s.m->nheld, 2);
	CU_ASSERT_EQUAL(s.d.ch->inflight, 2);
	CU_ASSERT_EQUAL(base_channel(&s)->inflight, 2);
	reactor_call(s.r, cancel_fn, &reqs[0]);
	CU_ASSERT_EQUAL(s.m->ncancels, 1);
	CU_ASSERT_EQUAL(test_req_wait(&reqs[0]), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(reqs[1].ndone, 0);
	reactor_call(s.r, mock_release_fn, s.m);
	CU_ASSERT_EQUAL(test_req_wait(&reqs[1]), BDEV_STATUS_OK);
	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(reqs[i].io.lba, 9 + i);
		CU_ASSERT_PTR_EQUAL(reqs[i].io.channel, s.d.ch);
		reactor_call(s.r, cancel_fn, &reqs[i]); /* harmless */
	}
	CU_ASSERT_EQUAL(s.m->ncancels, 1);
	CU_ASSERT_EQUAL(s.d.ch->inflight, 0);
	CU_ASSERT_EQUAL(base_channel(&s)->inflight, 0);
	teardown(&s);
}

/* The part's layer reads; its reads are the base's. */
static void emulated_compare(void)
{
	char buf[512] = {1};
	struct test_req req;
	struct setup s;

	if (!setup(&s, NULL))
		return;
	memcpy(s.m->mem + (P1_LBA + 3) * 512, buf, 512);
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_COMPARE, 3, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(s.m->seen[0].op, BDEV_OP_READ);
	CU_ASSERT_EQUAL(s.m->seen[0].lba, P1_LBA + 3);
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_COMPARE, 4, 1, buf), BDEV_STATUS_MISCOMPARE);
	CU_ASSERT_EQUAL(s.d.ch->stats.ios[BDEV_OP_COMPARE], 2);
	CU_ASSERT_EQUAL(base_channel(&s)->stats.ios[BDEV_OP_COMPARE], 0);
	CU_ASSERT_EQUAL(base_channel(&s)->stats.ios[BDEV_OP_READ], 2);
	s.m->hold = true;
	test_req_init(&req, &s.d, BDEV_OP_COMPARE, 3, 1, buf);
	test_req_submit(&req, &s.d);
	CU_ASSERT_EQUAL(s.m->nheld, 1);
	reactor_call(s.r, cancel_fn, &req);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(s.m->ncancels, 1);
	CU_ASSERT_EQUAL(base_channel(&s)->inflight, 0);
	teardown(&s);
}

static void refuses_zeroes(struct mock *m)
{
	m->bdev.limits.write_zeroes = true;
	m->refuse_zeroes = true;
}

static void refuses_short_zeroes(struct mock *m)
{
	refuses_zeroes(m);
	m->bdev.limits.max_write_zeroes_bytes = 64 * 512;
}

/* A base that finds out that it can't zero: in one I/O, in pieces, and cancelled meanwhile. */
static void zeroes(void (*change)(struct mock *m))
{
	struct test_req req;
	struct setup s;
	size_t at = P1_LBA * 512, len = 3000 * 512;

	if (!setup(&s, change))
		return;
	memset(s.m->mem, 0xff, MOCK_BYTES);
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_WRITE_ZEROES, 1, 3000, NULL), BDEV_STATUS_OK);
	CU_ASSERT(test_all(s.m->mem, at + 512, 0xff));
	CU_ASSERT(test_all(s.m->mem + at + 512, len, 0));
	CU_ASSERT(test_all(s.m->mem + at + 512 + len, MOCK_BYTES - at - 512 - len, 0xff));
	CU_ASSERT_EQUAL(s.d.ch->stats.ios[BDEV_OP_WRITE_ZEROES], 1);
	CU_ASSERT_EQUAL(s.d.ch->stats.blocks[BDEV_OP_WRITE_ZEROES], 3000);
	CU_ASSERT_EQUAL(s.d.ch->inflight, 0);
	CU_ASSERT_EQUAL(base_channel(&s)->inflight, 0);
	s.m->hold = true;
	test_req_init(&req, &s.d, BDEV_OP_WRITE_ZEROES, 7, 4000, NULL);
	test_req_submit(&req, &s.d);
	CU_ASSERT_EQUAL(s.m->nheld, 1);
	reactor_call(s.r, cancel_fn, &req);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(req.io.lba, 7);
	CU_ASSERT_EQUAL(req.io.nblocks, 4000);
	CU_ASSERT_PTR_EQUAL(req.io.channel, s.d.ch);
	CU_ASSERT_EQUAL(s.d.ch->inflight, 0);
	CU_ASSERT_EQUAL(base_channel(&s)->inflight, 0);
	teardown(&s);
}

static void zeroes_by_writing(void)
{
	zeroes(refuses_zeroes);
}

static void zeroes_in_pieces_by_writing(void)
{
	zeroes(refuses_short_zeroes);
}

/* More than the emulations of a channel: some of them wait in the base's, and are cancelled there.
 */
static void many_zeroes(void)
{
	struct test_req reqs[40];
	struct setup s;
	unsigned int i;

	if (!setup(&s, refuses_zeroes))
		return;
	s.m->hold = true;
	for (i = 0; i < 40; i++) {
		test_req_init(&reqs[i], &s.d, BDEV_OP_WRITE_ZEROES, i, 1, NULL);
		test_req_submit(&reqs[i], &s.d);
	}
	CU_ASSERT_EQUAL(s.m->nheld, 16);
	for (i = 0; i < 40; i += 3)
		reactor_call(s.r, cancel_fn, &reqs[i]);
	s.m->hold = false;
	reactor_call(s.r, mock_release_fn, s.m);
	for (i = 0; i < 40; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]),
				i % 3 ? BDEV_STATUS_OK : BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(s.d.ch->inflight, 0);
	CU_ASSERT_EQUAL(base_channel(&s)->inflight, 0);
	teardown(&s);
}

/* Read-only openers of a part have a channel of their own, on the same one of the base. */
static void channels(void)
{
	struct test_disk again, ro;
	char buf[512] = "";
	struct setup s;

	if (!setup(&s, NULL))
		return;
	CU_ASSERT_EQUAL(s.m->nchannels, 1);
	CU_ASSERT_FATAL(test_disk_open(&again, s.r, "p1", true));
	CU_ASSERT_PTR_EQUAL(again.ch, s.d.ch);
	CU_ASSERT_FATAL(test_disk_open(&ro, s.r, "p1", false));
	CU_ASSERT_PTR_NOT_EQUAL(ro.ch, s.d.ch);
	CU_ASSERT_PTR_EQUAL(ro.ch->ctx, s.d.ch->ctx);
	CU_ASSERT_EQUAL(s.m->nchannels, 1);
	CU_ASSERT_EQUAL(test_io(&ro, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_READ_ONLY);
	CU_ASSERT_EQUAL(test_io(&again, BDEV_OP_WRITE, 0, 1, buf), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_io(&ro, BDEV_OP_READ, 0, 1, buf), BDEV_STATUS_OK);
	test_disk_close(&ro);
	test_disk_close(&again);
	teardown(&s);
}

/* The last reference goes inside done(), with the I/O that came through the base. */
static void put_in_done_fn(struct test_req *req)
{
	bdev_channel_put(req->ch);
}

static void put_in_done(void)
{
	struct test_req req;
	char buf[512];
	struct setup s;

	if (!setup(&s, NULL))
		return;
	test_req_init(&req, &s.d, BDEV_OP_READ, 0, 1, buf);
	req.after = put_in_done_fn;
	s.m->hold = true;
	test_req_submit(&req, &s.d);
	reactor_call(s.r, mock_release_fn, s.m);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_OK);
	s.d.ch = NULL;
	CU_ASSERT_EQUAL(s.m->nchannels, 0);
	teardown(&s);
}

static const struct test_case cases[] = {
	{"bounds", bounds},
	{"places_512", places_512},
	{"places_4096", places_4096},
	{"battery_ram", battery_ram},
	{"battery_file", battery_file},
	{"passed_on", passed_on},
	{"held_and_cancelled", held_and_cancelled},
	{"emulated_compare", emulated_compare},
	{"zeroes_by_writing", zeroes_by_writing},
	{"zeroes_in_pieces_by_writing", zeroes_in_pieces_by_writing},
	{"many_zeroes", many_zeroes},
	{"channels", channels},
	{"put_in_done", put_in_done},
};

TEST_MAIN("split_io", cases)
