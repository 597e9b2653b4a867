/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings that no driver should make, and that change or stay full while they are used. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"
#include "virtq_hostile.h"

/* --- the rings --- */

VHOSTILE(available_index_one_too_far)
{
	REQUIRE(open_q(16));
	q->avail_idx = (uint16_t)(q->avail_idx + 16);
	expect_broken("too far ahead");
}

VHOSTILE(available_index_jumps)
{
	REQUIRE(open_q(16));
	q->avail_idx = (uint16_t)(q->avail_idx + 32767);
	expect_broken("too far ahead");
}

VHOSTILE(available_index_goes_back)
{
	REQUIRE(open_q(16));
	q->avail_idx = (uint16_t)(q->avail_idx - 2);
	expect_broken("too far ahead");
}

VHOSTILE(same_head_many_times)
{
	unsigned int i;

	REQUIRE(open_q(16));
	frame(VIRTIO_BLK_T_IN, 8);
	desc(1, fe_vbad_gpa, 4096, NEXT | WRITE, 2);
	for (i = 0; i < 16; i++) {
		q->avail[2 + ((q->avail_idx + i) & 15)] = 0;
	}
	q->avail_idx = (uint16_t)(q->avail_idx + 15);
	fe_vq_submit(q, 0);
	for (i = 0; i < 16; i++)
		CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), 0);
	CHECK(fe_vbad_works());
}

VHOSTILE(garbage_in_flags_and_events)
{
	REQUIRE(open_q(16));
	q->avail[0] = 0xfffe;
	q->avail[2 + 16] = 0x8000;
	CHECK(fe_vbad_works());
	q->avail[0] = 0xffff;
	q->avail[2 + 16] = 0xffff;
	CHECK(fe_vbad_works());
}

/* The used ring is the device's: what the guest writes there is not read. */
VHOSTILE(used_ring_scribbled_over)
{
	unsigned int i;

	REQUIRE(open_q(16));
	for (i = 0; i < 40; i++) {
		memset(q->used->ring, 0xff, 16 * sizeof(q->used->ring[0]));
		q->used->idx = (uint16_t)(q->last_used + 1000);
		fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
		/* It sets its own index. */
		CHECK(FE_WAIT_FOR(__atomic_load_n((uint16_t *)&q->used->idx, __ATOMIC_ACQUIRE) ==
					  (uint16_t)(q->last_used + 1),
				  FE_TIMEOUT_MS));
		CHECK(fe_vq_poll(q, NULL) >= 0);
	}
	CHECK(fe_vbad_works());
}

/* --- at the same time --- */

static void scribble(void *arg, uint64_t *random)
{
	uint64_t r = fe_random(random);
	uint8_t *at;

	switch (r & 3) {
	case 0:
		at = (uint8_t *)q->desc + (r >> 8) % (q->size * sizeof(*q->desc));
		break;
	case 1:
		at = (uint8_t *)q->avail + (r >> 8) % (6 + 2u * q->size);
		break;
	case 2:
		at = (uint8_t *)q->used + (r >> 8) % (6 + 8u * q->size);
		break;
	default:
		at = (uint8_t *)q->hdrs + (r >> 8) % (q->size * sizeof(*q->hdrs));
	}
	__atomic_store_n(at, (uint8_t)(r >> 56), __ATOMIC_RELAXED);
	if (!(r >> 20 & 15))
		fe_vq_kick(q);
}

VHOSTILE(rings_scribbled_over_under_load)
{
	struct fe_pest pest = {0};
	int round;

	for (round = 0; round < 8; round++) {
		uint16_t i;

		REQUIRE(open_q(64));
		for (i = 0; i < 15; i++)
			fe_blk_submit(q, i & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i * 8u,
				      fe_vbad_gpa + i * 4096u, 4096);
		REQUIRE(fe_pest_start(&pest, scribble, NULL) == 0);
		fe_sleep_us(20000);
		fe_pest_stop(&pest);
	}
	CHECK(fe_vbad_recovers());
}

static void kick(void *arg, uint64_t *random)
{
	fe_vq_kick(q);
}

VHOSTILE(kicks_for_nothing)
{
	struct fe_pest pest = {0};
	unsigned int i;

	REQUIRE(open_q(16));
	REQUIRE(fe_pest_start(&pest, kick, NULL) == 0);
	for (i = 0; i < 20; i++)
		CHECK(fe_vbad_works());
	fe_pest_stop(&pest);
}

/* Nobody takes the notifications: the counter is full, and a write would wait. */
VHOSTILE(notification_counter_full)
{
	uint64_t full = UINT64_MAX - 1;
	unsigned int i;

	REQUIRE(open_q(16));
	REQUIRE(write(q->call_fd, &full, 8) == 8 || errno == EAGAIN);
	for (i = 0; i < 20; i++)
		CHECK(fe_vbad_works());
}

/* The front-end makes it blocking again behind the daemon's back. */
VHOSTILE(notification_counter_full_and_blocking)
{
	uint64_t full = UINT64_MAX - 1;
	int flags;

	REQUIRE(open_q(16));
	flags = fcntl(q->call_fd, F_GETFL);
	REQUIRE(write(q->call_fd, &full, 8) == 8 || errno == EAGAIN);
	REQUIRE(fcntl(q->call_fd, F_SETFL, flags & ~O_NONBLOCK) == 0);
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	fe_sleep_us(FE_QUIET_MS * 1000);
}

static const struct test_case cases[] = {
	VHOSTILE_CASE(available_index_one_too_far),
	VHOSTILE_CASE(available_index_jumps),
	VHOSTILE_CASE(available_index_goes_back),
	VHOSTILE_CASE(same_head_many_times),
	VHOSTILE_CASE(garbage_in_flags_and_events),
	VHOSTILE_CASE(used_ring_scribbled_over),
	VHOSTILE_CASE(rings_scribbled_over_under_load),
	VHOSTILE_CASE(kicks_for_nothing),
	VHOSTILE_CASE(notification_counter_full),
	VHOSTILE_CASE(notification_counter_full_and_blocking),
};

FE_TEST_MAIN("virtq_hostile_rings", cases, &fe_virtio_hostile_config)
