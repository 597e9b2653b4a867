/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about virtqueues that lie, come out of order, or pull the memory away under load. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../frontend/fe_virtio_hostile.h"

static struct fe_vq *q;

static bool open_q(uint16_t size)
{
	if (!fe_vbad_open(size, 0))
		return false;
	q = fe_vbad_q;
	return true;
}

/* Refused, with or without the end of the session. */
static bool refused(int err)
{
	return err == -EIO || err == -ECONNRESET;
}

/* On a new connection if this one is over. */
static void still_served(void)
{
	uint64_t features;

	if (fe_vhost_call(&fe_vbad.vhost, FE_VHOST_GET_FEATURES, NULL, 0, &features, 8))
		CHECK(fe_vbad_again());
	else
		CHECK(fe_vbad_recovers());
}

static int msg(uint32_t request, uint32_t index, uint32_t num)
{
	return fe_vq_message(&fe_vbad, request, index, num);
}

static int set_addr(uint64_t desc, uint64_t avail, uint64_t used)
{
	struct fe_vring_addr a = {.index = 0, .desc = desc, .avail = avail, .used = used};

	return fe_vhost_ack(&fe_vbad.vhost, FE_VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

static uint64_t uva(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* --- numbers --- */

VHOSTILE(sizes_that_are_none)
{
	static const uint32_t sizes[] = {0,    1,     3,     5,		  1000,	     1025,
					 2048, 32768, 65536, 0x80000000u, UINT32_MAX};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		REQUIRE(fe_vbad_connect("offender", 0));
		CHECK(refused(msg(FE_VHOST_SET_VRING_NUM, 0, sizes[i])));
	}
	CHECK(fe_vbad_again());
}

VHOSTILE(size_changed_while_running)
{
	REQUIRE(open_q(16));
	CHECK(refused(msg(FE_VHOST_SET_VRING_NUM, 0, 32)));
	CHECK(fe_vbad_works());
}

VHOSTILE(base_changed_while_running)
{
	REQUIRE(open_q(16));
	CHECK(refused(msg(FE_VHOST_SET_VRING_BASE, 0, 7)));
	CHECK(fe_vbad_works());
}

VHOSTILE(base_that_is_far_off)
{
	REQUIRE(open_q(16));
	REQUIRE(fe_vq_stop(q, NULL) == 0);
	CHECK_EQ(fe_vq_start(q, 40000), 0);
	fe_vbad_broken("too far ahead");
}

static void index_refused(uint32_t request)
{
	static const uint32_t wrong[] = {4, 5, 63, 64, 255, 256, 65536, UINT32_MAX};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fe_vring_addr a = {.index = wrong[i]};

		REQUIRE(fe_vbad_connect("offender", 0));
		CHECK(refused(fe_vhost_ack(&fe_vbad.vhost, request, &a,
					   request == FE_VHOST_SET_VRING_ADDR ? sizeof(a) : 8, NULL,
					   0)));
	}
	CHECK(fe_vbad_again());
}

VHOSTILE(set_num_of_unknown_queues)
{
	index_refused(FE_VHOST_SET_VRING_NUM);
}

VHOSTILE(set_addr_of_unknown_queues)
{
	index_refused(FE_VHOST_SET_VRING_ADDR);
}

VHOSTILE(set_base_of_unknown_queues)
{
	index_refused(FE_VHOST_SET_VRING_BASE);
}

VHOSTILE(get_base_of_unknown_queues)
{
	index_refused(FE_VHOST_GET_VRING_BASE);
}

VHOSTILE(enable_of_unknown_queues)
{
	index_refused(FE_VHOST_SET_VRING_ENABLE);
}

VHOSTILE(eventfds_of_unknown_queues)
{
	static const uint32_t requests[] = {FE_VHOST_SET_VRING_CALL, FE_VHOST_SET_VRING_KICK,
					    FE_VHOST_SET_VRING_ERR};
	size_t i;

	for (i = 0; i < 3; i++) {
		uint64_t payload = 4;

		REQUIRE(open_q(16));
		CHECK(refused(
			fe_vhost_ack(&fe_vbad.vhost, requests[i], &payload, 8, &q->call_fd, 1)));
		still_served();
	}
}

VHOSTILE(messages_too_short_and_too_long)
{
	static const uint32_t requests[] = {8, 9, 10, 11, 12, 13, 14, 18, 24, 25, 31, 32};
	static const uint32_t sizes[] = {0, 1, 7, 9, 39, 41, 300};
	static const uint8_t zero[300];
	size_t i, k;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct fe_vhost_msg answer;

			if (!CHECK(fe_vbad_connect("offender", 0)))
				return;
			fe_vhost_send(&fe_vbad.vhost, requests[i], FE_VHOST_F_NEED_REPLY, zero,
				      sizes[k], NULL, 0);
			/* An answer or the end; never silence. */
			CHECK(fe_vhost_recv(&fe_vbad.vhost, &answer, FE_TIMEOUT_MS) != -ETIMEDOUT);
		}
	CHECK(fe_vbad_again());
}

