/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest whose requests are as large as its disk, and others on the same reactor: I/O of theirs
 * and register accesses are served between the steps. What is served is counted, not how long it
 * takes.
 */
#include <linux/virtio_blk.h>
#include <string.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"
#include "../unit/tools.h"

#define MIB	1048576u
#define SEGS	TEST_ROUNDS(1008u) /* of 1 MiB: one request */
#define GIANTS	4u
#define ENTRIES 64u
/*
 * While the giants are copied. All in one round, there would be one or two, or one a giant; in
 * steps there are thousands, and fewer if this process waits for a CPU.
 */
#define SERVED_MIN 12u
#define ATTEMPTS   5u

static const struct fe_daemon_config config = {
	.cpus = "[0]",
	.bdevs = "  - {name: big, type: malloc, size: 1GiB, block_size: 512}\n"
		 "  - {name: small, type: malloc, size: 16MiB, block_size: 512}\n",
	.controllers = "  - {name: big, type: blk, bdev: big, queues: 1}\n"
		       "  - {name: small, type: blk, bdev: small, queues: 1}\n"
		       "  - {name: nvme, type: nvme, namespaces: [{bdev: small}]}\n",
};

static struct fe_virtio big, small;
static struct fe_vq *big_q, *small_q;
static struct fe_nvme nvme;

/* All of a request's data on one page of 1 MiB, but the last, which has a page of its own. */
static uint64_t make_table(uint64_t page_gpa, uint64_t last_gpa)
{
	const uint16_t in = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE;
	struct vring_desc *table;
	uint64_t gpa;
	uint16_t i;

	table = fe_mem_alloc(&big.mem, (SEGS + 2) * sizeof(struct vring_desc), &gpa);
	table[0] = (struct vring_desc){big_q->hdrs_gpa, sizeof(*big_q->hdrs), VRING_DESC_F_NEXT, 1};
	for (i = 1; i <= SEGS; i++)
		table[i] = (struct vring_desc){i < SEGS ? page_gpa : last_gpa, MIB, in,
					       (uint16_t)(i + 1)};
	table[i] = (struct vring_desc){big_q->status_gpa, 1, VRING_DESC_F_WRITE, 0};
	big_q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN};
	big_q->status[0] = 0xff;
	return gpa;
}

static void submit_giants(uint64_t table_gpa)
{
	uint16_t i;

	for (i = 0; i < GIANTS; i++) {
		big_q->desc[i] =
			(struct vring_desc){table_gpa, (SEGS + 2) * sizeof(struct vring_desc),
					    VRING_DESC_F_INDIRECT, 0};
		fe_vq_submit(big_q, i);
	}
}

static bool open_blk(struct fe_virtio *dev, const char *name, struct fe_vq **q)
{
	if (fe_virtio_open(dev, fe_daemon_socket(&fe_daemon, name), FE_VIRTIO_F_INDIRECT))
		return false;
	*q = fe_vq_make(dev, 0, ENTRIES);
	return !fe_vq_start(*q, 0);
}

/* Until the giants are done: serve() again and again. Counts how often it was. */
static bool count_served(bool (*serve)(uint64_t gpa), uint64_t gpa, unsigned int *served)
{
	uint64_t end = fe_now_ns() + 3 * 1000000ull * FE_TIMEOUT_MS;
	unsigned int done = 0;
	uint32_t len;

	*served = 0;

	while (done < GIANTS && fe_now_ns() < end) {
		if (fe_vq_poll(big_q, &len) >= 0) {
			CHECK_EQ(len, SEGS * MIB + 1);
			done++;
			continue;
		}
		if (!CHECK(serve(gpa)))
			break;
		(*served)++;
	}
	CHECK_EQ(big_q->status[0], VIRTIO_BLK_S_OK);
	return CHECK_EQ(done, GIANTS);
}

static bool serve_read(uint64_t gpa)
{
	return fe_blk_exec(small_q, VIRTIO_BLK_T_IN, 0, gpa, 4096) == VIRTIO_BLK_S_OK;
}

static bool serve_register(uint64_t gpa)
{
	uint64_t value = 0;

	return !fe_nvme_reg_read(&nvme, 0x08, 4, &value) && value;
}

static void giants(bool (*serve)(uint64_t gpa))
{
	uint64_t page_gpa, last_gpa, small_gpa = 0, table;
	uint8_t *last;
	unsigned int i, served = 0;

	REQUIRE(fe_fixture_daemon());
	REQUIRE(open_blk(&big, "big", &big_q));
	if (serve == serve_read) {
		REQUIRE(open_blk(&small, "small", &small_q));
		fe_mem_alloc(&small.mem, 4096, &small_gpa);
	} else {
		REQUIRE(fe_fixture_open(&nvme, "nvme", NULL));
	}
	fe_mem_alloc(&big.mem, MIB, &page_gpa);
	last = fe_mem_alloc(&big.mem, MIB, &last_gpa);
	memset(last, 0xa5, MIB);
	REQUIRE_EQ(fe_blk_exec(big_q, VIRTIO_BLK_T_OUT, (SEGS - 1) * (MIB / 512), last_gpa, MIB),
		   VIRTIO_BLK_S_OK);
	memset(last, 0, MIB);
	table = make_table(page_gpa, last_gpa);
	for (i = 0; i < ATTEMPTS && served < SERVED_MIN; i++) {
		submit_giants(table);
		if (!count_served(serve, small_gpa, &served))
			break;
		printf("# %u of the others' while %u of %u MiB were read\n", served, GIANTS, SEGS);
	}
	CHECK(served >= SERVED_MIN);
	CHECK(last[0] == 0xa5 && !memcmp(last, last + 1, MIB - 1));
	fe_virtio_close(&big);
	if (serve == serve_read)
		fe_virtio_close(&small);
	else
		fe_nvme_close(&nvme);
}

static void reads(void)
{
	giants(serve_read);
}

static void registers(void)
{
	giants(serve_register);
}

static const struct test_case cases[] = {
	{"reads", reads},
	{"registers", registers},
};

FE_TEST_MAIN("rounds", cases, &config)
