/* SPDX-License-Identifier: BSD-3-Clause */
/* The split virtqueue on a fake ring: chains, their limits, notifications and segments. */
#include "virtq_test.h"

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

static struct ring_shared shared;
static struct ring ring;

static void begin(uint16_t size, uint16_t base, bool event_idx)
{
	ring_init(&ring, &shared, size, base);
	CU_ASSERT_EQUAL(ring_start(&ring, base, event_idx, false), 0);
}

/* The chain at descriptor 0 breaks the queue with a reason that contains `why`, for good. */
static void expect_broken(const char *why)
{
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ring.vq.broken);
	if (!strstr(ring.vq.broken, why))
		printf("# broken: %s, not: %s\n", ring.vq.broken, why);
	CU_ASSERT_PTR_NOT_NULL(strstr(ring.vq.broken, why));
	ring_desc(&ring, 1, GPA_A, 1, 0, 0);
	ring_submit(&ring, 1);
	CU_ASSERT_EQUAL(ring_pop(&ring), -EPROTO);
	CU_ASSERT_FALSE(virtq_arm(&ring.vq));
	ring_fini(&ring);
}

/* --- chains --- */

static void empty_ring(void)
{
	begin(8, 0, false);
	CU_ASSERT_EQUAL(ring_pop(&ring), 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 0);
	CU_ASSERT_PTR_NULL(ring.vq.broken);
	ring_fini(&ring);
}

static void chain_in_order(void)
{
	begin(8, 0, false);
	ring_desc(&ring, 5, GPA_A + 16, 16, NEXT, 2);
	ring_desc(&ring, 2, GPA_A + 512, 512, NEXT | WRITE, 7);
	ring_desc(&ring, 7, GPA_B, 1, WRITE, 0);
	ring_submit(&ring, 5);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.head, 5);
	CU_ASSERT_EQUAL(ring.c.nout, 1);
	CU_ASSERT_EQUAL(ring.c.nin, 2);
	CU_ASSERT_EQUAL(ring.c.out_len, 16);
	CU_ASSERT_EQUAL(ring.c.in_len, 513);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[0].iov_base, region_a + 16);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[1].iov_base, region_a + 512);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[2].iov_base, region_b);
	CU_ASSERT_EQUAL(ring.c.iov[2].iov_len, 1);
	CU_ASSERT_EQUAL(ring_pop(&ring), 0);
	ring_fini(&ring);
}

static void buffer_across_regions(void)
{
	begin(8, 0, false);
	ring_desc(&ring, 0, GPA_B - 10, 30, WRITE, 0);
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nin, 2);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[0].iov_base, region_a + REGION - 10);
	CU_ASSERT_EQUAL(ring.c.iov[0].iov_len, 10);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[1].iov_base, region_b);
	CU_ASSERT_EQUAL(ring.c.iov[1].iov_len, 20);
	ring_fini(&ring);
}

static void zero_length_buffers_vanish(void)
{
	begin(8, 0, false);
	ring_desc(&ring, 0, GPA_NOWHERE, 0, NEXT, 1);
	ring_desc(&ring, 1, GPA_A, 4, NEXT, 2);
	ring_desc(&ring, 2, 0, 0, WRITE, 0);
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, 1);
	CU_ASSERT_EQUAL(ring.c.nin, 0);
	CU_ASSERT_EQUAL(ring.c.in_len, 0);
	CU_ASSERT_EQUAL(ring.c.descs, 3);
	ring_fini(&ring);
}

static void outside_memory(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{0, 1},
		{GPA_A - 1, 1},
		{GPA_A - 1, 2},
		{GPA_B + REGION - 1, 2},
		{GPA_A, 2 * REGION + 1},
		{GPA_A, UINT32_MAX},
		{UINT64_MAX, 1},
		{UINT64_MAX, 2},
		{UINT64_MAX - REGION, 2 * REGION},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		begin(8, 0, false);
		ring_desc(&ring, 0, bad[i].addr, bad[i].len, 0, 0);
		expect_broken("outside guest memory");
	}
}

static void loops(void)
{
	begin(8, 0, false);
	ring_desc(&ring, 0, GPA_A, 1, NEXT, 0);
	expect_broken("loop");
	begin(8, 0, false);
	ring_desc(&ring, 0, GPA_A, 1, NEXT, 3);
	ring_desc(&ring, 3, GPA_A, 1, NEXT, 4);
	ring_desc(&ring, 4, GPA_A, 0, NEXT, 3);
	expect_broken("loop");
}