/* --- addresses --- */

/* The queue does not start with these, and starts with the right ones. */
static void addresses_refused(int64_t desc, int64_t avail, int64_t used)
{
	REQUIRE(open_q(16));
	set_addr(uva(q->desc) + (uint64_t)desc, uva(q->avail) + (uint64_t)avail,
		 uva(q->used) + (uint64_t)used);
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_QUIET_MS), -ETIMEDOUT);
	CHECK(fe_vbad_logged("not aligned or not in the memory table"));
	still_served();
}

VHOSTILE(descriptors_not_aligned)
{
	addresses_refused(8, 0, 0);
}

VHOSTILE(available_ring_not_aligned)
{
	addresses_refused(0, 1, 0);
}

VHOSTILE(used_ring_not_aligned)
{
	addresses_refused(0, 0, 2);
}

VHOSTILE(descriptors_outside_memory)
{
	addresses_refused(1LL << 40, 0, 0);
}

VHOSTILE(available_ring_outside_memory)
{
	addresses_refused(0, 1LL << 40, 0);
}

VHOSTILE(used_ring_outside_memory)
{
	addresses_refused(0, 0, 1LL << 40);
}

VHOSTILE(used_ring_over_the_end_of_memory)
{
	REQUIRE(open_q(16));
	set_addr(uva(q->desc), uva(q->avail), uva(fe_vbad.mem.regions[0].va + (32 << 20) - 128));
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_QUIET_MS), -ETIMEDOUT);
	still_served();
}

VHOSTILE(rings_at_the_same_place)
{
	REQUIRE(open_q(16));
	set_addr(uva(q->desc), uva(q->desc), uva(q->desc));
	fe_vq_kick(q);
	fe_sleep_us(FE_QUIET_MS * 1000);
	still_served();
}

VHOSTILE(same_addresses_again_while_running)
{
	unsigned int i;

	REQUIRE(open_q(16));
	for (i = 0; i < 50; i++) {
		CHECK_EQ(fe_vq_set_addr(q), 0);
		CHECK(fe_vbad_works());
	}
}

/* The rings move to another place with their contents while requests are in flight. */
VHOSTILE(queue_moved_under_load)
{
	unsigned int round, i;

	REQUIRE(open_q(64));
	for (round = 0; round < 20; round++) {
		struct vring_used *used;
		uint64_t gpa;

		for (i = 0; i < 20; i++)
			CHECK(fe_blk_submit(q, VIRTIO_BLK_T_IN, i, fe_vbad_gpa + i * 4096u, 4096) >=
			      0);
		used = fe_mem_alloc(&fe_vbad.mem, 6 + 64 * 8, &gpa);
		/* It starts there with no used entries: those before are where they were. */
		CHECK_EQ(set_addr(uva(q->desc), uva(q->avail), uva(used)), 0);
		while (fe_vq_poll(q, NULL) >= 0)
			i--;
		q->used = used;
		q->last_used = 0;
		for (; i > 0; i--)
			REQUIRE(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
		CHECK_EQ(fe_vq_poll(q, NULL), -EAGAIN);
	}
	CHECK(fe_vbad_works());
}

/* --- order --- */

VHOSTILE(nothing_set_but_kick_and_enable)
{
	REQUIRE(fe_vbad_connect("offender", 0));
	fe_vbad_q = q = fe_vq_make(&fe_vbad, 0, 16);
	fe_vhost_set_vring_kick(&fe_vbad.vhost, 0, q->kick_fd);
	msg(FE_VHOST_SET_VRING_ENABLE, 0, 1);
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_QUIET_MS), -ETIMEDOUT);
	still_served();
}

