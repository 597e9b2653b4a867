/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of a bdev: sizes, bounds, what the base gets and when, claims, removal. */
#include "bdev_battery.h"
#include "mock_bdev.h"

#define MIB (1u << 20)

static const uint8_t uuids[BDEV_SPLIT_PARTS_MAX][16] = {{1}, {2}, {3}, {4}};

static int split(const char *name, const char *base, uint32_t count, uint64_t size,
		 char err[BDEV_ERR_MAX])
{
	struct bdev_split_params p = {
		.name = name, .base = base, .count = count, .size_bytes = size, .uuids = uuids};

	err[0] = '\0';
	return bdev_split_create(&p, err);
}

/* False, with a failed check, if it can't be made. */
static bool split_ok(const char *name, const char *base, uint32_t count, uint64_t size)
{
	char err[BDEV_ERR_MAX];
	int rc = split(name, base, count, size, err);

	if (rc)
		printf("# %s\n", err);
	CU_ASSERT_EQUAL(rc, 0);
	return !rc;
}

static void make_ram(const char *name, uint64_t size, uint32_t block_size)
{
	struct bdev_malloc_params p = {
		.common = {.name = name, .size_bytes = size, .block_size = block_size},
		.numa_node = -1,
	};
	char err[BDEV_ERR_MAX];

	CU_ASSERT_EQUAL_FATAL(bdev_malloc_create(&p, err), 0);
}

/* --- making them --- */

static void sizes(void)
{
	static const struct {
		uint64_t base, size, each;
		uint32_t block_size, preferred, granularity, count;
	} rows[] = {
		{8 * MIB, 0, 2 * MIB, 512, 0, 0, 4},
		{8 * MIB, 0, 8 * MIB, 4096, 0, 0, 1},
		/* A whole number of 4 KiB, so that the second part is not misaligned. */
		{8 * MIB, 0, 682 * 4096, 512, 0, 0, 3},
		{8 * MIB, 0, 42 * 65536, 512, 65536, 0, 3},
		{6 * MIB + 65536, 0, 2 * MIB, 512, 65536, 512, 3},
		{6 * MIB + 65536, 0, 2 * MIB, 512, 512, 65536, 3},
		/* Nobody means these. */
		{6 * MIB + 12288, 0, 2 * MIB + 4096, 512, 98304, 0, 3},
		{6 * MIB + 12288, 0, 2 * MIB + 4096, 512, 2 * MIB, 0, 3},
		/* Too small to be aligned. */
		{4096, 0, 1024, 512, 0, 0, 4},
		{4096, 0, 512, 512, 0, 0, 8},
		{256 * 4096, 0, 4096, 4096, 0, 0, 256},
		/* A size that is given is not changed. */
		{8 * MIB, 512, 512, 512, 65536, 0, 4},
		{8 * MIB, 3 * MIB + 512, 3 * MIB + 512, 512, 0, 0, 2},
		{8 * MIB, 2 * MIB, 2 * MIB, 4096, 0, 0, 4},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mock *m = mock_new("base");
		const struct bdev *part;
		char name[16];

		m->bdev.block_size = rows[i].block_size;
		m->bdev.nblocks = rows[i].base / rows[i].block_size;
		m->bdev.limits.preferred_bytes = rows[i].preferred;
		m->bdev.limits.discard_granularity_bytes = rows[i].granularity;
		CU_ASSERT_EQUAL_FATAL(bdev_register(&m->bdev), 0);
		if (split_ok("p", "base", rows[i].count, rows[i].size)) {
			snprintf(name, sizeof(name), "p%u", rows[i].count - 1);
			part = bdev_find(name);
			CU_ASSERT_PTR_NOT_NULL_FATAL(part);
			if (part->nblocks * part->block_size != rows[i].each)
				printf("# row %zu: %lu\n", i,
				       (unsigned long)part->nblocks * part->block_size);
			CU_ASSERT_EQUAL(part->nblocks * part->block_size, rows[i].each);
			CU_ASSERT_EQUAL(part->block_size, rows[i].block_size);
			snprintf(name, sizeof(name), "p%u", rows[i].count);
			CU_ASSERT_PTR_NULL(bdev_find(name));
		}
		test_remove("base");
		CU_ASSERT_PTR_NULL(bdev_find("p0"));
	}
}

