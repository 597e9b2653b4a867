/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon is killed with requests in flight and started again, and the front-end has kept the
 * in-flight region: each request is answered exactly once.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

static struct fe_virtio dev;
static struct fe_vq *q;
static uint64_t gpa;

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: slow0, type: null, size: 1GiB, block_size: 512, latency_us: 300000}\n",
	.controllers = "  - {name: slow, type: blk, bdev: slow0, queues: 2}\n",
};

#define FLIGHT 5

/* FLIGHT reads in flight of which nothing has completed, in a region for queues of this size. */
static bool fly_in(int *heads, unsigned int region_size)
{
	unsigned int i;

	if (!fe_fixture_daemon() || fe_virtio_open(&dev, fe_daemon_socket(&fe_daemon, "slow"), 0))
		return false;
	fe_mem_alloc(&dev.mem, 1 << 20, &gpa);
	q = fe_vq_make(&dev, 0, 32);
	if (fe_virtio_inflight(&dev, 2, region_size) || fe_vq_start(q, 0))
		return false;
	for (i = 0; i < FLIGHT; i++)
		heads[i] = fe_blk_submit(q, VIRTIO_BLK_T_IN, i, gpa + i * 512u, 512);
	return true;
}

static bool fly(int *heads)
{
	return fly_in(heads, 32);
}

static uint8_t *flags(void)
{
	uint8_t *map = mmap(NULL, dev.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    dev.inflight_fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

static unsigned int marked(const uint8_t *map)
{
	unsigned int i, n = 0;

	for (i = 0; i < 32; i++)
		n += __atomic_load_n(map + 16 + 16 * i, __ATOMIC_RELAXED) == 1;
	return n;
}

/* Dies at once and is there again; the VMM goes on from what the used ring says. */
static bool crash(void)
{
	fe_daemon_kill(&fe_daemon);
	if (!fe_fixture_daemon() || fe_virtio_reconnect(&dev, fe_daemon_socket(&fe_daemon, "slow")))
		return false;
	return fe_vq_start(q, q->used->idx) == 0;
}

static void check_answered_once(const int *heads, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		int head = fe_vq_wait(q, NULL, FE_TIMEOUT_MS);

		/* The disk is as slow for each: they come in the order of their submission. */
		CHECK_EQ(head, heads[i]);
		CHECK_EQ(q->status[heads[i]], 0);
	}
	CHECK_EQ(fe_vq_wait(q, NULL, 400), -ETIMEDOUT);
}

static void killed_before_anything_completed(void)
{
	int heads[FLIGHT];
	uint8_t *map;

	if (CHECK(fly(heads)) && CHECK((map = flags()) != NULL)) {
		CHECK(FE_WAIT_FOR(marked(map) == FLIGHT, FE_TIMEOUT_MS));
		CHECK_EQ(q->used->idx, 0);
		if (CHECK(crash()))
			check_answered_once(heads, FLIGHT);
		CHECK_EQ(marked(map), 0);
		munmap(map, dev.inflight.mmap_size);
	}
	fe_virtio_close(&dev);
}

/* QEMU 10.0.13 asks for a region for 128 entries, and its guests have queues of 1024. */
static void region_for_smaller_queues(void)
{
	int heads[FLIGHT];
	uint8_t *map;

	if (CHECK(fly_in(heads, 8)) && CHECK((map = flags()) != NULL)) {
		CHECK(FE_WAIT_FOR(marked(map) == FLIGHT, FE_TIMEOUT_MS));
		if (CHECK(crash()))
			check_answered_once(heads, FLIGHT);
		CHECK_EQ(marked(map), 0);
		munmap(map, dev.inflight.mmap_size);
	}
	fe_virtio_close(&dev);
}

static void killed_in_the_middle(void)
{
	int heads[FLIGHT], later[FLIGHT];
	unsigned int i;

	if (CHECK(fly(heads))) {
		for (i = 0; i < FLIGHT; i++)
			CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), heads[i]);
		/* Heads in another order than their numbers. */
		for (i = 0; i < FLIGHT; i++)
			later[i] = fe_blk_submit(q, VIRTIO_BLK_T_IN, i, gpa + i * 512u, 512);
		fe_sleep_us(FE_QUIET_MS * 1000);
		if (CHECK(crash()))
			check_answered_once(later, FLIGHT);
	}
	fe_virtio_close(&dev);
}

/* Twice, with requests that no daemon has seen yet. */
static void killed_twice(void)
{
	int heads[FLIGHT];

	if (CHECK(fly(heads))) {
		fe_sleep_us(FE_QUIET_MS * 1000);
		if (CHECK(crash())) {
			fe_sleep_us(FE_QUIET_MS * 1000);
			fe_daemon_kill(&fe_daemon);
			fe_blk_submit(q, VIRTIO_BLK_T_IN, 9, gpa, 512);
			fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
			/* The flush may be quicker than reads: only that each comes once. */
			if (CHECK(crash())) {
				unsigned int i, seen = 0;

				for (i = 0; i < FLIGHT + 2; i++) {
					int head = fe_vq_wait(q, NULL, FE_TIMEOUT_MS);

					CHECK(head >= 0 && !(seen >> head & 1));
					seen |= head >= 0 ? 1u << head : 0;
				}
				CHECK_EQ(fe_vq_wait(q, NULL, 400), -ETIMEDOUT);
			}
		}
	}
	fe_virtio_close(&dev);
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test_case cases[] = {
	CASE(killed_before_anything_completed),
	CASE(region_for_smaller_queues),
	CASE(killed_in_the_middle),
	CASE(killed_twice),
};

FE_TEST_MAIN("blk_inflight", cases, &config)