VHOSTILE(queue_set_up_backwards)
{
	REQUIRE(fe_vbad_connect("offender", 0));
	fe_vbad_q = q = fe_vq_make(&fe_vbad, 0, 16);
	CHECK_EQ(msg(FE_VHOST_SET_VRING_ENABLE, 0, 1), 0);
	CHECK_EQ(fe_vq_set_addr(q), 0);
	CHECK_EQ(msg(FE_VHOST_SET_VRING_BASE, 0, 0), 0);
	CHECK_EQ(msg(FE_VHOST_SET_VRING_NUM, 0, 16), 0);
	CHECK_EQ(fe_vhost_set_vring_kick(&fe_vbad.vhost, 0, q->kick_fd), 0);
	CHECK(fe_vbad_works());
}

VHOSTILE(queue_before_memory)
{
	REQUIRE(fe_virtio_connect(&fe_vbad, fe_daemon_socket(&fe_daemon, "offender"), 0) == 0);
	REQUIRE(fe_mem_add(&fe_vbad.mem, 0, 4 << 20) == 0);
	fe_vbad_q = q = fe_vq_make(&fe_vbad, 0, 16);
	fe_vbad_buf = fe_mem_alloc(&fe_vbad.mem, 1 << 20, &fe_vbad_gpa);
	CHECK_EQ(fe_vq_start(q, 0), 0);
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_QUIET_MS), -ETIMEDOUT);
	CHECK_EQ(fe_vhost_set_mem_table(&fe_vbad.vhost, &fe_vbad.mem), 0);
	still_served();
}

VHOSTILE(disabled_and_enabled_under_load)
{
	unsigned int i, k;

	REQUIRE(open_q(64));
	for (i = 0; i < 50; i++) {
		for (k = 0; k < 16; k++)
			fe_blk_submit(q, VIRTIO_BLK_T_IN, k, fe_vbad_gpa, 4096);
		CHECK_EQ(msg(FE_VHOST_SET_VRING_ENABLE, 0, 0), 0);
		CHECK_EQ(msg(FE_VHOST_SET_VRING_ENABLE, 0, 1), 0);
		for (k = 0; k < 16; k++)
			REQUIRE(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	}
	CHECK(fe_vbad_works());
}

VHOSTILE(get_base_of_a_queue_that_never_was)
{
	uint16_t base = 99;

	REQUIRE(fe_vbad_connect("offender", 0));
	CHECK_EQ(fe_vq_stop(fe_vq_make(&fe_vbad, 3, 16), &base), 0);
	CHECK_EQ(base, 0);
	CHECK(fe_vbad_again());
}

VHOSTILE(get_base_again_and_again)
{
	uint16_t base;
	unsigned int i;

	REQUIRE(open_q(16));
	for (i = 0; i < 50; i++) {
		CHECK_EQ(fe_vq_stop(q, &base), 0);
		CHECK_EQ(base, q->avail_idx);
	}
	CHECK(fe_vbad_recovers());
}

VHOSTILE(kick_that_is_no_eventfd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	REQUIRE(open_q(16));
	CHECK(refused(fe_vhost_set_vring_kick(&fe_vbad.vhost, 0, null)));
	still_served();
	REQUIRE(open_q(16));
	CHECK(refused(fe_vhost_set_vring_call(&fe_vbad.vhost, 0, null)));
	still_served();
	close(null);
}

VHOSTILE(without_any_eventfd)
{
	REQUIRE(open_q(16));
	CHECK_EQ(fe_vhost_set_vring_call(&fe_vbad.vhost, 0, -1), 0);
	CHECK_EQ(fe_vhost_set_vring_kick(&fe_vbad.vhost, 0, -1), 0);
	CHECK(fe_vbad_works());
}

VHOSTILE(reset_owner_while_running)
{
	REQUIRE(open_q(16));
	CHECK_EQ(fe_vhost_ack(&fe_vbad.vhost, FE_VHOST_RESET_OWNER, NULL, 0, NULL, 0), 0);
	still_served();
}

VHOSTILE(features_that_were_not_offered)
{
	uint64_t features = ~0ULL;

	REQUIRE(open_q(16));
	CHECK(refused(fe_vhost_ack(&fe_vbad.vhost, FE_VHOST_SET_FEATURES, &features, 8, NULL, 0)));
	CHECK(fe_vbad_again());
}

/* --- configuration space --- */

VHOSTILE(config_out_of_range)
{
	static const struct {
		uint32_t offset, size;
	} bad[] = {{256, 1}, {255, 2}, {0, 257}, {1, 256}, {UINT32_MAX, 1}, {UINT32_MAX - 3, 8}};
	uint8_t bytes[512] = {0};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		REQUIRE(fe_vbad_connect("offender", 0));
		CHECK_EQ(fe_virtio_get_config(&fe_vbad, bad[i].offset, bad[i].size, bytes),
			 -EINVAL);
		CHECK(refused(fe_virtio_set_config(&fe_vbad, bad[i].offset, bad[i].size, bytes)));
	}
	CHECK(fe_vbad_again());
}

