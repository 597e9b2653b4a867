/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of segments: how many there are, that none is given out twice, and what is given back. */
#include <string.h>

#include "../test.h"
#include "bdev/iov_pool.h"

#define MANY 4096

static struct iov_budget *budget, *other;
static struct iov_pool pool, second;
static struct iovec *lists[MANY];
static struct iov_stats stats;

static void begin(uint64_t bytes)
{
	budget = iov_budget_create("pool", bytes);
	other = iov_budget_create("other", 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(budget);
	iov_pool_init(&pool, budget, NULL);
	iov_pool_init(&second, budget, NULL);
}

static void end(void)
{
	iov_pool_fini(&pool);
	iov_pool_fini(&second);
	iov_budget_destroy(other);
	iov_budget_destroy(budget);
}

static void take_stats(void *arg, const char *name, const struct iov_stats *s)
{
	if (!strcmp(name, arg))
		stats = *s;
}

static uint64_t slabs(void)
{
	memset(&stats, 0xff, sizeof(stats));
	iov_stats_visit(take_stats, "pool");
	return stats.bytes / IOV_POOL_SLAB_BYTES;
}

/* Takes as many as there are, filled with what tells them apart. */
static unsigned int take_all(struct iov_pool *p, unsigned int n)
{
	unsigned int i, k;

	for (i = 0; i < MANY && (lists[i] = iov_pool_get(p, n)); i++)
		for (k = 0; k < n; k++)
			lists[i][k] = (struct iovec){(void *)(uintptr_t)i, k};
	return i;
}

static bool whole(unsigned int i, unsigned int n)
{
	unsigned int k;

	for (k = 0; k < n; k++)
		if (lists[i][k].iov_base != (void *)(uintptr_t)i || lists[i][k].iov_len != k)
			return false;
	return true;
}

static void put_all(struct iov_pool *p, unsigned int n)
{
	while (n)
		iov_pool_put(p, lists[--n]);
}

static void sizes(void)
{
	static const struct {
		unsigned int n, room;
	} rows[] = {{1, 40}, {40, 40}, {41, 272}, {272, 272}, {273, 1040}, {1040, 1040}};
	unsigned int i;

	begin(1 << 20);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		lists[i] = iov_pool_get(&pool, rows[i].n);
		CU_ASSERT_PTR_NOT_NULL_FATAL(lists[i]);
		CU_ASSERT_EQUAL(iov_pool_room(&pool, lists[i]), rows[i].room);
		CU_ASSERT_EQUAL((uintptr_t)lists[i] % 16, 0);
		memset(lists[i], 0x5a, rows[i].room * sizeof(struct iovec));
	}
	put_all(&pool, i);
	CU_ASSERT_EQUAL(slabs(), 3);
	end();
}

/* All that the budget has, and one slab more, of each size; each list only once. */
static void budget_and_one(void)
{
	static const unsigned int sizes_of[] = {40, 272, 1040}, per_slab[] = {204, 30, 7};
	unsigned int i, k, n;

	for (k = 0; k < 3; k++) {
		begin(4 * IOV_POOL_SLAB_BYTES);
		n = take_all(&pool, sizes_of[k]);
		CU_ASSERT_EQUAL(n, 4 * per_slab[k]);
		for (i = 0; i < n; i++)
			CU_ASSERT_TRUE(whole(i, sizes_of[k]));
		CU_ASSERT_EQUAL(slabs(), 4);
		CU_ASSERT_EQUAL(stats.waits, 1);
		/* Another size, and another reactor, have one each all the same. */
		CU_ASSERT_EQUAL(take_all(&second, sizes_of[k]), per_slab[k]);
		CU_ASSERT_EQUAL(slabs(), 5);
		put_all(&second, per_slab[k]);
		CU_ASSERT_EQUAL(take_all(&second, sizes_of[(k + 1) % 3]), per_slab[(k + 1) % 3]);
		CU_ASSERT_EQUAL(slabs(), 5); /* what was given back is used for it */
		put_all(&second, per_slab[(k + 1) % 3]);
		end();
	}
}

static void given_back_is_given_out(void)
{
	struct iovec *last;

	begin(IOV_POOL_SLAB_BYTES);
	CU_ASSERT_EQUAL(take_all(&pool, 1040), 7);
	last = lists[3];
	CU_ASSERT_PTR_NULL(iov_pool_get(&pool, 1040));
	iov_pool_put(&pool, last);
	CU_ASSERT_PTR_EQUAL(iov_pool_get(&pool, 1040), last);
	CU_ASSERT_PTR_NULL(iov_pool_get(&pool, 1040));
	put_all(&pool, 7);
	end();
}

/* Sizes in turn, for long: the pool never has more than its budget and a slab of each size. */
static void never_beyond(void)
{
	unsigned int held = 0, round;
	uint64_t random = 1;

	begin(2 * IOV_POOL_SLAB_BYTES);
	for (round = 0; round < 200000; round++) {
		struct iovec *iov;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		if (held && random >> 63) {
			unsigned int at = (unsigned int)(random >> 33) % held;

			iov_pool_put(&pool, lists[at]);
			lists[at] = lists[--held];
			continue;
		}
		iov = iov_pool_get(&pool, 1 + (unsigned int)(random >> 40) % 1040);
		if (iov)
			lists[held++] = iov;
		if (round % 1000 == 0)
			iov_pool_trim(&pool);
	}
	CU_ASSERT_TRUE(held > 0);
	CU_ASSERT_TRUE(slabs() <= 5);
	CU_ASSERT_TRUE(stats.peak_bytes <= 5 * IOV_POOL_SLAB_BYTES);
	put_all(&pool, held);
	end();
}

/* Two looks at memory that is not used, and it is the system's again. */
static void trim(void)
{
	unsigned int n;

	begin(1 << 20);
	n = take_all(&pool, 272);
	CU_ASSERT_EQUAL(n, 8 * 30);
	put_all(&pool, n);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 8);
	lists[0] = iov_pool_get(&pool, 272);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 1); /* the one that is in use */
	iov_pool_put(&pool, lists[0]);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 1);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 0);
	CU_ASSERT_EQUAL(stats.peak_bytes, 8 * IOV_POOL_SLAB_BYTES);
	CU_ASSERT_EQUAL(take_all(&pool, 272), n);
	CU_ASSERT_TRUE(whole(n - 1, 272));
	put_all(&pool, n);
	end();
}

/* What goes back is much, and goes in pieces; meanwhile nothing gets older. */
static void trim_in_pieces(void)
{
	unsigned int n, looks, before = 64;

	begin(8 << 20);
	n = take_all(&pool, 272);
	CU_ASSERT_EQUAL(slabs(), 64);
	put_all(&pool, n);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 64);
	lists[0] = iov_pool_get(&pool, 272);
	for (looks = 0; looks < 7; looks++, before -= 8) {
		iov_pool_trim(&pool);
		CU_ASSERT_EQUAL(slabs(), before - 8);
	}
	iov_pool_put(&pool, lists[0]);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 1); /* its last list was in use a moment ago */
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 1);
	iov_pool_trim(&pool);
	CU_ASSERT_EQUAL(slabs(), 0);
	end();
}

static const struct test_case cases[] = {
	{"sizes", sizes},
	{"budget_and_one", budget_and_one},
	{"given_back_is_given_out", given_back_is_given_out},
	{"never_beyond", never_beyond},
	{"trim", trim},
	{"trim_in_pieces", trim_in_pieces},
};

TEST_MAIN("iov_pool", cases)