static void properties(void)
{
	struct mock *m = mock_new("base");
	const struct bdev *one;

	m->bdev.limits = (struct bdev_limits){.max_transfer_bytes = 65536,
					      .max_segments = 9,
					      .buffer_align = 512,
					      .discard_zeroes = true,
					      .write_cache = true};
	m->bdev.read_only = true;
	CU_ASSERT_EQUAL_FATAL(bdev_register(&m->bdev), 0);
	if (split_ok("p", "base", 2, 0)) {
		one = bdev_find("p1");
		CU_ASSERT_PTR_NOT_NULL_FATAL(one);
		CU_ASSERT_EQUAL(one->limits.max_transfer_bytes, 65536);
		CU_ASSERT_EQUAL(one->limits.max_segments, 9);
		CU_ASSERT_EQUAL(one->limits.buffer_align, 512);
		CU_ASSERT_EQUAL(one->limits.discard_zeroes, true);
		CU_ASSERT_EQUAL(one->limits.write_cache, true);
		CU_ASSERT_EQUAL(one->limits.compare, false);
		CU_ASSERT_EQUAL(one->read_only, true);
		CU_ASSERT_EQUAL(memcmp(one->uuid, uuids[1], 16), 0);
		CU_ASSERT_STRING_EQUAL(one->ops->type, "split");
	}
	test_remove("base");
}

#define NAME_62 "a2345678901234567890123456789012345678901234567890123456789012"

static void errors(void)
{
	static const struct {
		const char *name, *base;
		uint32_t count;
		uint64_t size;
		int rc;
		const char *text;
	} rows[] = {
		{"p", "none", 1, 0, -ENOENT, "base: there is no bdev \"none\""},
		{"p", "base", 0, 0, -EINVAL, "count: 0 parts; it must be 1 to 256"},
		{"p", "base", 257, 0, -EINVAL, "count: 257 parts; it must be 1 to 256"},
		{"p", "base", UINT32_MAX, 0, -EINVAL, "count: 4294967295 parts; it must be"},
		{"p", "tiny", 9, 0, -EINVAL, "count: 9 parts are more than the 8 blocks of bdev"},
		{"p", "base", 1, MIB + 512, -EINVAL,
		 "size: 1 parts of 1049088 bytes don't fit into bdev \"base\", which has 2048 "
		 "blocks"},
		{"p", "base", 3, MIB / 2, -EINVAL, "size: 3 parts of 524288 bytes don't fit"},
		{"p", "base", 256, UINT64_MAX - 511, -EINVAL, "size: 256 parts of 18446744073"},
		{"p", "base", 2, 1000, -EINVAL, "size: 1000 bytes are not a multiple of the block"},
		{"p", "base", 2, 100, -EINVAL, "size: 100 bytes are not a multiple of the block"},
		{"", "base", 1, 0, -EINVAL, "name: it has 0 characters"},
		{NULL, "base", 1, 0, -EINVAL, "name: it has 0 characters"},
		{NAME_62, "base", 11, 0, -EINVAL, "name: it has 62 characters; with the number"},
		{NAME_62 "34", "base", 1, 0, -EINVAL, "name: it has 64 characters; with the"},
		/* The third of its parts would be a name that is taken. */
		{"q", "base", 4, 0, -EEXIST, "name: there is a bdev named \"q2\" already"},
	};
	char err[BDEV_ERR_MAX], holder[BDEV_HOLDER_MAX];

	make_ram("base", MIB, 512);
	make_ram("tiny", 4096, 512);
	make_ram("q2", 4096, 512);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(split(rows[i].name, rows[i].base, rows[i].count, rows[i].size, err),
				rows[i].rc);
		if (strncmp(err, rows[i].text, strlen(rows[i].text)) != 0) {
			printf("# %s\n", err);
			CU_FAIL("another message");
		}
		/* Nothing is left. */
		CU_ASSERT(!bdev_claimed("base", holder));
		CU_ASSERT_PTR_NULL(bdev_find("p0"));
		CU_ASSERT_PTR_NULL(bdev_find("q0"));
		CU_ASSERT_PTR_NULL(bdev_find("q1"));
	}
	/* Names of 63 characters are fine. */
	if (split_ok(NAME_62, "base", 10, 0))
		CU_ASSERT_PTR_NOT_NULL(bdev_find(NAME_62 "9"));
	test_remove("base");
	test_remove("tiny");
	test_remove("q2");
}

/* --- claims --- */