VHOSTILE(config_that_is_read_only)
{
	uint64_t capacity, huge = UINT64_MAX;

	REQUIRE(open_q(16));
	CHECK(refused(fe_virtio_set_config(&fe_vbad, 0, 8, &huge)));
	CHECK(fe_vbad_again());
	CHECK_EQ(fe_virtio_get_config(&fe_vbad, 0, 8, &capacity), 0);
	CHECK_EQ(capacity, (64 << 20) / 512);
}

/* --- in-flight regions --- */

VHOSTILE(inflight_for_impossible_queues)
{
	static const struct {
		uint16_t queues, size;
	} bad[] = {{0, 16}, {5, 16}, {65535, 16}, {4, 0}, {4, 1025}, {4, 65535}};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		REQUIRE(fe_vbad_connect("offender", 0));
		CHECK(fe_virtio_get_inflight(&fe_vbad, bad[i].queues, bad[i].size) != 0);
	}
	CHECK(fe_vbad_again());
}

/* A region of the front-end's own making, of `bytes` with this content. */
static bool own_inflight(size_t bytes, uint8_t fill)
{
	uint8_t block[4096];
	size_t i;

	if (!fe_vbad_connect("offender", 0))
		return false;
	fe_vbad.inflight = (struct fe_inflight_msg){4096, 0, 1, 64};
	fe_vbad.inflight_fd = memfd_create("inflight", MFD_CLOEXEC);
	memset(block, fill, sizeof(block));
	for (i = 0; i < bytes; i += sizeof(block))
		if (write(fe_vbad.inflight_fd, block, sizeof(block)) < 0)
			return false;
	fe_vbad_q = q = fe_vq_make(&fe_vbad, 0, 64);
	return true;
}

VHOSTILE(inflight_of_garbage)
{
	static const uint8_t fills[] = {0xff, 0x01, 0x80, 0x55};
	size_t i;

	for (i = 0; i < sizeof(fills); i++) {
		REQUIRE(own_inflight(4096, fills[i]));
		CHECK_EQ(fe_virtio_set_inflight(&fe_vbad), 0);
		REQUIRE(fe_vq_start(q, 0) == 0);
		CHECK(fe_vbad_works());
	}
}

/* A version and a number of entries that fit, and each entry claims to be in flight. */
VHOSTILE(inflight_that_claims_everything)
{
	uint16_t good[2] = {1, 64};
	unsigned int i;

	REQUIRE(own_inflight(4096, 0x01));
	REQUIRE(pwrite(fe_vbad.inflight_fd, good, 4, 8) == 4);
	good[0] = 0;
	REQUIRE(pwrite(fe_vbad.inflight_fd, good, 2, 14) == 2);
	/* Each descriptor is a flush. */
	q->hdrs[0].type = VIRTIO_BLK_T_FLUSH;
	for (i = 0; i < 64; i++)
		q->desc[i] = (struct vring_desc){q->hdrs_gpa, 16, VRING_DESC_F_NEXT, 0};
	q->desc[0] = (struct vring_desc){q->status_gpa, 1, VRING_DESC_F_WRITE, 0};
	CHECK_EQ(fe_virtio_set_inflight(&fe_vbad), 0);
	REQUIRE(fe_vq_start(q, 0) == 0);
	CHECK(fe_vbad_logged("broken"));
	CHECK(fe_vbad_again());
}

