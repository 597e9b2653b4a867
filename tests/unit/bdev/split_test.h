/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_BDEV_SPLIT_TEST_H
#define TESTS_UNIT_BDEV_SPLIT_TEST_H

/* Splits for tests, of bdevs in memory and of a mock. */

#include "bdev/bdev_internal.h"
#include "bdev_test.h"
#include "mock_bdev.h"

#define MIB (1u << 20)

static const uint8_t uuids[BDEV_SPLIT_PARTS_MAX][16] = {{1}, {2}, {3}, {4}};

static inline int split(const char *name, const char *base, uint32_t count, uint64_t size,
			char err[BDEV_ERR_MAX])
{
	struct bdev_split_params p = {
		.common = {.name = name, .size_bytes = size},
		.base = base,
		.count = count,
		.uuids = uuids,
	};

	err[0] = '\0';
	return bdev_split_create(&p, err);
}

/* False, with a failed check, if it can't be made. */
static inline bool split_ok(const char *name, const char *base, uint32_t count, uint64_t size)
{
	char err[BDEV_ERR_MAX];
	int rc = split(name, base, count, size, err);

	if (rc)
		printf("# %s\n", err);
	CU_ASSERT_EQUAL(rc, 0);
	return !rc;
}

static inline void make_ram(const char *name, uint64_t size, uint32_t block_size)
{
	struct bdev_malloc_params p = {
		.common = {.name = name, .size_bytes = size, .block_size = block_size},
		.numa_node = -1,
	};
	char err[BDEV_ERR_MAX];

	CU_ASSERT_EQUAL_FATAL(bdev_malloc_create(&p, err), 0);
}

struct setup {
	struct reactor *r;
	struct mock *m;
	struct test_disk d; /* p1: LBA 4096 on of 16384 */
};

static inline bool setup(struct setup *s, void (*change)(struct mock *m))
{
	s->r = test_reactor(0);
	s->m = mock_new("m");
	if (change)
		change(s->m);
	CU_ASSERT_EQUAL_FATAL(bdev_register(&s->m->bdev), 0);
	return split_ok("p", "m", 4, 0) && test_disk_open(&s->d, s->r, "p1", true);
}

static inline void teardown(struct setup *s)
{
	int destroyed = 0;

	s->m->destroyed = &destroyed;
	test_disk_close(&s->d);
	test_remove("m");
	CU_ASSERT_EQUAL(destroyed, 1);
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	reactor_destroy(s->r);
}

#endif