static void claims(void)
{
	struct bdev_desc *a, *b, *c;
	char holder[BDEV_HOLDER_MAX] = "";

	make_ram("r", MIB, 512);
	CU_ASSERT(!bdev_claimed("r", holder));
	CU_ASSERT(!bdev_claimed("none", holder));
	CU_ASSERT_EQUAL_FATAL(bdev_open("r", true, NULL, NULL, &a), 0);
	CU_ASSERT_EQUAL_FATAL(bdev_open("r", true, NULL, NULL, &b), 0);
	CU_ASSERT_EQUAL(bdev_claim(a, "a"), -EBUSY); /* b writes */
	bdev_close(b);
	CU_ASSERT_EQUAL_FATAL(bdev_open("r", false, NULL, NULL, &b), 0);
	CU_ASSERT_EQUAL(bdev_claim(a, "the first"), 0); /* b only reads */
	CU_ASSERT(bdev_claimed("r", holder));
	CU_ASSERT_STRING_EQUAL(holder, "the first");
	CU_ASSERT_EQUAL(bdev_claim(b, "b"), -EBUSY);
	CU_ASSERT_EQUAL(bdev_claim(a, "twice"), -EBUSY);
	CU_ASSERT_EQUAL(bdev_open("r", true, NULL, NULL, &c), -EBUSY);
	CU_ASSERT_EQUAL_FATAL(bdev_open("r", false, NULL, NULL, &c), 0);
	bdev_close(c);
	bdev_close(b);
	CU_ASSERT(bdev_claimed("r", holder)); /* others' closing is nothing to it */
	bdev_close(a);
	CU_ASSERT(!bdev_claimed("r", holder));
	CU_ASSERT_EQUAL_FATAL(bdev_open("r", true, NULL, NULL, &c), 0);
	bdev_close(c);
	test_remove("r");
}

static void claimed_base(void)
{
	struct bdev_desc *desc;
	char err[BDEV_ERR_MAX];

	make_ram("r", MIB, 512);
	CU_ASSERT_EQUAL_FATAL(bdev_open("r", true, NULL, NULL, &desc), 0);
	CU_ASSERT_EQUAL(split("p", "r", 2, 0, err), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "bdev \"r\" is open for writing"));
	bdev_close(desc);
	if (split_ok("p", "r", 2, 0)) {
		CU_ASSERT_EQUAL(bdev_open("r", true, NULL, NULL, &desc), -EBUSY);
		CU_ASSERT_EQUAL(split("q", "r", 2, 0, err), -EBUSY);
		CU_ASSERT_STRING_EQUAL(err, "base: bdev \"r\" is in use: split \"p\" has it");
		CU_ASSERT_EQUAL(split("q", "p0", 2, 0, err), -EINVAL);
		CU_ASSERT_STRING_EQUAL(err, "base: bdev \"p0\" is a part itself");
		CU_ASSERT_EQUAL_FATAL(bdev_open("p0", true, NULL, NULL, &desc), 0);
		bdev_close(desc);
		/* As long as one part is there. */
		test_remove("p0");
		CU_ASSERT_EQUAL(bdev_open("r", true, NULL, NULL, &desc), -EBUSY);
		test_remove("p1");
		CU_ASSERT_EQUAL_FATAL(bdev_open("r", true, NULL, NULL, &desc), 0);
		bdev_close(desc);
	}
	test_remove("r");
}

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

struct setup {
	struct reactor *r;
	struct mock *m;
	struct test_disk d; /* p1: LBA 4096 on of 16384 */
};

#define P1_LBA 4096

static bool setup(struct setup *s, void (*change)(struct mock *m))
{
	s->r = test_reactor(0);
	s->m = mock_new("m");
	if (change)
		change(s->m);
	CU_ASSERT_EQUAL_FATAL(bdev_register(&s->m->bdev), 0);
	return split_ok("p", "m", 4, 0) && test_disk_open(&s->d, s->r, "p1", true);
}

static void teardown(struct setup *s)
{
	int destroyed = 0;

	s->m->destroyed = &destroyed;
	test_disk_close(&s->d);
	test_remove("m");
	CU_ASSERT_EQUAL(destroyed, 1);
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	reactor_destroy(s->r);
}