VHOSTILE(inflight_too_small)
{
	REQUIRE(own_inflight(4096, 0));
	fe_vbad.inflight.mmap_size = 512;
	CHECK(refused(fe_virtio_set_inflight(&fe_vbad)));
	REQUIRE(own_inflight(4096, 0));
	fe_vbad.inflight.mmap_size = 1 << 20;
	CHECK(refused(fe_virtio_set_inflight(&fe_vbad)));
	REQUIRE(own_inflight(4096, 0));
	fe_vbad.inflight.mmap_offset = UINT64_MAX - 4095;
	CHECK(refused(fe_virtio_set_inflight(&fe_vbad)));
	REQUIRE(own_inflight(4096, 0));
	fe_vbad.inflight.mmap_offset = 8;
	CHECK(refused(fe_virtio_set_inflight(&fe_vbad)));
	CHECK(fe_vbad_again());
}

VHOSTILE(inflight_that_is_no_memory)
{
	REQUIRE(own_inflight(4096, 0));
	close(fe_vbad.inflight_fd);
	fe_vbad.inflight_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	CHECK(refused(fe_virtio_set_inflight(&fe_vbad)));
	CHECK(fe_vbad_again());
}

VHOSTILE(inflight_while_running)
{
	REQUIRE(open_q(16));
	CHECK(fe_virtio_get_inflight(&fe_vbad, 4, 16) != 0);
	CHECK(fe_vbad_again());
}

VHOSTILE(inflight_truncated_under_load)
{
	unsigned int i, k;

	REQUIRE(own_inflight(8192, 0));
	fe_vbad.inflight.mmap_size = 8192;
	CHECK_EQ(fe_virtio_set_inflight(&fe_vbad), 0);
	REQUIRE(fe_vq_start(q, 0) == 0);
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 16; k++)
			fe_blk_submit(q, VIRTIO_BLK_T_IN, k, fe_vbad_gpa, 4096);
		if (i == 5)
			CHECK_EQ(ftruncate(fe_vbad.inflight_fd, 0), 0);
		for (k = 0; k < 16; k++)
			REQUIRE(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	}
	CHECK(fe_vbad_again());
}

VHOSTILE(inflight_rewritten_under_load)
{
	uint64_t random = 3;
	uint8_t *map;
	unsigned int i, k;

	REQUIRE(own_inflight(4096, 0));
	CHECK_EQ(fe_virtio_set_inflight(&fe_vbad), 0);
	REQUIRE(fe_vq_start(q, 0) == 0);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fe_vbad.inflight_fd, 0);
	REQUIRE(map != MAP_FAILED);
	for (i = 0; i < 200; i++) {
		for (k = 0; k < 8; k++)
			fe_blk_submit(q, VIRTIO_BLK_T_IN, k, fe_vbad_gpa, 4096);
		for (k = 0; k < 200; k++)
			map[fe_random(&random) % 1040] = (uint8_t)fe_random(&random);
		for (k = 0; k < 8; k++)
			REQUIRE(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	}
	munmap(map, 4096);
	CHECK(fe_vbad_again());
}

/* --- memory --- */

VHOSTILE(memory_truncated_under_load)
{
	unsigned int i;

	REQUIRE(open_q(64));
	for (i = 0; i < 20; i++)
		fe_blk_submit(q, i & 1 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, i * 8,
			      fe_vbad_gpa + i * 4096u, 4096);
	CHECK_EQ(ftruncate(fe_vbad.mem.regions[0].fd, 0), 0);
	/* Not through our own mapping, which is cut off as well. */
	{
		uint64_t one = 1;

		CHECK_EQ(write(q->kick_fd, &one, 8), 8);
	}
	fe_sleep_us(FE_QUIET_MS * 1000);
	CHECK(fe_vbad_again());
}