static void whole_ring_is_no_loop(void)
{
	uint16_t i;

	begin(8, 0, false);
	for (i = 0; i < 8; i++)
		ring_desc(&ring, i, GPA_A + i, 1, i < 7 ? NEXT : 0, (uint16_t)(i + 1));
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, 8);
	ring_fini(&ring);
}

static void indices_out_of_range(void)
{
	static const uint16_t bad[] = {8, 9, 255, 1024, 32768, 65535};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		begin(8, 0, false);
		ring_desc(&ring, 0, GPA_A, 1, NEXT, bad[i]);
		expect_broken("out of range");
		begin(8, 0, false);
		ring_submit(&ring, bad[i]);
		expect_broken("entry is out of range");
	}
}

static void readable_behind_writable(void)
{
	begin(8, 0, false);
	ring_desc(&ring, 0, GPA_A, 1, NEXT | WRITE, 1);
	ring_desc(&ring, 1, GPA_A, 1, 0, 0);
	expect_broken("readable");
}

static void available_index_jumps(void)
{
	static const uint16_t ahead[] = {9, 10, 32768, 65535};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ahead); i++) {
		begin(8, 0, false);
		ring_desc(&ring, 0, GPA_A, 1, 0, 0);
		ring.avail_idx = (uint16_t)(ahead[i] - 1);
		expect_broken("too far ahead");
	}
	begin(8, 0, false);
	ring_desc(&ring, 0, GPA_A, 1, 0, 0);
	ring.avail_idx = 7;
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	ring_fini(&ring);
}

/* --- indirect tables --- */

static struct vring_desc *table(void)
{
	return (struct vring_desc *)(void *)region_c;
}

/* A table of n one-byte buffers, the last of them writable. */
static void fill_table(uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		table()[i] = (struct vring_desc){
			GPA_A + i, 1, (uint16_t)((i + 1 < n ? NEXT : WRITE)), (uint16_t)(i + 1)};
}

static void indirect_chain(void)
{
	begin(2, 0, false);
	fill_table(5);
	ring_desc(&ring, 1, GPA_C, 5 * 16, INDIRECT, 0);
	ring_submit(&ring, 1);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.head, 1);
	CU_ASSERT_EQUAL(ring.c.nout, 4);
	CU_ASSERT_EQUAL(ring.c.nin, 1);
	ring_fini(&ring);
}

static void indirect_behind_direct(void)
{
	begin(8, 0, false);
	fill_table(3);
	ring_desc(&ring, 0, GPA_B, 16, NEXT, 4);
	ring_desc(&ring, 4, GPA_C, 3 * 16, INDIRECT, 0);
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, 3);
	CU_ASSERT_EQUAL(ring.c.out_len, 18);
	CU_ASSERT_EQUAL(ring.c.nin, 1);
	ring_fini(&ring);
}

/* VIRTIO 1.2, 2.7.5.3.2: the flag is ignored there. */
static void indirect_ignores_write(void)
{
	begin(8, 0, false);
	fill_table(3);
	ring_desc(&ring, 0, GPA_C, 3 * 16, INDIRECT | WRITE, 0);
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, 2);
	ring_fini(&ring);
}

static void indirect_where_none_may_be(void)
{
	begin(8, 0, false);
	fill_table(2);
	table()[1] = (struct vring_desc){GPA_C, 16, INDIRECT, 0};
	ring_desc(&ring, 0, GPA_C, 2 * 16, INDIRECT, 0);
	expect_broken("indirect");
	begin(8, 0, false);
	fill_table(2);
	ring_desc(&ring, 0, GPA_C, 2 * 16, INDIRECT | NEXT, 1);
	expect_broken("indirect");
}

static void indirect_tables_of_wrong_length(void)
{
	static const uint32_t wrong[] = {0, 1, 15, 17, 31, 4095, UINT32_MAX};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		begin(8, 0, false);
		fill_table(1);
		ring_desc(&ring, 0, GPA_C, wrong[i], INDIRECT, 0);
		expect_broken("wrong length");
	}
}

static void indirect_tables_outside_memory(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{GPA_NOWHERE, 16},
		{GPA_C - 8, 16},
		{GPA_C + REGION_C - 8, 16},
		{GPA_C, REGION_C + 16},
		{GPA_C, 0xfffffff0u},
		{UINT64_MAX - 7, 16},
		{GPA_B - 16, 32} /* in two regions */,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		begin(8, 0, false);
		ring_desc(&ring, 0, bad[i].addr, bad[i].len, INDIRECT, 0);
		expect_broken("outside guest memory");
	}
}

