/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of lines: order, when it is full, many writers. */
#include <pthread.h>

#include "../tools.h"
#include "util/log_ring.h"

static struct log_ring ring;

static bool put(int n)
{
	struct log_record *rec = log_ring_begin(&ring);

	if (!rec)
		return false;
	snprintf(rec->text, sizeof(rec->text), "%d", n);
	log_ring_publish(rec);
	return true;
}

/* -1: empty */
static int get(uint64_t *lost)
{
	struct log_record *rec = log_ring_peek(&ring);
	int n;

	if (!rec)
		return -1;
	n = atoi(rec->text);
	*lost = rec->lost;
	log_ring_pop(&ring);
	return n;
}

static void order(void)
{
	uint64_t lost;
	int i, k;

	log_ring_init(&ring);
	CU_ASSERT_TRUE(log_ring_is_empty(&ring));
	CU_ASSERT_EQUAL(get(&lost), -1);
	/* More often than it has slots. */
	for (i = 0; i < 5 * LOG_RING_LINES; i += 3) {
		for (k = 0; k < 3; k++)
			CU_ASSERT_TRUE(put(i + k));
		CU_ASSERT_FALSE(log_ring_is_empty(&ring));
		for (k = 0; k < 3; k++) {
			CU_ASSERT_EQUAL(get(&lost), i + k);
			CU_ASSERT_EQUAL(lost, 0);
		}
		CU_ASSERT_TRUE(log_ring_is_empty(&ring));
	}
}

/* The oldest lines stay; what was lost is told once, where it is missing. */
static void full(void)
{
	uint64_t lost;
	int i;

	log_ring_init(&ring);
	for (i = 0; i < LOG_RING_LINES; i++)
		CU_ASSERT_TRUE(put(i));
	for (i = 0; i < 7; i++)
		CU_ASSERT_FALSE(put(-5));
	CU_ASSERT_EQUAL(get(&lost), 0);
	CU_ASSERT_TRUE(put(100000));
	CU_ASSERT_FALSE(put(-5));
	for (i = 1; i < LOG_RING_LINES; i++) {
		CU_ASSERT_EQUAL(get(&lost), i);
		CU_ASSERT_EQUAL(lost, 0);
	}
	CU_ASSERT_EQUAL(get(&lost), 100000);
	CU_ASSERT_EQUAL(lost, 7);
	CU_ASSERT_EQUAL(get(&lost), -1);
	CU_ASSERT_EQUAL(log_ring_take_lost(&ring), 1);
	CU_ASSERT_EQUAL(log_ring_take_lost(&ring), 0);
}

/* A writer that is held up before it publishes holds up the reader, not other writers. */
static void held_up(void)
{
	struct log_record *rec;
	uint64_t lost;

	log_ring_init(&ring);
	rec = log_ring_begin(&ring);
	snprintf(rec->text, sizeof(rec->text), "1");
	CU_ASSERT_TRUE(put(2));
	CU_ASSERT_EQUAL(get(&lost), -1);
	CU_ASSERT_FALSE(log_ring_is_empty(&ring));
	log_ring_publish(rec);
	CU_ASSERT_EQUAL(get(&lost), 1);
	CU_ASSERT_EQUAL(get(&lost), 2);
}

#define WRITERS 4
#define EACH	TEST_ROUNDS(20000)

static atomic_int writing;

static void *write_many(void *arg)
{
	int base = *(int *)arg * 1000000, i;

	for (i = 0; i < EACH; i++)
		put(base + i);
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

/* Every line comes once, in its writer's order, or is counted as lost. */
static void writers(void)
{
	int ids[WRITERS], last[WRITERS], i, n;
	uint64_t got = 0, lost, all_lost = 0;
	pthread_t t[WRITERS];
	bool more = true;

	log_ring_init(&ring);
	atomic_store(&writing, WRITERS);
	for (i = 0; i < WRITERS; i++) {
		ids[i] = i;
		last[i] = -1;
		pthread_create(&t[i], NULL, write_many, &ids[i]);
	}
	while (more) {
		more = atomic_load(&writing) > 0;
		while ((n = get(&lost)) >= 0) {
			CU_ASSERT(n % 1000000 > last[n / 1000000]);
			last[n / 1000000] = n % 1000000;
			all_lost += lost;
			got++;
		}
		sched_yield();
	}
	for (i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	all_lost += log_ring_take_lost(&ring);
	CU_ASSERT_EQUAL(got + all_lost, (uint64_t)WRITERS * EACH);
}

static const struct test_case cases[] = {
	{"order", order},
	{"full", full},
	{"held_up", held_up},
	{"writers", writers},
};

TEST_MAIN("log_ring", cases)