/* The rings' region is no longer in the table. */
VHOSTILE(memory_of_the_rings_taken_away)
{
	struct fe_vhost_mem_table table;
	int fds[FE_MEM_REGIONS_MAX], err;
	unsigned int i;

	REQUIRE(open_q(64));
	for (i = 0; i < 20; i++)
		fe_blk_submit(q, VIRTIO_BLK_T_IN, i * 8, fe_vbad_gpa + i * 4096u, 4096);
	fe_mem_table(&fe_vbad.mem, &table, fds);
	table.regions[0] = table.regions[1];
	table.nregions = 1;
	err = fe_vhost_ack(&fe_vbad.vhost, FE_VHOST_SET_MEM_TABLE, &table, 8 + 32, &fds[1], 1);
	CHECK_EQ(err, 0);
	/* What was taken before is complete, and no more comes. */
	while (fe_vq_poll(q, NULL) >= 0)
		;
	fe_blk_submit(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_QUIET_MS), -ETIMEDOUT);
	CHECK_EQ(fe_vhost_set_mem_table(&fe_vbad.vhost, &fe_vbad.mem), 0);
	still_served();
}

/* The data's region is gone, the rings are there. */
VHOSTILE(memory_of_the_data_taken_away)
{
	struct fe_vhost_mem_table table;
	int fds[FE_MEM_REGIONS_MAX];

	REQUIRE(open_q(16));
	CHECK_EQ(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, 4ULL << 30, 4096), 0);
	fe_mem_table(&fe_vbad.mem, &table, fds);
	table.nregions = 1;
	CHECK_EQ(fe_vhost_ack(&fe_vbad.vhost, FE_VHOST_SET_MEM_TABLE, &table, 8 + 32, fds, 1), 0);
	CHECK(fe_vbad_works());
	fe_blk_submit(q, VIRTIO_BLK_T_IN, 0, 4ULL << 30, 4096);
	fe_vbad_broken("outside guest memory");
}

VHOSTILE(memory_table_of_no_regions)
{
	struct fe_vhost_mem_table table = {0};

	REQUIRE(open_q(16));
	CHECK(refused(fe_vhost_ack(&fe_vbad.vhost, FE_VHOST_SET_MEM_TABLE, &table, 8, NULL, 0)));
	still_served();
}

/* --- the end --- */

VHOSTILE(disconnect_under_load)
{
	unsigned int round, i;

	for (round = 0; round < 20; round++) {
		REQUIRE(open_q(128));
		for (i = 0; i < 40; i++)
			fe_blk_submit(q, i & 1 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, i * 8,
				      fe_vbad_gpa + i * 4096u, 4096);
		fe_vhost_close(&fe_vbad.vhost);
	}
	CHECK(fe_vbad_again());
}

VHOSTILE(disconnect_with_slow_io_in_flight)
{
	unsigned int i;

	REQUIRE(fe_vbad_connect("slow", 0));
	q = fe_vq_make(&fe_vbad, 0, 64);
	REQUIRE(fe_vq_start(q, 0) == 0);
	for (i = 0; i < 16; i++)
		fe_blk_submit(q, VIRTIO_BLK_T_IN, i, fe_vbad_gpa, 4096);
	fe_sleep_us(FE_QUIET_MS * 1000);
	fe_vhost_close(&fe_vbad.vhost);
	CHECK(fe_vbad_connect("slow", 0));
}

VHOSTILE(disconnect_in_the_middle_of_a_message)
{
	struct fe_vhost_hdr hdr = {FE_VHOST_SET_VRING_ADDR, FE_VHOST_VERSION, 40};

	REQUIRE(open_q(16));
	CHECK_EQ(fe_vhost_send_raw(&fe_vbad.vhost, &hdr, sizeof(hdr), NULL, 0), 0);
	fe_vhost_close(&fe_vbad.vhost);
	CHECK(fe_vbad_again());
}

VHOSTILE(messages_of_another_kind_of_device)
{
	static const uint32_t requests[] = {6,	7,  19, 20, 22,	    26,	    28,
					    30, 33, 40, 63, 0x4e00, 0x4e01, UINT32_MAX};
	static const uint8_t zero[64];
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		REQUIRE(open_q(16));
		fe_vhost_send(&fe_vbad.vhost, requests[i], 0, zero, 8, NULL, 0);
		CHECK(fe_vhost_closed(&fe_vbad.vhost, FE_TIMEOUT_MS));
	}
	CHECK(fe_vbad_again());
}