static void loop_in_a_table(void)
{
	begin(8, 0, false);
	fill_table(4);
	table()[3] = (struct vring_desc){GPA_A, 1, NEXT, 1};
	ring_desc(&ring, 0, GPA_C, 4 * 16, INDIRECT, 0);
	expect_broken("loop");
	begin(8, 0, false);
	table()[2] = (struct vring_desc){GPA_A, 1, NEXT, 4};
	ring_desc(&ring, 0, GPA_C, 4 * 16, INDIRECT, 0);
	expect_broken("out of range");
}

/* Buffers of nothing cost no segment, but time: a table of millions would stop the reactor. */
static void endless_table_of_nothing(void)
{
	const uint32_t n = REGION_C / 16;
	uint32_t i;

	begin(8, 0, false);
	for (i = 0; i < n; i++)
		table()[i] = (struct vring_desc){0, 0, i + 1 < n ? NEXT : 0, (uint16_t)(i + 1)};
	ring_desc(&ring, 0, GPA_C, REGION_C, INDIRECT, 0);
	expect_broken("too many");
}

static void pop_table_of(uint32_t n)
{
	begin(16, 0, false);
	fill_table(n);
	ring_desc(&ring, 0, GPA_C, n * 16, INDIRECT, 0);
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, n - 1);
	CU_ASSERT_EQUAL(ring.c.nin, 1);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[0].iov_base, region_a);
	CU_ASSERT_PTR_EQUAL(ring.c.iov[n - 1].iov_base, region_a + n - 1);
	ring_fini(&ring);
}

static void as_many_segments_as_promised(void)
{
	static const uint32_t counts[] = {1, 6, 7, 128, 513, 1024, 1026, VIRTQ_MAX_IOV};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		pop_table_of(counts[i]);
	begin(16, 0, false);
	fill_table(VIRTQ_MAX_IOV + 1);
	ring_desc(&ring, 0, GPA_C, (VIRTQ_MAX_IOV + 1) * 16, INDIRECT, 0);
	expect_broken("too many");
}

/*
 * A chain that there is no list for stays where it is, is not in flight, and is taken when there is
 * one. Shorter ones that come behind it wait.
 */
static void chain_that_waits_for_a_list(void)
{
	struct iovec *held[64];
	struct vring_desc *table = (void *)region_c;
	unsigned int i, n;

	begin(8, 0, false);
	for (i = 0; i < 300; i++)
		table[i] = (struct vring_desc){GPA_A, 1, NEXT, (uint16_t)(i + 1)};
	table[i] = (struct vring_desc){GPA_A, 1, WRITE, 0};
	ring_desc(&ring, 3, GPA_C, 301 * 16, INDIRECT, 0);
	ring_submit(&ring, 3);
	/* With those of other sizes in use, their memory can't be had for it, either. */
	held[0] = iov_pool_get(&ring.pool, 1);
	held[1] = iov_pool_get(&ring.pool, IOV_POOL_MEDIUM);
	for (n = 2; (held[n] = iov_pool_get(&ring.pool, VIRTQ_MAX_IOV)); n++)
		;
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(ring_pop(&ring), -EAGAIN);
		CU_ASSERT_EQUAL(ring.vq.last_avail, 0);
		CU_ASSERT_PTR_NULL(ring.vq.broken);
	}
	iov_pool_put(&ring.pool, held[--n]);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, 300);
	CU_ASSERT_EQUAL(ring.c.nin, 1);
	while (n)
		iov_pool_put(&ring.pool, held[--n]);
	ring_fini(&ring);
}

static void direct_chain_of_1024(void)
{
	uint16_t i;

	begin(1024, 0, false);
	for (i = 0; i < 1024; i++)
		ring_desc(&ring, i, GPA_A + i, 1, i < 1023 ? NEXT : WRITE, (uint16_t)(i + 1));
	ring_submit(&ring, 0);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.nout, 1023);
	CU_ASSERT_EQUAL(ring.c.nin, 1);
	ring_fini(&ring);
}

/* --- used entries, indices and notifications --- */

