/* SPDX-License-Identifier: BSD-3-Clause */
/* The usual chain of three buffers: which chains are taken for one, and where its buffers are. */
#include "virtio/virtq_triple.h"
#include "virtq_test.h"

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define SIZE	 8

static struct ring_shared shared;
static struct ring ring;
static struct virtq_desc d[3];

/* A good one at 5, 2 and 7, with its data in the other region. */
static void begin(uint16_t data_flags)
{
	ring_init(&ring, &shared, SIZE, 0);
	CU_ASSERT_EQUAL(ring_start(&ring, 0, false, false), 0);
	ring_desc(&ring, 5, GPA_A + 16, 16, NEXT, 2);
	ring_desc(&ring, 2, GPA_B + 512, 1024, (uint16_t)(NEXT | data_flags), 7);
	ring_desc(&ring, 7, GPA_A + 64, 1, WRITE, 3);
}

/* The same in a table in region C: its descriptors 0, 2 and 1. */
static struct vring_desc *begin_indirect(uint16_t data_flags, uint32_t len)
{
	struct vring_desc *table = (void *)region_c;

	begin(data_flags);
	table[0] = shared.desc[5];
	table[0].next = 2;
	table[2] = shared.desc[2];
	table[2].next = 1;
	table[1] = shared.desc[7];
	ring_desc(&ring, 5, GPA_C, len, INDIRECT, 0);
	return table;
}

static uint8_t *where(unsigned int i)
{
	struct guest_mem_region near = ring.mem.regions[ring.vq.last_region];

	return virtq_desc_ptr(&ring.vq, &near, &d[i]);
}

static void expect_good(uint16_t data_flags)
{
	CU_ASSERT_TRUE(virtq_read_triple(&ring.vq, 5, d));
	CU_ASSERT_EQUAL(VIRTQ_DESC_LEN(d[0]), 16);
	CU_ASSERT_EQUAL(VIRTQ_DESC_LEN(d[1]), 1024);
	CU_ASSERT_EQUAL(VIRTQ_DESC_LEN(d[2]), 1);
	CU_ASSERT_EQUAL(VIRTQ_DESC_FLAGS(d[1]), NEXT | data_flags);
	CU_ASSERT_PTR_EQUAL(where(0), region_a + 16);
	CU_ASSERT_PTR_EQUAL(where(1), region_b + 512);
	CU_ASSERT_PTR_EQUAL(where(2), region_a + 64);
	ring_fini(&ring);
}

static void expect_other(uint16_t head)
{
	CU_ASSERT_FALSE(virtq_read_triple(&ring.vq, head, d));
	CU_ASSERT_PTR_NULL(ring.vq.broken);
	ring_fini(&ring);
}

static void in_the_ring(void)
{
	begin(WRITE);
	expect_good(WRITE);
	begin(0);
	expect_good(0);
}

static void in_a_table(void)
{
	begin_indirect(WRITE, 48);
	expect_good(WRITE);
	begin_indirect(0, 48);
	expect_good(0);
	begin_indirect(0, 48);
	shared.desc[5].flags |= WRITE; /* virtq_pop() ignores it */
	expect_other(5);
}

/* Each descriptor with each of the flags that it must not have, or without one that it must. */
static void wrong_flags(void)
{
	static const uint16_t at[] = {5, 2, 7};
	static const uint16_t may[] = {NEXT, NEXT | WRITE, WRITE};
	unsigned int i;
	uint16_t flags;

	for (i = 0; i < 3; i++)
		for (flags = 0; flags < 16; flags++) {
			if (flags == may[i] || (i == 1 && flags == NEXT))
				continue;
			begin(WRITE);
			shared.desc[at[i]].flags = flags;
			expect_other(5);
		}
	for (i = 0; i < 3; i++) {
		begin_indirect(WRITE, 48)[i].flags = INDIRECT;
		expect_other(5);
	}
}

static void indices_out_of_range(void)
{
	begin(WRITE);
	expect_other(SIZE);
	begin(WRITE);
	expect_other(UINT16_MAX);
	begin(WRITE);
	shared.desc[5].next = SIZE;
	expect_other(5);
	begin(WRITE);
	shared.desc[2].next = SIZE;
	expect_other(5);
	/* The table's, which is smaller than the ring. */
	begin_indirect(WRITE, 48)[0].next = 3;
	expect_other(5);
	begin_indirect(WRITE, 48)[2].next = 3;
	expect_other(5);
}

/*
 * A guest may have its table anywhere, and not all CPUs read a descriptor from everywhere: here it
 * is UBSan that sees to it that each way copes. Chains from different tables, as hints come first.
 */
static void misaligned_tables(void)
{
	uint8_t table[48];
	unsigned int by;

	for (by = 1; by < 16; by++) {
		memcpy(table, begin_indirect(WRITE, 48), sizeof(table));
		memcpy(region_c + by, table, sizeof(table));
		memcpy(region_c + 4096 + by, table, sizeof(table));
		shared.desc[5].addr = GPA_C + by;
		ring_desc(&ring, 6, GPA_C + 4096 + by, 48, INDIRECT, 0);
		ring_submit(&ring, 5);
		ring_submit(&ring, 6);
		CU_ASSERT_EQUAL(virtq_look(&ring.vq), 1);
		ring.vq.last_region = 2; /* hints are given for the region of the last buffer */
		virtq_prefetch(&ring.vq, true);
		CU_ASSERT_EQUAL(ring_pop(&ring), 1);
		CU_ASSERT_EQUAL(ring.c.in_len, 1025);
		CU_ASSERT_TRUE(virtq_read_triple(&ring.vq, 6, d));
		expect_good(WRITE);
	}
}

static void other_tables(void)
{
	static const uint32_t lens[] = {0, 16, 32, 47, 49, 64, UINT32_MAX};
	unsigned int i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		begin_indirect(WRITE, lens[i]);
		expect_other(5);
	}
	begin_indirect(WRITE, 48);
	shared.desc[5].addr = GPA_NOWHERE;
	expect_other(5);
	begin_indirect(WRITE, 48);
	shared.desc[5].addr = GPA_C + REGION_C - 47;
	expect_other(5);
}

static void buffers_outside_memory(void)
{
	begin(WRITE);
	d[0] = (struct virtq_desc){GPA_NOWHERE, 1};
	CU_ASSERT_PTR_NULL(where(0));
	d[0] = (struct virtq_desc){GPA_A + REGION - 16, 16};
	CU_ASSERT_PTR_EQUAL(where(0), region_a + REGION - 16);
	d[0] = (struct virtq_desc){GPA_A + REGION - 16, 17}; /* goes on elsewhere in this process */
	CU_ASSERT_PTR_NULL(where(0));
	d[0] = (struct virtq_desc){GPA_A, UINT32_MAX};
	CU_ASSERT_PTR_NULL(where(0));
	d[0] = (struct virtq_desc){GPA_A - 1, 2};
	CU_ASSERT_PTR_NULL(where(0));
	d[0] = (struct virtq_desc){UINT64_MAX, 2};
	CU_ASSERT_PTR_NULL(where(0));
	ring_fini(&ring);
}

static const struct test_case cases[] = {
	{"in_the_ring", in_the_ring},
	{"in_a_table", in_a_table},
	{"wrong_flags", wrong_flags},
	{"indices_out_of_range", indices_out_of_range},
	{"misaligned_tables", misaligned_tables},
	{"other_tables", other_tables},
	{"buffers_outside_memory", buffers_outside_memory},
};

TEST_MAIN("virtq_triple", cases)