static const struct bdev_channel *base_channel(const struct setup *s)
{
	return s->d.ch->ctx;
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

/* --- removal --- */

static void told(struct bdev_desc *desc, void *arg)
{
	++*(int *)arg;
}

static void told_and_closes(struct bdev_desc *desc, void *arg)
{
	++*(int *)arg;
	bdev_close(desc);
}

/* The base goes: the users of all parts are told, I/O ends in GONE, then it is gone. */
static void base_removed(void)
{
	struct bdev_desc *p2, *p3;
	int told2 = 0, told3 = 0, destroyed = 0;
	struct test_req req;
	char buf[512];
	struct setup s;
	sem_t gone;

	if (!setup(&s, NULL))
		return;
	sem_init(&gone, 0, 0);
	s.m->destroyed = &destroyed;
	CU_ASSERT_EQUAL_FATAL(bdev_open("p2", true, told, &told2, &p2), 0);
	CU_ASSERT_EQUAL_FATAL(bdev_open("p3", true, told_and_closes, &told3, &p3), 0);
	s.m->hold = true;
	test_req_init(&req, &s.d, BDEV_OP_READ, 0, 1, buf);
	test_req_submit(&req, &s.d);
	bdev_remove(&s.m->bdev, test_removed, &gone);
	CU_ASSERT_EQUAL(told2, 1);
	CU_ASSERT_EQUAL(told3, 1);
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_READ, 0, 1, buf), BDEV_STATUS_GONE);
	/* What was in flight ends as it would have. */
	reactor_call(s.r, mock_release_fn, s.m);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_OK);
	CU_ASSERT(sem_trywait(&gone) && errno == EAGAIN);
	bdev_close(p2);
	CU_ASSERT_EQUAL(destroyed, 0);
	test_disk_close(&s.d);
	test_wait(&gone, "removal of the base");
	CU_ASSERT_EQUAL(destroyed, 1);
	reactor_destroy(s.r);
}

/* A part goes, the others stay; its name may be used again, and not be removed with the base. */
static void part_removed(void)
{
	char buf[512];
	struct setup s;

	if (!setup(&s, NULL))
		return;
	test_remove("p2");
	test_remove("p0");
	CU_ASSERT_EQUAL(test_io(&s.d, BDEV_OP_READ, 0, 1, buf), BDEV_STATUS_OK);
	make_ram("p2", MIB, 512);
	teardown(&s);
	CU_ASSERT_PTR_NOT_NULL(bdev_find("p2"));
	test_remove("p2");
}

/* Another split's part of that name is not one of ours, either. */
static void part_replaced(void)
{
	struct setup s;

	if (!setup(&s, NULL))
		return;
	test_remove("p2");
	test_remove("p3");
	make_ram("other", MIB, 512);
	test_remove("p0");
	CU_ASSERT(split_ok("p", "other", 1, 0));
	s.m->destroyed = NULL;
	test_disk_close(&s.d);
	test_remove("m");
	CU_ASSERT_PTR_NULL(bdev_find("p1"));
	CU_ASSERT_PTR_NOT_NULL(bdev_find("p0"));
	test_remove("other");
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	reactor_destroy(s.r);
}

struct closer {
	struct reactor *r;
	struct bdev_desc *desc;
};

static void close_fn(void *arg)
{
	bdev_close(((struct closer *)arg)->desc);
}

/* The last user of the last part closes on another thread while the base is being removed. */
static void closed_meanwhile(void)
{
	struct reactor *r = test_reactor(0);

	for (int i = 0; i < 200; i++) {
		struct reactor_msg msg = {.fn = close_fn};
		struct closer c = {.r = r};
		sem_t gone, part_gone;

		sem_init(&gone, 0, 0);
		sem_init(&part_gone, 0, 0);
		make_ram("r", 4096, 512);
		if (!split_ok("p", "r", 1, 0))
			break;
		CU_ASSERT_EQUAL_FATAL(bdev_open("p0", true, NULL, NULL, &c.desc), 0);
		bdev_remove(bdev_find("p0"), test_removed, &part_gone);
		msg.arg = &c;
		reactor_send(r, &msg);
		bdev_remove(bdev_find("r"), test_removed, &gone);
		test_wait(&gone, "removal of the base");
		test_wait(&part_gone, "removal of the part");
		sem_destroy(&gone);
		sem_destroy(&part_gone);
	}
	reactor_destroy(r);
}

static const struct test_case cases[] = {
	{"sizes", sizes},
	{"properties", properties},
	{"errors", errors},
	{"claims", claims},
	{"claimed_base", claimed_base},
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
	{"base_removed", base_removed},
	{"part_removed", part_removed},
	{"part_replaced", part_replaced},
	{"closed_meanwhile", closed_meanwhile},
};

TEST_MAIN("split", cases)