VHOSTILE(file_descriptors_do_not_leak)
{
	int before, i;

	CHECK(fe_vbad_again());
	before = fe_daemon_open_fds(&fe_daemon);
	for (i = 0; i < 10; i++) {
		REQUIRE(fe_vbad_connect("offender", 0));
		CHECK_EQ(fe_virtio_inflight(&fe_vbad, 4, 64), 0);
		CHECK_EQ(fe_virtio_inflight(&fe_vbad, 2, 16), 0);
		fe_vbad_q = q = fe_vq_make(&fe_vbad, 0, 16);
		CHECK_EQ(fe_vq_start(q, 0), 0);
		CHECK_EQ(fe_vhost_set_vring_call(&fe_vbad.vhost, 0, q->call_fd), 0);
		CHECK_EQ(fe_vhost_set_vring_kick(&fe_vbad.vhost, 0, q->kick_fd), 0);
		CHECK(fe_vbad_works());
	}
	CHECK(fe_vbad_again());
	CHECK(FE_WAIT_FOR(fe_daemon_open_fds(&fe_daemon) <= before, FE_TIMEOUT_MS));
}

static const struct test_case cases[] = {
	VHOSTILE_CASE(sizes_that_are_none),
	VHOSTILE_CASE(size_changed_while_running),
	VHOSTILE_CASE(base_changed_while_running),
	VHOSTILE_CASE(base_that_is_far_off),
	VHOSTILE_CASE(set_num_of_unknown_queues),
	VHOSTILE_CASE(set_addr_of_unknown_queues),
	VHOSTILE_CASE(set_base_of_unknown_queues),
	VHOSTILE_CASE(get_base_of_unknown_queues),
	VHOSTILE_CASE(enable_of_unknown_queues),
	VHOSTILE_CASE(eventfds_of_unknown_queues),
	VHOSTILE_CASE(messages_too_short_and_too_long),
	VHOSTILE_CASE(descriptors_not_aligned),
	VHOSTILE_CASE(available_ring_not_aligned),
	VHOSTILE_CASE(used_ring_not_aligned),
	VHOSTILE_CASE(descriptors_outside_memory),
	VHOSTILE_CASE(available_ring_outside_memory),
	VHOSTILE_CASE(used_ring_outside_memory),
	VHOSTILE_CASE(used_ring_over_the_end_of_memory),
	VHOSTILE_CASE(rings_at_the_same_place),
	VHOSTILE_CASE(same_addresses_again_while_running),
	VHOSTILE_CASE(queue_moved_under_load),
	VHOSTILE_CASE(nothing_set_but_kick_and_enable),
	VHOSTILE_CASE(queue_set_up_backwards),
	VHOSTILE_CASE(queue_before_memory),
	VHOSTILE_CASE(disabled_and_enabled_under_load),
	VHOSTILE_CASE(get_base_of_a_queue_that_never_was),
	VHOSTILE_CASE(get_base_again_and_again),
	VHOSTILE_CASE(kick_that_is_no_eventfd),
	VHOSTILE_CASE(without_any_eventfd),
	VHOSTILE_CASE(reset_owner_while_running),
	VHOSTILE_CASE(features_that_were_not_offered),
	VHOSTILE_CASE(config_out_of_range),
	VHOSTILE_CASE(config_that_is_read_only),
	VHOSTILE_CASE(inflight_for_impossible_queues),
	VHOSTILE_CASE(inflight_of_garbage),
	VHOSTILE_CASE(inflight_that_claims_everything),
	VHOSTILE_CASE(inflight_too_small),
	VHOSTILE_CASE(inflight_that_is_no_memory),
	VHOSTILE_CASE(inflight_while_running),
	VHOSTILE_CASE(inflight_truncated_under_load),
	VHOSTILE_CASE(inflight_rewritten_under_load),
	VHOSTILE_CASE(memory_truncated_under_load),
	VHOSTILE_CASE(memory_of_the_rings_taken_away),
	VHOSTILE_CASE(memory_of_the_data_taken_away),
	VHOSTILE_CASE(memory_table_of_no_regions),
	VHOSTILE_CASE(disconnect_under_load),
	VHOSTILE_CASE(disconnect_with_slow_io_in_flight),
	VHOSTILE_CASE(disconnect_in_the_middle_of_a_message),
	VHOSTILE_CASE(messages_of_another_kind_of_device),
	VHOSTILE_CASE(file_descriptors_do_not_leak),
};

FE_TEST_MAIN("virtq_hostile_wire", cases, &fe_virtio_hostile_config)