static void used_is_seen_after_flush(void)
{
	begin(4, 0, false);
	ring_desc(&ring, 3, GPA_A, 1, WRITE, 0);
	ring_submit(&ring, 3);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_FALSE(virtq_unflushed(&ring.vq));
	virtq_push(&ring.vq, 3, 77);
	CU_ASSERT_TRUE(virtq_unflushed(&ring.vq));
	CU_ASSERT_EQUAL(shared.used.idx, 0);
	CU_ASSERT_EQUAL(virtq_flush(&ring.vq), VIRTQ_NOTIFIED);
	CU_ASSERT_EQUAL(shared.used.idx, 1);
	CU_ASSERT_EQUAL(ring_used(&ring, 0).id, 3);
	CU_ASSERT_EQUAL(ring_used(&ring, 0).len, 77);
	CU_ASSERT_EQUAL(virtq_flush(&ring.vq), VIRTQ_NOTHING);
	ring_fini(&ring);
}

/* More than 65536 chains: all indices wrap, at each size. */
static void indices_wrap(void)
{
	uint16_t size;
	uint32_t i;

	for (size = 2; size <= 1024 && size; size = (uint16_t)(size * 2)) {
		begin(size, 65000, size & 0xa);
		for (i = 0; i < 66000; i++) {
			uint16_t head = (uint16_t)(i * 7 % size), idx = (uint16_t)(65000 + i);

			ring_desc(&ring, head, GPA_A, 1, WRITE, 0);
			ring_submit(&ring, head);
			if (ring_pop(&ring) != 1 || ring.c.head != head)
				break;
			virtq_push(&ring.vq, head, i);
			virtq_flush(&ring.vq);
			if (shared.used.idx != (uint16_t)(idx + 1) ||
			    ring_used(&ring, idx).id != head || ring_used(&ring, idx).len != i)
				break;
		}
		CU_ASSERT_EQUAL(i, 66000);
		CU_ASSERT_EQUAL(ring_pop(&ring), 0);
		CU_ASSERT_EQUAL(ring.vq.last_avail, (uint16_t)(65000 + 66000));
		ring_fini(&ring);
	}
}

static void no_interrupt_flag(void)
{
	begin(4, 0, false);
	shared.avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	virtq_push(&ring.vq, 0, 0);
	CU_ASSERT_EQUAL(virtq_flush(&ring.vq), VIRTQ_SUPPRESSED);
	shared.avail[0] = 0;
	virtq_push(&ring.vq, 0, 0);
	CU_ASSERT_EQUAL(virtq_flush(&ring.vq), VIRTQ_NOTIFIED);
	ring_fini(&ring);
}

/* `n` used entries from `old` on notify if the event is one of them (VIRTIO 1.2, 2.7.10). */
static void check_used_event(uint16_t old, uint16_t n, uint16_t event)
{
	bool expected = (uint16_t)(event - old) < n;
	enum virtq_flushed got;
	uint16_t i;

	begin(16, old, true);
	ring_set_used_event(&ring, event);
	for (i = 0; i < n; i++)
		virtq_push(&ring.vq, i, 0);
	got = virtq_flush(&ring.vq);
	if (got != (expected ? VIRTQ_NOTIFIED : VIRTQ_SUPPRESSED))
		printf("# old %u n %u event %u\n", old, n, event);
	CU_ASSERT_EQUAL(got, expected ? VIRTQ_NOTIFIED : VIRTQ_SUPPRESSED);
	ring_fini(&ring);
}

static void used_event(void)
{
	static const uint16_t olds[] = {0, 1, 100, 32767, 32768, 65520, 65530, 65535};
	static const int off[] = {-32768, -100, -2, -1, 0, 1, 2, 7, 8, 15, 16, 17, 100, 32767};
	uint16_t n;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(olds); i++)
		for (k = 0; k < ARRAY_SIZE(off); k++)
			for (n = 1; n <= 16; n++)
				check_used_event(olds[i], n, (uint16_t)(olds[i] + off[k]));
}

static void arm_by_flag(void)
{
	begin(4, 0, false);
	virtq_disarm(&ring.vq);
	CU_ASSERT_EQUAL(shared.used.flags, VRING_USED_F_NO_NOTIFY);
	CU_ASSERT_FALSE(virtq_arm(&ring.vq));
	CU_ASSERT_EQUAL(shared.used.flags, 0);
	ring_desc(&ring, 0, GPA_A, 1, 0, 0);
	ring_submit(&ring, 0);
	CU_ASSERT_TRUE(virtq_arm(&ring.vq));
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_FALSE(virtq_arm(&ring.vq));
	ring_fini(&ring);
}

