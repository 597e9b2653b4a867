/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of a bdev: sizes and errors, claims, removal. */
#include "split_test.h"

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
		CU_ASSERT_EQUAL(split("p", "p0", 1, 0, err), -EEXIST);
		CU_ASSERT_STRING_EQUAL(err, "name: there is a bdev named \"p0\" already");
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

/* --- removal --- */

static void told(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	++*(int *)arg;
}

static void told_and_closes(struct bdev_desc *desc, enum bdev_event event, void *arg)
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
	{"base_removed", base_removed},
	{"part_removed", part_removed},
	{"part_replaced", part_replaced},
	{"closed_meanwhile", closed_meanwhile},
};

TEST_MAIN("split", cases)