static void arm_by_event(void)
{
	uint32_t i;

	begin(4, 65534, true);
	for (i = 0; i < 4; i++) {
		CU_ASSERT_FALSE(virtq_arm(&ring.vq));
		CU_ASSERT_EQUAL(ring_avail_event(&ring), (uint16_t)(65534 + i));
		CU_ASSERT_EQUAL(shared.used.flags, 0);
		virtq_disarm(&ring.vq);
		ring_desc(&ring, 0, GPA_A, 1, 0, 0);
		ring_submit(&ring, 0);
		CU_ASSERT_TRUE(virtq_arm(&ring.vq));
		CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	}
	ring_fini(&ring);
}

/*
 * Woken by something else than the guest, we poll and need no notification, whatever part of what
 * the guest makes available we have taken when it looks.
 */
static void no_event_while_polling(void)
{
	static const uint16_t bases[] = {0, 1, 5, 32768, 65530, 65535};
	uint16_t size = 4, before, n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		begin(size, bases[i], true);
		CU_ASSERT_FALSE(virtq_arm(&ring.vq));
		CU_ASSERT_TRUE(vring_need_event(ring_avail_event(&ring), (uint16_t)(bases[i] + 1),
						bases[i]));
		virtq_disarm(&ring.vq);
		for (before = 0; before <= size; before++) {
			uint16_t old = (uint16_t)(bases[i] - before);

			for (n = 1; n <= size; n++)
				CU_ASSERT_FALSE(vring_need_event(ring_avail_event(&ring),
								 (uint16_t)(old + n), old));
		}
		ring_fini(&ring);
	}
}

/* A broken queue's ring is not written to: it may be other memory by now. */
static void broken_is_left_alone(void)
{
	static const bool event_idx[] = {false, true};
	uint8_t before[sizeof(shared)], after[sizeof(shared)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(event_idx); i++) {
		begin(4, 0, event_idx[i]);
		memset(&shared.used, 0x71, sizeof(shared.used));
		ring.avail_idx = 999;
		ring_submit(&ring, 0);
		CU_ASSERT_EQUAL(ring_pop(&ring), -EPROTO);
		memcpy(before, &shared, sizeof(before));
		CU_ASSERT_FALSE(virtq_arm(&ring.vq));
		virtq_disarm(&ring.vq);
		memcpy(after, &shared, sizeof(after));
		CU_ASSERT_EQUAL(memcmp(before, after, sizeof(after)), 0);
		ring_fini(&ring);
	}
}

/* --- segments --- */

#define SEG_BYTES 12
static uint8_t seg_bytes[SEG_BYTES];

/* The bytes in up to three segments, cut at a and b. */
static unsigned int make_iov(struct iovec *iov, size_t a, size_t b)
{
	size_t at[4] = {0, a, b, SEG_BYTES};
	unsigned int i, n = 0;

	for (i = 0; i < SEG_BYTES; i++)
		seg_bytes[i] = (uint8_t)(i + 1);
	for (i = 0; i < 3; i++)
		if (at[i + 1] > at[i])
			iov[n++] = (struct iovec){seg_bytes + at[i], at[i + 1] - at[i]};
	return n;
}

static size_t bytes_in(const struct iovec *iov, unsigned int n)
{
	size_t sum = 0;

	while (n--)
		sum += iov[n].iov_len;
	return sum;
}

#define FOR_SPLITS(a, b)                                                                           \
	for (a = 0; a <= SEG_BYTES; a++)                                                           \
		for (b = a; b <= SEG_BYTES; b++)

static void take_from_every_split(void)
{
	struct iovec segs[3], *iov;
	uint8_t buf[SEG_BYTES + 1];
	size_t a, b, len, i;
	unsigned int n;

	FOR_SPLITS(a, b)
	for (len = 0; len <= SEG_BYTES + 1; len++) {
		iov = segs;
		n = make_iov(iov, a, b);
		memset(buf, 0, sizeof(buf));
		CU_ASSERT_EQUAL(virtq_iov_take(&iov, &n, buf, len), len <= SEG_BYTES);
		for (i = 0; i < sizeof(buf); i++)
			CU_ASSERT_EQUAL(buf[i], i < len && i < SEG_BYTES ? i + 1 : 0);
		CU_ASSERT_EQUAL(bytes_in(iov, n), len < SEG_BYTES ? SEG_BYTES - len : 0);
		CU_ASSERT_TRUE(!n || iov->iov_base == seg_bytes + len);
	}
}

static void put_to_every_split(void)
{
	struct iovec segs[3], *iov;
	uint8_t buf[SEG_BYTES + 1];
	size_t a, b, len, i;
	unsigned int n;

	memset(buf, 0xee, sizeof(buf));
	FOR_SPLITS(a, b)
	for (len = 0; len <= SEG_BYTES + 1; len++) {
		iov = segs;
		n = make_iov(iov, a, b);
		CU_ASSERT_EQUAL(virtq_iov_put(&iov, &n, buf, len), len <= SEG_BYTES);
		for (i = 0; i < SEG_BYTES; i++)
			CU_ASSERT_EQUAL(seg_bytes[i], i < len ? 0xee : i + 1);
		CU_ASSERT_EQUAL(bytes_in(iov, n), len < SEG_BYTES ? SEG_BYTES - len : 0);
	}
}

static void cut_at_every_split(void)
{
	struct iovec segs[3], pieces[3], *iov;
	size_t a, b, len;
	unsigned int n, k, max, whole;

	FOR_SPLITS(a, b)
	for (len = 1; len <= SEG_BYTES + 1; len++)
		for (max = 0; max <= 3; max++) {
			iov = segs;
			n = make_iov(iov, a, b);
			/* As many pieces as segments begin before the end. */
			whole = 1u + (a > 0 && a < len && a < SEG_BYTES) +
				(b > a && b < len && b < SEG_BYTES);
			k = virtq_iov_cut(&iov, &n, len, pieces, max);
			if (len > SEG_BYTES || whole > max) {
				CU_ASSERT_EQUAL(k, 0);
				continue;
			}
			CU_ASSERT_EQUAL(k, whole);
			CU_ASSERT_EQUAL(bytes_in(pieces, k), len);
			CU_ASSERT_PTR_EQUAL(pieces[0].iov_base, seg_bytes);
			CU_ASSERT_EQUAL(bytes_in(iov, n), SEG_BYTES - len);
		}
}

static void tail_of_every_split(void)
{
	struct iovec iov[3];
	size_t a, b, i;
	unsigned int n;
	uint8_t *byte;

	FOR_SPLITS(a, b)
	{
		n = make_iov(iov, a, b);
		for (i = SEG_BYTES; i-- > 0;) {
			CU_ASSERT_TRUE(virtq_iov_take_tail(iov, &n, &byte));
			CU_ASSERT_PTR_EQUAL(byte, seg_bytes + i);
			CU_ASSERT_EQUAL(bytes_in(iov, n), i);
		}
		CU_ASSERT_EQUAL(n, 0);
		CU_ASSERT_FALSE(virtq_iov_take_tail(iov, &n, &byte));
	}
}

static const struct test_case cases[] = {
	{"empty_ring", empty_ring},
	{"chain_in_order", chain_in_order},
	{"buffer_across_regions", buffer_across_regions},
	{"zero_length_buffers_vanish", zero_length_buffers_vanish},
	{"outside_memory", outside_memory},
	{"loops", loops},
	{"whole_ring_is_no_loop", whole_ring_is_no_loop},
	{"indices_out_of_range", indices_out_of_range},
	{"readable_behind_writable", readable_behind_writable},
	{"available_index_jumps", available_index_jumps},
	{"indirect_chain", indirect_chain},
	{"indirect_behind_direct", indirect_behind_direct},
	{"indirect_ignores_write", indirect_ignores_write},
	{"indirect_where_none_may_be", indirect_where_none_may_be},
	{"indirect_tables_of_wrong_length", indirect_tables_of_wrong_length},
	{"indirect_tables_outside_memory", indirect_tables_outside_memory},
	{"loop_in_a_table", loop_in_a_table},
	{"endless_table_of_nothing", endless_table_of_nothing},
	{"as_many_segments_as_promised", as_many_segments_as_promised},
	{"chain_that_waits_for_a_list", chain_that_waits_for_a_list},
	{"direct_chain_of_1024", direct_chain_of_1024},
	{"used_is_seen_after_flush", used_is_seen_after_flush},
	{"indices_wrap", indices_wrap},
	{"no_interrupt_flag", no_interrupt_flag},
	{"used_event", used_event},
	{"arm_by_flag", arm_by_flag},
	{"arm_by_event", arm_by_event},
	{"no_event_while_polling", no_event_while_polling},
	{"broken_is_left_alone", broken_is_left_alone},
	{"take_from_every_split", take_from_every_split},
	{"put_to_every_split", put_to_every_split},
	{"cut_at_every_split", cut_at_every_split},
	{"tail_of_every_split", tail_of_every_split},
};

TEST_MAIN("virtq", cases)
